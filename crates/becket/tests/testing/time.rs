//! Time: it stands still until the test moves it, and everything that is durable follows.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use becket::testing::TestApp;
use becket::{App, Backoff, TaskContext, TaskError, background};
use becket_tasks::{Due, Lane, NewTask, State, Submission};
use serde_json::json;
use tokio::sync::Semaphore;

use crate::failure;

const HOUR: Duration = Duration::from_secs(3_600);

/// Fails twice, then tells its attempt.
async fn fails_twice(task: TaskContext) -> Result<u32, TaskError> {
    if task.attempt() <= 2 { Err(TaskError::retry("not yet")) } else { Ok(task.attempt()) }
}

fn hourly() -> App {
    App::new().on("push", background(fails_twice).retries(2).backoff(Backoff::Fixed(HOUR)))
}

async fn retries_when_told() {
    let app = TestApp::start(hourly()).await;
    let task = app.deliver("push", json!({})).await.assert_status(202).assert_accepted().task_id();
    app.drain().await;
    app.task(task).assert_retrying().assert_attempts(1);
    app.advance(HOUR - Duration::from_millis(1)).await;
    app.drain().await;
    app.task(task).assert_attempts(1);
    app.advance(Duration::from_millis(1)).await;
    app.drain().await;
    app.task(task).assert_attempts(2);
    assert_eq!(app.advance_to_next().await, Some(HOUR));
    app.drain().await;
    app.task(task).assert_completed().assert_attempts(3).assert_result(3);
    assert_eq!(app.advance_to_next().await, None, "nothing is left");
}

#[tokio::test]
async fn retry_waits_until_the_test_moves_the_time() {
    retries_when_told().await;
}

#[tokio::test(start_paused = true)]
async fn retry_waits_until_the_test_moves_the_time_also_where_tokio_is_paused() {
    retries_when_told().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn retry_waits_until_the_test_moves_the_time_also_on_many_threads() {
    retries_when_told().await;
}

#[tokio::test(start_paused = true)]
async fn tokio_s_time_moves_with_the_test_s() {
    let app = TestApp::start(App::new()).await;
    let (before, begun) = (tokio::time::Instant::now(), app.now());
    app.advance(HOUR).await;
    assert_eq!(before.elapsed(), HOUR);
    assert_eq!(app.now().since(begun), HOUR);
}

#[tokio::test]
async fn everything_ends_when_all_is_drained_and_told_is_how_long_that_took() {
    async fn sleeps(task: TaskContext) -> Result<(), TaskError> {
        task.sleep(24 * HOUR).await?;
        task.step("woke", async || Ok(7)).await?;
        Ok(())
    }
    let app = TestApp::start(hourly().on("push", background(sleeps))).await;
    app.deliver("push", json!({})).await;
    assert_eq!(app.drain_all().await, 24 * HOUR);
    app.all_tasks().assert_count(2).assert_completed();
    let report = app.tasks("sleeps");
    report.only().assert_step("woke").assert_step("@sleep 1").assert_no_step("slept").assert_attempts(1);
    assert_eq!(report.only().step("woke"), Some(json!(7)));
}

#[tokio::test]
async fn handler_that_never_ends_fails_the_drain_with_its_name() {
    let app = TestApp::start(App::new().on("push", background(std::future::pending::<()>).named("stuck"))).await;
    let app = app.with_patience(Duration::from_millis(100));
    let task = app.deliver("push", json!({})).await.task_id();
    let message = failure(app.drain()).await;
    assert!(message.starts_with("something still runs, or is due and does not run, after 100ms; the tasks:\n"));
    assert!(message.contains(&format!("stuck {task} running")), "{message}");
}

#[tokio::test(start_paused = true)]
async fn handler_that_hangs_times_out_at_once_where_tokio_is_paused() {
    let hangs = background(std::future::pending::<()>).named("hangs").retries(0);
    let app = TestApp::start(App::new().on("push", hangs)).await;
    let task = app.deliver("push", json!({})).await.task_id();
    app.drain().await;
    app.task(task).assert_failed_with("timed out");
}

#[tokio::test]
async fn work_without_end_fails_the_draining_of_all() {
    async fn forever(task: TaskContext) -> Result<(), TaskError> {
        Err(TaskError::park_for("again", task.deadline().duration_since(tokio::time::Instant::now()).max(HOUR)))
    }
    let app = TestApp::start(App::new().on("push", background(forever))).await;
    app.deliver("push", json!({})).await;
    let message = failure(app.drain_all()).await;
    assert!(message.starts_with("the work does not end"), "{message}");
}

#[tokio::test]
async fn paused_kind_does_not_keep_a_drain_waiting() {
    let app = TestApp::start(hourly()).await;
    let scope = becket_tasks::Scope::Kind("fails_twice".into());
    app.client().store().set_paused(scope.clone(), true).await.unwrap();
    let task = app.deliver("push", json!({})).await.task_id();
    app.drain().await;
    app.task(task).assert_state(State::Queued);
    app.client().store().set_paused(scope, false).await.unwrap();
    app.drain().await;
    app.task(task).assert_retrying();
}

#[tokio::test]
async fn drain_waits_for_a_cancelled_handler_to_stop() {
    let stopped = Arc::new(AtomicU32::new(0));
    let handler = {
        let stopped = Arc::clone(&stopped);
        move |task: TaskContext| {
            let stopped = Arc::clone(&stopped);
            async move {
                task.cancelled().await;
                stopped.fetch_add(1, Ordering::SeqCst);
            }
        }
    };
    let app = TestApp::start(App::new().on("push", background(handler))).await;
    let task = app.deliver("push", json!({})).await.task_id();
    app.until_running("push").await;
    app.client().cancel(&[task], "enough").await.unwrap();
    app.drain().await;
    assert_eq!(stopped.load(Ordering::SeqCst), 1);
    app.task(task).assert_state(State::Cancelled);
}

#[tokio::test]
async fn order_in_a_lane_is_seen() {
    let go = Arc::new(Semaphore::new(0));
    let handler = {
        let go = Arc::clone(&go);
        move || {
            let go = Arc::clone(&go);
            async move { go.acquire().await.map(|_| ()) }
        }
    };
    let app = TestApp::start(App::new().task("work", background(handler))).await;
    let lane = || Some(Lane::new("octo/hello"));
    let tasks = vec![
        NewTask { lane: lane(), ..NewTask::new("work") },
        NewTask { lane: lane(), ..NewTask::new("work") },
        NewTask { due: Due::After(HOUR), ..NewTask::new("work") },
        NewTask::new("work"),
    ];
    let submission = Submission {
        source: "test".into(),
        event: "work".into(),
        action: None,
        key: None,
        meta: Default::default(),
        payload: Default::default(),
        tasks,
    };
    let ids = app.client().submit(submission).await.unwrap().tasks;
    app.until_running("work").await;
    go.add_permits(4);
    app.drain().await;
    app.task(ids[2]).assert_state(State::Queued);
    app.assert_ran_in_order(&[ids[0], ids[1]]);
    assert!(failure(async { app.assert_ran_in_order(&[ids[1], ids[0]]) }).await.contains("did not wait for"));
    assert!(failure(async { app.assert_ran_in_order(&[ids[1], ids[2]]) }).await.contains("has not run"));
    assert_eq!(app.moments().iter().filter(|moment| moment.began).count(), 3);
}

#[tokio::test]
async fn failures_of_assertions_show_the_tasks() {
    let app = TestApp::start(hourly()).await;
    app.assert_no_tasks();
    let task = app.deliver("push", json!({})).await.task_id();
    app.drain().await;
    let shown = format!("{app:?}");
    assert_eq!(
        shown.replace(&task.to_string(), "ID"),
        "TestApp at 2026-01-01T00:00:00.000Z; the tasks:\n\
         fails_twice ID retrying, 1 of 3 attempts, due 2026-01-01T01:00:00.000Z, error \"not yet\"\n  \
         attempt 1 at 2026-01-01T00:00:00.000Z: failed, \"not yet\""
    );
    for message in [
        failure(async {
            _ = app.task(task).assert_completed();
        })
        .await,
        failure(async {
            _ = app.task(task).assert_attempts(2);
        })
        .await,
        failure(async {
            _ = app.task(task).assert_failed_with("x");
        })
        .await,
        failure(async {
            _ = app.task(task).assert_step("x");
        })
        .await,
        failure(async { app.assert_no_tasks() }).await,
        failure(async {
            _ = app.tasks("fails_twice").assert_count(2);
        })
        .await,
        failure(async {
            _ = app.tasks("fails_twice").assert_completed();
        })
        .await,
    ] {
        assert!(message.contains("retrying, 1 of 3 attempts"), "{message}");
    }
    assert_eq!(app.drain_all().await, 2 * HOUR);
    let wrong = failure(async {
        _ = app.task(task).assert_result("x");
    })
    .await;
    assert!(wrong.starts_with("expected the result \"x\":\nfails_twice"), "{wrong}");
}

#[tokio::test]
async fn what_is_seen_is_the_same_in_each_run() {
    async fn run() -> String {
        let app = TestApp::start(hourly()).await;
        let delivered = app.deliver("push", json!({})).await;
        app.drain_all().await;
        format!("{} {app:?}", delivered.delivery_id)
    }
    assert_eq!(run().await, run().await);
}
