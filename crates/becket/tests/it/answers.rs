//! What senders are answered when all goes well, and when a handler does not.

use std::sync::Arc;
use std::time::Duration;

use becket::{Json, TaskError, background, inline};
use becket_tasks::{State, Store};
use serde_json::json;
use tokio::sync::Semaphore;

use crate::world::{Post, World, app, configured};

async fn quick() -> &'static str {
    "done"
}

async fn broken() -> Result<(), TaskError> {
    Err(TaskError::retry("a detail that is not the sender's business"))
}

#[tokio::test]
async fn background_handler_is_answered_202_with_its_task() {
    let world = World::start(app().on("issues.opened", background(quick))).await;
    let answer = world.post(Post::github("issues.opened", "a-1")).await;
    assert_eq!(answer.status, 202);
    let tasks = answer.tasks();
    assert_eq!(tasks.len(), 1);
    assert_eq!(answer.body, json!({"status": "ACCEPTED", "delivery_id": "a-1", "task_ids": tasks}));
    let detail = world.ended(tasks[0]).await;
    assert_eq!(detail.task.state(), State::Completed);
    assert_eq!(detail.result.as_deref(), Some(&b"\"done\""[..]));
}

#[tokio::test]
async fn inline_handlers_are_answered_200_with_their_results_by_name() {
    let app = app()
        .on("ping", quick)
        .on("*", inline(|| async { Json(json!({"seen": true})) }).named("watch"))
        .on("push", background(quick).named("never"));
    let answer = World::start(app).await.post(Post::github("ping", "a-1")).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body, json!({"status": "HIT", "calls": {"quick": "done", "watch": {"seen": true}}}));
}

#[tokio::test]
async fn delivery_that_no_handler_wants_is_a_miss_and_kept() {
    let world = World::start(app().on("push", background(quick))).await;
    let answer = world.post(Post::github("issues.opened", "a-1")).await;
    assert_eq!((answer.status, answer.body), (200, json!({"status": "MISS", "calls": {}})));
    let kept = world.deliveries().await;
    assert_eq!(kept.len(), 1);
    assert_eq!((kept[0].key.as_deref(), kept[0].tasks.len()), (Some("a-1"), 0));
}

#[tokio::test]
async fn inline_and_background_handlers_share_one_delivery() {
    let app = app().on("push", inline(quick)).on("push", background(quick).named("later"));
    let world = World::start(app).await;
    let answer = world.post(Post::github("push", "a-1")).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body["calls"], json!({"quick": "done"}));
    let later = answer.tasks();
    assert_eq!(later.len(), 1);
    assert_eq!(&*world.ended(later[0]).await.task.kind, "later");
    assert_eq!(world.deliveries().await.len(), 1);
}

#[tokio::test]
async fn inline_handler_that_fails_is_answered_500_with_its_task_and_no_reason() {
    let world = World::start(app().on("push", broken).on("push", quick)).await;
    let answer = world.post(Post::github("push", "a-1")).await;
    assert_eq!(answer.status, 500);
    assert_eq!(answer.headers["content-type"], "application/problem+json");
    assert_eq!(answer.body["delivery_id"], "a-1");
    let failed = answer.tasks();
    assert_eq!(failed.len(), 1);
    assert!(!answer.body.to_string().contains("business"), "{}", answer.body);
    let detail = world.ended(failed[0]).await;
    assert_eq!((&*detail.task.kind, detail.task.state()), ("broken", State::Failed));
}

#[tokio::test]
async fn inline_handler_that_fails_with_retries_left_is_answered_202() {
    let world = World::start(app().on("push", inline(broken).retries(1))).await;
    let answer = world.post(Post::github("push", "a-1")).await;
    assert_eq!(answer.status, 202);
    assert_eq!(answer.body["status"], "ACCEPTED");
    assert_eq!(answer.tasks().len(), 1);
}

#[tokio::test]
async fn inline_handler_that_takes_too_long_is_answered_202_and_goes_on() {
    let gate = Arc::new(Semaphore::new(0));
    let held = Arc::clone(&gate);
    let slow = move || {
        let gate = Arc::clone(&held);
        async move { gate.acquire().await.map(|_| "late but done") }
    };
    let app = configured("server.inline_deadline = '50ms'").on("push", inline(slow).named("slow"));
    let world = World::start(app).await;
    let answer = world.post(Post::github("push", "a-1")).await;
    assert_eq!(answer.status, 202);
    gate.add_permits(1);
    let detail = world.ended(answer.tasks()[0]).await;
    assert_eq!(detail.task.state(), State::Completed);
    assert_eq!(detail.attempts.len(), 1, "it was not begun again");
}

#[tokio::test]
async fn store_that_cannot_commit_is_answered_503_with_a_time_to_come_again() {
    for handler in [background(quick), inline(quick)] {
        let world = World::start(app().on("push", handler)).await;
        world.store.close().await.unwrap();
        let answer = world.post(Post::github("push", "a-1")).await;
        assert_eq!(answer.status, 503);
        let seconds: u64 = answer.headers["retry-after"].to_str().unwrap().parse().unwrap();
        assert!((1..=5).contains(&seconds), "{seconds}");
    }
}

#[tokio::test]
async fn handlers_mode_of_the_configuration_is_for_handlers_that_do_not_say() {
    let app = configured("handlers.mode = 'background'").on("push", quick).on("ping", inline(quick).named("pong"));
    let world = World::start(app).await;
    assert_eq!(world.post(Post::github("push", "a-1")).await.status, 202);
    assert_eq!(world.post(Post::github("ping", "a-2")).await.status, 200);
}

#[tokio::test]
async fn policy_of_a_handler_is_its_own_then_the_configurations() {
    let app = configured("tasks.retries = 7")
        .on("push", background(quick).retries(2).priority(9))
        .on("push", background(quick).named("default"))
        .on("push", inline(quick).named("inline"));
    let world = World::start(app).await;
    let _ = world.post(Post::github("push", "a-1")).await;
    let mut tasks: Vec<(String, u32, i8)> = Vec::new();
    for task in world.tasks().await {
        tasks.push((task.kind.to_string(), task.standing.max_attempts, task.priority));
    }
    tasks.sort();
    assert_eq!(tasks, [("default".to_owned(), 8, 0), ("inline".to_owned(), 1, 0), ("quick".to_owned(), 3, 9)]);
}

#[tokio::test]
async fn handler_that_takes_longer_than_its_timeout_fails() {
    let never = || std::future::pending::<()>();
    let app = app().on("push", inline(never).named("never").timeout(Duration::from_millis(20)));
    assert_eq!(World::start(app).await.post(Post::github("push", "a-1")).await.status, 500);
}
