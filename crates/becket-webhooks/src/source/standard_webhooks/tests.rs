//! What the Standard Webhooks scheme accepts, reads and refuses, as tables.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::{Delivery, Explanation, Rejection, SecretError, Secrets, Source, signature};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const OTHER: &str = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
const NOW: i64 = 1_614_265_330;
const PAID: &str = r#"{"type":"invoice.paid","data":{"type":"inner"}}"#;

fn sign(secret: &str, body: &[u8]) -> String {
    signature::standard_webhooks(secret, "msg_1", NOW, body).unwrap()
}

/// A message as the specification describes it; a test changes what is special.
struct Post {
    headers: HeaderMap,
    body: Bytes,
}

impl Post {
    fn signed(body: impl Into<Bytes>) -> Self {
        Self::named("webhook", body.into())
    }

    fn named(prefix: &str, body: Bytes) -> Self {
        let values = [("id", "msg_1".to_owned()), ("timestamp", NOW.to_string()), ("signature", sign(SECRET, &body))];
        let headers = values.map(|(name, value)| {
            (HeaderName::try_from(format!("{prefix}-{name}")).unwrap(), HeaderValue::try_from(value).unwrap())
        });
        Self { headers: headers.into_iter().collect(), body }
    }

    fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.insert(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        self
    }

    fn and(mut self, name: &'static str, value: &str) -> Self {
        self.headers.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        self
    }

    fn without(mut self, name: &str) -> Self {
        self.headers.remove(name);
        self
    }

    fn arriving_as(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    fn to(self, secrets: &[&str], now_ms: i64) -> Result<Delivery, Rejection> {
        let secrets = Secrets::new(secrets.iter().copied()).unwrap();
        Source::standard_webhooks("billing", secrets).unwrap().receive(&self.headers, self.body, now_ms)
    }

    fn delivered(self) -> Delivery {
        self.to(&[SECRET], NOW * 1000).unwrap()
    }

    /// The status and explanation with which it is refused.
    fn refused(self) -> (u16, Explanation) {
        let rejection = self.to(&[SECRET], NOW * 1000).unwrap_err();
        (rejection.status().as_u16(), rejection.explanation().clone())
    }
}

#[test]
fn message_is_read_from_headers_and_body() {
    let delivery = Post::signed(PAID).delivered();
    assert_eq!((delivery.source(), delivery.delivery_id()), ("billing", "msg_1"));
    assert_eq!((delivery.event(), delivery.action()), ("invoice", Some("paid")));
    assert_eq!(delivery.name(), "invoice.paid");
    assert_eq!(delivery.json(), PAID);
    assert_eq!(delivery.secret_index(), Some(0));
}

#[test]
fn svix_names_of_the_headers_are_understood() {
    let delivery = Post::named("svix", PAID.into()).delivered();
    assert_eq!((delivery.delivery_id(), delivery.header("svix-id")), ("msg_1", Some("msg_1")));
}

#[test]
fn parts_of_both_sets_of_names_are_never_mixed() {
    let post = Post::named("svix", PAID.into()).with("webhook-id", "msg_2");
    assert_eq!(post.refused(), (401, Explanation::NoSignatureHeader));
    let post = Post::signed(PAID).with("svix-id", "msg_2").with("svix-signature", "v1,x");
    assert_eq!(post.delivered().delivery_id(), "msg_1");
}

#[test]
fn type_is_event_and_action() {
    let table = [
        ("invoice.paid", ("invoice", Some("paid"))),
        ("invoice.payment.failed", ("invoice", Some("payment.failed"))),
        ("ping", ("ping", None)),
        ("", ("unknown", None)),
        (".", (".", None)),
        (".paid", (".paid", None)),
        ("invoice.", ("invoice.", None)),
    ];
    for (name, expected) in table {
        let delivery = Post::signed(format!(r#"{{"type":"{name}"}}"#)).delivered();
        assert_eq!((delivery.event(), delivery.action()), expected, "{name}");
    }
}

#[test]
fn body_without_type_is_an_unknown_event() {
    for body in [r#"{"test": 2432232314}"#, r#"{"type":7}"#, r#"{"type":null}"#] {
        assert_eq!(Post::signed(body).delivered().name(), "unknown", "{body}");
    }
}

#[test]
fn any_json_content_type_is_taken() {
    for content_type in ["application/json", "application/cloudevents+json; charset=utf-8"] {
        assert_eq!(Post::signed(PAID).with("content-type", content_type).delivered().name(), "invoice.paid");
    }
}

#[test]
fn one_right_signature_among_several_is_enough() {
    let (right, wrong) = (sign(SECRET, PAID.as_bytes()), sign(OTHER, PAID.as_bytes()));
    for signatures in [
        format!("{wrong} {right}"),
        format!("{right} {wrong}"),
        format!("v1a,AAAA v2,{} {right}", &wrong[3..]),
        format!(" {right}  "),
    ] {
        assert!(Post::signed(PAID).with("webhook-signature", &signatures).to(&[SECRET], NOW * 1000).is_ok());
    }
}

#[test]
fn each_of_several_secrets_is_taken_and_named() {
    for (secrets, index) in [([SECRET, OTHER], 0), ([OTHER, SECRET], 1)] {
        assert_eq!(Post::signed(PAID).to(&secrets, NOW * 1000).unwrap().secret_index(), Some(index));
    }
}

#[test]
fn timestamp_is_tolerated_five_minutes_either_way() {
    for now in [NOW - 300, NOW, NOW + 300] {
        assert!(Post::signed(PAID).to(&[SECRET], now * 1000).is_ok(), "{now}");
        assert!(Post::signed(PAID).to(&[SECRET], now * 1000 + 999).is_ok(), "{now}");
    }
    for (now, skew_secs) in [(NOW - 301, 301), (NOW + 301, -301), (NOW + 600, -600)] {
        let rejection = Post::signed(PAID).to(&[SECRET], now * 1000).unwrap_err();
        assert_eq!(rejection.status(), 401);
        assert_eq!(rejection.explanation(), &Explanation::ClockSkew { skew_secs, tolerance_secs: 300 });
    }
}

#[test]
fn tolerance_can_be_set() {
    let post = Post::signed(PAID);
    let source = Source::standard_webhooks("billing", Secrets::new([SECRET]).unwrap()).unwrap();
    let at = |source: &Source, secs: i64| source.verify(&post.headers, &post.body, (NOW + secs) * 1000);

    let strict = source.clone().with_timestamp_tolerance(Duration::from_secs(10));
    assert_eq!(at(&strict, 10).unwrap(), Some(0));
    assert!(at(&strict, 11).is_err());

    let never_too_old = source.with_timestamp_tolerance(Duration::MAX);
    assert_eq!(at(&never_too_old, 1_000_000_000).unwrap(), Some(0));
}

#[test]
fn clocks_at_the_ends_of_time_are_refused_without_overflow() {
    let secret = Secrets::new([SECRET]).unwrap();
    let source = Source::standard_webhooks("billing", secret).unwrap();
    let signature = signature::standard_webhooks(SECRET, "msg_1", i64::MAX, b"{}").unwrap();
    let post =
        Post::signed("{}").with("webhook-timestamp", &i64::MAX.to_string()).with("webhook-signature", &signature);
    for now_ms in [i64::MIN, 0, i64::MAX] {
        let rejection = source.verify(&post.headers, &post.body, now_ms).unwrap_err();
        assert_eq!(rejection.explanation().reason(), "clock_skew", "{now_ms}");
    }
}

#[test]
fn old_message_with_a_wrong_signature_is_not_called_old() {
    let rejection = Post::signed(PAID).to(&[OTHER], (NOW + 600) * 1000).unwrap_err();
    assert_eq!(rejection.explanation(), &Explanation::WrongSecret);
}

#[test]
fn missing_repeated_or_odd_headers_are_refused() {
    use Explanation as E;
    let table = [
        (Post::signed(PAID).without("webhook-signature"), E::NoSignatureHeader),
        (Post::signed(PAID).without("webhook-id"), E::MissingHeader { header: "webhook-id".into() }),
        (Post::signed(PAID).without("webhook-timestamp"), E::MissingHeader { header: "webhook-timestamp".into() }),
        (Post::signed(PAID).and("webhook-id", "msg_1"), E::RepeatedHeader { header: "webhook-id".into() }),
        (Post::signed(PAID).and("webhook-timestamp", "1"), E::RepeatedHeader { header: "webhook-timestamp".into() }),
        (Post::signed(PAID).and("webhook-signature", "v1,x"), E::RepeatedHeader { header: "webhook-signature".into() }),
        (Post::signed(PAID).with("webhook-id", ""), E::MalformedHeader { header: "webhook-id".into() }),
        (Post::signed(PAID).with("webhook-timestamp", "-1"), E::MalformedHeader { header: "webhook-timestamp".into() }),
        (Post::signed(PAID).with("webhook-timestamp", "+1"), E::MalformedHeader { header: "webhook-timestamp".into() }),
        (
            Post::signed(PAID).with("webhook-timestamp", "1.5"),
            E::MalformedHeader { header: "webhook-timestamp".into() },
        ),
        (
            Post::signed(PAID).with("webhook-timestamp", "99999999999999999999"),
            E::MalformedHeader { header: "webhook-timestamp".into() },
        ),
        (
            Post::named("svix", PAID.into()).without("svix-timestamp"),
            E::MissingHeader { header: "svix-timestamp".into() },
        ),
    ];
    for (post, expected) in table {
        assert_eq!(post.refused(), (401, expected));
    }
}

#[test]
fn why_a_signature_failed_is_found_out() {
    use Explanation as E;
    let right = sign(SECRET, PAID.as_bytes());
    let with = |signature: &str| Post::signed(PAID).with("webhook-signature", signature);
    let table = [
        (with(""), E::MalformedSignature),
        (with("v1"), E::MalformedSignature),
        (with(&right[3..]), E::MalformedSignature),
        (with(&right[..46]), E::MalformedSignature),
        (with("v1a,AAAA"), E::OnlyOtherVersions),
        (with("v1a,AAAA v2,AAAA"), E::OnlyOtherVersions),
        (with("v1a,AAAA v1,AAAA"), E::MalformedSignature),
        (with(&sign(OTHER, PAID.as_bytes())), E::WrongSecret),
        (Post::signed(PAID).with("webhook-id", "msg_2"), E::WrongSecret),
        (Post::signed(PAID).with("webhook-timestamp", "1614265331"), E::WrongSecret),
        (Post::signed("{}").arriving_as("{}\n"), E::MatchesWithoutTrailingNewline),
        (Post::signed("{}\n").arriving_as("{}"), E::MatchesWithTrailingNewline),
        (Post::signed("{}").arriving_as("\u{feff}{}"), E::MatchesWithoutByteOrderMark),
    ];
    for (post, expected) in table {
        assert_eq!(post.refused(), (401, expected));
    }
}

#[test]
fn secret_used_as_text_is_recognised() {
    let key = signature::Key::new(SECRET.as_bytes());
    let signature = key.standard_webhooks("msg_1", &NOW.to_string(), &[PAID.as_bytes()]);
    let post = Post::signed(PAID).with("webhook-signature", &signature);
    assert_eq!(post.refused(), (401, Explanation::MatchesUndecodedSecret));
}

#[test]
fn verified_message_that_is_no_webhook_is_unreadable() {
    let long = format!(r#"{{"type":"{}"}}"#, "x".repeat(257));
    let table = [
        (Post::signed("[]"), 400, "not_an_object"),
        (Post::signed("{"), 400, "invalid_json"),
        (Post::signed(long), 400, "event_too_long"),
        (Post::signed(r#"{"type":"a","type":"b"}"#), 400, "repeated_field"),
        (Post::signed("{}").with("content-type", "text/plain"), 415, "unsupported_content_type"),
        (Post::signed("{}").with("content-type", "application/x-www-form-urlencoded"), 415, "unsupported_content_type"),
    ];
    for (post, status, reason) in table {
        let (refused_with, explanation) = post.refused();
        assert_eq!((refused_with, explanation.reason()), (status, reason));
    }
}

#[test]
fn unsigned_message_needs_its_id_and_nothing_else() {
    let source = Source::standard_webhooks("billing", Secrets::insecure_accept_unsigned()).unwrap();
    let post = Post::signed(PAID).without("webhook-signature").without("webhook-timestamp");
    let delivery = source.receive(&post.headers, post.body.clone(), 0).unwrap();
    assert_eq!((delivery.delivery_id(), delivery.secret_index()), ("msg_1", None));

    let rejection = source.receive(&HeaderMap::new(), post.body, 0).unwrap_err();
    assert_eq!(rejection.status(), 400);
    assert_eq!(rejection.explanation(), &Explanation::MissingHeader { header: "webhook-id".into() });
}

#[test]
fn source_is_not_made_with_a_secret_of_another_kind() {
    let secrets = Secrets::new([SECRET, "plain text"]).unwrap();
    assert_eq!(Source::standard_webhooks("billing", secrets).unwrap_err(), SecretError::NotBase64 { index: 1 });
}
