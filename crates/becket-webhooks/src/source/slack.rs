//! Slack's Events API.
//!
//! Signed is `v0:timestamp:body`; the timestamp is that of the attempt and may be 5 minutes off. A body of the type
//! `event_callback` wraps one event: `event.type` (`app_mention`) is the event, `event.subtype` the action, and
//! `event_id` stays the same over Slack's retries.
//!
//! The first request to a new URL asks: `url_verification` wants its `challenge` back at once. It is answered only when it
//! is signed, and becomes no delivery. Interactions and slash commands are forms, and are not taken.
//!
//! Sources: [Verifying requests from Slack](https://docs.slack.dev/authentication/verifying-requests-from-slack),
//! [The Events API](https://docs.slack.dev/apis/events-api/),
//! [`url_verification`](https://docs.slack.dev/reference/events/url_verification).

use bytes::Bytes;
use http::HeaderMap;

use super::clock::Stamp;
use super::keyring::{Keyring, Text};
use super::reading::{self, EVENT_UNKNOWN};
use super::{Reading, Request, Scheme};
use crate::answer::Answer;
use crate::body::Fields;
use crate::explain::Explanation;
use crate::header;
use crate::secret::Secrets;
use crate::signature::{Spelling, fingerprint};

const SIGNATURE: &str = "x-slack-signature";
const TIMESTAMP: &str = "x-slack-request-timestamp";
/// A question is some 130 bytes; no larger body is taken for one.
const QUESTION_BYTES_MAX: usize = 4096;
const QUESTION: &str = "url_verification";

const KEPT: [&str; 6] =
    ["content-type", "user-agent", TIMESTAMP, SIGNATURE, "x-slack-retry-num", "x-slack-retry-reason"];

pub(super) struct Slack {
    keyring: Keyring,
    fields: Fields,
}

impl Slack {
    pub(super) fn new(secrets: Secrets) -> Self {
        let fields = Fields::at(&["/type", "/event/type", "/event/subtype", "/event_id", "/challenge"]);
        Self { keyring: Keyring::new(secrets, Spelling::SLACK), fields }
    }
}

impl Scheme for Slack {
    fn verify(&self, request: &Request<'_>) -> Result<usize, Explanation> {
        let received = header::once(request.headers, SIGNATURE)?.ok_or(Explanation::NoSignatureHeader)?;
        let stamp = Stamp::of_header(request.headers, TIMESTAMP)?;
        let text = Text { before: &[b"v0:", stamp.text.as_bytes(), b":"], ..Text::of(request.body) };
        let index = self.keyring.find(request, text, &[received.as_bytes()])?;
        stamp.check(request)?;
        Ok(index)
    }

    fn read(&self, headers: &HeaderMap, body: &Bytes) -> Result<Reading, Explanation> {
        let mut found = self.fields.read(reading::json(headers, body)?)?;
        let kind = found.text(0);
        let id = match found.text(3) {
            Some(id) => reading::id_of_field(Some(id), "/event_id".into())?,
            // Such as `app_rate_limited`, which has none.
            None => fingerprint(body),
        };
        if kind.as_deref() == Some("event_callback") {
            let event = found.text(1).unwrap_or_else(|| EVENT_UNKNOWN.into());
            return Reading::new(id, event, found.text(2));
        }
        Reading::new(id, kind.unwrap_or_else(|| EVENT_UNKNOWN.into()), None::<String>)
    }

    fn keeps(&self, header: &str) -> bool {
        KEPT.contains(&header)
    }

    fn recognises(&self, headers: &HeaderMap) -> bool {
        headers.contains_key(SIGNATURE)
    }

    fn answer(&self, request: &Request<'_>, is_verified: &dyn Fn() -> bool) -> Option<Answer> {
        let body = request.body;
        let may_ask = body.len() <= QUESTION_BYTES_MAX
            && body.windows(QUESTION.len()).any(|window| window == QUESTION.as_bytes());
        if !may_ask || !is_verified() {
            return None;
        }
        let mut found = self.fields.read(reading::json(request.headers, body).ok()?).ok()?;
        if found.text(0).as_deref() != Some(QUESTION) {
            return None;
        }
        Some(Answer::json(serde_json::json!({"challenge": found.text(4)?}).to_string()))
    }
}

#[cfg(test)]
mod tests;
