//! Stripe.
//!
//! `Stripe-Signature` is a list: `t=` the timestamp, and a `v1=` for each secret that Stripe signs with, which are two
//! while an endpoint's secret is being rolled. Signed is `timestamp.body`; any `v1` counts, other schemes are passed over.
//! The body's `id` (`evt_…`) stays the same over retries, its `type` is the event.
//!
//! Source: [Verify webhook signatures manually](https://docs.stripe.com/webhooks#verify-manually).

use bytes::Bytes;
use http::HeaderMap;

use super::clock::Stamp;
use super::keyring::{Keyring, Text};
use super::{Reading, Request, Scheme, reading};
use crate::body::Fields;
use crate::explain::Explanation;
use crate::header;
use crate::secret::Secrets;
use crate::signature::Spelling;

const SIGNATURE: &str = "stripe-signature";

const KEPT: [&str; 3] = ["content-type", "user-agent", SIGNATURE];

pub(super) struct Stripe {
    keyring: Keyring,
    fields: Fields,
}

impl Stripe {
    pub(super) fn new(secrets: Secrets) -> Self {
        Self { keyring: Keyring::new(secrets, Spelling::BARE_HEX), fields: Fields::at(&["/id", "/type"]) }
    }
}

impl Scheme for Stripe {
    fn verify(&self, request: &Request<'_>) -> Result<usize, Explanation> {
        let value = header::once(request.headers, SIGNATURE)?.ok_or(Explanation::NoSignatureHeader)?;
        let value = value.to_str().map_err(|_| Explanation::MalformedSignature)?;
        let pairs = || value.split(',').filter_map(|pair| pair.trim().split_once('='));
        let values = |name: &'static str| pairs().filter(move |(key, _)| *key == name).map(|(_, value)| value);
        let (Some(timestamp), None) = (values("t").next(), values("t").nth(1)) else {
            return Err(Explanation::MalformedSignature);
        };
        let stamp = Stamp::of(timestamp).ok_or(Explanation::MalformedSignature)?;
        let received: Vec<&[u8]> = values("v1").map(str::as_bytes).collect();
        if received.is_empty() {
            return Err(Explanation::OnlyOtherVersions);
        }
        let text = Text { before: &[stamp.text.as_bytes(), b"."], ..Text::of(request.body) };
        let index = self.keyring.find(request, text, &received)?;
        stamp.check(request)?;
        Ok(index)
    }

    fn read(&self, headers: &HeaderMap, body: &Bytes) -> Result<Reading, Explanation> {
        let mut found = self.fields.read(reading::json(headers, body)?)?;
        let id = reading::id_of_field(found.text(0), "/id".into())?;
        Reading::named(id, &found.text(1).unwrap_or_default(), '.')
    }

    fn keeps(&self, header: &str) -> bool {
        KEPT.contains(&header)
    }

    fn recognises(&self, headers: &HeaderMap) -> bool {
        headers.contains_key(SIGNATURE)
    }
}

#[cfg(test)]
mod tests;
