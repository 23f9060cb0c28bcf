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
use secrecy::ExposeSecret;

use super::{Reading, Request, Scheme};
use crate::body;
use crate::explain::{Explanation, near_miss};
use crate::form;
use crate::header::{self, MediaType, TOKEN_BYTES_MAX};
use crate::secret::Secrets;
use crate::signature::{Key, same};

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
    secrets: Secrets,
    /// One per secret, in the same order.
    keys: Vec<Key>,
}

impl Github {
    pub(super) fn new(secrets: Secrets) -> Self {
        let keys = secrets.iter().map(|secret| Key::new(secret.expose_secret().as_bytes())).collect();
        Self { secrets, keys }
    }

    /// Says what is wrong with a signature that no key gives.
    fn explain(&self, request: &Request<'_>, received: &[u8]) -> Explanation {
        let any_key = |body: &[&[u8]]| self.keys.iter().any(|key| same(&key.github(body), received));
        near_miss::of_body(request, any_key)
            .or_else(|| {
                self.trimmed_secret_matches(request.body, received).then_some(Explanation::MatchesTrimmedSecret)
            })
            .unwrap_or(Explanation::WrongSecret)
    }

    /// Secrets read from files tend to end with a line break that the sender does not have.
    fn trimmed_secret_matches(&self, body: &[u8], received: &[u8]) -> bool {
        self.secrets.iter().map(ExposeSecret::expose_secret).any(|secret| {
            let trimmed = secret.trim();
            trimmed.len() < secret.len() && same(&Key::new(trimmed.as_bytes()).github(&[body]), received)
        })
    }
}

impl Scheme for Github {
    /// Stops at the first secret that matches, newest first: that tells an observer at most which secret a sender uses
    /// that has it anyway. Within one comparison the time does not depend on the signature.
    fn verify(&self, request: &Request<'_>) -> Result<usize, Explanation> {
        let received = received_signature(request.headers)?;
        self.keys
            .iter()
            .position(|key| same(&key.github(&[request.body]), received))
            .ok_or_else(|| self.explain(request, received))
    }

    fn read(&self, headers: &HeaderMap, body: &Bytes) -> Result<Reading, Explanation> {
        let delivery_id = header::token(headers, DELIVERY)?.to_owned();
        let event = header::token(headers, EVENT)?.to_owned();
        let form = match header::media_type(headers)? {
            MediaType::Json => None,
            MediaType::Form => Some(form::field(body, "payload")?),
        };
        let json = form.as_deref().map_or_else(|| body::text(body), Ok)?;
        let action = match body::text_field(json, "action")? {
            Some(action) if action.len() > TOKEN_BYTES_MAX => return Err(Explanation::EventTooLong),
            action => action.filter(|action| !action.is_empty()).map(Into::into),
        };
        Ok(Reading { delivery_id, event, action, decoded: form.map(Bytes::from) })
    }

    fn headers_kept(&self) -> &'static [&'static str] {
        &KEPT
    }
}

/// Returns the signature header, if it is there once and written as GitHub writes it.
fn received_signature(headers: &HeaderMap) -> Result<&[u8], Explanation> {
    let Some(value) = header::once(headers, SIGNATURE)? else {
        let sha1 = headers.contains_key(SIGNATURE_SHA1);
        return Err(if sha1 { Explanation::OnlySha1 } else { Explanation::NoSignatureHeader });
    };
    let digits = value.as_bytes().strip_prefix(b"sha256=").ok_or(Explanation::MalformedSignature)?;
    let well_formed = digits.len() == 64 && digits.iter().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
    if well_formed { Ok(value.as_bytes()) } else { Err(Explanation::MalformedSignature) }
}

#[cfg(test)]
mod tests;
