//! What senders send: the headers of a signed delivery, for tools and tests that stand in for one.
//!
//! Pure, like the rest: the id, the time and the body are given. Posting is for others. What is sent is what the documents
//! named in `source/…` say.

mod payload;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret as _, SecretString};

pub use self::payload::Contradiction;

use crate::custom::{Custom, In, Part};
use crate::dialect::{AzureAuth, Dialect};
use crate::kind::Kind;
use crate::secret::SecretError;
use crate::signature::{Key, Spelling, StandardWebhooksSigner};

/// Somebody who sends webhooks. `Debug` masks the secret.
///
/// ```
/// use becket_webhooks::{Dialect, Secrets, Sender, Source};
///
/// let sender = Sender::new(Dialect::Github, Some("secret".into()))?;
/// let headers = sender.headers("issues.opened", "72d3162e-cc78-11e3-81ab-4c9367dc0958", 0, b"{\"action\":\"opened\"}")?;
///
/// let github = Source::github("github", Secrets::new(["secret"])?);
/// let delivery = github.receive(&headers, "{\"action\":\"opened\"}".into(), 0)?;
/// assert_eq!(delivery.name(), "issues.opened");
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Sender {
    dialect: Dialect,
    secret: Option<SecretString>,
    /// For secrets that are `whsec_` and base64.
    signer: Option<StandardWebhooksSigner>,
}

/// Something cannot stand in a header.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the {what} `{}` cannot stand in a header", text.escape_debug())]
pub struct InvalidHeader {
    what: &'static str,
    text: String,
}

impl Sender {
    /// A sender of this dialect; without a secret it signs nothing.
    ///
    /// # Errors
    /// [`SecretError::NotBase64`] or [`SecretError::Length`] when the secret has to be `whsec_` and base64 and is not,
    /// [`SecretError::NotBasic`] when it has to be `user:password` and is not.
    pub fn new(dialect: Dialect, secret: Option<SecretString>) -> Result<Self, SecretError> {
        let signs_standard = |secret: &&SecretString| match dialect {
            Dialect::StandardWebhooks => true,
            Dialect::Gitlab => secret.expose_secret().starts_with("whsec_"),
            _ => false,
        };
        let signer = secret.as_ref().filter(signs_standard).map(StandardWebhooksSigner::new).transpose()?;
        let is_basic = matches!(dialect, Dialect::AzureDevops(AzureAuth::Basic));
        if is_basic && secret.as_ref().is_some_and(|secret| !secret.expose_secret().contains(':')) {
            return Err(SecretError::NotBasic { index: 0 });
        }
        Ok(Self { dialect, secret, signer })
    }

    /// Returns how it signs and shapes requests.
    pub fn dialect(&self) -> &Dialect {
        &self.dialect
    }

    /// The headers of a delivery of `body`, signed at `now_secs` of Unix time. `event` may carry an action; what stands in
    /// the body only is not looked at.
    ///
    /// # Errors
    /// The event, the id or the secret cannot stand in a header.
    pub fn headers(&self, event: &str, id: &str, now_secs: i64, body: &[u8]) -> Result<HeaderMap, InvalidHeader> {
        let mut headers = Headers(HeaderMap::new());
        headers.set(CONTENT_TYPE.as_str(), "content type", "application/json")?;
        match &self.dialect {
            Dialect::Github => self.github(&mut headers, event, id, body)?,
            Dialect::Gitlab => self.gitlab(&mut headers, event, id, now_secs, body)?,
            Dialect::BitbucketServer => {
                headers.set("x-event-key", "event", &key(event))?;
                headers.set("x-request-id", "delivery id", id)?;
                self.sign(&mut headers, "x-hub-signature", &Spelling::GITHUB, &[body])?;
            }
            Dialect::BitbucketCloud => {
                headers.set(USER_AGENT.as_str(), "user agent", "Bitbucket-Webhooks/2.0")?;
                headers.set("x-event-key", "event", &key(event))?;
                headers.set("x-request-uuid", "delivery id", id)?;
                headers.set("x-hook-uuid", "hook", "00000000-0000-4000-8000-000000000001")?;
                headers.set("x-attempt-number", "attempt", "1")?;
                self.sign(&mut headers, "x-hub-signature", &Spelling::GITHUB, &[body])?;
            }
            Dialect::AzureDevops(auth) => self.azure_devops(&mut headers, auth)?,
            Dialect::Gitea => self.gitea(&mut headers, event, id, body)?,
            Dialect::Slack => {
                let timestamp = now_secs.to_string();
                headers.set("x-slack-request-timestamp", "timestamp", &timestamp)?;
                let text = [b"v0:", timestamp.as_bytes(), b":", body];
                self.sign(&mut headers, "x-slack-signature", &Spelling::SLACK, &text)?;
            }
            Dialect::Stripe => {
                let timestamp = now_secs.to_string();
                if let Some(signature) = self.signature(&Spelling::BARE_HEX, &[timestamp.as_bytes(), b".", body]) {
                    headers.set("stripe-signature", "signature", &format!("t={timestamp},v1={signature}"))?;
                }
            }
            Dialect::StandardWebhooks => self.standard_webhooks(&mut headers, id, now_secs, body)?,
            Dialect::Custom(custom) => self.custom(&mut headers, custom, event, id, now_secs, body)?,
        }
        Ok(headers.0)
    }

    fn github(&self, headers: &mut Headers, event: &str, id: &str, body: &[u8]) -> Result<(), InvalidHeader> {
        headers.set(USER_AGENT.as_str(), "user agent", "GitHub-Hookshot/becket")?;
        headers.set("x-github-event", "event", first(event))?;
        headers.set("x-github-delivery", "delivery id", id)?;
        headers.set("x-github-hook-id", "hook", "1")?;
        headers.set("x-github-hook-installation-target-id", "target", "1")?;
        headers.set("x-github-hook-installation-target-type", "target", "repository")?;
        self.sign(headers, "x-hub-signature-256", &Spelling::GITHUB, &[body])
    }

    fn gitlab(
        &self,
        headers: &mut Headers,
        event: &str,
        id: &str,
        now_secs: i64,
        body: &[u8],
    ) -> Result<(), InvalidHeader> {
        headers.set(USER_AGENT.as_str(), "user agent", "GitLab/becket")?;
        headers.set("x-gitlab-event", "event", &hook(first(event)))?;
        headers.set("x-gitlab-instance", "instance", "https://gitlab.example")?;
        headers.set("x-gitlab-webhook-uuid", "delivery id", id)?;
        headers.set("x-gitlab-event-uuid", "delivery id", id)?;
        headers.set("idempotency-key", "delivery id", id)?;
        match (&self.signer, &self.secret) {
            (Some(_), _) => self.standard_webhooks(headers, id, now_secs, body),
            (None, Some(token)) => headers.set_secret("x-gitlab-token", token.expose_secret()),
            (None, None) => Ok(()),
        }
    }

    fn azure_devops(&self, headers: &mut Headers, auth: &AzureAuth) -> Result<(), InvalidHeader> {
        let Some(secret) = &self.secret else { return Ok(()) };
        match auth {
            AzureAuth::Basic => {
                let credentials = STANDARD.encode(secret.expose_secret());
                headers.set_secret(AUTHORIZATION.as_str(), &format!("Basic {credentials}"))
            }
            AzureAuth::Header(name) => headers.set_secret(name.as_str(), secret.expose_secret()),
        }
    }

    /// All that Gitea sends, GitHub's names as well: who takes it for GitHub's is mistaken.
    fn gitea(&self, headers: &mut Headers, event: &str, id: &str, body: &[u8]) -> Result<(), InvalidHeader> {
        for family in ["gitea", "gogs", "github"] {
            headers.set(&format!("x-{family}-event"), "event", first(event))?;
            headers.set(&format!("x-{family}-event-type"), "event", first(event))?;
            headers.set(&format!("x-{family}-delivery"), "delivery id", id)?;
        }
        self.sign(headers, "x-gitea-signature", &Spelling::BARE_HEX, &[body])?;
        self.sign(headers, "x-gogs-signature", &Spelling::BARE_HEX, &[body])?;
        self.sign(headers, "x-hub-signature-256", &Spelling::GITHUB, &[body])
    }

    fn standard_webhooks(
        &self,
        headers: &mut Headers,
        id: &str,
        now_secs: i64,
        body: &[u8],
    ) -> Result<(), InvalidHeader> {
        headers.set("webhook-id", "delivery id", id)?;
        headers.set("webhook-timestamp", "timestamp", &now_secs.to_string())?;
        match &self.signer {
            Some(signer) => headers.set("webhook-signature", "signature", &signer.sign(id, now_secs, body)),
            None => Ok(()),
        }
    }

    fn custom(
        &self,
        headers: &mut Headers,
        custom: &Custom,
        event: &str,
        id: &str,
        now_secs: i64,
        body: &[u8],
    ) -> Result<(), InvalidHeader> {
        let timestamp = now_secs.to_string();
        if let In::Header(name) = &custom.id.0 {
            headers.set(name.as_str(), "delivery id", id)?;
        }
        if let In::Header(name) = &custom.event.0 {
            headers.set(name.as_str(), "event", event)?;
        }
        if let Some(name) = &custom.timestamp {
            headers.set(name.as_str(), "timestamp", &timestamp)?;
        }
        let parts = custom.signed.parts().iter().map(|part| match part {
            Part::Literal(text) => text.as_bytes(),
            Part::Id => id.as_bytes(),
            Part::Timestamp => timestamp.as_bytes(),
            Part::Body => body,
        });
        let text: Vec<&[u8]> = parts.collect();
        self.sign(headers, custom.signature.as_str(), &custom.spelling, &text)
    }

    fn sign(
        &self,
        headers: &mut Headers,
        name: &str,
        spelling: &Spelling,
        text: &[&[u8]],
    ) -> Result<(), InvalidHeader> {
        match self.signature(spelling, text) {
            Some(signature) => headers.set(name, "signature", &signature),
            None => Ok(()),
        }
    }

    fn signature(&self, spelling: &Spelling, text: &[&[u8]]) -> Option<String> {
        let secret = self.secret.as_ref()?.expose_secret().as_bytes();
        Some(spelling.write(&Key::of(spelling.algorithm, secret).mac(text.iter().copied())))
    }

    fn kind(&self) -> Kind {
        self.dialect.kind()
    }
}

/// Headers in the making.
struct Headers(HeaderMap);

impl Headers {
    fn set(&mut self, name: &str, what: &'static str, text: &str) -> Result<(), InvalidHeader> {
        let invalid = |text: &str| InvalidHeader { what, text: text.to_owned() };
        let value = HeaderValue::from_str(text).map_err(|_| invalid(text))?;
        let name = HeaderName::try_from(name).map_err(|_| invalid(name))?;
        self.0.insert(name, value);
        Ok(())
    }

    /// The same for what no error may show.
    fn set_secret(&mut self, name: &str, secret: &str) -> Result<(), InvalidHeader> {
        let hidden = |error: InvalidHeader| InvalidHeader { text: "(masked)".to_owned(), ..error };
        self.set(name, "secret", secret).map_err(hidden)?;
        if let Some(value) = self.0.get_mut(name) {
            value.set_sensitive(true);
        }
        Ok(())
    }
}

/// The event without its action.
fn first(event: &str) -> &str {
    event.split('.').next().unwrap_or(event)
}

/// Bitbucket's key of an event: `pullrequest:created`. Its parts have no full stops.
fn key(event: &str) -> String {
    event.replace('.', ":")
}

/// GitLab's name of a webhook: `Merge Request Hook`.
fn hook(kind: &str) -> String {
    // Its jobs were called builds once, and in bodies still are.
    let kind = if kind == "build" { "job" } else { kind };
    let title = |word: &str| {
        let mut letters = word.chars();
        letters.next().map(|first| first.to_ascii_uppercase().to_string() + letters.as_str()).unwrap_or_default()
    };
    let words: Vec<String> = kind.split('_').map(title).collect();
    format!("{} Hook", words.join(" "))
}

#[cfg(test)]
mod tests;
