// Lays out the fixtures folder from the unpacked npm packages; scripts/fixtures calls it.
//
//     node fixtures-layout.mjs EXAMPLES SCHEMAS VERSION FOLDER
//
// It writes github/<event>/<name>.json (compact, the bytes that GitHub would send), schemas/, index.tsv and
// signatures.json. The signature vectors are computed here, from the two that GitHub and Standard Webhooks publish.

import { createHash, createHmac } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

const [examples, schemas, version, folder] = process.argv.slice(2);

writePayloads();
write("schemas/github-webhooks.schema.json", readFileSync(join(schemas, "schema.json")));
write("signatures.json", JSON.stringify({ _format: vectorFormat(), vectors: vectors() }, null, 1) + "\n");

function writePayloads() {
  const columns = ["path", "forge", "event", "action", "event_header", "bytes", "sha256", "notes", "origin", "licence"];
  const rows = [columns];
  const seen = new Set();
  for (const { name: event, examples: payloads } of JSON.parse(readFileSync(join(examples, "api.github.com/index.json")))) {
    const used = new Map();
    for (const payload of payloads) {
      const body = Buffer.from(JSON.stringify(payload));
      const sha256 = createHash("sha256").update(body).digest("hex");
      if (seen.has(sha256)) continue;
      seen.add(sha256);

      const stem = payload.action ?? "payload";
      const nth = (used.get(stem) ?? 0) + 1;
      used.set(stem, nth);
      const path = `github/${event}/${nth === 1 ? stem : `${stem}.${nth}`}.json`;
      write(path, body);
      rows.push([
        path, "github", event, payload.action ?? "", `X-GitHub-Event: ${event}`, body.length, sha256, notes(payload, body),
        `npm @octokit/webhooks-examples ${version} api.github.com`, "MIT",
      ]);
    }
  }
  write("index.tsv", rows.map((row) => row.join("\t") + "\n").join(""));
}

function notes(payload, body) {
  const subject = payload.pull_request ?? payload.issue ?? payload.release;
  return Object.entries({
    no_action: payload.action === undefined,
    no_repository: payload.repository === undefined,
    no_installation: payload.installation === undefined,
    no_organization: payload.organization === undefined,
    ref_deleted: payload.deleted === true,
    null_head_commit: payload.head_commit === null,
    null_body: subject?.body === null,
    no_commits: payload.commits?.length === 0,
    non_ascii: body.some((byte) => byte > 127),
    large: body.length >= 25_000,
  }).flatMap(([note, holds]) => (holds ? [note] : [])).join(",");
}

function vectorFormat() {
  return "expect: accept | reject. secrets: those configured, in order. now: the receiver's clock in unix seconds.";
}

function vectors() {
  return [...githubVectors(), ...standardWebhooksVectors()];
}

// https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries#testing-the-webhook-payload-validation
function githubVectors() {
  const documented = { secret: "It's a Secret to Everybody", body: "Hello, World!" };
  const signed = sign("sha256", documented.secret, documented.body, "hex");
  same(signed, "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17");

  const secret = "a secret of the fixtures";
  const body = '{"zen":"Write it down before the tide comes in.","hook_id":7}';
  const nonAscii = '{"text":"caf\\u00e9 \\u001b[31m ⚓ 日誌\\n"}';
  const header = (key, text) => ({ "X-Hub-Signature-256": `sha256=${sign("sha256", key, text, "hex")}` });
  const vector = (expect, why, headers, fields = {}) => ({ expect, why, secrets: [secret], headers, body, ...fields });

  return numbered("github", [
    vector("accept", "GitHub's documented example", { "X-Hub-Signature-256": `sha256=${signed}` }, {
      secrets: [documented.secret], body: documented.body, source: "GitHub docs: Validating webhook deliveries",
    }),
    vector("accept", "a JSON body", header(secret, body)),
    vector("accept", "escapes and non-ASCII in the body", header(secret, nonAscii), { body: nonAscii }),
    vector("accept", "an empty body", header(secret, ""), { body: "" }),
    vector("accept", "rotation: signed with the older of two secrets", header(secret, body), { secrets: ["a new secret", secret] }),
    vector("reject", "another secret", header("another secret", body)),
    vector("reject", "a line break was added to the body", header(secret, body), { body: body + "\n" }),
    vector("reject", "not a signature", { "X-Hub-Signature-256": "signed" }),
    vector("reject", "the sha256= prefix is missing", { "X-Hub-Signature-256": sign("sha256", secret, body, "hex") }),
    vector("reject", "the signature is cut short", { "X-Hub-Signature-256": header(secret, body)["X-Hub-Signature-256"].slice(0, -2) }),
    vector("reject", "no signature header while a secret is configured", {}),
    vector("reject", "only the legacy SHA-1 header", { "X-Hub-Signature": `sha1=${sign("sha1", secret, body, "hex")}` }),
  ]);
}

// https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
function standardWebhooksVectors() {
  const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
  const other = "whsec_" + Buffer.from("another secret, also 32 bytes long").toString("base64");
  const id = "msg_p5jXN8AQM9LWM0D4loKWxJek";
  const at = 1614265330;
  const body = '{"test": 2432232314}';
  const signature = (key, text = body) =>
    "v1," + sign("sha256", Buffer.from(key.slice("whsec_".length), "base64"), `${id}.${at}.${text}`, "base64");
  same(signature(secret), "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");

  const headers = (value) => ({ "webhook-id": id, "webhook-timestamp": `${at}`, "webhook-signature": value });
  const good = headers(signature(secret));
  const vector = (expect, why, sent, fields = {}) =>
    ({ expect, why, secrets: [secret], now: at, tolerance_s: 300, headers: sent, body, ...fields });

  return numbered("standard-webhooks", [
    vector("accept", "the specification's own vector", good, { source: "Standard Webhooks libraries, test vector" }),
    vector("accept", "four minutes under way", good, { now: at + 240 }),
    vector("accept", "several signatures, one of them right", headers(`${signature(other)} v2,${signature(secret).slice(3)} ${signature(secret)}`)),
    vector("accept", "rotation: signed with the older of two secrets", good, { secrets: [other, secret] }),
    vector("reject", "another secret", headers(signature(other))),
    vector("reject", "the right signature under a version nobody knows", headers(`v2,${signature(secret).slice(3)}`)),
    vector("reject", "the body was changed", good, { body: body.replace("2432", "2433") }),
    vector("reject", "the id was changed", { ...good, "webhook-id": "msg_other" }),
    vector("reject", "the timestamp was changed", { ...good, "webhook-timestamp": `${at + 1}` }),
    vector("reject", "timestamp ten minutes old", good, { now: at + 600 }),
    vector("reject", "timestamp ten minutes in the future", good, { now: at - 600 }),
    vector("reject", "no signature header while a secret is configured", { "webhook-id": id, "webhook-timestamp": `${at}` }),
  ]);
}

function numbered(scheme, list) {
  return list.map((vector, index) => ({ id: `${scheme}-${String(index + 1).padStart(2, "0")}`, scheme, ...vector }));
}

function sign(hash, key, text, encoding) {
  return createHmac(hash, key).update(text).digest(encoding);
}

function same(computed, published) {
  if (computed !== published) throw new Error(`computed ${computed}, but ${published} is published`);
}

function write(path, content) {
  const target = join(folder, path);
  mkdirSync(dirname(target), { recursive: true });
  writeFileSync(target, content);
}
