//! What a target lets in, over all that use it, and its breaker.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::response::IntoResponse as _;
use becket_tasks::State;
use http::StatusCode;
use serde_json::json;

use super::{Receiver, call, delivery, enqueue, get, ok, result};
use crate::world::{World, configured};

async fn world(receiver: &Receiver, limits: &str) -> World {
    let app = configured(&format!(
        "[targets.x]\nhttp = 'http://{}/'\nallow_private = true\n{limits}\n\
         [[routes]]\nname = 'one'\non = 'issues'\nto = 'x'\nretries = 0\n\
         [[routes]]\nname = 'other'\non = 'issues'\nto = 'x'\nretries = 0",
        receiver.address
    ));
    World::start(app).await
}

#[tokio::test]
async fn routes_and_tasks_of_one_target_share_its_places() {
    let receiver = Receiver::slow(Duration::from_millis(100), ok).await;
    let world = world(&receiver, "concurrency = 2").await;
    let mut tasks = Vec::new();
    for n in 0..4 {
        tasks.extend(world.post(delivery(&format!("d-{n}"), &json!({}))).await.tasks());
        tasks.push(enqueue(&world, json!({"kind": "target:x", "args": n})).await);
    }
    for task in tasks {
        result(&world, task).await;
    }
    assert_eq!(receiver.most_at_once.load(Ordering::SeqCst), 2);
    // Those that found no place came back, and had an attempt only when they were let in.
    let detail = get(&world, "/api/v1/targets").await;
    let target = &detail["items"][0];
    assert_eq!((&target["name"], &target["running"], &target["concurrency"]), (&json!("x"), &json!(0), &json!(2)));
}

#[tokio::test]
async fn waiting_for_a_place_uses_up_no_attempt_and_holds_no_worker() {
    let receiver = Receiver::slow(Duration::from_millis(1_500), ok).await;
    let app = configured(&format!(
        "[worker]\nconcurrency = 2\n[targets.x]\nhttp = 'http://{}/'\nallow_private = true\nconcurrency = 1\n\
         [[routes]]\non = 'issues'\nto = 'x'\nretries = 0\n[[routes]]\nname = 'quick'\non = 'push'\nto = 'log'",
        receiver.address
    ));
    let world = World::start(app).await;
    let mut waiting = Vec::new();
    for n in 0..3 {
        waiting.extend(world.post(delivery(&format!("d-{n}"), &json!({}))).await.tasks());
    }
    let quick = world.post(crate::world::Post::github("push", "p-1")).await.tasks()[0];
    world.ended(quick).await;
    assert!(receiver.most_at_once.load(Ordering::SeqCst) <= 1);
    let running = get(&world, &format!("/api/v1/tasks/{}", waiting[2])).await;
    assert_ne!(running["state"], "completed", "the quick one did not wait for the slow ones");
    for task in waiting {
        assert_eq!(world.ended(task).await.task.state(), State::Completed, "with a single attempt");
    }
}

#[tokio::test]
async fn no_more_start_than_the_rate_allows() {
    let mut receiver = Receiver::start(ok).await;
    let world = world(&receiver, "rate = '3/1s'").await;
    let began = std::time::Instant::now();
    let mut tasks = Vec::new();
    for n in 0..4 {
        tasks.extend(world.post(delivery(&format!("d-{n}"), &json!({}))).await.tasks());
    }
    for task in tasks {
        result(&world, task).await;
    }
    // 8 starts, 3 in any second: the last of them is in the third.
    assert!(began.elapsed() >= Duration::from_secs(2), "{:?}", began.elapsed());
    assert_eq!(std::iter::from_fn(|| receiver.received.try_recv().ok()).count(), 8);
}

#[tokio::test]
async fn breaker_opens_after_failures_in_a_row_is_seen_and_can_be_reset() {
    let refusals = Arc::new(AtomicUsize::new(2));
    let left = Arc::clone(&refusals);
    let mut receiver = Receiver::start(move || {
        let fails = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
        if fails { StatusCode::SERVICE_UNAVAILABLE.into_response() } else { ok() }
    })
    .await;
    let world = world(&receiver, "concurrency = 1\nbreaker_failures = 2\nbreaker_pause = '1h'").await;
    for n in 0..2 {
        let task = enqueue(&world, json!({"kind": "target:x", "args": n, "max_attempts": 1})).await;
        assert_eq!(world.ended(task).await.task.state(), State::Failed);
    }
    let seen = get(&world, "/api/v1/targets").await["items"][0]["breaker"].clone();
    assert_eq!((&seen["state"], &seen["failures"], &seen["failures_max"]), (&json!("open"), &json!(2), &json!(2)));
    assert!(seen["open_until"].is_string(), "{seen}");
    let page = reqwest::get(world.running.url("/metrics")).await.unwrap().text().await.unwrap();
    assert!(page.contains("becket_target_breaker{target=\"x\",state=\"open\"} 1"), "{page}");

    // A task that comes now waits, and its only attempt is still before it.
    let waiting = enqueue(&world, json!({"kind": "target:x", "args": 7, "max_attempts": 1})).await;
    loop {
        let task = get(&world, &format!("/api/v1/tasks/{waiting}")).await;
        if task.to_string().contains("left alone for a while") {
            assert_eq!(task["state"], "queued", "{task}");
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let answer = call(&world, "/api/v1/targets/x/reset", &json!({})).await;
    assert_eq!((answer.status, &answer.body["breaker"]["state"]), (200, &json!("closed")));
    let next = enqueue(&world, json!({"kind": "target:x", "args": 8})).await;
    assert_eq!(result(&world, next).await["status"], 200);
    assert_eq!(std::iter::from_fn(|| receiver.received.try_recv().ok()).count(), 3);
    let unknown = call(&world, "/api/v1/targets/y/reset", &json!({})).await;
    assert_eq!((unknown.status, unknown.body["detail"].as_str().unwrap().contains("there are x")), (404, true));
}

#[tokio::test]
async fn after_its_pause_the_breaker_tries_one_and_closes() {
    let refusals = Arc::new(AtomicUsize::new(1));
    let left = Arc::clone(&refusals);
    let receiver = Receiver::start(move || {
        let fails = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
        if fails { StatusCode::INTERNAL_SERVER_ERROR.into_response() } else { ok() }
    })
    .await;
    let world = world(&receiver, "breaker_failures = 1\nbreaker_pause = '300ms'").await;
    let first = enqueue(&world, json!({"kind": "target:x", "max_attempts": 1})).await;
    assert_eq!(world.ended(first).await.task.state(), State::Failed);
    for n in 0..3 {
        let task = enqueue(&world, json!({"kind": "target:x", "args": n, "max_attempts": 1})).await;
        assert_eq!(result(&world, task).await["status"], 200);
    }
    assert_eq!(get(&world, "/api/v1/targets").await["items"][0]["breaker"]["state"], "closed");
}

#[tokio::test]
async fn receiver_that_refuses_a_single_delivery_does_not_open_the_breaker() {
    let receiver = Receiver::start(|| StatusCode::UNPROCESSABLE_ENTITY.into_response()).await;
    let world = world(&receiver, "breaker_failures = 1").await;
    for n in 0..2 {
        let task = enqueue(&world, json!({"kind": "target:x", "args": n, "max_attempts": 1})).await;
        assert_eq!(world.ended(task).await.task.state(), State::Failed);
    }
    assert_eq!(get(&world, "/api/v1/targets").await["items"][0]["breaker"]["state"], "closed");
}
