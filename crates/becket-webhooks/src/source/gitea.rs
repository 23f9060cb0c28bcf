//! Gitea, Forgejo and Gogs.
//!
//! The signature is the bare hex of an HMAC-SHA256 over the JSON text, even where the webhook sends it in a form. No
//! timestamp is signed. Each of the three has its own names for the same headers, and the younger ones send those of the
//! older along: Forgejo all, Gitea its own and Gogs's. They also send GitHub's names; of a request that carries any of
//! theirs, those never count.
//!
//! "Redeliver" makes a new delivery of the same payload, with an id of its own (`ReplayHookTask`), so it is taken as one.
//! A webhook without a secret sends the header empty, which no secret gives.
//!
//! Sources: [`services/webhook/deliver.go`](https://github.com/go-gitea/gitea/blob/main/services/webhook/deliver.go),
//! [`models/webhook/hooktask.go`](https://github.com/go-gitea/gitea/blob/main/models/webhook/hooktask.go),
//! [Forgejo, Webhooks](https://forgejo.org/docs/latest/user/webhooks/),
//! [Gogs, Webhooks](https://gogs.io/advancing/webhooks).

use bytes::Bytes;
use http::HeaderMap;

use super::keyring::{Keyring, Text};
use super::{Reading, Request, Scheme, reading};
use crate::body::Fields;
use crate::explain::Explanation;
use crate::form;
use crate::header::{self, MediaType};
use crate::normalised;
use crate::secret::Secrets;
use crate::signature::Spelling;

/// Gogs's header alone: the younger ones send it along.
const GOGS_EVENT: &str = "x-gogs-event";

/// One program's names of the headers.
struct Names {
    event: &'static str,
    event_type: &'static str,
    delivery: &'static str,
    signature: &'static str,
}

/// The youngest first: what it sends along of the older ones is the same.
const NAMES: [Names; 3] = [
    Names {
        event: "x-forgejo-event",
        event_type: "x-forgejo-event-type",
        delivery: "x-forgejo-delivery",
        signature: "x-forgejo-signature",
    },
    Names {
        event: "x-gitea-event",
        event_type: "x-gitea-event-type",
        delivery: "x-gitea-delivery",
        signature: "x-gitea-signature",
    },
    Names {
        event: GOGS_EVENT,
        event_type: "x-gogs-event-type",
        delivery: "x-gogs-delivery",
        signature: "x-gogs-signature",
    },
];

impl Names {
    /// Chooses one set for the whole request, so that parts of two are never mixed.
    fn of(headers: &HeaderMap) -> &'static Self {
        NAMES.iter().find(|names| names.any(headers)).unwrap_or(&NAMES[1])
    }

    fn any(&self, headers: &HeaderMap) -> bool {
        [self.event, self.delivery, self.signature].into_iter().any(|name| headers.contains_key(name))
    }

    fn has(&self, name: &str) -> bool {
        [self.event, self.event_type, self.delivery, self.signature].contains(&name)
    }
}

/// Whether one of the three sent these headers, whatever else they look like.
pub(super) fn is_sender(headers: &HeaderMap) -> bool {
    NAMES.iter().any(|names| names.any(headers))
}

pub(super) struct Gitea {
    keyring: Keyring,
    fields: Fields,
}

impl Gitea {
    pub(super) fn new(secrets: Secrets) -> Self {
        Self {
            keyring: Keyring::new(secrets, Spelling::BARE_HEX),
            fields: reading::github_fields().and(normalised::gitea::FACTS),
        }
    }
}

impl Scheme for Gitea {
    fn verify(&self, request: &Request<'_>) -> Result<usize, Explanation> {
        let received = header::once(request.headers, Names::of(request.headers).signature)?;
        let received = received.filter(|value| !value.is_empty()).ok_or(Explanation::NoSignatureHeader)?;
        let json = payload(request.headers, request.body);
        let signed = json.as_deref().map_or(request.body, str::as_bytes);
        self.keyring.find(request, Text::of(signed), &[received.as_bytes()])
    }

    fn read(&self, headers: &HeaderMap, body: &Bytes) -> Result<Reading, Explanation> {
        let names = Names::of(headers);
        let is_gogs = names.event == GOGS_EVENT;
        reading::as_github(headers, body, (names.delivery, names.event), &self.fields, |event, action, found| {
            normalised::gitea::name(event, action, found, is_gogs)
        })
    }

    fn keeps(&self, header: &str) -> bool {
        matches!(header, "content-type" | "user-agent") || NAMES.iter().any(|names| names.has(header))
    }

    fn recognises(&self, headers: &HeaderMap) -> bool {
        is_sender(headers)
    }
}

/// The JSON text of a form, which is what was signed.
fn payload(headers: &HeaderMap, body: &[u8]) -> Option<String> {
    match header::media_type(headers) {
        Ok(MediaType::Form) => form::field(body, "payload").ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
