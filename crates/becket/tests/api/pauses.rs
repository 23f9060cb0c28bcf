//! Pausing kinds and sources, and letting them go on.

use becket_tasks::State;
use reqwest::Method;
use serde_json::{Value, json};

use crate::world::{World, delivery};

fn paused(scope: &str, name: &str) -> Value {
    json!({"scope": scope, "name": name, "is_paused": true})
}

async fn call(world: &World, method: Method, path: &str) -> Value {
    let (status, json) = world.call(method, path, None).await;
    assert_eq!(status, 200, "{path}: {json}");
    json
}

#[tokio::test]
async fn nothing_of_a_paused_kind_begins_until_it_is_resumed() {
    for world in World::of_each_store().await {
        assert_eq!(world.get("/api/v1/pauses").await, json!({"items": []}));
        let path = "/api/v1/pauses/kind/quick";
        assert_eq!(call(&world, Method::PUT, path).await, paused("kind", "quick"));
        assert_eq!(call(&world, Method::PUT, path).await, paused("kind", "quick"), "twice changes nothing");
        let held = world.deliver(delivery("github", "push", "d-1", &["quick"])).await.tasks[0];
        world.ended(delivery("github", "push", "d-2", &["failing"])).await;
        assert_eq!(world.state(held).await, State::Queued, "accepted, and not begun, while others run");
        let resumed = call(&world, Method::DELETE, path).await;
        assert_eq!(resumed, json!({"scope": "kind", "name": "quick", "is_paused": false}));
        world.engine.client().wait(held).await.unwrap();
        assert_eq!(world.state(held).await, State::Completed);
    }
}

#[tokio::test]
async fn pauses_are_listed_and_measured() {
    for world in World::of_each_store().await {
        for path in ["source/github", "kind/quick", "source/api"] {
            call(&world, Method::PUT, &format!("/api/v1/pauses/{path}")).await;
        }
        let items = [paused("kind", "quick"), paused("source", "api"), paused("source", "github")];
        assert_eq!(world.get("/api/v1/pauses").await, json!({"items": items}));
        let page = world.request(Method::GET, "/metrics").send().await.unwrap().text().await.unwrap();
        assert!(page.contains("becket_paused{scope=\"source\",name=\"github\"} 1\n"), "{page}");
        call(&world, Method::DELETE, "/api/v1/pauses/source/github").await;
        let page = world.request(Method::GET, "/metrics").send().await.unwrap().text().await.unwrap();
        assert!(!page.contains("name=\"github\"}"), "{page}");
    }
}

#[tokio::test]
async fn name_with_a_slash_or_a_number_sign_is_percent_encoded() {
    let world = World::with_kinds(&["http:example.org/a#6db756", "issues.opened+push"]).await;
    for (path, name) in [
        ("kind/http:example.org%2Fa%236db756", "http:example.org/a#6db756"),
        ("kind/issues.opened%2Bpush", "issues.opened+push"),
    ] {
        let path = format!("/api/v1/pauses/{path}");
        assert_eq!(call(&world, Method::PUT, &path).await, paused("kind", name));
        assert_eq!(call(&world, Method::DELETE, &path).await["name"], name);
    }
}

#[tokio::test]
async fn what_there_is_not_cannot_be_paused_and_the_answer_lists_what_there_is() {
    let world = World::start().await;
    for (path, why) in [
        ("kind/quik", "there is no kind `quik`; there are blocked, failing, once_failing, quick, stepwise"),
        ("source/gitlab", "there is no source `gitlab`; there are github, billing, api"),
        ("tenant/17", "there is no such scope; a `kind` or a `source` can be paused"),
    ] {
        for method in [Method::PUT, Method::DELETE] {
            let problem = world.problem(method, &format!("/api/v1/pauses/{path}"), None, 404).await;
            assert_eq!(problem["detail"], why);
        }
    }
}

#[tokio::test]
async fn what_was_paused_and_is_no_more_configured_can_still_be_resumed() {
    let world = World::start().await;
    world.store.set_paused(becket_tasks::Scope::Kind("gone".into()), true).await.unwrap();
    world.problem(Method::PUT, "/api/v1/pauses/kind/gone", None, 404).await;
    call(&world, Method::DELETE, "/api/v1/pauses/kind/gone").await;
    assert_eq!(world.get("/api/v1/pauses").await, json!({"items": []}));
}
