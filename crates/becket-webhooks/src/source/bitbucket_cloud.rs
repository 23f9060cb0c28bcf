//! Bitbucket Cloud.
//!
//! `X-Hub-Signature: sha256=…` is an HMAC-SHA256 over the raw body, there only where the webhook has a secret. No
//! timestamp is signed. `X-Request-UUID` names the delivery and stays the same over its attempts, which
//! `X-Attempt-Number` counts. The event is a key of two parts, `pullrequest:created`: the event `pullrequest`, the action
//! `created`.
//!
//! Sources: [Event payloads](https://support.atlassian.com/bitbucket-cloud/docs/event-payloads/),
//! [Manage webhooks](https://support.atlassian.com/bitbucket-cloud/docs/manage-webhooks/).

use bytes::Bytes;
use http::HeaderMap;

use super::keyring::{Keyring, Text};
use super::{Reading, Request, Scheme, reading};
use crate::body::Fields;
use crate::explain::Explanation;
use crate::header;
use crate::normalised;
use crate::secret::Secrets;
use crate::signature::Spelling;

pub(super) const SIGNATURE: &str = "x-hub-signature";
pub(super) const EVENT: &str = "x-event-key";
const DELIVERY: &str = "x-request-uuid";
const HOOK: &str = "x-hook-uuid";

const KEPT: [&str; 7] = ["content-type", "user-agent", EVENT, DELIVERY, HOOK, "x-attempt-number", SIGNATURE];

pub(super) struct BitbucketCloud {
    keyring: Keyring,
    fields: Fields,
}

impl BitbucketCloud {
    pub(super) fn new(secrets: Secrets) -> Self {
        Self {
            keyring: Keyring::new(secrets, Spelling::GITHUB),
            fields: Fields::at(&["/repository/full_name"]).and(normalised::bitbucket_cloud::FACTS),
        }
    }
}

impl Scheme for BitbucketCloud {
    fn verify(&self, request: &Request<'_>) -> Result<usize, Explanation> {
        let received = header::once(request.headers, SIGNATURE)?.ok_or(Explanation::NoSignatureHeader)?;
        self.keyring.find(request, Text::of(request.body), &[received.as_bytes()])
    }

    fn read(&self, headers: &HeaderMap, body: &Bytes) -> Result<Reading, Explanation> {
        let delivery_id = header::token(headers, DELIVERY)?.to_owned();
        let event = header::token(headers, EVENT)?;
        let mut found = self.fields.read(reading::json(headers, body)?)?;
        let reading = Reading::named(delivery_id, event, ':')?.about(found.text(0));
        Ok(reading.normalised(|event, action| normalised::bitbucket_cloud::name(event, action, &found)))
    }

    fn keeps(&self, header: &str) -> bool {
        KEPT.contains(&header)
    }

    fn recognises(&self, headers: &HeaderMap) -> bool {
        headers.contains_key(EVENT) && is_cloud(headers)
    }
}

/// Whether these are the headers of the Cloud, and not those of a server.
pub(super) fn is_cloud(headers: &HeaderMap) -> bool {
    headers.contains_key(DELIVERY) || headers.contains_key(HOOK)
}

#[cfg(test)]
mod tests;
