//! What follows a failed attempt, and when.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use becket_tasks::{Backoff, Outcome, State, TaskError, TaskId};

use crate::world::{Live, World, idle, retries};

const SEC: Duration = Duration::from_secs(1);

impl Live {
    /// Moves the store's clock, and lets whatever is due by then be claimed.
    fn pass(&self, duration: Duration) {
        self.clock.advance(duration);
        self.store.wake();
    }
}

#[tokio::test(start_paused = true)]
async fn failed_attempts_are_repeated_when_the_policy_says_until_they_are_used_up() {
    let policy = retries(2, Backoff::List(vec![5 * SEC, 30 * SEC]));
    let world = World::new().task_with("fails", policy, |task| async move {
        Err(TaskError::retry(format!("attempt {} of {}", task.attempt(), task.max_attempts())))
    });
    let mut live = world.start().await;
    let task = live.enqueue("fails").await;
    for pause in [5 * SEC, 30 * SEC] {
        live.until(task, State::Retrying).await;
        let standing = live.detail(task).await.task.standing;
        assert_eq!(standing.run_at, live.clock.now().after(pause));
        // A millisecond too early, nothing is claimed, however long one waits.
        live.pass(pause - Duration::from_millis(1));
        idle(60 * SEC).await;
        assert_eq!(live.detail(task).await.task.standing.attempt, standing.attempt);
        live.pass(Duration::from_millis(1));
    }
    live.until(task, State::Failed).await;
    let detail = live.detail(task).await;
    let errors: Vec<_> = detail.attempts.iter().map(|attempt| attempt.error.as_deref().unwrap_or_default()).collect();
    assert_eq!(errors, ["attempt 1 of 3", "attempt 2 of 3", "attempt 3 of 3"]);
    assert!(detail.attempts.iter().all(|attempt| attempt.outcome == Some(Outcome::Failed)));
    live.engine.shutdown(SEC).await;
    let measures = live.engine.measures();
    assert_eq!((measures.attempts(Outcome::Failed), measures.retries()), (3, 2));
}

#[tokio::test(start_paused = true)]
async fn handler_chooses_when_it_is_repeated() {
    let world = World::new().task_with("limited", retries(1, Backoff::Fixed(SEC)), |task| async move {
        if task.attempt() == 1 { Err(TaskError::retry_after("rate limited", 90 * SEC)) } else { Ok(7) }
    });
    let mut live = world.start().await;
    let task = live.enqueue("limited").await;
    live.until(task, State::Retrying).await;
    assert_eq!(live.detail(task).await.task.standing.run_at, live.clock.now().after(90 * SEC));
    live.pass(90 * SEC);
    assert_eq!(live.client.result::<u64>(task).await.unwrap(), 7);
}

#[tokio::test(start_paused = true)]
async fn parked_attempts_do_not_count() {
    let runs = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&runs);
    let world = World::new().task("parks", move |task| {
        let run = counted.fetch_add(1, Ordering::SeqCst);
        async move {
            assert_eq!(task.attempt(), 1);
            if run < 3 { Err(TaskError::park_for("the limit resets soon", 60 * SEC)) } else { Ok(u64::from(run)) }
        }
    });
    let mut live = world.start().await;
    let task = live.enqueue("parks").await;
    for _ in 0..3 {
        live.until(task, State::Running).await;
        live.until(task, State::Queued).await;
        live.pass(60 * SEC);
    }
    assert_eq!(live.client.result::<u64>(task).await.unwrap(), 3);
    let outcomes: Vec<_> = live.detail(task).await.attempts.iter().filter_map(|attempt| attempt.outcome).collect();
    assert_eq!(outcomes, [Outcome::Parked, Outcome::Parked, Outcome::Parked, Outcome::Completed]);
}

#[tokio::test(start_paused = true)]
async fn handler_that_gives_up_is_not_repeated() {
    let world = World::new().task_with("gives up", retries(5, Backoff::DEFAULT), |_| async {
        Err(TaskError::give_up("the repository is gone"))
    });
    let live = world.start().await;
    let task = live.enqueue("gives up").await;
    let detail = live.client.wait(task).await.unwrap();
    assert_eq!((detail.task.state(), detail.attempts.len()), (State::Failed, 1));
    assert_eq!(live.error(task).await, "the repository is gone");
}

#[tokio::test(start_paused = true)]
async fn requeued_dead_letter_starts_from_the_first_attempt() {
    let runs = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&runs);
    let world = World::new().task("mended", move |task| {
        let run = counted.fetch_add(1, Ordering::SeqCst);
        async move {
            assert_eq!(task.attempt(), 1);
            if run == 0 { Err(TaskError::retry("broken")) } else { Ok(1) }
        }
    });
    let live = world.start().await;
    let task = live.enqueue("mended").await;
    assert_eq!(live.client.wait(task).await.unwrap().task.state(), State::Failed);
    assert_eq!(live.client.requeue(&[task]).await.unwrap(), [task]);
    assert_eq!(live.client.result::<u64>(task).await.unwrap(), 1);
}

/// Runs `live` in a process of its own: to the store, a runtime that is dropped in the middle of an attempt is a process
/// that crashed.
fn in_a_process<T>(world: World, live: impl AsyncFnOnce(Live) -> T) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(async { live(world.start().await).await })
}

/// A process that begins `task`, or a new one, and crashes; its lease ends before the next process starts.
fn crash(world: World, task: Option<TaskId>) -> TaskId {
    in_a_process(world, async |mut live: Live| {
        let task = match task {
            Some(task) => task,
            None => live.enqueue("crashes").await,
        };
        live.until(task, State::Running).await;
        live.clock.advance(31 * SEC);
        task
    })
}

#[test]
fn g3_task_that_crashes_its_worker_uses_up_its_attempts() {
    for (retried, crashes) in [(0, 3), (1, 3), (2, 3), (3, 4)] {
        let store = World::new().store;
        let policy = || retries(retried, Backoff::DEFAULT);
        let world = || World::over(Arc::clone(&store)).task_with("crashes", policy(), |_| pending());
        let task = (1..crashes).fold(crash(world(), None), |task, _| crash(world(), Some(task)));
        in_a_process(world(), async |live: Live| {
            let detail = live.client.wait(task).await.unwrap();
            assert_eq!(detail.task.state(), State::Failed);
            let outcomes: Vec<_> = detail.attempts.iter().filter_map(|attempt| attempt.outcome).collect();
            assert_eq!(outcomes, vec![Outcome::Lost; crashes], "{retried} retries");
            assert_eq!(live.error(task).await, format!("crashed its worker {crashes} times"));
        });
    }
}

#[test]
fn g3_task_without_retries_outlives_a_crash_of_its_worker() {
    let store = World::new().store;
    let world = || World::over(Arc::clone(&store));
    let task = crash(world().task("crashes", |_| pending()), None);
    let next = world().task("crashes", |task| async move {
        assert_eq!(task.max_attempts(), 1);
        Ok(u64::from(task.attempt()))
    });
    in_a_process(next, async |live: Live| {
        assert_eq!(live.client.result::<u64>(task).await.unwrap(), 2);
    });
}

#[test]
fn error_after_a_crash_fails_a_task_without_retries() {
    let store = World::new().store;
    let world = || World::over(Arc::clone(&store));
    let task = crash(world().task("crashes", |_| pending()), None);
    let next = world().task("crashes", |_| async { Err(TaskError::retry("broken")) });
    in_a_process(next, async |live: Live| {
        let detail = live.client.wait(task).await.unwrap();
        assert_eq!(detail.task.state(), State::Failed);
        let outcomes: Vec<_> = detail.attempts.iter().filter_map(|attempt| attempt.outcome).collect();
        assert_eq!(outcomes, [Outcome::Lost, Outcome::Failed]);
        assert_eq!(live.error(task).await, "broken");
        assert_eq!(live.engine.measures().retries(), 0);
    });
}
