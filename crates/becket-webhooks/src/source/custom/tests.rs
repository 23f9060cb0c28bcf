//! What a source of one's own accepts, reads and refuses.

use serde_json::json;

use super::super::post::{NOW, Post};
use crate::signature::{Algorithm, Encoding};
use crate::{Custom, Dialect, Explanation, Kind};

const SECRET: &str = "secret";

fn post(custom: Custom, id: &str, payload: serde_json::Value) -> Post {
    Post::new(Dialect::Custom(custom.checked().unwrap().into()), SECRET, "order.paid.twice", id, payload)
}

fn plain() -> Custom {
    Custom::new("X-Signature", "X-Id", "X-Event").unwrap()
}

fn thorough() -> Custom {
    plain().signed("{id}\n{timestamp}\n{body}").unwrap().timestamp("X-Time").unwrap()
}

#[test]
fn delivery_is_read_from_headers_or_body() {
    let delivery = post(plain(), "7", json!({})).delivered();
    assert_eq!((delivery.event(), delivery.action(), delivery.delivery_id()), ("order", Some("paid.twice"), "7"));
    assert_eq!((delivery.header("x-id"), delivery.header("x-signature").map(str::len)), (Some("7"), Some(64)));

    let custom = Custom::new("X-Signature", "/meta/0/id", "/meta/0/type").unwrap().repository("/repo").unwrap();
    let delivery = post(custom, "8", json!({"meta": [{}], "repo": "tower/lamp"})).delivered();
    assert_eq!((delivery.name().as_ref(), delivery.delivery_id()), ("order.paid.twice", "8"));
    assert_eq!(delivery.repository(), Some("tower/lamp"));
}

#[test]
fn number_is_an_id_too() {
    let custom = Custom::new("X-Signature", "/id", "X-Event").unwrap();
    let dialect = Dialect::Custom(custom.into());
    assert_eq!(Post::raw(dialect, SECRET, "e", "", r#"{"id":42}"#).delivered().delivery_id(), "42");
}

#[test]
fn every_algorithm_and_encoding_is_verified() {
    for (algorithm, encoding, length) in [
        (Algorithm::Sha256, Encoding::Hex, 64),
        (Algorithm::Sha256, Encoding::Base64, 44),
        (Algorithm::Sha512, Encoding::Hex, 128),
        (Algorithm::Sha512, Encoding::Base64, 88),
    ] {
        let right = post(plain().algorithm(algorithm).encoding(encoding).prefix("s="), "7", json!({}));
        assert_eq!(right.header("x-signature").len(), length + 2);
        assert_eq!(right.delivered().secret_index(), Some(0));
        assert_eq!(right.clone().arriving_as("{ }").refused(), (401, Explanation::WrongSecret));
        let bare = right.header("x-signature").replacen("s=", "", 1);
        assert_eq!(right.with("x-signature", &bare).refused(), (401, Explanation::MalformedSignature));
    }
}

#[test]
fn everything_in_the_signed_text_is_protected() {
    let post = post(thorough(), "7", json!({}));
    assert_eq!(post.delivered().delivery_id(), "7");
    assert_eq!(post.clone().with("x-id", "8").refused(), (401, Explanation::WrongSecret));
    assert_eq!(post.clone().with("x-time", "1700000001").refused(), (401, Explanation::WrongSecret));
    let skew = Explanation::ClockSkew { skew_secs: -301, tolerance_secs: 300 };
    assert_eq!(post.refused_at(NOW + 301), (401, skew));
    let missing = |header: &str| (401, Explanation::MissingHeader { header: header.to_owned().into() });
    assert_eq!(post.clone().without("x-time").refused(), missing("x-time"));
    assert_eq!(post.clone().without("x-id").refused(), missing("x-id"));
    assert_eq!(post.without("x-signature").refused(), (401, Explanation::NoSignatureHeader));
}

#[test]
fn text_after_the_body_is_signed_too() {
    let post = post(plain().signed("<{body}>").unwrap(), "7", json!({}));
    assert!(post.to(&[SECRET], NOW).is_ok());
    assert_eq!(post.arriving_as("{}>").refused().0, 401);
}

#[test]
fn request_without_an_id_is_refused_and_without_an_event_unknown() {
    let post = post(plain(), "7", json!({}));
    assert_eq!(post.clone().without("x-event").delivered().name(), "unknown");
    let missing = Explanation::MissingHeader { header: "x-id".into() };
    assert_eq!(post.without("x-id").refused(), (400, missing));
    let in_body = Dialect::Custom(Custom::new("X-Signature", "/id", "/e").unwrap().into());
    let missing = Explanation::MissingField { field: "/id".into() };
    assert_eq!(Post::raw(in_body, SECRET, "e", "", "{}").refused(), (400, missing));
}

#[test]
fn body_limit_of_one_s_own_sender_is_1_mib() {
    assert_eq!(post(plain(), "7", json!({})).source(&[SECRET]).body_limit(), Kind::Custom.body_limit());
}
