//! GitHub and GitHub Enterprise Server.
//!
//! `X-Hub-Signature-256` is an HMAC-SHA256 over the raw body. No timestamp is signed: what protects against a replay is
//! that a delivery id is accepted once, which is the store's work. The older `X-Hub-Signature` (SHA-1) never counts.
//! A Gitea or Forgejo hook also sends GitHub's headers; which of them is meant is the configuration's choice.
//!
//! Sources: [Validating webhook deliveries](https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries),
//! [Delivery headers](https://docs.github.com/en/webhooks/webhook-events-and-payloads#delivery-headers).

use bytes::Bytes;
use http::HeaderMap;

use super::keyring::{Keyring, Text};
use super::{Reading, Request, Scheme, gitea, reading};
use crate::body::Fields;
use crate::explain::Explanation;
use crate::header;
use crate::normalised;
use crate::secret::Secrets;
use crate::signature::Spelling;

const SIGNATURE: &str = "x-hub-signature-256";
const SIGNATURE_SHA1: &str = "x-hub-signature";
const EVENT: &str = "x-github-event";
const DELIVERY: &str = "x-github-delivery";

const KEPT: [&str; 10] = [
    "content-type",
    "user-agent",
    EVENT,
    DELIVERY,
    "x-github-hook-id",
    "x-github-hook-installation-target-id",
    "x-github-hook-installation-target-type",
    "x-github-enterprise-host",
    "x-github-enterprise-version",
    SIGNATURE,
];

pub(super) struct Github {
    keyring: Keyring,
    fields: Fields,
}

impl Github {
    pub(super) fn new(secrets: Secrets) -> Self {
        Self {
            keyring: Keyring::new(secrets, Spelling::GITHUB),
            fields: reading::github_fields().and(normalised::github::FACTS),
        }
    }
}

impl Scheme for Github {
    fn verify(&self, request: &Request<'_>) -> Result<usize, Explanation> {
        let Some(received) = header::once(request.headers, SIGNATURE)? else {
            let sha1 = request.headers.contains_key(SIGNATURE_SHA1);
            return Err(if sha1 { Explanation::OnlySha1 } else { Explanation::NoSignatureHeader });
        };
        self.keyring.find(request, Text::of(request.body), &[received.as_bytes()])
    }

    fn read(&self, headers: &HeaderMap, body: &Bytes) -> Result<Reading, Explanation> {
        reading::as_github(headers, body, (DELIVERY, EVENT), &self.fields, normalised::github::name)
    }

    fn keeps(&self, header: &str) -> bool {
        KEPT.contains(&header)
    }

    fn recognises(&self, headers: &HeaderMap) -> bool {
        headers.contains_key(EVENT) && !gitea::is_sender(headers)
    }
}

#[cfg(test)]
mod tests;
