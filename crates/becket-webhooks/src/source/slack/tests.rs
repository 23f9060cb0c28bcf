//! What a Slack source accepts, answers, reads and refuses.

use serde_json::json;

use super::super::post::{NOW, Post};
use crate::{Dialect, Explanation};

const SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";

fn mention() -> Post {
    Post::new(Dialect::Slack, SECRET, "app_mention", "Ev1", json!({"team_id": "T1"}))
}

fn question() -> Post {
    let body = json!({"token": "x", "type": "url_verification", "challenge": "a \"challenge\""}).to_string();
    Post::raw(Dialect::Slack, SECRET, "url_verification", "", body)
}

/// The example of <https://docs.slack.dev/authentication/verifying-requests-from-slack>.
#[test]
fn slack_s_documented_example_is_verified() {
    let body = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&\
                channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&\
                response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&\
                trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
    let signature = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503";
    let post = mention()
        .with("x-slack-request-timestamp", "1531420618")
        .with("x-slack-signature", signature)
        .arriving_as(body);
    let source = post.source(&[SECRET]);
    assert_eq!(source.verify(&post.headers, &post.body, 1_531_420_618_000), Ok(Some(0)));
    assert!(source.verify(&post.headers, &post.body, 1_531_420_919_000).is_err());
}

#[test]
fn event_is_that_within() {
    let delivery = mention().delivered();
    assert_eq!((delivery.name().as_ref(), delivery.delivery_id()), ("app_mention", "Ev1"));
    let message = Post::new(Dialect::Slack, SECRET, "message.channel_join", "Ev2", json!({}));
    assert_eq!(message.delivered().name(), "message.channel_join");
    let limited = Post::raw(Dialect::Slack, SECRET, "", "", r#"{"type":"app_rate_limited"}"#);
    assert_eq!(limited.delivered().name(), "app_rate_limited");
}

#[test]
fn retry_is_the_same_delivery() {
    let retry = mention().with("x-slack-retry-num", "1").with("x-slack-retry-reason", "http_timeout").delivered();
    assert_eq!((retry.delivery_id(), retry.header("x-slack-retry-num")), ("Ev1", Some("1")));
}

#[test]
fn question_is_answered_with_its_challenge() {
    assert_eq!(question().answered().as_deref(), Some(r#"{"challenge":"a \"challenge\""}"#));
}

#[test]
fn question_that_nobody_signed_is_not_answered() {
    assert_eq!(question().without("x-slack-signature").answered(), None);
    assert_eq!(question().without("x-slack-signature").refused(), (401, Explanation::NoSignatureHeader));
    let old = question().source(&[SECRET]).answer(&question().headers, &question().body, (NOW + 301) * 1000);
    assert_eq!(old, None);
}

#[test]
fn event_that_speaks_of_a_question_is_none() {
    let post =
        Post::new(Dialect::Slack, SECRET, "message", "Ev1", json!({"text": "url_verification", "challenge": "c"}));
    assert_eq!(post.answered(), None);
    assert_eq!(post.delivered().name(), "message");
}

#[test]
fn old_or_wrongly_signed_request_is_refused() {
    assert_eq!(mention().refused_at(NOW + 301), (401, Explanation::ClockSkew { skew_secs: -301, tolerance_secs: 300 }));
    assert_eq!(mention().with("x-slack-request-timestamp", "1").refused(), (401, Explanation::WrongSecret));
    let malformed = Explanation::MalformedHeader { header: "x-slack-request-timestamp".into() };
    assert_eq!(mention().with("x-slack-request-timestamp", "+1").refused(), (401, malformed));
    assert_eq!(mention().with("x-slack-signature", "v1=00").refused(), (401, Explanation::MalformedSignature));
}

#[test]
fn form_is_not_taken() {
    let form = Post::raw(Dialect::Slack, SECRET, "", "", "command=%2Fx")
        .with("content-type", "application/x-www-form-urlencoded");
    assert_eq!(form.refused(), (415, Explanation::UnsupportedContentType));
}
