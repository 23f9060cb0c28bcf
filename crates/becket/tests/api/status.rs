//! PR-Agent's two endpoints.

use reqwest::Method;
use serde_json::{Value, json};

use crate::world::{World, delivery};

fn without_times(mut status: Value) -> Value {
    for field in ["created_at", "updated_at"] {
        assert!(status.as_object_mut().unwrap().remove(field).is_some_and(|time| time.is_string()), "{field}");
    }
    status
}

#[tokio::test]
async fn delivery_has_one_status_with_its_fields() {
    for world in World::of_each_store().await {
        let task = world.ended(delivery("github", "issues.opened", "d-1", &["quick"])).await;
        let expected = json!({
            "webhook_id": "d-1", "source": "github", "event_type": "issues.opened", "payload": {"number": 1.10},
            "status": "completed", "attempts": 1, "max_attempts": 1, "error": null, "result": {"number": 1.10},
        });
        let ours = world.store.task(task).await.unwrap().unwrap().task.submission;
        for id in ["d-1".to_owned(), ours.to_string()] {
            assert_eq!(without_times(world.get(&format!("/api/v1/webhook_status/{id}")).await), expected);
        }
        let listing = world.get("/api/v1/webhook_statuses").await;
        assert_eq!(without_times(listing["items"][0].clone()), expected);
        assert_eq!(listing["next_cursor"], Value::Null);
    }
}

#[tokio::test]
async fn states_are_told_in_pr_agents_words() {
    let world = World::start().await;
    let status = async |id: &str| world.get(&format!("/api/v1/webhook_status/{id}")).await;
    world.deliver(delivery("github", "push", "queued", &["nobody_runs_this"])).await;
    assert_eq!(status("queued").await["status"], "queued");
    let task = world.running("running").await;
    assert_eq!(status("running").await["status"], "processing");
    world.engine.client().cancel(&[task], "not wanted").await.unwrap();
    let cancelled = status("running").await;
    assert_eq!((&cancelled["status"], &cancelled["error"]), (&json!("failed"), &json!("cancelled: not wanted")));
    world.ended(delivery("github", "push", "failed", &["failing"])).await;
    let failed = status("failed").await;
    assert_eq!((&failed["status"], &failed["error"]), (&json!("failed"), &json!("it is broken")));
    world.deliver(delivery("github", "push", "ignored", &[])).await;
    assert_eq!(status("ignored").await["status"], "completed");
    world.problem(Method::GET, "/api/v1/webhook_status/nobody", None, 404).await;
}

#[tokio::test]
async fn results_of_several_handlers_are_told_by_kind() {
    let world = World::start().await;
    let inserted = world.deliver(delivery("github", "push", "d-1", &["quick", "failing"])).await;
    for task in inserted.tasks {
        world.engine.client().wait(task).await.unwrap();
    }
    let status = world.get("/api/v1/webhook_status/d-1").await;
    assert_eq!(status["status"], "failed");
    assert_eq!(status["result"], json!({"quick": {"number": 1.10}}));
}

#[tokio::test]
async fn replay_that_succeeds_takes_the_place_of_the_failure_before_it() {
    for world in World::of_each_store().await {
        let task = world.ended(delivery("github", "push", "d-1", &["once_failing"])).await;
        let ours = world.store.task(task).await.unwrap().unwrap().task.submission;
        let before = world.get("/api/v1/webhook_status/d-1").await;
        assert_eq!((&before["status"], &before["error"]), (&json!("failed"), &json!("not yet")));
        world.again(ours, "once_failing").await;
        let after = without_times(world.get("/api/v1/webhook_status/d-1").await);
        assert_eq!((&after["status"], &after["error"]), (&json!("completed"), &Value::Null));
        assert_eq!((&after["attempts"], &after["result"]), (&json!(1), &json!({"number": 1.10})));
        // Of another kind, it counts beside the first.
        world.again(ours, "failing").await;
        let both = world.get("/api/v1/webhook_status/d-1").await;
        assert_eq!((&both["status"], &both["error"]), (&json!("failed"), &json!("it is broken")));
        assert_eq!(both["result"], json!({"once_failing": {"number": 1.10}}));
    }
}

#[tokio::test]
async fn list_is_paged_and_says_when_it_leaves_payloads_out() {
    let world = World::start().await;
    let large = bytes::Bytes::from(format!("\"{}\"", "x".repeat(5 * 1_024 * 1_024)));
    for key in ["d-1", "d-2"] {
        let delivery = becket_tasks::Submission { payload: large.clone(), ..delivery("github", "push", key, &[]) };
        world.deliver(delivery).await;
    }
    let listing = world.get("/api/v1/webhook_statuses").await;
    assert!(listing["items"][0]["payload"].is_string());
    assert_eq!(listing["items"][1]["payload"], Value::Null);
    let first = world.get("/api/v1/webhook_statuses?limit=1").await;
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = world.get(&format!("/api/v1/webhook_statuses?limit=1&cursor={cursor}")).await;
    assert_eq!((&first["items"][0]["webhook_id"], &second["items"][0]["webhook_id"]), (&json!("d-2"), &json!("d-1")));
    world.problem(Method::GET, "/api/v1/webhook_statuses?limit=101", None, 400).await;
}
