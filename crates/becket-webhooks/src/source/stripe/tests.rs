//! What a Stripe source accepts, reads and refuses.

use serde_json::json;

use super::super::post::{NOW, Post};
use crate::{Dialect, Explanation};

const SECRET: &str = "whsec_a stripe secret is text";

fn paid() -> Post {
    Post::new(Dialect::Stripe, SECRET, "customer.subscription.updated", "evt_1", json!({"object": "event"}))
}

/// The value of `v1`.
fn right() -> String {
    paid().header("stripe-signature").split_once("v1=").unwrap().1.to_owned()
}

fn with(signature: &str) -> Post {
    paid().with("stripe-signature", signature)
}

#[test]
fn delivery_is_read_from_its_body() {
    let delivery = paid().delivered();
    assert_eq!((delivery.event(), delivery.action()), ("customer", Some("subscription.updated")));
    assert_eq!(delivery.delivery_id(), "evt_1");
}

#[test]
fn any_of_several_signatures_counts() {
    let (right, wrong) = (right(), "0".repeat(64));
    for signatures in [
        format!("t={NOW},v1={wrong},v1={right}"),
        format!("t={NOW},v1={right},v1={wrong},v0={wrong}"),
        format!("v1={right}, t={NOW}"),
        format!("t={NOW},v2=x,v1={right}"),
    ] {
        assert!(
            with(&signatures).to(&["other", SECRET], NOW).is_ok_and(|one| one.secret_index() == Some(1)),
            "{signatures}"
        );
    }
}

#[test]
fn wrong_signatures_are_explained() {
    let (right, wrong) = (right(), "0".repeat(64));
    use Explanation as E;
    for (signature, expected) in [
        (format!("t={NOW},v1={wrong}"), E::WrongSecret),
        (format!("t={},v1={right}", NOW + 1), E::WrongSecret),
        (format!("t={NOW},v1=x"), E::MalformedSignature),
        (format!("v1={right}"), E::MalformedSignature),
        (format!("t={NOW},t={NOW},v1={right}"), E::MalformedSignature),
        (format!("t=-1,v1={right}"), E::MalformedSignature),
        (format!("t={NOW},v0={right}"), E::OnlyOtherVersions),
        (String::new(), E::MalformedSignature),
    ] {
        assert_eq!(with(&signature).refused(), (401, expected), "{signature}");
    }
    assert_eq!(paid().without("stripe-signature").refused(), (401, E::NoSignatureHeader));
    assert_eq!(paid().refused_at(NOW - 301), (401, E::ClockSkew { skew_secs: 301, tolerance_secs: 300 }));
}

#[test]
fn event_without_an_id_is_unreadable() {
    let post = Post::raw(Dialect::Stripe, SECRET, "", "", "{}");
    assert_eq!(post.refused(), (400, Explanation::MissingField { field: "/id".into() }));
    let post = Post::raw(Dialect::Stripe, SECRET, "", "", r#"{"id":"a b"}"#);
    assert_eq!(post.refused(), (400, Explanation::MalformedField { field: "/id".into() }));
}
