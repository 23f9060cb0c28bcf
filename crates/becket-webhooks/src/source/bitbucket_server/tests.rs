//! What a Bitbucket Server source accepts, answers, reads and refuses.

use serde_json::{Value, json};

use super::super::post::Post;
use crate::{Dialect, Explanation};

fn post(event: &str, payload: Value) -> Post {
    Post::new(Dialect::BitbucketServer, "secret", event, "uuid-1", payload)
}

fn ping() -> Post {
    Post::raw(Dialect::BitbucketServer, "secret", "diagnostics:ping", "uuid-1", r#"{"test": true}"#)
        .without("x-hub-signature")
}

#[test]
fn key_of_the_event_is_split_at_its_first_colon() {
    let repository = json!({"slug": "lamp", "project": {"key": "TWR"}});
    let delivery = post("pr.reviewer.approved", json!({"pullRequest": {"toRef": {"repository": repository}}}));
    let delivery = delivery.delivered();
    assert_eq!((delivery.event(), delivery.action()), ("pr", Some("reviewer:approved")));
    assert_eq!((delivery.delivery_id(), delivery.repository()), ("uuid-1", Some("TWR/lamp")));
    let pushed = post("repo.refs_changed", json!({"repository": repository})).delivered();
    assert_eq!((pushed.name().as_ref(), pushed.repository()), ("repo.refs_changed", Some("TWR/lamp")));
    let renamed = post("repo.modified", json!({"old": {}, "new": repository})).delivered();
    assert_eq!(renamed.repository(), Some("TWR/lamp"));
}

#[test]
fn test_of_the_connection_is_answered_without_a_signature() {
    assert_eq!(ping().answered().as_deref(), Some("{}"));
    assert_eq!(ping().arriving_as("{ \"test\":true }\n").answered().as_deref(), Some("{}"));
}

#[test]
fn nothing_else_is_answered_without_a_signature() {
    let others = [
        ping().with("x-event-key", "repo:refs_changed"),
        ping().arriving_as(r#"{"test": true, "more": 1}"#),
        ping().arriving_as(r#"{"test": false}"#),
        ping().arriving_as(format!(r#"{{"test": true}}{}"#, " ".repeat(100))),
        ping().arriving_as(""),
        ping().and("x-event-key", "diagnostics:ping"),
    ];
    for other in others {
        assert_eq!(other.answered(), None);
        assert_eq!(other.refused(), (401, Explanation::NoSignatureHeader));
    }
}

#[test]
fn wrong_signature_is_refused() {
    let post = post("pr.opened", json!({}));
    assert_eq!(post.clone().arriving_as("{}").refused(), (401, Explanation::WrongSecret));
    let missing = Explanation::MissingHeader { header: "x-request-id".into() };
    assert_eq!(post.without("x-request-id").refused(), (400, missing));
}
