//! What senders send: the headers of a signed delivery, for tools and tests that stand in for one.
//!
//! Pure, like the rest: the id, the time and the body are given. Posting is for others.
//!
//! Sources: [GitHub, delivery headers](https://docs.github.com/en/webhooks/webhook-events-and-payloads#delivery-headers),
//! [Standard Webhooks](https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md).

use http::header::{CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderValue};
use secrecy::{ExposeSecret as _, SecretString};

use crate::kind::Kind;
use crate::secret::SecretError;
use crate::signature::{self, StandardWebhooksSigner};

/// Somebody who sends webhooks. `Debug` masks the secret.
///
/// ```
/// use becket_webhooks::{Kind, Secrets, Sender, Source};
///
/// let sender = Sender::new(Kind::Github, Some("secret".into()))?;
/// let headers = sender.headers("issues.opened", "72d3162e-cc78-11e3-81ab-4c9367dc0958", 0, b"{\"action\":\"opened\"}")?;
///
/// let github = Source::github("github", Secrets::new(["secret"])?);
/// let delivery = github.receive(&headers, "{\"action\":\"opened\"}".into(), 0)?;
/// assert_eq!(delivery.name(), "issues.opened");
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Sender {
    /// GitHub; without a secret it signs nothing.
    Github(Option<SecretString>),
    /// One that follows Standard Webhooks; without a secret it signs nothing.
    StandardWebhooks(Option<StandardWebhooksSigner>),
}

/// Something cannot stand in a header.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the {what} `{}` cannot stand in a header", text.escape_debug())]
pub struct InvalidHeader {
    what: &'static str,
    text: String,
}

impl Sender {
    /// A sender of this kind.
    ///
    /// # Errors
    /// [`SecretError::NotBase64`] or [`SecretError::Length`] when the secret is not one of this kind.
    pub fn new(kind: Kind, secret: Option<SecretString>) -> Result<Self, SecretError> {
        Ok(match kind {
            Kind::Github => Self::Github(secret),
            Kind::StandardWebhooks => {
                Self::StandardWebhooks(secret.as_ref().map(StandardWebhooksSigner::new).transpose()?)
            }
        })
    }

    /// The headers of a delivery of `body`, signed at `now_secs` of Unix time. `event` may carry an action; GitHub's
    /// header names the event alone, and Standard Webhooks names it in the body only.
    ///
    /// # Errors
    /// The event or the id cannot stand in a header.
    pub fn headers(&self, event: &str, id: &str, now_secs: i64, body: &[u8]) -> Result<HeaderMap, InvalidHeader> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        match self {
            Self::Github(secret) => {
                let event = event.split('.').next().unwrap_or(event);
                headers.insert(USER_AGENT, HeaderValue::from_static("GitHub-Hookshot/becket"));
                headers.insert("x-github-event", value("event", event)?);
                headers.insert("x-github-delivery", value("delivery id", id)?);
                headers.insert("x-github-hook-id", HeaderValue::from_static("1"));
                headers.insert("x-github-hook-installation-target-id", HeaderValue::from_static("1"));
                headers.insert("x-github-hook-installation-target-type", HeaderValue::from_static("repository"));
                if let Some(secret) = secret {
                    let signed = signature::github(secret.expose_secret().as_bytes(), body);
                    headers.insert("x-hub-signature-256", value("signature", &signed)?);
                }
            }
            Self::StandardWebhooks(signer) => {
                headers.insert("webhook-id", value("delivery id", id)?);
                headers.insert("webhook-timestamp", HeaderValue::from(now_secs));
                if let Some(signer) = signer {
                    headers.insert("webhook-signature", value("signature", &signer.sign(id, now_secs, body))?);
                }
            }
        }
        Ok(headers)
    }
}

fn value(what: &'static str, text: &str) -> Result<HeaderValue, InvalidHeader> {
    HeaderValue::from_str(text).map_err(|_| InvalidHeader { what, text: text.to_owned() })
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::{Secrets, Source};

    const WHSEC: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    #[test]
    fn source_accepts_what_a_sender_of_its_kind_signs() {
        let source = Source::standard_webhooks("billing", Secrets::new([WHSEC]).unwrap()).unwrap();
        let sender = Sender::new(Kind::StandardWebhooks, Some(WHSEC.into())).unwrap();
        let body = Bytes::from_static(br#"{"type":"invoice.paid"}"#);
        let headers = sender.headers("invoice.paid", "msg_1", 7, &body).unwrap();
        assert_eq!(source.receive(&headers, body, 7_000).unwrap().name(), "invoice.paid");
    }

    #[test]
    fn source_with_other_secrets_takes_those_and_only_those() {
        let source = Source::github("github", Secrets::new(["old"]).unwrap()).with_body_limit(9);
        let source = source.with_secrets(Secrets::new(["new"]).unwrap()).unwrap();
        let headers = |secret: &str| {
            Sender::new(Kind::Github, Some(secret.into())).unwrap().headers("ping", "1", 0, b"{}").unwrap()
        };
        assert!(source.receive(&headers("new"), "{}".into(), 0).is_ok());
        assert!(source.receive(&headers("old"), "{}".into(), 0).is_err());
        assert_eq!((source.name(), source.body_limit()), ("github", 9), "all else stays");
        let billing = Source::standard_webhooks("billing", Secrets::new([WHSEC]).unwrap()).unwrap();
        assert!(billing.with_secrets(Secrets::new(["hunter2!"]).unwrap()).is_err());
    }

    #[test]
    fn without_a_secret_nothing_is_signed() {
        let headers = Sender::Github(None).headers("ping", "1", 0, b"{}").unwrap();
        assert!(!headers.contains_key("x-hub-signature-256"));
    }

    #[test]
    fn event_that_cannot_stand_in_a_header_is_refused() {
        let error = Sender::Github(None).headers("a\nb", "id", 0, b"").unwrap_err();
        assert_eq!(error.to_string(), "the event `a\\nb` cannot stand in a header");
    }

    #[test]
    fn debug_shows_no_secret() {
        assert!(!format!("{:?}", Sender::Github(Some("s3cret".into()))).contains("s3cret"));
    }
}
