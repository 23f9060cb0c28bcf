"""The Python half of the example: a FastAPI service that triages issues.

It verifies what Becket signed, with nothing but the standard library, and answers what becomes the task's result.
A delivery may come twice; `webhook-id`, the task's id, is the same then.
"""

import base64
import hashlib
import hmac
import os
import time

from fastapi import FastAPI, HTTPException, Request

SECRET = os.environ.get("TRIAGE_SECRET", "whsec_cG9seWdsb3QgZXhhbXBsZSBzZWNyZXQh")
TOLERANCE_SECS = 300

app = FastAPI()
# What was done, by the task's id. A real service would keep this where it keeps its data.
done: dict[str, dict] = {}


def is_signed(headers, body: bytes) -> bool:
    """Standard Webhooks: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md"""
    message_id, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not timestamp.isdigit() or abs(time.time() - int(timestamp)) > TOLERANCE_SECS:
        return False
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    signed = hmac.new(key, f"{message_id}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    expected = "v1," + base64.b64encode(signed).decode()
    return any(hmac.compare_digest(expected, one) for one in headers.get("webhook-signature", "").split())


@app.get("/healthz")
async def healthz():
    return {"status": "ok"}


@app.post("/triage")
async def triage(request: Request):
    body = await request.body()
    if not is_signed(request.headers, body):
        raise HTTPException(401, "the signature does not fit")
    task = request.headers["webhook-id"]
    if task in done:
        return done[task] | {"again": True}
    delivery = await request.json()
    # GitHub's words, or GitLab's.
    issue = delivery.get("issue") or delivery.get("object_attributes", {})
    number, title = issue.get("number", issue.get("iid")), issue.get("title", "")
    label = "bug" if any(word in title.lower() for word in ("crash", "error", "broken")) else "question"
    done[task] = {"label": label, "issue": number, "attempt": int(request.headers["becket-attempt"])}
    return done[task]
