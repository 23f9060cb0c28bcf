//! Crashes and restarts of the process, on a store that outlives it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use becket::testing::TestApp;
use becket::{App, TaskContext, TaskError, background, batch};
use becket_tasks::{NewTask, Outcome, Submission};
use serde_json::json;

/// Tells that it was dropped.
struct Held(Arc<AtomicU32>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

async fn goes_on_after_a_crash() {
    let (steps, dropped, told) =
        (Arc::<AtomicU32>::default(), Arc::<AtomicU32>::default(), Arc::<AtomicU32>::default());
    let handler = {
        let (steps, dropped, told) = (Arc::clone(&steps), Arc::clone(&dropped), Arc::clone(&told));
        move |task: TaskContext| {
            let (steps, told, held) = (Arc::clone(&steps), Arc::clone(&told), Held(Arc::clone(&dropped)));
            async move {
                let _held = held;
                task.step("first", async || Ok(steps.fetch_add(1, Ordering::SeqCst))).await?;
                if task.attempt() == 1 {
                    task.cancelled().await;
                    told.fetch_add(1, Ordering::SeqCst);
                }
                Ok::<_, TaskError>(task.attempt())
            }
        }
    };
    let app = TestApp::start(App::new().on("push", background(handler))).await;
    let task = app.deliver("push", json!({})).await.task_id();
    app.until_running("push").await;
    while app.task(task).steps.is_empty() {
        tokio::task::yield_now().await;
    }
    app.crash().await;
    app.drain().await;
    let report = app.task(task);
    report.assert_completed().assert_attempts(2).assert_result(2).assert_step("first");
    assert_eq!(report.detail.attempts[0].outcome, Some(Outcome::Lost));
    assert_eq!(dropped.load(Ordering::SeqCst), 2, "both attempts are gone, the first one from where it stood");
    assert_eq!((steps.load(Ordering::SeqCst), told.load(Ordering::SeqCst)), (1, 0), "nobody was told");
    app.deliver("push", json!({})).await.assert_accepted();
}

#[tokio::test]
async fn handler_that_a_crash_cut_off_runs_again_and_keeps_its_steps() {
    goes_on_after_a_crash().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn handler_that_a_crash_cut_off_runs_again_also_on_many_threads() {
    goes_on_after_a_crash().await;
}

#[tokio::test(start_paused = true)]
async fn handler_that_a_crash_cut_off_runs_again_also_where_tokio_is_paused() {
    goes_on_after_a_crash().await;
}

/// The first call of the handler takes three tasks and never ends.
async fn batch_is_dropped() {
    let (calls, dropped, told) =
        (Arc::<AtomicU32>::default(), Arc::<AtomicU32>::default(), Arc::<AtomicU32>::default());
    let handler = {
        let (calls, dropped, told) = (Arc::clone(&calls), Arc::clone(&dropped), Arc::clone(&told));
        move |tasks: Vec<TaskContext>| {
            let (told, held) = (Arc::clone(&told), Held(Arc::clone(&dropped)));
            let call = calls.fetch_add(1, Ordering::SeqCst);
            async move {
                let _held = held;
                if call == 0 {
                    tasks[0].cancelled().await;
                    told.fetch_add(1, Ordering::SeqCst);
                }
                tasks.iter().map(|task| Ok::<_, TaskError>(task.attempt())).collect()
            }
        }
    };
    let app = TestApp::start(App::new().task("index", batch(10, handler).named("index"))).await;
    let new = |_| NewTask { max_attempts: 3, ..NewTask::new("index") };
    let submission = Submission {
        source: "test".into(),
        event: "index".into(),
        action: None,
        key: None,
        meta: Default::default(),
        payload: Default::default(),
        tasks: (0..3).map(new).collect(),
    };
    app.client().submit(submission).await.unwrap();
    app.until_running("index").await;
    // The attempts meet one after the other; the call begins with the last.
    while calls.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(app.moments().len(), 3, "each task of the batch runs");
    app.crash().await;
    assert!(dropped.load(Ordering::SeqCst) >= 1, "where it stood; the next call may have ended already");
    app.drain().await;
    for task in app.tasks("index").assert_count(3).assert_completed().iter() {
        task.assert_attempts(2).assert_result(2);
        assert_eq!(task.detail.attempts[0].outcome, Some(Outcome::Lost));
    }
    assert_eq!((dropped.load(Ordering::SeqCst), told.load(Ordering::SeqCst)), (calls.load(Ordering::SeqCst), 0));
}

#[tokio::test]
async fn batch_that_a_crash_cut_off_runs_again() {
    batch_is_dropped().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batch_that_a_crash_cut_off_runs_again_also_on_many_threads() {
    batch_is_dropped().await;
}

#[tokio::test(start_paused = true)]
async fn batch_that_a_crash_cut_off_runs_again_also_where_tokio_is_paused() {
    batch_is_dropped().await;
}

#[tokio::test]
async fn delivery_is_known_again_after_a_crash() {
    let app = TestApp::start(App::new().on("push", background(|| async {}))).await;
    let first = app.deliver("push", json!({})).await;
    app.crash().await;
    app.drain().await;
    let again = app.delivery("push", json!({})).id(&first.delivery_id).send().await;
    again.assert_duplicate();
    assert_eq!(again.task_ids, first.task_ids);
    app.tasks("push").only().assert_completed();
}

#[tokio::test]
async fn restart_tells_the_handler_and_gives_it_back_without_counting() {
    let handler = |task: TaskContext| async move {
        if task.client().get(task.id()).await?.is_some_and(|detail| detail.attempts.len() == 1) {
            task.cancelled().await;
            return Err(TaskError::retry("told to stop"));
        }
        Ok::<_, TaskError>(task.attempt())
    };
    let config = becket::Config::from_toml("server.shutdown_grace = '0s'").unwrap_or_else(|errors| panic!("{errors}"));
    let app = TestApp::start(App::new().config(config).on("push", background(handler))).await;
    let task = app.deliver("push", json!({})).await.task_id();
    app.until_running("push").await;
    app.restart().await;
    app.drain().await;
    app.task(task).assert_completed().assert_attempts(1).assert_result(1);
}

#[tokio::test]
async fn tasks_that_wait_for_a_time_survive_a_crash() {
    async fn sleeps(task: TaskContext) -> Result<(), TaskError> {
        task.sleep(Duration::from_secs(60)).await
    }
    let app = TestApp::start(App::new().on("push", background(sleeps))).await;
    let task = app.deliver("push", json!({})).await.task_id();
    app.drain().await;
    app.crash().await;
    assert_eq!(app.drain_all().await, Duration::from_secs(60));
    app.task(task).assert_completed().assert_attempts(1);
}
