//! What a Bitbucket Cloud source accepts, reads and refuses.

use serde_json::json;

use super::super::post::Post;
use crate::{Dialect, Explanation};

fn created() -> Post {
    let payload = json!({"repository": {"full_name": "tower/lamp"}, "pullrequest": {"id": 1}});
    Post::new(Dialect::BitbucketCloud, "secret", "pullrequest.created", "uuid-1", payload)
}

#[test]
fn key_of_the_event_is_split_at_its_colon() {
    let delivery = created().delivered();
    assert_eq!(created().header("x-event-key"), "pullrequest:created");
    assert_eq!((delivery.event(), delivery.action()), ("pullrequest", Some("created")));
    assert_eq!((delivery.delivery_id(), delivery.repository()), ("uuid-1", Some("tower/lamp")));
    assert_eq!(delivery.header("x-attempt-number"), Some("1"));
}

#[test]
fn later_attempt_is_the_same_delivery() {
    let again = created().with("x-attempt-number", "2");
    assert_eq!(again.delivered().delivery_id(), created().delivered().delivery_id());
}

#[test]
fn wrong_or_missing_signature_is_refused() {
    assert_eq!(created().without("x-hub-signature").refused(), (401, Explanation::NoSignatureHeader));
    assert_eq!(created().arriving_as("{}").refused(), (401, Explanation::WrongSecret));
    let bare = created().header("x-hub-signature").replace("sha256=", "");
    assert_eq!(created().with("x-hub-signature", &bare).refused(), (401, Explanation::MalformedSignature));
}

#[test]
fn request_without_its_names_is_unreadable() {
    for header in ["x-request-uuid", "x-event-key"] {
        let missing = Explanation::MissingHeader { header: header.into() };
        assert_eq!(created().without(header).refused(), (400, missing));
    }
}
