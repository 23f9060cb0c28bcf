//! What a sender does: sign a body, post it, and read the answer.
//!
//! Which headers there are, and how they are signed, is said in [`becket_webhooks::sender`].

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use becket_webhooks::Kind;
use bytes::Bytes;
use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode, Url};
use secrecy::SecretString;

use crate::api::broken;
use crate::cli::SourceKind;
use crate::complaint::Complaint;

/// Somebody who sends webhooks.
pub(crate) struct Sender {
    kind: SourceKind,
    signs: becket_webhooks::Sender,
}

/// An answer to a delivery.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Bytes,
    /// From the first byte sent to the last one received.
    pub(crate) took: Duration,
}

impl Sender {
    /// A sender of this kind; without a secret it signs nothing.
    ///
    /// # Errors
    /// The secret is not one of this kind.
    pub(crate) fn new(kind: SourceKind, secret: Option<SecretString>) -> Result<Self, Complaint> {
        let as_source = match kind {
            SourceKind::Github => Kind::Github,
            SourceKind::StandardWebhooks => Kind::StandardWebhooks,
        };
        let signs = becket_webhooks::Sender::new(as_source, secret).map_err(|error| {
            Complaint::new(format!("the secret cannot sign as Standard Webhooks: {error}"))
                .mend("give `whsec_` and the base64 of 24 to 64 bytes, or --source-kind github")
        })?;
        Ok(Self { kind, signs })
    }

    /// The headers of a delivery, signed at `now`. `event` may carry an action; only the event itself is sent.
    ///
    /// # Errors
    /// The event or the id cannot stand in a header.
    pub(crate) fn headers(&self, event: &str, id: &str, now: SystemTime, body: &[u8]) -> Result<HeaderMap, Complaint> {
        let headers = self.signs.headers(event, id, unix_secs(now), body);
        headers.map_err(|error| Complaint::new(error.to_string()).mend("use visible ASCII characters"))
    }

    /// An id that nobody else gives to a delivery.
    pub(crate) fn new_id(&self) -> String {
        match self.kind {
            SourceKind::Github => uuid(fastrand::u128(..)),
            SourceKind::StandardWebhooks => format!("msg_{:032x}", fastrand::u128(..)),
        }
    }
}

/// Posts a delivery.
///
/// # Errors
/// No whole answer came. An answer that refuses is no error.
pub(crate) async fn post(
    http: &reqwest::Client,
    to: &Url,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Answer, Complaint> {
    let started = Instant::now();
    let no_answer = |error: reqwest::Error| broken(&Method::POST, to, &error);
    let response = http.post(to.clone()).headers(headers).body(body).send().await.map_err(no_answer)?;
    let status = response.status();
    let body = response.bytes().await.map_err(no_answer)?;
    Ok(Answer { status, body, took: started.elapsed() })
}

/// What a sender that follows Standard Webhooks says when it has nothing to say: `type`, `timestamp` and `data`.
pub(crate) fn plain_body(event: &str, now: SystemTime) -> Bytes {
    let body = serde_json::json!({
        "type": event,
        "timestamp": humantime::format_rfc3339_millis(now).to_string(),
        "data": {"id": format!("{:016x}", fastrand::u64(..))},
    });
    body.to_string().into()
}

fn unix_secs(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// A version 4 UUID of these bits (RFC 9562, section 5.4).
fn uuid(bits: u128) -> String {
    let bits = bits & !(0xf << 76) & !(0x3 << 62) | (0x4 << 76) | (0x2 << 62);
    let hex = format!("{bits:032x}");
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

#[cfg(test)]
mod tests {
    use becket_webhooks::{Secrets, Source};

    use super::*;

    const WHSEC: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    fn received(kind: SourceKind, source: &Source, secret: &str, event: &str, body: &str) -> becket_webhooks::Delivery {
        let now = SystemTime::now();
        let sender = Sender::new(kind, Some(secret.into())).unwrap();
        let headers = sender.headers(event, &sender.new_id(), now, body.as_bytes()).unwrap();
        source.receive(&headers, Bytes::from(body.to_owned()), unix_secs(now) * 1_000).unwrap()
    }

    #[test]
    fn github_source_accepts_what_is_sent_as_github() {
        let source = Source::github("github", Secrets::new(["s3cret"]).unwrap());
        let delivery = received(SourceKind::Github, &source, "s3cret", "issues.opened", r#"{"action":"opened"}"#);
        assert_eq!((delivery.event(), delivery.action()), ("issues", Some("opened")));
    }

    #[test]
    fn standard_webhooks_source_accepts_what_is_sent_as_such() {
        let source = Source::standard_webhooks("billing", Secrets::new([WHSEC]).unwrap()).unwrap();
        let body = plain_body("invoice.paid", SystemTime::now());
        let body = std::str::from_utf8(&body).unwrap();
        let delivery = received(SourceKind::StandardWebhooks, &source, WHSEC, "invoice.paid", body);
        assert_eq!((delivery.event(), delivery.action()), ("invoice", Some("paid")));
    }

    #[test]
    fn ids_are_new_each_time_and_github_s_are_uuids() {
        let sender = Sender::new(SourceKind::Github, None).unwrap();
        assert_ne!(sender.new_id(), sender.new_id());
        assert_eq!(uuid(0), "00000000-0000-4000-8000-000000000000");
        assert_eq!(uuid(u128::MAX), "ffffffff-ffff-4fff-bfff-ffffffffffff");
    }

    #[test]
    fn event_that_cannot_stand_in_a_header_is_refused() {
        let sender = Sender::new(SourceKind::Github, None).unwrap();
        let error = sender.headers("a\nb", "id", UNIX_EPOCH, b"").unwrap_err();
        assert_eq!(error.to_string(), "the event `a\\nb` cannot stand in a header");
    }

    #[test]
    fn secret_of_another_kind_is_told_apart() {
        assert!(Sender::new(SourceKind::StandardWebhooks, Some("hunter2!".into())).is_err());
    }
}
