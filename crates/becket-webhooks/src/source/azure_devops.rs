//! Azure DevOps Services and Server: service hooks.
//!
//! Nothing is signed. A subscription proves who it is with HTTP basic authentication, or with a header whose value is a
//! secret. The body alone says what happened: `eventType` (`git.pullrequest.created`) is the event `git` and the action
//! `pullrequest.created`; a delivery is named by `subscriptionId` and `notificationId`. "Test" in the settings sends a
//! sample that belongs to no subscription (its id is all zeros) and counts its notifications from 1 again: it is named by
//! what it says.
//!
//! Of the answers that Becket gives, 503 lets Azure DevOps send again; 404 and 410 are never given by a configured source,
//! since 410 disables a subscription at once.
//!
//! Sources: [Webhooks](https://learn.microsoft.com/en-us/azure/devops/service-hooks/services/webhooks),
//! [Events](https://learn.microsoft.com/en-us/azure/devops/service-hooks/events),
//! [Troubleshoot service hooks](https://learn.microsoft.com/en-us/azure/devops/service-hooks/troubleshoot).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName};
use secrecy::ExposeSecret;

use super::{Reading, Request, Scheme, reading};
use crate::body::Fields;
use crate::dialect::AzureAuth;
use crate::explain::Explanation;
use crate::header;
use crate::normalised;
use crate::secret::{SecretError, Secrets};
use crate::signature::{Token, fingerprint};

const KEPT: [&str; 2] = ["content-type", "user-agent"];

pub(super) struct AzureDevops {
    auth: AzureAuth,
    /// One per secret, in the same order: what is received in the header.
    tokens: Vec<Token>,
    fields: Fields,
}

impl AzureDevops {
    pub(super) fn new(auth: AzureAuth, secrets: &Secrets) -> Result<Self, SecretError> {
        let token = |(index, secret): (usize, &secrecy::SecretString)| {
            let secret = secret.expose_secret();
            match &auth {
                AzureAuth::Basic if !secret.contains(':') => Err(SecretError::NotBasic { index }),
                AzureAuth::Basic => Ok(Token::new(&STANDARD.encode(secret))),
                AzureAuth::Header(_) => Ok(Token::new(secret)),
            }
        };
        let tokens = secrets.values().enumerate().map(token).collect::<Result<_, _>>()?;
        let fields = Fields::at(&[
            "/eventType",
            "/subscriptionId",
            "/notificationId",
            "/resource/repository/project/name",
            "/resource/repository/name",
            "/resource/pullRequest/repository/project/name",
            "/resource/pullRequest/repository/name",
        ])
        .and(normalised::azure_devops::FACTS);
        Ok(Self { auth, tokens, fields })
    }

    fn header(&self) -> &HeaderName {
        match &self.auth {
            AzureAuth::Basic => &AUTHORIZATION,
            AzureAuth::Header(name) => name,
        }
    }
}

impl Scheme for AzureDevops {
    fn verify(&self, request: &Request<'_>) -> Result<usize, Explanation> {
        let name = self.header();
        let value = header::once(request.headers, name.as_str())?.ok_or(Explanation::NoSignatureHeader)?;
        let received = match self.auth {
            AzureAuth::Header(_) => value.as_bytes(),
            AzureAuth::Basic => credentials(value.as_bytes())
                .ok_or_else(|| Explanation::MalformedHeader { header: name.as_str().to_owned().into() })?,
        };
        request.first_of(self.tokens.len(), |place| self.tokens[place].is(received)).ok_or(Explanation::WrongToken)
    }

    fn read(&self, headers: &HeaderMap, body: &Bytes) -> Result<Reading, Explanation> {
        let mut found = self.fields.read(reading::json(headers, body)?)?;
        let event = found.text(0).unwrap_or_default();
        let id = match (found.text(1).filter(|id| !is_nobody(id)), found.text_or_integer(2)) {
            (Some(subscription), Some(notification)) => {
                let id = format!("{subscription}:{notification}");
                reading::id_of_field(Some(id.into()), "/subscriptionId".into())?
            }
            _ => fingerprint(body),
        };
        let mut repository = |place| Some(format!("{}/{}", found.text(place)?, found.text(place + 1)?));
        let repository = repository(3).or_else(|| repository(5));
        let reading = Reading::named(id, &event, '.')?.about(repository);
        Ok(reading.normalised(|event, action| normalised::azure_devops::name(event, action, &found)))
    }

    fn keeps(&self, header: &str) -> bool {
        KEPT.contains(&header)
    }

    fn recognises(&self, headers: &HeaderMap) -> bool {
        match &self.auth {
            AzureAuth::Header(name) => headers.contains_key(name),
            AzureAuth::Basic => headers.get(AUTHORIZATION).is_some_and(|value| credentials(value.as_bytes()).is_some()),
        }
    }
}

/// What follows `Basic`, whose case does not matter ([RFC 7617, section 2](https://www.rfc-editor.org/rfc/rfc7617#section-2)).
fn credentials(value: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = value.split_at_checked("Basic ".len())?;
    scheme.eq_ignore_ascii_case(b"Basic ").then(|| rest.trim_ascii())
}

/// Whether an id is the one of no subscription.
fn is_nobody(id: &str) -> bool {
    id.bytes().all(|byte| matches!(byte, b'0' | b'-'))
}

#[cfg(test)]
mod tests;
