//! Deliveries: the real path, from the signature to the answer.

use std::time::Duration;

use becket::event::IssuesEvent;
use becket::testing::TestApp;
use becket::{App, Config, Event, Secrets, Source, State, background, received};
use serde_json::json;

use crate::failure;

fn two_sources() -> App {
    App::new()
        .github("the production secret")
        .standard_webhooks("billing", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
        .on("invoice.paid", background(|| async { "paid" }))
        .on("ping", || async { "pong" })
}

#[tokio::test]
async fn handler_gets_what_was_delivered_as_github_would_send_it() {
    async fn greet(Event(event): Event<IssuesEvent>, delivery: becket::Delivery) -> String {
        format!("{} {}", event.issue.number, delivery.delivery_id().unwrap())
    }
    let app = TestApp::start(App::new().on("issues.opened", background(greet))).await;
    let issue = json!({
        "issue": {"id": 1, "number": 12, "title": "It breaks"},
        "repository": {"id": 1, "name": "hello", "full_name": "octo/hello"},
        "sender": {"id": 2, "login": "mona"},
    });
    let task = app.deliver("issues.opened", issue).await.assert_status(202).task_id();
    app.drain().await;
    app.task(task).assert_result("12 00000000-0000-4000-8000-000000000001");
}

#[tokio::test]
async fn inline_handler_has_answered_when_the_delivery_returns() {
    let app = TestApp::start(two_sources()).await;
    let delivered = app.delivery("ping", json!({})).source("github").send().await;
    delivered.assert_status(200);
    assert_eq!(delivered.answer.body, json!({"status": "HIT", "calls": {"ping": "pong"}}));
}

#[tokio::test]
async fn standard_webhooks_are_signed_at_the_test_s_time() {
    let app = TestApp::start(two_sources()).await;
    app.advance(Duration::from_secs(400 * 24 * 3_600)).await;
    let delivered = app.delivery("invoice.paid", json!({"data": {"id": 7}})).source("billing").send().await;
    let task = delivered.assert_accepted().task_id();
    assert_eq!(delivered.delivery_id, "msg_000000000000000000000000001");
    app.drain().await;
    app.task(task).assert_result("paid");
}

#[tokio::test]
async fn what_is_not_signed_right_is_refused_and_makes_no_task() {
    let app = TestApp::start(two_sources()).await;
    for source in ["github", "billing"] {
        app.delivery("ping", json!({})).source(source).wrongly_signed().send().await.assert_status(401);
        app.delivery("ping", json!({})).source(source).unsigned().send().await.assert_status(401);
    }
    let stripped = app.delivery("ping", json!({})).source("github").without_header("x-github-event");
    stripped.send().await.assert_status(400);
    let other = app.delivery("ping", json!({})).source("github").header("content-type", "text/plain");
    other.send().await.assert_status(415);
    app.raw_delivery("ping", "{").source("github").send().await.assert_status(400);
    app.assert_no_tasks();
}

#[tokio::test]
async fn delivery_under_a_known_id_is_a_duplicate() {
    let app = TestApp::start(App::new().on("push", background(|| async {}))).await;
    let first = app.deliver("push", json!({})).await;
    app.delivery("push", json!({})).id(&first.delivery_id).send().await.assert_duplicate();
    app.tasks("push").assert_count(1);
}

#[tokio::test]
async fn api_can_be_asked() {
    let app = TestApp::start(two_sources()).await;
    let task = app.delivery("invoice.paid", json!({})).source("billing").send().await.task_id();
    let answer = app.get(&format!("/api/v1/tasks/{task}")).await;
    answer.assert_status(200);
    assert_eq!(answer.body["event"], "invoice");
    app.get("/nosuch").await.assert_status(404);
}

#[tokio::test]
async fn routes_and_sources_of_a_configuration_are_tested_too() {
    let toml = "[sources.hub]\nkind = 'github'\nsecret = 'production'\n[[routes]]\non = 'push'\nto = 'log'\n";
    let config = Config::from_toml(toml).unwrap_or_else(|errors| panic!("{errors}"));
    let app = TestApp::start(App::new().config(config)).await;
    app.deliver("push", json!({})).await.assert_accepted();
    app.drain().await;
    app.all_tasks().assert_completed();
}

#[tokio::test]
async fn application_with_mistakes_does_not_start_and_says_why() {
    let app = || App::new().on("push", |State(_): State<u8>| async {});
    let error = TestApp::try_start(app()).await.unwrap_err().to_string();
    assert!(error.contains("`State<u8>`"), "{error}");
    assert_eq!(failure(TestApp::start(app())).await, error);
}

#[tokio::test]
async fn mistakes_in_a_test_are_told() {
    let app = TestApp::start(two_sources()).await;
    let message = failure(app.deliver("ping", json!({}))).await;
    assert_eq!(message, "say which source delivers, with `.source(…)`: one of `github`, `billing`");
    let message = failure(app.delivery("ping", json!({})).source("gitlab").send()).await;
    assert_eq!(message, "there is no source `gitlab`, but `github`, `billing`");
    let contradiction = app.delivery("issues.opened", json!({"action": "closed"})).source("github");
    let message = failure(contradiction.send()).await;
    assert_eq!(message, "the payload's `action` is \"closed\", and the event is `issues.opened`");
}

#[tokio::test]
async fn rate_of_a_source_counts_on_the_clock_of_the_test_and_its_addresses_do_not_count() {
    let github = Source::github("github", Secrets::new(["the production secret"]).unwrap());
    let github = received(github).allow(["192.30.252.0/22"]).rate(1, Duration::from_secs(3_600));
    let app = TestApp::start(App::new().source(github).on("ping", || async { "pong" })).await;
    app.deliver("ping", json!({})).await.assert_status(200);
    app.deliver("ping", json!({})).await.assert_status(429);
    app.advance(Duration::from_secs(3_600)).await;
    app.deliver("ping", json!({})).await.assert_status(200);
}
