//! What GitHub's scheme accepts, reads and refuses, as tables.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::{Delivery, Explanation, Rejection, Secrets, Source, signature};

const SECRET: &str = "It's a Secret to Everybody";
const FORM: &str = "application/x-www-form-urlencoded";

/// A request as GitHub sends it; a test changes what is special.
struct Post {
    headers: HeaderMap,
    body: Bytes,
}

impl Post {
    fn signed(body: impl Into<Bytes>) -> Self {
        let body = body.into();
        let post = Self { headers: HeaderMap::new(), body };
        let signature = signature::github(SECRET.as_bytes(), &post.body);
        post.with("x-github-event", "issues")
            .with("x-github-delivery", "72d3162e-cc78-11e3-81ab-4c9367dc0958")
            .with("content-type", "application/json")
            .with("x-hub-signature-256", &signature)
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

    fn to(self, secrets: &[&str]) -> Result<Delivery, Rejection> {
        let secrets = Secrets::new(secrets.iter().copied()).unwrap();
        Source::github("github", secrets).receive(&self.headers, self.body, 0)
    }

    fn delivered(self) -> Delivery {
        self.to(&[SECRET]).unwrap()
    }

    /// The status and explanation with which it is refused.
    fn refused(self) -> (u16, Explanation) {
        let rejection = self.to(&[SECRET]).unwrap_err();
        (rejection.status().as_u16(), rejection.explanation().clone())
    }
}

#[test]
fn delivery_is_read_from_headers_and_body() {
    let delivery = Post::signed(r#"{"action":"opened","issue":{"action":"inner"}}"#).delivered();
    assert_eq!(delivery.delivery_id(), "72d3162e-cc78-11e3-81ab-4c9367dc0958");
    assert_eq!((delivery.event(), delivery.action()), ("issues", Some("opened")));
    assert_eq!(delivery.name(), "issues.opened");
    assert_eq!(delivery.secret_index(), Some(0));
    assert_eq!(delivery.json(), delivery.body());
}

#[test]
fn event_without_action_is_named_by_itself() {
    for body in [r#"{"ref":"main"}"#, r#"{"action":null}"#, r#"{"action":""}"#, r#"{"action":{"x":1}}"#] {
        let delivery = Post::signed(body).with("x-github-event", "push").delivered();
        assert_eq!((delivery.name().as_ref(), delivery.action()), ("push", None), "{body}");
    }
}

#[test]
fn delivery_without_installation_and_of_an_unknown_event_is_accepted() {
    let delivery = Post::signed(r#"{"zen":"Design for failure.","hook_id":1}"#).with("x-github-event", "new_thing");
    assert_eq!(delivery.delivered().name(), "new_thing");
}

#[test]
fn form_is_verified_raw_and_read_decoded() {
    let raw = "payload=%7B%22action%22%3A%22op%C3%A9n%22%7D";
    let delivery = Post::signed(raw).with("content-type", FORM).delivered();
    assert_eq!(delivery.action(), Some("opén"));
    assert_eq!(delivery.body(), raw);
    assert_eq!(delivery.json(), r#"{"action":"opén"}"#);
}

#[test]
fn each_of_several_secrets_is_taken_and_named() {
    for (secrets, index) in [([SECRET, "old"], 0), (["new", SECRET], 1)] {
        assert_eq!(Post::signed("{}").to(&secrets).unwrap().secret_index(), Some(index));
    }
}

#[test]
fn first_of_two_equal_secrets_is_named() {
    assert_eq!(Post::signed("{}").to(&[SECRET, SECRET]).unwrap().secret_index(), Some(0));
}

#[test]
fn unsigned_request_is_refused() {
    let post = Post::signed("{}").without("x-hub-signature-256");
    assert_eq!(post.refused(), (401, Explanation::NoSignatureHeader));
}

#[test]
fn right_sha1_signature_does_not_count() {
    // HMAC-SHA1 of `{}` with the secret.
    let sha1 = "sha1=0afe0cafc3e329c3edabc71eb7e50e207f8371a2";
    let post = Post::signed("{}").without("x-hub-signature-256").with("x-hub-signature", sha1);
    assert_eq!(post.refused(), (401, Explanation::OnlySha1));
}

#[test]
fn repeated_signature_header_is_refused_even_when_each_is_right() {
    let right = signature::github(SECRET.as_bytes(), b"{}");
    let post = Post::signed("{}").and("x-hub-signature-256", &right);
    assert_eq!(post.refused(), (401, Explanation::RepeatedHeader { header: "x-hub-signature-256".into() }));
}

#[test]
fn signature_has_one_spelling_only() {
    let right = signature::github(SECRET.as_bytes(), b"{}");
    let digits = right.strip_prefix("sha256=").unwrap();
    let table = [
        String::new(),
        "sha256=".to_owned(),
        digits.to_owned(),
        format!("sha1={digits}"),
        format!("SHA256={digits}"),
        format!("sha256={}", digits.to_uppercase()),
        format!("sha256={}", &digits[..63]),
        format!("sha256={digits}0"),
        format!("sha256={digits} "),
        format!("sha256={}g", &digits[..63]),
        format!("sha256={}é", &digits[..62]),
    ];
    for signature in table {
        let post = Post::signed("{}").with("x-hub-signature-256", &signature);
        assert_eq!(post.refused(), (401, Explanation::MalformedSignature), "{signature}");
    }
}

#[test]
fn why_a_signature_failed_is_found_out() {
    use Explanation as E;
    let table = [
        (Post::signed("{}").arriving_as("{ }"), E::WrongSecret),
        (Post::signed("{}").arriving_as("{}\n"), E::MatchesWithoutTrailingNewline),
        (Post::signed("{}").arriving_as("{}\r\n"), E::MatchesWithoutTrailingNewline),
        (Post::signed("{}\n").arriving_as("{}"), E::MatchesWithTrailingNewline),
        (Post::signed("{}").arriving_as("\u{feff}{}"), E::MatchesWithoutByteOrderMark),
        (Post::signed("{}").arriving_as("payload=%7B%7D").with("content-type", FORM), E::MatchesDecodedForm),
    ];
    for (post, expected) in table {
        assert_eq!(post.refused(), (401, expected));
    }
}

#[test]
fn near_miss_is_found_with_the_older_secret_too() {
    let rejection = Post::signed("{}").arriving_as("{}\n").to(&["new", SECRET]).unwrap_err();
    assert_eq!(rejection.explanation(), &Explanation::MatchesWithoutTrailingNewline);
}

#[test]
fn secret_with_white_space_around_it_is_recognised() {
    let rejection = Post::signed("{}").to(&["other", &format!("{SECRET}\n")]).unwrap_err();
    assert_eq!(rejection.explanation(), &Explanation::MatchesTrimmedSecret);
    let rejection = Post::signed("{}").to(&["other\n"]).unwrap_err();
    assert_eq!(rejection.explanation(), &Explanation::WrongSecret);
}

#[test]
fn verified_request_that_is_no_webhook_is_unreadable() {
    use Explanation as E;
    let long = format!(r#"{{"action":"{}"}}"#, "x".repeat(257));
    let table = [
        (Post::signed("{}").without("x-github-event"), E::MissingHeader { header: "x-github-event".into() }),
        (Post::signed("{}").without("x-github-delivery"), E::MissingHeader { header: "x-github-delivery".into() }),
        (Post::signed("{}").and("x-github-event", "push"), E::RepeatedHeader { header: "x-github-event".into() }),
        (Post::signed("{}").and("x-github-delivery", "2"), E::RepeatedHeader { header: "x-github-delivery".into() }),
        (
            Post::signed("{}").with("x-github-delivery", "a b"),
            E::MalformedHeader { header: "x-github-delivery".into() },
        ),
        (Post::signed("{}").with("x-github-event", ""), E::MalformedHeader { header: "x-github-event".into() }),
        (Post::signed("[]"), E::NotAnObject),
        (Post::signed(""), E::NotAnObject),
        (Post::signed(&b"{\"a\":\"\xff\"}"[..]), E::NotUtf8),
        (Post::signed(r#"{"action":"a","action":"b"}"#), E::RepeatedField { field: "action".into() }),
        (Post::signed(long), E::EventTooLong),
        (Post::signed("{}").with("content-type", FORM), E::MalformedForm),
        (Post::signed("payload=1").with("content-type", FORM), E::NotAnObject),
    ];
    for (post, expected) in table {
        assert_eq!(post.refused(), (400, expected));
    }
    let (status, explanation) = Post::signed(r#"{"action":"opened""#).refused();
    assert_eq!((status, explanation.reason()), (400, "invalid_json"));
}

#[test]
fn other_content_type_is_unsupported() {
    for content_type in ["text/plain", "application/xml", "multipart/form-data; boundary=x"] {
        let post = Post::signed("{}").with("content-type", content_type);
        assert_eq!(post.refused(), (415, Explanation::UnsupportedContentType), "{content_type}");
    }
}

#[test]
fn headers_that_tell_about_the_hook_are_kept() {
    let delivery = Post::signed("{}")
        .with("user-agent", "GitHub-Hookshot/044aadd")
        .with("x-github-hook-id", "292430182")
        .with("x-github-hook-installation-target-id", "79929171")
        .with("x-github-hook-installation-target-type", "repository")
        .with("x-github-enterprise-host", "ghes.example")
        .with("x-github-enterprise-version", "3.19.0")
        .with("x-hub-signature", "sha1=00")
        .with("x-forwarded-for", "192.0.2.1")
        .delivered();
    let mut names: Vec<_> = delivery.headers().iter().map(|(name, _)| name.as_str()).collect();
    let mut expected = super::KEPT;
    names.sort_unstable();
    expected.sort_unstable();
    assert_eq!(names, expected);
    assert!(expected.iter().all(|name| *name == HeaderName::from_static(name).as_str()));
}
