//! What a sender does: sign a body, post it, and read the answer.
//!
//! Which headers there are, and how they are signed, is said in [`becket_webhooks::sender`].

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use becket_webhooks::{Dialect, Kind, SecretError};
use bytes::Bytes;
use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode, Url};
use secrecy::SecretString;

use crate::api::broken;
use crate::complaint::Complaint;

/// Somebody who sends webhooks.
pub(crate) struct Sender(becket_webhooks::Sender);

/// An answer to a delivery.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Bytes,
    /// From the first byte sent to the last one received.
    pub(crate) took: Duration,
}

impl Sender {
    /// A sender of this dialect; without a secret it signs nothing.
    ///
    /// # Errors
    /// The secret is not one of this kind.
    pub(crate) fn new(dialect: Dialect, secret: Option<SecretString>) -> Result<Self, Complaint> {
        let kind = dialect.kind();
        becket_webhooks::Sender::new(dialect, secret).map(Self).map_err(|error| {
            let mend = match error {
                SecretError::NotBasic { .. } => "give `user:password`",
                _ => "give `whsec_` and the base64 of 24 to 64 bytes, or another --source-kind",
            };
            Complaint::new(format!("the secret cannot sign as {kind} does: {error}")).mend(mend)
        })
    }

    /// Whose requests it imitates.
    pub(crate) fn kind(&self) -> Kind {
        self.0.dialect().kind()
    }

    /// A body of its own for each delivery, where the kind's body says which it is; otherwise the one given.
    ///
    /// # Errors
    /// The body says another event.
    pub(crate) fn body(&self, event: &str, id: &str, body: &Bytes) -> Result<Bytes, Complaint> {
        if !self.0.id_is_in_body() {
            return Ok(body.clone());
        }
        self.completed(event, id, body)
    }

    /// The body with what the event's name says, and with the id where the kind's stands in the body.
    ///
    /// # Errors
    /// The body says another event.
    pub(crate) fn completed(&self, event: &str, id: &str, body: &Bytes) -> Result<Bytes, Complaint> {
        // What is no object is sent as it is: whoever receives it says why not.
        let Ok(mut payload @ serde_json::Value::Object(_)) = serde_json::from_slice(body) else {
            return Ok(body.clone());
        };
        let completed = self.0.complete(&mut payload, event, id);
        completed.map_err(|error| Complaint::new(error.to_string()).mend("name the event that the payload is of"))?;
        Ok(payload.to_string().into())
    }

    /// The headers of a delivery, signed at `now`. `event` may carry an action; only the event itself is sent.
    ///
    /// # Errors
    /// The event or the id cannot stand in a header.
    pub(crate) fn headers(&self, event: &str, id: &str, now: SystemTime, body: &[u8]) -> Result<HeaderMap, Complaint> {
        let headers = self.0.headers(event, id, unix_secs(now), body);
        headers.map_err(|error| Complaint::new(error.to_string()).mend("use visible ASCII characters"))
    }

    /// An id that nobody else gives to a delivery.
    pub(crate) fn new_id(&self) -> String {
        let bits = fastrand::u128(..);
        match self.kind() {
            Kind::StandardWebhooks => format!("msg_{bits:032x}"),
            Kind::Slack => format!("Ev{bits:032X}"),
            Kind::Stripe => format!("evt_{bits:032x}"),
            // The number of a notification, within its subscription.
            Kind::AzureDevops => format!("{}:{}", uuid(bits), fastrand::u32(1..)),
            _ => uuid(bits),
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

    #[test]
    fn source_of_each_kind_accepts_what_is_sent_as_such() {
        for dialect in Kind::ALL.into_iter().filter_map(Dialect::of) {
            let secret = if dialect.kind() == Kind::StandardWebhooks { WHSEC } else { "user:s3cret" };
            let source = Source::new("source", dialect.clone(), Secrets::new([secret]).unwrap()).unwrap();
            let sender = Sender::new(dialect.clone(), Some(secret.into())).unwrap();
            let (now, id) = (SystemTime::now(), sender.new_id());
            let body = sender.completed("thing.done", &id, &Bytes::from_static(b"{}")).unwrap();
            let headers = sender.headers("thing.done", &id, now, &body).unwrap();
            let delivery = source.receive(&headers, body, unix_secs(now) * 1_000).unwrap();
            assert_eq!((delivery.name().as_ref(), delivery.delivery_id()), ("thing.done", &*id), "{dialect}");
        }
    }

    #[test]
    fn body_is_left_as_it_is_where_the_id_stands_in_a_header() {
        let body = Bytes::from_static(b"{ \"a\": 1 }");
        let github = Sender::new(Dialect::Github, None).unwrap();
        assert_eq!(github.body("push", "1", &body).unwrap(), body);
        let stripe = Sender::new(Dialect::Stripe, None).unwrap();
        let written: serde_json::Value = serde_json::from_slice(&stripe.body("a.b", "evt_1", &body).unwrap()).unwrap();
        assert_eq!(written, serde_json::json!({"a": 1, "id": "evt_1", "type": "a.b"}));
        let no_object = Bytes::from_static(b"[1]");
        assert_eq!(stripe.body("a.b", "evt_1", &no_object).unwrap(), no_object);
        assert!(stripe.body("a.b", "evt_1", &Bytes::from_static(b"{\"type\":\"c.d\"}")).is_err());
    }

    #[test]
    fn ids_are_new_each_time_and_github_s_are_uuids() {
        let sender = Sender::new(Dialect::Github, None).unwrap();
        assert_ne!(sender.new_id(), sender.new_id());
        assert_eq!(uuid(0), "00000000-0000-4000-8000-000000000000");
        assert_eq!(uuid(u128::MAX), "ffffffff-ffff-4fff-bfff-ffffffffffff");
    }

    #[test]
    fn event_that_cannot_stand_in_a_header_is_refused() {
        let sender = Sender::new(Dialect::Github, None).unwrap();
        let error = sender.headers("a\nb", "id", UNIX_EPOCH, b"").unwrap_err();
        assert_eq!(error.to_string(), "the event `a\\nb` cannot stand in a header");
    }

    #[test]
    fn secret_of_another_kind_is_told_apart() {
        assert!(Sender::new(Dialect::StandardWebhooks, Some("hunter2!".into())).is_err());
    }
}
