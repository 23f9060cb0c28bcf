//! What a GitLab source accepts, reads and refuses.

use serde_json::{Value, json};

use super::super::post::{NOW, Post};
use crate::{Dialect, Explanation, SecretError, Secrets, Source};

const TOKEN: &str = "the secret token";
const WHSEC: &str = "whsec_dGVzdHRlc3R0ZXN0dGVzdHRlc3R0ZXN0dGVzdHRlc3Q=";
const OTHER_WHSEC: &str = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

fn merge_request() -> Value {
    json!({
        "object_kind": "merge_request",
        "project": {"path_with_namespace": "tower/ops/lamp"},
        "object_attributes": {"action": "open", "iid": 7},
    })
}

fn tokened(payload: &Value) -> Post {
    Post::raw(Dialect::Gitlab, TOKEN, "merge_request", "key-1", payload.to_string())
}

fn signed(payload: &Value) -> Post {
    Post::raw(Dialect::Gitlab, WHSEC, "merge_request", "key-1", payload.to_string())
}

#[test]
fn delivery_is_read_from_its_body_and_its_key() {
    for post in [tokened(&merge_request()), signed(&merge_request())] {
        let delivery = post.delivered();
        assert_eq!((delivery.event(), delivery.action()), ("merge_request", Some("open")));
        assert_eq!((delivery.delivery_id(), delivery.repository()), ("key-1", Some("tower/ops/lamp")));
        assert_eq!(delivery.header("x-gitlab-event"), Some("Merge Request Hook"));
        assert_eq!(delivery.header("x-gitlab-token"), None);
    }
}

#[test]
fn token_must_be_there_once_and_whole() {
    let post = tokened(&merge_request());
    let wrong = (401, Explanation::WrongToken);
    for token in ["the secret toke", "the secret token!", "THE SECRET TOKEN", ""] {
        assert_eq!(post.clone().with("x-gitlab-token", token).refused(), wrong, "{token}");
    }
    assert_eq!(post.clone().without("x-gitlab-token").refused(), (401, Explanation::NoSignatureHeader));
    let repeated = Explanation::RepeatedHeader { header: "x-gitlab-token".into() };
    assert_eq!(post.and("x-gitlab-token", TOKEN).refused(), (401, repeated));
}

#[test]
fn request_with_a_signature_is_judged_by_it_alone() {
    let post = signed(&merge_request()).with("x-gitlab-token", TOKEN);
    assert_eq!(post.to(&[TOKEN, WHSEC], NOW).unwrap().secret_index(), Some(1));
    let explained = |post: &Post, secrets: &[&str]| post.to(secrets, NOW).unwrap_err().explanation().clone();
    assert_eq!(explained(&post, &[TOKEN]), Explanation::NoSigningToken);
    assert_eq!(explained(&post, &[TOKEN, OTHER_WHSEC]), Explanation::WrongSecret);
    let spoilt = post.clone().with("webhook-signature", "v1,spoilt");
    assert_eq!(explained(&spoilt, &[TOKEN, WHSEC]), Explanation::MalformedSignature);
    let empty = post.clone().with("webhook-signature", "");
    assert_eq!(explained(&empty, &[TOKEN, WHSEC]), Explanation::MalformedSignature);
    let old = post.to(&[TOKEN, WHSEC], NOW + 301).unwrap_err();
    assert_eq!(old.explanation().reason(), "clock_skew");
}

#[test]
fn signing_token_is_no_secret_token() {
    let post = tokened(&merge_request()).with("x-gitlab-token", WHSEC);
    assert_eq!(post.to(&[WHSEC], NOW).unwrap_err().explanation(), &Explanation::WrongToken);
}

#[test]
fn each_of_several_secrets_is_named_by_its_place() {
    let secrets = [OTHER_WHSEC, "another", WHSEC, TOKEN];
    assert_eq!(signed(&merge_request()).to(&secrets, NOW).unwrap().secret_index(), Some(2));
    assert_eq!(tokened(&merge_request()).to(&secrets, NOW).unwrap().secret_index(), Some(3));
    let wrong = Secrets::new(["token", "whsec_!"]).unwrap();
    let error = Source::new("gitlab", Dialect::Gitlab, wrong).unwrap_err();
    assert_eq!(error, SecretError::NotBase64 { index: 1 });
}

#[test]
fn delivery_is_named_by_the_best_of_what_there_is() {
    let post = tokened(&merge_request()).with("x-gitlab-webhook-uuid", "hook-1").with("x-gitlab-event-uuid", "event-1");
    assert_eq!(post.delivered().delivery_id(), "key-1");
    let post = post.without("idempotency-key");
    assert_eq!(post.delivered().delivery_id(), "hook-1");
    let post = post.without("x-gitlab-webhook-uuid");
    assert_eq!(post.delivered().delivery_id(), "event-1");
    let post = post.without("x-gitlab-event-uuid");
    let id = post.delivered().delivery_id().to_owned();
    assert!(id.starts_with("sha256:") && id.len() == 71, "{id}");
    assert_eq!(post.delivered().delivery_id(), id);
}

#[test]
fn signed_delivery_is_named_by_what_is_signed() {
    let post = signed(&merge_request()).with("idempotency-key", "another, to get in twice");
    assert_eq!(post.delivered().delivery_id(), "key-1");
}

#[test]
fn event_nobody_knows_is_no_error() {
    let name = |payload: Value| tokened(&payload).delivered().name().into_owned();
    assert_eq!(name(json!({"object_kind": "kettle", "object_attributes": {"action": "boil"}})), "kettle.boil");
    assert_eq!(name(json!({"event_name": "project_create"})), "project_create");
    assert_eq!(name(json!({"object_kind": "release", "action": "create"})), "release.create");
    assert_eq!(name(json!({})), "merge_request", "from the header");
    let bare = tokened(&json!({})).without("x-gitlab-event");
    assert_eq!(bare.delivered().name(), "unknown");
}

#[test]
fn repository_is_found_wherever_gitlab_names_it() {
    let repository = |payload: Value| tokened(&payload).delivered().repository().map(str::to_owned);
    assert_eq!(repository(json!({"path_with_namespace": "a/b"})).as_deref(), Some("a/b"));
    assert_eq!(repository(json!({"project_path_with_namespace": "a/b"})).as_deref(), Some("a/b"));
    let job = json!({"object_kind": "build", "repository": {"homepage": "https://gitlab.example/a/b/c"}});
    assert_eq!(repository(job).as_deref(), Some("a/b/c"));
    assert_eq!(repository(json!({"event_name": "user_create"})), None);
}
