//! Bitbucket Server and Data Center.
//!
//! `X-Hub-Signature: sha256=…` is an HMAC-SHA256 over the raw body. No timestamp is signed; `X-Request-Id` names the
//! request. The event is a key of two or three parts, `pr:reviewer:approved`: the event `pr`, the action
//! `reviewer:approved`.
//!
//! "Test connection" sends `diagnostics:ping` with the body `{"test": true}` and, even where a secret is set, signs
//! nothing. It is answered with 200 and becomes no delivery; the answer tells nothing that the path does not.
//!
//! Sources: [Event payload](https://confluence.atlassian.com/bitbucketserver/event-payload-938025882.html),
//! [Manage webhooks](https://confluence.atlassian.com/bitbucketserver/manage-webhooks-938025878.html).

use bytes::Bytes;
use http::HeaderMap;

use super::bitbucket_cloud::{EVENT, SIGNATURE, is_cloud};
use super::keyring::{Keyring, Text};
use super::{Reading, Request, Scheme, reading};
use crate::answer::Answer;
use crate::body::Fields;
use crate::explain::Explanation;
use crate::header;
use crate::normalised;
use crate::secret::Secrets;
use crate::signature::Spelling;

const DELIVERY: &str = "x-request-id";
const PING: &str = "diagnostics:ping";
/// A test's body is 13 bytes; no larger one is looked at.
const PING_BYTES_MAX: usize = 64;

const KEPT: [&str; 5] = ["content-type", "user-agent", EVENT, DELIVERY, SIGNATURE];

pub(super) struct BitbucketServer {
    keyring: Keyring,
    fields: Fields,
}

impl BitbucketServer {
    pub(super) fn new(secrets: Secrets) -> Self {
        let fields = Fields::at(&[
            "/repository/project/key",
            "/repository/slug",
            "/pullRequest/toRef/repository/project/key",
            "/pullRequest/toRef/repository/slug",
            "/new/project/key",
            "/new/slug",
        ])
        .and(normalised::bitbucket_server::FACTS);
        Self { keyring: Keyring::new(secrets, Spelling::GITHUB), fields }
    }
}

impl Scheme for BitbucketServer {
    fn verify(&self, request: &Request<'_>) -> Result<usize, Explanation> {
        let received = header::once(request.headers, SIGNATURE)?.ok_or(Explanation::NoSignatureHeader)?;
        self.keyring.find(request, Text::of(request.body), &[received.as_bytes()])
    }

    fn read(&self, headers: &HeaderMap, body: &Bytes) -> Result<Reading, Explanation> {
        let delivery_id = header::token(headers, DELIVERY)?.to_owned();
        let event = header::token(headers, EVENT)?;
        let mut found = self.fields.read(reading::json(headers, body)?)?;
        let mut repository = |place| Some(format!("{}/{}", found.text(place)?, found.text(place + 1)?));
        let repository = repository(0).or_else(|| repository(2)).or_else(|| repository(4));
        let reading = Reading::named(delivery_id, event, ':')?.about(repository);
        Ok(reading.normalised(|event, action| normalised::bitbucket_server::name(event, action, &found)))
    }

    fn keeps(&self, header: &str) -> bool {
        KEPT.contains(&header)
    }

    fn recognises(&self, headers: &HeaderMap) -> bool {
        headers.contains_key(EVENT) && !is_cloud(headers)
    }

    fn answer(&self, request: &Request<'_>, _: &dyn Fn() -> bool) -> Option<Answer> {
        let event = header::once(request.headers, EVENT).ok()??;
        if event != PING || request.body.len() > PING_BYTES_MAX {
            return None;
        }
        let body: serde_json::Value = serde_json::from_slice(request.body).ok()?;
        (body == serde_json::json!({"test": true})).then(|| Answer::json("{}"))
    }
}

#[cfg(test)]
mod tests;
