//! What an Azure DevOps source accepts, reads and refuses.

use http::HeaderName;
use serde_json::{Value, json};

use super::super::post::{NOW, Post};
use crate::{AzureAuth, Dialect, Explanation, SecretError, Secrets, Source};

const SECRET: &str = "user:pass";
const ID: &str = "aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e:7";

fn basic(payload: Value) -> Post {
    Post::new(Dialect::AzureDevops(AzureAuth::Basic), SECRET, "git.pullrequest.created", ID, payload)
}

fn by_header() -> Post {
    let header = AzureAuth::Header(HeaderName::from_static("x-becket-secret"));
    Post::new(Dialect::AzureDevops(header), "a secret", "git.pullrequest.created", ID, json!({}))
}

#[test]
fn delivery_is_read_from_its_body() {
    let repository = json!({"name": "lamp", "project": {"name": "Tower of Light"}});
    let delivery = basic(json!({"resource": {"repository": repository}})).delivered();
    assert_eq!((delivery.event(), delivery.action()), ("git", Some("pullrequest.created")));
    assert_eq!(delivery.name(), "git.pullrequest.created");
    assert_eq!((delivery.delivery_id(), delivery.repository()), (ID, Some("Tower of Light/lamp")));
    let comment = basic(json!({"resource": {"pullRequest": {"repository": repository}}})).delivered();
    assert_eq!(comment.repository(), Some("Tower of Light/lamp"));
    assert_eq!(delivery.header("authorization"), None);
}

#[test]
fn credentials_must_be_whole() {
    let post = basic(json!({}));
    assert_eq!(post.header("authorization"), "Basic dXNlcjpwYXNz");
    assert!(post.clone().with("authorization", "basic dXNlcjpwYXNz").to(&[SECRET], NOW).is_ok());
    for (value, why) in [
        ("Basic dXNlcjpwYXNzMg==", "wrong_token"),
        ("Basic dXNlcjpwYXN", "wrong_token"),
        ("Basic ", "wrong_token"),
        ("Bearer dXNlcjpwYXNz", "malformed_header"),
        ("dXNlcjpwYXNz", "malformed_header"),
        ("", "malformed_header"),
    ] {
        let (status, explanation) = post.clone().with("authorization", value).refused();
        assert_eq!((status, explanation.reason()), (401, why), "{value}");
    }
    assert_eq!(post.without("authorization").refused(), (401, Explanation::NoSignatureHeader));
}

#[test]
fn header_with_a_secret_takes_the_place_of_credentials() {
    assert!(by_header().to(&["new", "a secret"], NOW).is_ok_and(|one| one.secret_index() == Some(1)));
    assert_eq!(by_header().with("x-becket-secret", "a secre").refused(), (401, Explanation::WrongToken));
    assert_eq!(by_header().without("x-becket-secret").refused(), (401, Explanation::NoSignatureHeader));
    assert_eq!(by_header().delivered().header("x-becket-secret"), None);
}

#[test]
fn credentials_have_a_colon() {
    let dialect = Dialect::AzureDevops(AzureAuth::Basic);
    let error = Source::new("azure", dialect, Secrets::new(["a:b", "password"]).unwrap()).unwrap_err();
    assert_eq!(error, SecretError::NotBasic { index: 1 });
}

#[test]
fn test_and_old_notifications_are_named_by_what_they_say() {
    let id = |body: &str| {
        let dialect = Dialect::AzureDevops(AzureAuth::Basic);
        Post::raw(dialect, SECRET, "git.push", ID, body.to_owned()).delivered().delivery_id().to_owned()
    };
    let nobody =
        r#"{"eventType":"git.push","subscriptionId":"00000000-0000-0000-0000-000000000000","notificationId":1}"#;
    assert!(id(nobody).starts_with("sha256:"));
    assert_eq!(id(nobody), id(nobody));
    assert_ne!(id(nobody), id(r#"{"eventType":"git.push"}"#));
}

#[test]
fn two_notifications_of_a_subscription_are_two() {
    let post = |id: &str| Post::new(Dialect::AzureDevops(AzureAuth::Basic), SECRET, "git.push", id, json!({}));
    assert_eq!(post("s:1").delivered().delivery_id(), "s:1");
    assert_eq!(post("s:2").delivered().delivery_id(), "s:2");
}
