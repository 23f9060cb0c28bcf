//! What a Gitea source accepts, reads and refuses; Forgejo and Gogs among its senders.

use serde_json::json;

use super::super::post::Post;
use crate::signature::{Key, Spelling};
use crate::{Dialect, Explanation, Secrets, Source};

const SECRET: &str = "secret";

fn opened() -> Post {
    let payload = json!({"action": "opened", "repository": {"full_name": "tower/lamp"}});
    Post::new(Dialect::Gitea, SECRET, "pull_request.opened", "uuid-1", payload)
}

/// The same request with the headers of another program only.
fn as_sent_by(program: &str) -> Post {
    let mut post = opened();
    let value = |name: &str| post.headers[&*format!("x-gitea-{name}")].clone();
    let mine =
        ["event", "event-type", "delivery", "signature"].map(|name| (format!("x-{program}-{name}"), value(name)));
    post.headers.retain_content_type();
    for (name, value) in mine {
        post.headers.insert(http::HeaderName::try_from(name).unwrap(), value);
    }
    post
}

trait Retain {
    fn retain_content_type(&mut self);
}

impl Retain for http::HeaderMap {
    fn retain_content_type(&mut self) {
        let content_type = self["content-type"].clone();
        self.clear();
        self.insert("content-type", content_type);
    }
}

#[test]
fn delivery_is_read_whichever_of_the_three_sends_it() {
    for post in [opened(), as_sent_by("forgejo"), as_sent_by("gitea"), as_sent_by("gogs")] {
        let delivery = post.delivered();
        assert_eq!((delivery.event(), delivery.action()), ("pull_request", Some("opened")));
        assert_eq!((delivery.delivery_id(), delivery.repository()), ("uuid-1", Some("tower/lamp")));
    }
}

#[test]
fn names_of_two_programs_are_never_mixed() {
    let post = opened().with("x-forgejo-event", "pull_request");
    assert_eq!(post.refused(), (401, Explanation::NoSignatureHeader));
}

#[test]
fn github_s_signature_does_not_count() {
    let post = opened().without("x-gitea-signature").without("x-gogs-signature");
    assert!(post.headers.contains_key("x-hub-signature-256"));
    assert_eq!(post.refused(), (401, Explanation::NoSignatureHeader));
    let github = Source::github("github", Secrets::new([SECRET]).unwrap());
    assert!(!github.recognises(&opened().headers), "it is told apart before GitHub");
}

#[test]
fn webhook_without_a_secret_is_refused() {
    let empty = opened().with("x-gitea-signature", "");
    assert_eq!(empty.refused(), (401, Explanation::NoSignatureHeader));
    let keyless = Spelling::BARE_HEX.write(&Key::new(b"").mac([&opened().body[..]]));
    assert_eq!(opened().with("x-gitea-signature", &keyless).refused(), (401, Explanation::WrongSecret));
}

#[test]
fn prefix_or_upper_case_is_another_spelling() {
    let right = opened().header("x-gitea-signature");
    for wrong in [format!("sha256={right}"), right.to_uppercase(), "failfailfailfail".to_owned()] {
        let post = opened().with("x-gitea-signature", &wrong);
        assert_eq!(post.refused(), (401, Explanation::MalformedSignature), "{wrong}");
    }
}

#[test]
fn form_is_signed_as_the_json_in_it() {
    let form = "payload=%7B%22action%22%3A%22opened%22%7D";
    let json = r#"{"action":"opened"}"#;
    let signature = Spelling::BARE_HEX.write(&Key::new(SECRET.as_bytes()).mac([json.as_bytes()]));
    let post = opened()
        .with("content-type", "application/x-www-form-urlencoded")
        .with("x-gitea-signature", &signature)
        .arriving_as(form);
    let delivery = post.delivered();
    assert_eq!((delivery.name().as_ref(), &*delivery.json()), ("pull_request.opened", json.as_bytes()));
    assert_eq!(delivery.body(), form.as_bytes());
    assert_eq!(post.arriving_as("payload=%7B%7D").refused(), (401, Explanation::WrongSecret));
}
