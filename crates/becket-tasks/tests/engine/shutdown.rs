//! Shutting down gives everything back that has not ended, and counts nothing against it.

use std::future::pending;
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use becket_tasks::{Clock, EngineOptions, Outcome, ShutdownReport, State, TaskError};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::world::{SOON, World, idle, submission};

fn two_and_four_ahead(options: &mut EngineOptions) {
    options.concurrency = 2;
    options.prefetch = 4;
}

#[tokio::test(start_paused = true)]
async fn g8_shutdown_loses_no_task_and_counts_no_attempt() {
    let go_on = Arc::new(Notify::new());
    let wait = Arc::clone(&go_on);
    let world = World::new()
        .task("quick", |_| async { Ok(0) })
        .task("ends", move |_| {
            let wait = Arc::clone(&wait);
            async move {
                wait.notified().await;
                Ok(0)
            }
        })
        .task("endless", |_| pending());
    let store = Arc::clone(&world.store);
    let mut live = world.options(two_and_four_ahead).start().await;
    let quick = live.enqueue("quick").await;
    live.client.wait(quick).await.unwrap();
    let ends = live.enqueue("ends").await;
    let endless = live.enqueue_many("endless", 9).await;
    // One ends, one is endless, four are claimed ahead, and four are left in the store.
    live.until_many(&[&[ends], &endless[..5]].concat(), State::Running).await;

    let began = Instant::now();
    let engine = live.engine.clone();
    let stopping = tokio::spawn(async move { engine.shutdown(Duration::from_secs(10)).await });
    live.until_many(&endless[1..5], State::Queued).await;
    assert_eq!(began.elapsed(), Duration::ZERO, "what has not begun is given back at once");
    go_on.notify_one();
    let report = stopping.await.unwrap();
    assert_eq!(report, ShutdownReport { completed: 1, released: 5 });
    assert!(began.elapsed() >= Duration::from_secs(10), "what runs has its grace");
    assert!(began.elapsed() < Duration::from_secs(12));
    assert_eq!(live.engine.shutdown(Duration::ZERO).await, report, "shutting down twice is shutting down once");

    assert_eq!(live.state(ends).await, State::Completed);
    for task in &endless {
        let standing = live.detail(*task).await.task.standing;
        assert_eq!((standing.state, standing.attempts_counted()), (State::Queued, 0));
    }
    // Another worker does it all, each in its first attempt.
    let other = World::over(store).task("endless", |task| async move { Ok(task.attempt().into()) });
    let other = other.start().await;
    for task in endless {
        assert_eq!(other.client.result::<u64>(task).await.unwrap(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn interrupted_handler_that_fails_is_given_back_and_one_that_ends_well_is_believed() {
    let world = World::new()
        .task("gives up its work", |task| async move {
            task.cancelled().await;
            Err(TaskError::retry("interrupted"))
        })
        .task("saves its work", |task| async move {
            task.cancelled().await;
            Ok(5)
        });
    let mut live = world.start().await;
    let tasks = [live.enqueue("gives up its work").await, live.enqueue("saves its work").await];
    live.until_many(&tasks, State::Running).await;
    let report = live.engine.shutdown(Duration::from_secs(1)).await;
    assert_eq!(report, ShutdownReport { completed: 1, released: 1 });
    assert_eq!(live.state(tasks[0]).await, State::Queued);
    assert_eq!(live.detail(tasks[0]).await.task.standing.attempts_counted(), 0);
    assert_eq!(live.client.result::<u64>(tasks[1]).await.unwrap(), 5);
    assert_eq!(live.engine.measures().attempts(Outcome::Released), 1);
}

/// A thread that is blocked cannot be interrupted, only left alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn handler_that_blocks_its_thread_does_not_hold_up_the_shutdown() {
    let (unblock, blocked) = mpsc::channel::<()>();
    let blocked = Mutex::new(blocked);
    let world = World::with_clock(&Clock::system()).task("blocks", move |_| {
        let _ = blocked.lock().unwrap().recv_timeout(SOON);
        async { Ok(1) }
    });
    let mut live = world.options(|options| options.cancel_grace = Duration::from_millis(1)).start().await;
    let task = live.enqueue("blocks").await;
    live.until(task, State::Running).await;
    let report = live.engine.shutdown(Duration::ZERO).await;
    assert_eq!(report, ShutdownReport { completed: 0, released: 1 });
    unblock.send(()).unwrap();
    let standing = live.detail(task).await.task.standing;
    assert_eq!((standing.state, standing.attempts_counted()), (State::Queued, 0));
}

#[tokio::test(start_paused = true)]
async fn nothing_begins_after_a_shutdown() {
    let live = World::new().task("quick", |_| async { Ok(0) }).start().await;
    live.engine.shutdown(Duration::ZERO).await;
    let (inserted, running) = live.engine.run_here(submission("late", &["quick"])).await.unwrap();
    assert!(running.is_empty());
    idle(Duration::from_secs(90)).await;
    assert_eq!(live.state(inserted.tasks[0]).await, State::Queued);
}
