//! Senders that follow Standard Webhooks, Svix among them.
//!
//! Signed is `id.timestamp.body`, and the header may hold several signatures, e.g. while the sender rotates its
//! secrets. The id stays the same over retries, the timestamp is that of the attempt. Svix calls the same three headers
//! `svix-…`. Only `v1` (HMAC-SHA256) counts; `v1a` (ed25519) and later versions are passed over.
//!
//! An id with a full stop in it could move the border between the signed parts. It gains nothing: a timestamp is digits
//! only, a body is a JSON object, and no other split of the same text has both.
//!
//! Source: [specification 1.0.0](https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md).

use bytes::Bytes;
use http::HeaderMap;
use http::header::HeaderValue;
use secrecy::ExposeSecret;

use super::clock::Stamp;
use super::{Reading, Request, Scheme, reading};
use crate::body::Fields;
use crate::explain::{Explanation, near_miss};
use crate::header;
use crate::secret::{SecretError, Secrets, decode_whsec};
use crate::signature::{Key, same};

/// `v1,` and the base64 of 32 bytes.
const SIGNATURE_BYTES: usize = 3 + 44;

const KEPT: [&str; 8] = [
    "content-type",
    "user-agent",
    STANDARD.id,
    STANDARD.timestamp,
    STANDARD.signature,
    SVIX.id,
    SVIX.timestamp,
    SVIX.signature,
];

/// The names of the three headers.
struct Names {
    id: &'static str,
    timestamp: &'static str,
    signature: &'static str,
}

const STANDARD: Names = Names { id: "webhook-id", timestamp: "webhook-timestamp", signature: "webhook-signature" };
const SVIX: Names = Names { id: "svix-id", timestamp: "svix-timestamp", signature: "svix-signature" };

impl Names {
    /// Chooses one set for the whole request, so that parts of two are never mixed.
    fn of(headers: &HeaderMap) -> &'static Self {
        if SVIX.any(headers) && !STANDARD.any(headers) { &SVIX } else { &STANDARD }
    }

    fn any(&self, headers: &HeaderMap) -> bool {
        [self.id, self.timestamp, self.signature].into_iter().any(|name| headers.contains_key(name))
    }
}

pub(super) struct StandardWebhooks {
    secrets: Secrets,
    /// One per secret, in the same order.
    keys: Vec<Key>,
    fields: Fields,
}

impl StandardWebhooks {
    pub(super) fn new(secrets: Secrets) -> Result<Self, SecretError> {
        let decoded = secrets.values().enumerate().map(|(index, secret)| decode_whsec(secret, index));
        let keys = decoded.map(|key| key.map(|key| Key::new(key.expose_secret()))).collect::<Result<_, _>>()?;
        Ok(Self { secrets, keys, fields: Fields::at(&["/type"]) })
    }

    /// Says what is wrong with a message that no key gives a signature of.
    fn explain(&self, request: &Request<'_>, signed: &Signed<'_>) -> Explanation {
        if let Some(malformed) = signed.malformed() {
            return malformed;
        }
        near_miss::of_body(request, |body| self.keys.iter().any(|key| signed.by(key, body)))
            .or_else(|| {
                self.undecoded_secret_matches(request.body, signed).then_some(Explanation::MatchesUndecodedSecret)
            })
            .unwrap_or(Explanation::WrongSecret)
    }

    /// Senders that write the scheme themselves tend to forget that the secret is base64.
    fn undecoded_secret_matches(&self, body: &[u8], signed: &Signed<'_>) -> bool {
        let mut texts = self.secrets.values().map(|secret| secret.expose_secret().trim().as_bytes());
        texts.any(|text| signed.by(&Key::new(text), &[body]))
    }
}

impl Scheme for StandardWebhooks {
    /// Looks at the clock last, so that an old timestamp is told apart from a wrong signature.
    fn verify(&self, request: &Request<'_>) -> Result<usize, Explanation> {
        let signed = Signed::read(request.headers)?;
        let index = request
            .first_of(self.keys.len(), |place| signed.by(&self.keys[place], &[request.body]))
            .ok_or_else(|| self.explain(request, &signed))?;
        signed.stamp.check(request)?;
        Ok(index)
    }

    fn read(&self, headers: &HeaderMap, body: &Bytes) -> Result<Reading, Explanation> {
        let delivery_id = header::token(headers, Names::of(headers).id)?.to_owned();
        let mut found = self.fields.read(reading::json(headers, body)?)?;
        Reading::named(delivery_id, &found.text(0).unwrap_or_default(), '.')
    }

    fn keeps(&self, header: &str) -> bool {
        KEPT.contains(&header)
    }

    fn recognises(&self, headers: &HeaderMap) -> bool {
        STANDARD.any(headers) || SVIX.any(headers)
    }
}

/// The headers of a signed message.
struct Signed<'a> {
    id: &'a str,
    stamp: Stamp<'a>,
    signatures: &'a HeaderValue,
}

impl<'a> Signed<'a> {
    fn read(headers: &'a HeaderMap) -> Result<Self, Explanation> {
        let names = Names::of(headers);
        let signatures = header::once(headers, names.signature)?.ok_or(Explanation::NoSignatureHeader)?;
        let id = header::token(headers, names.id)?;
        let stamp = Stamp::of_header(headers, names.timestamp)?;
        Ok(Self { id, stamp, signatures })
    }

    fn each_signature(&self) -> impl Iterator<Item = &'a [u8]> {
        self.signatures.as_bytes().split(|byte| *byte == b' ')
    }

    /// Whether one of the signatures is this key's. The message is hashed once, however many there are.
    fn by(&self, key: &Key, body: &[&[u8]]) -> bool {
        let expected = key.standard_webhooks(self.id, self.stamp.text, body);
        self.each_signature().any(|received| same(&expected, received))
    }

    /// Says what is wrong when there is no signature that could be compared.
    fn malformed(&self) -> Option<Explanation> {
        let well_formed = |signature: &[u8]| signature.starts_with(b"v1,") && signature.len() == SIGNATURE_BYTES;
        let other_version = |signature: &[u8]| {
            let version = signature.split(|byte| *byte == b',').next().unwrap_or_default();
            version.len() < signature.len() && version.starts_with(b"v") && version != b"v1"
        };
        if self.each_signature().any(well_formed) {
            None
        } else if self.each_signature().all(other_version) {
            Some(Explanation::OnlyOtherVersions)
        } else {
            Some(Explanation::MalformedSignature)
        }
    }
}

#[cfg(test)]
mod tests;
