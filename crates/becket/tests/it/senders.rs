//! Senders of every kind: at paths of their own, and at one for all.

use std::time::SystemTime;

use becket::{App, Delivery, Dialect, background};
use becket_tasks::query::SubmissionInfo;
use becket_webhooks::{Kind, Sender};
use serde_json::{Value, json};

use crate::world::{Answer, Post, SECRET, World, configured};

const WHSEC: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const BASIC: &str = "user:password";

/// A source for each kind but GitHub, which is there already, and a path for all.
const ALL: &str = r#"
    sources.gitlab.secret = "the secret token"
    sources.bitbucket_server.secret = "server"
    sources.bitbucket_cloud.secret = "cloud"
    sources.azure_devops.secret = "user:password"
    sources.gitea.secret = "gitea"
    sources.slack.secret = "slack"
    sources.stripe.secret = "stripe"
    sources.standard_webhooks.secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    sources.any.kind = "auto"
    sources.any.path = "/hooks"
"#;

fn secret(kind: Kind) -> &'static str {
    match kind {
        Kind::Github => SECRET,
        Kind::Gitlab => "the secret token",
        Kind::BitbucketServer => "server",
        Kind::BitbucketCloud => "cloud",
        Kind::AzureDevops => BASIC,
        Kind::Gitea => "gitea",
        Kind::Slack => "slack",
        Kind::Stripe => "stripe",
        _ => WHSEC,
    }
}

fn post(kind: Kind, path: &str, event: &str, id: &str, mut payload: Value) -> Post {
    let sender = Sender::new(Dialect::of(kind).unwrap(), Some(secret(kind).into())).unwrap();
    sender.complete(&mut payload, event, id).unwrap();
    let body = payload.to_string().into_bytes();
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let headers = sender.headers(event, id, now.try_into().unwrap(), &body).unwrap();
    let headers = headers.iter().map(|(name, value)| {
        let name: &'static str = name.as_str().to_owned().leak();
        (name, value.to_str().unwrap().to_owned())
    });
    Post { path: path.to_owned(), headers: headers.collect(), body }
}

fn app(toml: &str) -> App {
    configured(toml).on("*", background(async || {}))
}

async fn only_delivery(world: &World) -> SubmissionInfo {
    let mut all = world.deliveries().await;
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

#[tokio::test]
async fn each_is_received_at_its_own_path_and_known_again_at_that_for_all() {
    for kind in Kind::ALL.into_iter().filter(|kind| *kind != Kind::Custom) {
        let world = World::start(app(ALL)).await;
        let own = format!("/webhooks/{kind}");
        let first = world.post(post(kind, &own, "thing.done", "id:7", json!({}))).await;
        assert_eq!((first.status, first.tasks().len()), (202, 1), "{kind}: {first:?}");
        for path in ["/webhooks/any", "/hooks", "/hooks/"] {
            let again = world.post(post(kind, path, "thing.done", "id:7", json!({}))).await;
            assert_eq!((again.status, &again.body["duplicate"]), (202, &true.into()), "{kind} at {path}: {again:?}");
        }
        let delivery = only_delivery(&world).await;
        assert_eq!(
            (&*delivery.source, &*delivery.event, delivery.action.as_deref()),
            (kind.as_str(), "thing", Some("done"))
        );
        assert_eq!(delivery.key.as_deref(), Some("id:7"), "{kind}");
    }
}

#[tokio::test]
async fn wrong_secret_is_401_and_never_404_or_410() {
    let world = World::start(app(ALL)).await;
    for kind in Kind::ALL.into_iter().filter(|kind| *kind != Kind::Custom) {
        for path in [format!("/webhooks/{kind}"), "/webhooks/any".to_owned()] {
            let spoilt = match kind {
                Kind::Gitlab => post(kind, &path, "push", "id:7", json!({})).header("x-gitlab-token", "wrong"),
                Kind::AzureDevops => post(kind, &path, "push", "id:7", json!({})).header("authorization", "Basic eA=="),
                _ => Post { body: b"{\"a\":1}".to_vec(), ..post(kind, &path, "push", "id:7", json!({})) },
            };
            assert_eq!(world.post(spoilt).await.status, 401, "{kind} at {path}");
            let garbled = Post { body: b"{".to_vec(), ..post(kind, &path, "push", "id:7", json!({})) };
            let status = world.post(garbled).await.status;
            assert!(matches!(status, 400 | 401), "{kind} at {path}: {status}");
        }
    }
    assert!(world.deliveries().await.is_empty());
}

#[tokio::test]
async fn what_is_for_none_of_them_is_401_and_explained_to_the_operator() {
    let world = World::start(app(ALL)).await;
    let nobody =
        Post { path: "/webhooks/any".to_owned(), headers: vec![("x-who", "me".to_owned())], body: b"{}".to_vec() };
    let answer = world.post(nobody).await;
    assert_eq!((answer.status, &answer.body["detail"]), (401, &"the signature could not be verified".into()));
    let rejections = Answer::of(reqwest::get(world.running.url("/api/v1/rejections")).await.unwrap()).await;
    let rejection = &rejections.body["items"][0];
    assert_eq!((&rejection["source"], &rejection["reason"]), (&"any".into(), &"unknown_sender".into()));
}

#[tokio::test]
async fn gitea_is_not_taken_for_github_even_with_the_same_secret() {
    let toml = format!("sources.gitea.secret = '{SECRET}'\nsources.any.kind = 'auto'");
    let world = World::start(app(&toml)).await;
    let mut hook = post(Kind::Gitea, "/webhooks/any", "push", "uuid-1", json!({}));
    let own = Sender::new(Dialect::Gitea, Some(SECRET.into())).unwrap();
    for (name, value) in &own.headers("push", "uuid-1", 0, &hook.body).unwrap() {
        let name: &'static str = name.as_str().to_owned().leak();
        hook = hook.header(name, value.to_str().unwrap());
    }
    assert_eq!(world.post(hook.clone()).await.status, 202);
    assert_eq!(&*only_delivery(&world).await.source, "gitea");

    let world = World::start(app("sources.any.kind = 'auto'")).await;
    assert_eq!(world.post(hook).await.status, 401, "only GitHub is configured, and this is not GitHub");
}

#[tokio::test]
async fn two_sources_of_a_kind_are_told_apart_by_their_secrets() {
    let toml = "sources.ours = { kind = 'gitlab', secret = 'ours' }\nsources.theirs = { kind = 'gitlab', secret = 'theirs' }\n\
                sources.any.kind = 'auto'";
    let world = World::start(app(toml)).await;
    for (secret, status) in [("theirs", 202), ("nobody's", 401)] {
        let hook = post(Kind::Gitlab, "/webhooks/any", "push", "key-1", json!({})).header("x-gitlab-token", secret);
        assert_eq!(world.post(hook).await.status, status, "{secret}");
    }
    assert_eq!(&*only_delivery(&world).await.source, "theirs");
}

#[tokio::test]
async fn slack_s_question_is_answered_at_once_and_becomes_nothing() {
    let world = World::start(app(ALL)).await;
    let question =
        json!({"type": "url_verification", "challenge": "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P"});
    for path in ["/webhooks/slack", "/webhooks/any"] {
        let mut asked = post(Kind::Slack, path, "x", "Ev1", json!({}));
        let sender = Sender::new(Dialect::Slack, Some("slack".into())).unwrap();
        asked.body = question.to_string().into_bytes();
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        let headers = sender.headers("x", "", now.try_into().unwrap(), &asked.body).unwrap();
        let signature = headers["x-slack-signature"].to_str().unwrap();
        let timestamp = headers["x-slack-request-timestamp"].to_str().unwrap();
        let asked = asked.header("x-slack-signature", signature).header("x-slack-request-timestamp", timestamp);
        let answer = world.post(asked.clone()).await;
        assert_eq!((answer.status, &answer.body["challenge"]), (200, &question["challenge"]), "{path}");
        assert_eq!(answer.headers["content-type"], "application/json");
        assert_eq!(world.post(asked.header("x-slack-signature", "")).await.status, 401, "{path}");
    }
    assert!(world.deliveries().await.is_empty());
    let metrics = reqwest::get(world.running.url("/metrics")).await.unwrap().text().await.unwrap();
    assert!(metrics.contains(r#"becket_deliveries_total{source="slack",answer="asked"} 2"#), "{metrics}");
}

#[tokio::test]
async fn bitbucket_s_test_of_the_connection_is_answered_unsigned_and_becomes_nothing() {
    let world = World::start(app(ALL)).await;
    for path in ["/webhooks/bitbucket_server", "/webhooks/any"] {
        let ping = Post {
            path: path.to_owned(),
            headers: vec![
                ("content-type", "application/json; charset=utf-8".to_owned()),
                ("x-event-key", "diagnostics:ping".to_owned()),
                ("x-request-id", "uuid-1".to_owned()),
            ],
            body: br#"{"test": true}"#.to_vec(),
        };
        assert_eq!(world.post(ping.clone()).await.status, 200, "{path}");
        let pushed = ping.header("x-event-key", "repo:refs_changed");
        assert_eq!(world.post(pushed).await.status, 401, "{path}");
    }
    assert!(world.deliveries().await.is_empty());
}

#[tokio::test]
async fn handler_is_registered_in_the_words_of_the_sender_s_documentation() {
    let table = [
        (Kind::Gitlab, "merge_request.open", "merge_request.open"),
        (Kind::BitbucketCloud, "pullrequest:created", "pullrequest.created"),
        (Kind::BitbucketServer, "pr:reviewer:approved", "pr.reviewer.approved"),
        (Kind::AzureDevops, "git.pullrequest.created", "git.pullrequest.created"),
        (Kind::Gitea, "pull_request.opened", "pull_request.opened"),
        (Kind::Slack, "app_mention", "app_mention"),
        (Kind::Stripe, "invoice.payment_failed", "invoice.payment_failed"),
    ];
    for (kind, pattern, event) in table {
        let app = configured(ALL)
            .on(pattern, background(async || {}).named("wanted"))
            .on("other", background(async || {}).named("not"));
        let world = World::start(app).await;
        let answer = world.post(post(kind, "/webhooks/any", event, "id:7", json!({}))).await;
        assert_eq!((answer.status, answer.tasks().len()), (202, 1), "{kind} {pattern}: {answer:?}");
    }
}

#[tokio::test]
async fn event_that_nobody_wants_is_no_error_for_any_sender() {
    let world = World::start(configured(ALL)).await;
    for kind in Kind::ALL.into_iter().filter(|kind| *kind != Kind::Custom) {
        let answer = world.post(post(kind, "/webhooks/any", "kettle.boiled", "id:7", json!({}))).await;
        assert_eq!((answer.status, &answer.body["status"]), (200, &"MISS".into()), "{kind}");
    }
}

#[tokio::test]
async fn repository_is_told_to_handlers_and_operators() {
    let handler = async |delivery: Delivery| becket::Json(delivery.repository().map(str::to_owned));
    let world = World::start(configured(ALL).on("push", background(handler).named("push"))).await;
    let payload = json!({"project": {"path_with_namespace": "tower/ops/lamp"}});
    let answer = world.post(post(Kind::Gitlab, "/webhooks/gitlab", "push", "key-1", payload)).await;
    let ended = world.ended(answer.tasks()[0]).await;
    assert_eq!(ended.result.as_deref(), Some(&br#""tower/ops/lamp""#[..]));
    let shown = Answer::of(reqwest::get(world.running.url("/api/v1/deliveries/key-1")).await.unwrap()).await;
    assert_eq!(shown.body["repository"], "tower/ops/lamp");
    assert_eq!(shown.body["headers"]["becket-repository"], Value::Null, "it is no header");
}

#[tokio::test]
async fn path_for_all_of_none_is_a_mistake() {
    let config = becket::Config::from_toml("sources.any.kind = 'auto'").unwrap();
    let error = App::new().config(config).into_router().await.unwrap_err();
    assert!(error.to_string().contains("takes the requests of all others, and there are none"), "{error}");
}
