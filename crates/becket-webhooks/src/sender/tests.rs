//! A source accepts what a sender of its dialect signs, and reads out of it what was meant.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::json;

use super::*;
use crate::signature::{Algorithm, Encoding};
use crate::{Secrets, Source};

const WHSEC: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const SECRET: &str = "user:password";

fn custom() -> Custom {
    Custom::new("X-Acme-Signature", "/meta/id", "X-Acme-Event")
        .unwrap()
        .algorithm(Algorithm::Sha512)
        .encoding(Encoding::Base64)
        .prefix("v1=")
        .signed("{timestamp}:{body}!")
        .unwrap()
        .timestamp("X-Acme-Time")
        .unwrap()
        .checked()
        .unwrap()
}

/// Every dialect, with a secret of its kind.
fn dialects() -> Vec<(Dialect, &'static str)> {
    let mut all: Vec<_> = Kind::ALL
        .into_iter()
        .filter_map(Dialect::of)
        .map(|dialect| {
            let secret = if dialect.kind() == Kind::StandardWebhooks { WHSEC } else { SECRET };
            (dialect, secret)
        })
        .collect();
    all.push((Dialect::Gitlab, WHSEC));
    all.push((Dialect::AzureDevops(AzureAuth::Header(HeaderName::from_static("x-secret"))), "a secret"));
    all.push((Dialect::Custom(Arc::new(custom())), SECRET));
    all
}

#[test]
fn source_accepts_what_a_sender_of_its_dialect_signs() {
    for (dialect, secret) in dialects() {
        let source = Source::new("s", dialect.clone(), Secrets::new([secret]).unwrap()).unwrap();
        let sender = Sender::new(dialect.clone(), Some(secret.into())).unwrap();
        let mut payload = json!({});
        sender.complete(&mut payload, "thing.done", "id:7").unwrap();
        let body = Bytes::from(payload.to_string());
        let headers = sender.headers("thing.done", "id:7", 7, &body).unwrap();
        let delivery = source.receive(&headers, body.clone(), 7_000);
        let delivery = delivery.unwrap_or_else(|error| panic!("{dialect}: {:?}", error.explanation()));
        assert_eq!((delivery.name().as_ref(), delivery.delivery_id()), ("thing.done", "id:7"), "{dialect}");
        assert_eq!(delivery.secret_index(), Some(0), "{dialect}");
        assert!(source.recognises(&headers), "{dialect}");

        let other = if secret == WHSEC { "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" } else { "other:secret" };
        let other = Source::new("s", dialect.clone(), Secrets::new([other]).unwrap()).unwrap();
        assert_eq!(other.receive(&headers, body, 7_000).unwrap_err().status(), 401, "{dialect}");
    }
}

#[test]
fn unsigned_sender_is_refused_by_every_source() {
    for (dialect, secret) in dialects() {
        let source = Source::new("s", dialect.clone(), Secrets::new([secret]).unwrap()).unwrap();
        let sender = Sender::new(dialect.clone(), None).unwrap();
        let headers = sender.headers("thing.done", "id:7", 7, b"{}").unwrap();
        assert_eq!(source.receive(&headers, "{}".into(), 7_000).unwrap_err().status(), 401, "{dialect}");
    }
}

#[test]
fn no_header_that_holds_a_secret_is_kept() {
    for (dialect, secret) in dialects() {
        let source = Source::new("s", dialect.clone(), Secrets::new([secret]).unwrap()).unwrap();
        let sender = Sender::new(dialect.clone(), Some(secret.into())).unwrap();
        let mut payload = json!({});
        sender.complete(&mut payload, "thing.done", "id:7").unwrap();
        let body = Bytes::from(payload.to_string());
        let headers = sender.headers("thing.done", "id:7", 7, &body).unwrap();
        let delivery = source.receive(&headers, body, 7_000).unwrap();
        let sensitive = headers.iter().filter(|(_, value)| value.is_sensitive());
        for (name, _) in sensitive {
            assert_eq!(delivery.header(name.as_str()), None, "{dialect}: {name}");
        }
        let kept = delivery.headers().iter().map(|(_, value)| value.as_str());
        assert!(kept.into_iter().all(|value| !value.contains(secret)), "{dialect}");
    }
}

#[test]
fn source_with_other_secrets_takes_those_and_only_those() {
    let source = Source::github("github", Secrets::new(["old"]).unwrap()).with_body_limit(9);
    let source = source.with_secrets(Secrets::new(["new"]).unwrap()).unwrap();
    let headers = |secret: &str| {
        Sender::new(Dialect::Github, Some(secret.into())).unwrap().headers("ping", "1", 0, b"{}").unwrap()
    };
    assert!(source.receive(&headers("new"), "{}".into(), 0).is_ok());
    assert!(source.receive(&headers("old"), "{}".into(), 0).is_err());
    assert_eq!((source.name(), source.body_limit()), ("github", 9), "all else stays");
    let billing = Source::standard_webhooks("billing", Secrets::new([WHSEC]).unwrap()).unwrap();
    assert!(billing.with_secrets(Secrets::new(["hunter2!"]).unwrap()).is_err());
}

#[test]
fn only_a_github_source_recognises_github_and_none_gitea() {
    let all: Vec<Source> = dialects()
        .into_iter()
        .map(|(dialect, secret)| Source::new("s", dialect, Secrets::new([secret]).unwrap()).unwrap())
        .collect();
    let recognised = |dialect: Dialect| {
        let headers = Sender::new(dialect, Some(WHSEC.into())).unwrap().headers("push", "1", 0, b"{}").unwrap();
        all.iter().filter(|source| source.recognises(&headers)).map(Source::kind).collect::<Vec<_>>()
    };
    assert_eq!(recognised(Dialect::Github), [Kind::Github]);
    assert_eq!(recognised(Dialect::Gitea), [Kind::Gitea]);
    assert_eq!(recognised(Dialect::BitbucketServer), [Kind::BitbucketServer]);
    assert_eq!(recognised(Dialect::BitbucketCloud), [Kind::BitbucketCloud]);
    assert_eq!(recognised(Dialect::Slack), [Kind::Slack]);
    assert_eq!(recognised(Dialect::Stripe), [Kind::Stripe]);
    assert_eq!(recognised(Dialect::StandardWebhooks), [Kind::StandardWebhooks]);
    // Both could have sent it: only GitLab's secret tells.
    assert_eq!(recognised(Dialect::Gitlab), [Kind::Gitlab, Kind::StandardWebhooks, Kind::Gitlab]);
}

#[test]
fn gitlab_calls_its_webhooks_by_titles() {
    for (kind, title) in
        [("push", "Push Hook"), ("merge_request", "Merge Request Hook"), ("build", "Job Hook"), ("", " Hook")]
    {
        assert_eq!(hook(kind), title);
    }
}

#[test]
fn payload_that_says_another_event_is_a_contradiction() {
    let complete = |dialect: Dialect, mut payload: serde_json::Value, event: &str| {
        Sender::new(dialect, None).unwrap().complete(&mut payload, event, "1").map(|()| payload)
    };
    let error = complete(Dialect::Github, json!({"action": "closed"}), "issues.opened").unwrap_err();
    assert_eq!(error.to_string(), r#"the payload's `action` is "closed", and the event is `issues.opened`"#);
    let error = complete(Dialect::Gitlab, json!({"object_kind": "push"}), "note").unwrap_err();
    assert_eq!(error.to_string(), r#"the payload's `object_kind` is "push", and the event is `note`"#);
    let made = complete(Dialect::Gitlab, json!({"event_name": "project_create"}), "project_create").unwrap();
    assert_eq!(made, json!({"event_name": "project_create"}));
}

#[test]
fn without_a_secret_nothing_is_signed() {
    let headers = Sender::new(Dialect::Github, None).unwrap().headers("ping", "1", 0, b"{}").unwrap();
    assert!(!headers.contains_key("x-hub-signature-256"));
}

#[test]
fn secret_that_the_dialect_cannot_use_is_refused() {
    let refused = |dialect, secret: &str| Sender::new(dialect, Some(secret.into())).unwrap_err();
    assert_eq!(refused(Dialect::StandardWebhooks, "hunter2!"), SecretError::NotBase64 { index: 0 });
    assert_eq!(refused(Dialect::Gitlab, "whsec_!"), SecretError::NotBase64 { index: 0 });
    assert_eq!(refused(Dialect::AzureDevops(AzureAuth::Basic), "password"), SecretError::NotBasic { index: 0 });
}

#[test]
fn event_that_cannot_stand_in_a_header_is_refused_and_a_secret_is_not_shown() {
    let github = Sender::new(Dialect::Github, None).unwrap();
    let error = github.headers("a\nb", "id", 0, b"").unwrap_err();
    assert_eq!(error.to_string(), "the event `a\\nb` cannot stand in a header");
    let gitlab = Sender::new(Dialect::Gitlab, Some("hunter2\n".into())).unwrap();
    let error = gitlab.headers("push", "id", 0, b"").unwrap_err();
    assert_eq!(error.to_string(), "the secret `(masked)` cannot stand in a header");
}

#[test]
fn debug_shows_no_secret() {
    let sender = Sender::new(Dialect::Github, Some("s3cret".into())).unwrap();
    assert!(!format!("{sender:?}").contains("s3cret"));
}
