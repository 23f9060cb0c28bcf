//! GitLab.
//!
//! Two ways to prove who sends. The secret token stands in `X-Gitlab-Token` as it is, and protects nothing but itself. The
//! signing token (2026) signs as Standard Webhooks do, with a secret that begins with `whsec_`. A request that carries
//! `webhook-signature` is judged by it alone: were the secret token enough as well, whoever learns that could leave the
//! signature out or spoil it.
//!
//! The event is the body's `object_kind` (`merge_request`), or `event_name` in system hooks that have no `object_kind`
//! (`project_create`); the action is `object_attributes.action` (`open`). A delivery is named by `Idempotency-Key`, which
//! stays the same over retries and, where a request is signed, is the signed `webhook-id`. Older versions have only
//! `X-Gitlab-Webhook-UUID`, new with each attempt, and `X-Gitlab-Event-UUID`, which all webhooks share that a webhook gave
//! rise to; so that comes last.
//!
//! GitLab disables a webhook after a few answers of 4xx or 5xx. No event is refused because nobody wants it, nor for a
//! missing event or id.
//!
//! Sources: [Webhooks](https://docs.gitlab.com/user/project/integrations/webhooks/),
//! [Webhook events](https://docs.gitlab.com/user/project/integrations/webhook_events/),
//! [`web_hook_service.rb`](https://github.com/gitlabhq/gitlabhq/blob/master/app/services/web_hook_service.rb),
//! [`recursion_detection/uuid.rb`](https://github.com/gitlabhq/gitlabhq/blob/master/lib/gitlab/web_hooks/recursion_detection/uuid.rb);
//! signing: [!230944](https://gitlab.com/gitlab-org/gitlab/-/merge_requests/230944),
//! [!231325](https://gitlab.com/gitlab-org/gitlab/-/merge_requests/231325).

use std::borrow::Cow;

use bytes::Bytes;
use http::HeaderMap;
use secrecy::ExposeSecret;

use super::reading::{self, EVENT_UNKNOWN};
use super::standard_webhooks::StandardWebhooks;
use super::{Reading, Request, Scheme};
use crate::body::Fields;
use crate::explain::Explanation;
use crate::header;
use crate::normalised;
use crate::secret::{SecretError, Secrets};
use crate::signature::Token;

const EVENT: &str = "x-gitlab-event";
const TOKEN: &str = "x-gitlab-token";
const SIGNATURE: &str = "webhook-signature";
const SIGNED_ID: &str = "webhook-id";
/// What names a delivery, the best first.
const IDS: [&str; 3] = ["idempotency-key", "x-gitlab-webhook-uuid", "x-gitlab-event-uuid"];

const KEPT: [&str; 10] = [
    "content-type",
    "user-agent",
    EVENT,
    "x-gitlab-instance",
    IDS[0],
    IDS[1],
    IDS[2],
    SIGNED_ID,
    "webhook-timestamp",
    SIGNATURE,
];

pub(super) struct Gitlab {
    /// Secret tokens, with their places among the secrets.
    tokens: Vec<(usize, Token)>,
    /// Signing tokens, and the places of each.
    signing: Option<(StandardWebhooks, Vec<usize>)>,
    fields: Fields,
}

impl Gitlab {
    pub(super) fn new(secrets: &Secrets) -> Result<Self, SecretError> {
        let placed = || secrets.values().enumerate();
        let is_signing = |secret: &secrecy::SecretString| secret.expose_secret().starts_with("whsec_");
        let plain = placed().filter(|(_, secret)| !is_signing(secret));
        let tokens = plain.map(|(place, secret)| (place, Token::new(secret.expose_secret()))).collect();
        let places: Vec<usize> = placed().filter(|(_, secret)| is_signing(secret)).map(|(place, _)| place).collect();
        let signing = (!places.is_empty())
            .then(|| Secrets::new(placed().filter(|(_, secret)| is_signing(secret)).map(|(_, one)| one.clone())))
            .transpose()?
            .map(|secrets| StandardWebhooks::new(secrets).map_err(|error| error.at(&places)))
            .transpose()?
            .map(|scheme| (scheme, places));
        let fields = Fields::at(&[
            "/object_kind",
            "/event_name",
            "/object_attributes/action",
            "/action",
            "/project/path_with_namespace",
            "/path_with_namespace",
            "/project_path_with_namespace",
            "/repository/homepage",
        ])
        .and(normalised::gitlab::FACTS);
        Ok(Self { tokens, signing, fields })
    }
}

impl Scheme for Gitlab {
    fn verify(&self, request: &Request<'_>) -> Result<usize, Explanation> {
        if request.headers.contains_key(SIGNATURE) {
            let (signing, places) = self.signing.as_ref().ok_or(Explanation::NoSigningToken)?;
            // It knows its own places only.
            let counts =
                |index: usize| places.get(index).is_none_or(|place| request.counts.is_none_or(|counts| counts(*place)));
            let index = signing.verify(&Request { counts: Some(&counts), ..*request })?;
            return places.get(index).copied().ok_or(Explanation::WrongSecret);
        }
        let received = header::once(request.headers, TOKEN)?.ok_or(Explanation::NoSignatureHeader)?;
        let found = self.tokens.iter().find(|(_, token)| token.is(received.as_bytes()));
        found.map(|(place, _)| *place).ok_or(Explanation::WrongToken)
    }

    fn read(&self, headers: &HeaderMap, body: &Bytes) -> Result<Reading, Explanation> {
        let is_signed = headers.contains_key(SIGNATURE);
        let ids = if is_signed { &[SIGNED_ID][..] } else { &IDS[..] };
        let id = reading::id_of_headers(headers, ids, body)?;
        let mut found = self.fields.read(reading::json(headers, body)?)?;
        let event = found.text(0).or_else(|| found.text(1));
        let event = event.unwrap_or_else(|| event_of_header(headers));
        let action = found.text(2).or_else(|| found.text(3));
        let repository = (4..7).find_map(|place| found.text(place));
        let repository = repository.or_else(|| path_of(&found.text(7)?).map(|path| path.to_owned().into()));
        let reading = Reading::new(id, event, action)?.about(repository);
        Ok(reading.normalised(|event, action| normalised::gitlab::name(event, action, &found)))
    }

    fn keeps(&self, header: &str) -> bool {
        KEPT.contains(&header)
    }

    fn recognises(&self, headers: &HeaderMap) -> bool {
        headers.contains_key(EVENT)
    }
}

/// `Merge Request Hook` as the body would say it; for bodies that a custom template has made say nothing.
fn event_of_header(headers: &HeaderMap) -> Cow<'static, str> {
    let name = headers.get(EVENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let name = name.strip_suffix(" Hook").unwrap_or(name).trim().to_ascii_lowercase().replace(' ', "_");
    if header::is_token(&name) { name.into() } else { EVENT_UNKNOWN.into() }
}

/// The path of a repository's page: job events of older versions name their project in no other way.
fn path_of(homepage: &str) -> Option<&str> {
    let (_, rest) = homepage.split_once("://")?;
    rest.split_once('/').map(|(_, path)| path.trim_matches('/'))
}

#[cfg(test)]
mod tests;
