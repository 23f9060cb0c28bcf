//! Which handlers get a delivery: filters, sources, and where it ends.

use std::sync::{Arc, Mutex};

use becket::{background, inline};
use serde_json::json;

use crate::world::{Answer, Post, SECRET, World, app, configured};

/// What is logged, as text.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl World {
    /// The kinds of the tasks that a delivery became.
    async fn kinds(&self, answer: &Answer) -> Vec<String> {
        let mut kinds = Vec::new();
        for task in answer.tasks() {
            kinds.push(self.ended(task).await.task.kind.to_string());
        }
        kinds
    }
}

fn pull_request(id: &str, draft: bool) -> Post {
    let body = json!({"action": "opened", "pull_request": {"draft": draft}, "sender": {"type": "User"}});
    Post::github_body("pull_request", id, body.to_string())
}

#[tokio::test]
async fn handlers_in_code_are_asked_before_routes_and_one_that_stops_ends_it() {
    let toml = "[[routes]]\nname = 'rest'\non = '*'\nto = 'log'\n[[routes]]\nname = 'drafts'\non = '*.opened'\nto = 'log'\n\
                when = 'payload.pull_request.draft'";
    let reviewed = background(|| async {}).named("review");
    let app = configured(toml).on("pull_request*", background(|| async {}).named("first")).on(
        "pull_request.*",
        reviewed.when("payload.pull_request.draft == false && payload.sender.type != 'Bot'").stop(),
    );
    let world = World::start(app).await;
    let ready = world.post(pull_request("a-1", false)).await;
    assert_eq!(world.kinds(&ready).await, ["first", "review"]);
    let draft = world.post(pull_request("a-2", true)).await;
    assert_eq!(world.kinds(&draft).await, ["first", "rest", "drafts"], "a filter that is false stops nothing");

    let again = world.post(pull_request("a-1", false)).await;
    assert_eq!((again.tasks(), again.body["duplicate"].as_bool()), (ready.tasks(), Some(true)));
}

#[tokio::test]
async fn delivery_that_no_filter_lets_pass_is_a_miss_and_is_kept() {
    let only = inline(|| async { "done" }).named("only").when("payload.sender.type == 'Bot'");
    let world = World::start(app().on("*", only)).await;
    let missed = world.post(pull_request("a-1", false)).await;
    assert_eq!((missed.status, missed.body["status"].as_str()), (200, Some("MISS")));
    assert_eq!(world.deliveries().await.len(), 1);
}

#[tokio::test]
async fn handler_is_for_the_sources_that_it_names() {
    let toml = format!("[sources.hub-eu]\nkind = 'github'\nsecret = '{SECRET}'");
    let app = configured(&toml)
        .on("push", inline(|| async {}).named("hubs").source("hub*"))
        .on("push", inline(|| async {}).named("both").source(["github", "hub-eu"]));
    let world = World::start(app).await;
    let called = |answer: Answer| answer.body["calls"].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(called(world.post(Post::github("push", "a-1")).await), ["both"]);
    assert_eq!(called(world.post(Post::github("push", "a-2").path("/webhooks/hub-eu")).await), ["both", "hubs"]);
}

#[tokio::test]
async fn filter_looks_into_forms_and_into_large_payloads() {
    let app = app().on("push", inline(|| async {}).named("main").when("payload.ref == 'refs/heads/main'"));
    let world = World::start(app).await;
    let body = json!({"ref": "refs/heads/main", "filler": "x".repeat(1 << 20)}).to_string();
    let large = world.post(Post::github_body("push", "a-1", body)).await;
    assert!(large.body["calls"].get("main").is_some(), "{large:?}");

    let form = "payload=%7B%22ref%22%3A%22refs%2Fheads%2Fmain%22%7D";
    let form = Post::github_body("push", "a-2", form).header("content-type", "application/x-www-form-urlencoded");
    let form = world.post(form).await;
    assert!(form.body["calls"].get("main").is_some(), "{form:?}");
}

#[tokio::test]
async fn filter_that_cannot_be_evaluated_is_told_once_without_a_value_and_disturbs_nobody() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_env_filter("warn").with_ansi(false);
    let _logging = tracing::subscriber::set_default(subscriber.with_writer(move || writer.clone()).finish());
    let app = app()
        .on("push", inline(|| async {}).named("odd").when("payload.ref == 'x' ||\n payload.ref < 3"))
        .on("push", inline(|| async {}).named("even"));
    let world = World::start(app).await;
    for id in ["a-1", "a-2", "a-3"] {
        let body = json!({"ref": "hunter2\n\u{1b}[2J"}).to_string();
        let answer = world.post(Post::github_body("push", id, body)).await;
        assert_eq!(answer.body["calls"].as_object().unwrap().keys().collect::<Vec<_>>(), ["even"]);
    }
    let logged = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert_eq!(logged.matches("a filter cannot be evaluated").count(), 1, "{logged}");
    assert!(logged.contains("`<` does not take a text and a whole number"), "{logged}");
    assert!(!logged.contains("hunter2") && !logged.contains('\u{1b}'), "{logged}");
    let metrics = reqwest::get(world.running.url("/metrics")).await.unwrap().text().await.unwrap();
    assert!(metrics.contains("becket_route_filters_total{route=\"odd\",said=\"failed\"} 3"), "{metrics}");
}

/// A large payload is looked into on another thread, when it comes and when it is replayed.
#[tokio::test]
async fn replay_asks_the_filters_as_the_delivery_did() {
    let app = app()
        .on("pull_request", background(|| async {}).named("ready").when("payload.pull_request.draft == false"))
        .on("pull_request", background(|| async {}).named("draft").when("payload.pull_request.draft"))
        .on("change_request.*", background(|| async {}).named("all"));
    let world = World::start(app).await;
    for (id, draft, padding) in [("a-1", false, 10), ("a-2", true, 10), ("a-3", false, 100_000), ("a-4", true, 100_000)]
    {
        let body = json!({"padding": "x".repeat(padding), "action": "opened", "pull_request": {"draft": draft}});
        let first = world.post(Post::github_body("pull_request", id, body.to_string())).await;
        let wanted = [if draft { "draft" } else { "ready" }, "all"];
        assert_eq!(world.kinds(&first).await, wanted, "{id}");
        let url = world.running.url(&format!("/api/v1/deliveries/{id}/replay"));
        let replayed = Answer::of(reqwest::Client::new().post(url).send().await.unwrap()).await;
        assert_eq!(world.kinds(&replayed).await, wanted, "{id}, replayed");
        assert_ne!(replayed.tasks(), first.tasks());
    }
}
