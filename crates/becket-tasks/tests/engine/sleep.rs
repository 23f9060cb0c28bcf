//! Sleep: a pause without a worker.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use becket_tasks::{Backoff, Outcome, State, Store, TaskError};

use crate::world::{Live, World, idle, retries};

const HOUR: Duration = Duration::from_secs(3_600);

impl Live {
    /// Lets time pass for the store, and whatever is due by then be claimed.
    fn sleep_over(&self, duration: Duration) {
        self.clock.advance(duration);
        self.store.wake();
    }
}

#[tokio::test(start_paused = true)]
async fn sleeping_task_leaves_the_only_slot_to_others_and_goes_on_when_it_is_time() {
    let begun = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&begun);
    let world = World::new()
        .task("sleeper", move |task| {
            let begun = Arc::clone(&counted);
            async move {
                let number = task.step("begin", async || Ok(begun.fetch_add(1, Ordering::SeqCst))).await?;
                task.sleep(HOUR).await?;
                Ok(number.into())
            }
        })
        .task("other", |_| async { Ok(7) })
        .options(|options| (options.concurrency, options.prefetch) = (1, 0));
    let mut live = world.start().await;
    let sleeper = live.enqueue("sleeper").await;
    live.until(sleeper, State::Running).await;
    live.until(sleeper, State::Queued).await;
    let detail = live.detail(sleeper).await;
    let wake = live.clock.now().after(HOUR);
    assert_eq!((detail.task.standing.run_at, detail.task.standing.attempts_counted()), (wake, 0));
    assert_eq!(live.error(sleeper).await, format!("sleeps until {wake}"));
    let other = live.enqueue("other").await;
    assert_eq!(live.client.result::<u64>(other).await.unwrap(), 7);

    live.sleep_over(HOUR - Duration::from_millis(1));
    idle(Duration::from_secs(60)).await;
    assert_eq!(live.state(sleeper).await, State::Queued, "a millisecond too early");
    live.sleep_over(Duration::from_millis(1));
    assert_eq!(live.client.result::<u64>(sleeper).await.unwrap(), 0);
    assert_eq!(begun.load(Ordering::SeqCst), 1, "what was done before it slept is not done again");
    let outcomes: Vec<_> = live.detail(sleeper).await.attempts.iter().filter_map(|attempt| attempt.outcome).collect();
    assert_eq!(outcomes, [Outcome::Parked, Outcome::Completed]);
    let names: Vec<_> = live.store.steps(sleeper).await.unwrap().into_iter().map(|step| step.name).collect();
    assert_eq!(names, ["@sleep 1".into(), "begin".into()]);
}

#[tokio::test(start_paused = true)]
async fn sleep_that_is_over_is_no_pause_in_a_retry() {
    let world = World::new().task_with("twice", retries(1, Backoff::Fixed(Duration::ZERO)), |task| async move {
        task.sleep(HOUR).await?;
        if task.attempt() == 1 {
            return Err(TaskError::retry("between the two"));
        }
        // However long it is said to be now, the time to wake was stored before.
        task.sleep(2 * HOUR).await?;
        task.sleep_until(becket_tasks::Timestamp::default()).await?;
        Ok(task.attempt().into())
    });
    let mut live = world.start().await;
    let task = live.enqueue("twice").await;
    live.until(task, State::Queued).await;
    live.until(task, State::Queued).await;
    live.sleep_over(HOUR);
    live.until(task, State::Retrying).await;
    live.until(task, State::Queued).await;
    assert_eq!(live.detail(task).await.task.standing.run_at, live.clock.now().after(2 * HOUR));
    live.sleep_over(2 * HOUR);
    assert_eq!(live.client.result::<u64>(task).await.unwrap(), 2);
    let outcomes: Vec<_> = live.detail(task).await.attempts.iter().filter_map(|attempt| attempt.outcome).collect();
    assert_eq!(outcomes, [Outcome::Parked, Outcome::Failed, Outcome::Parked, Outcome::Completed]);
}

#[tokio::test(start_paused = true)]
async fn requeued_sleeper_sleeps_on_until_the_same_time() {
    let world = World::new().task("sleeper", |task| async move {
        task.sleep(HOUR).await?;
        Ok(1)
    });
    let mut live = world.start().await;
    let task = live.enqueue("sleeper").await;
    live.until(task, State::Running).await;
    live.until(task, State::Queued).await;
    let wake = live.clock.now().after(HOUR);
    live.sleep_over(HOUR / 2);
    live.client.requeue(&[task]).await.unwrap();
    live.until(task, State::Running).await;
    live.until(task, State::Queued).await;
    assert_eq!(live.detail(task).await.task.standing.run_at, wake);
    live.sleep_over(HOUR / 2);
    assert_eq!(live.client.result::<u64>(task).await.unwrap(), 1);
}

/// One process begins to sleep and is killed; the next one wakes up, no earlier and no later.
#[cfg(feature = "sqlite")]
#[tokio::test]
async fn sleep_outlives_the_process() {
    use becket_tasks::store::conformance::{Factory, Reopen};
    use becket_tasks::{Clock, Engine, EngineOptions, Notice, Policy, Registry, TaskContext, Timestamp};

    use crate::sqlite::SqliteFactory;

    let start = async |store: Arc<dyn Store>| {
        let mut registry = Registry::new();
        let handler = |(): (), task: TaskContext| async move {
            task.sleep(HOUR).await?;
            Ok::<_, TaskError>(task.attempt())
        };
        registry.task("sleeper", Policy::default(), handler).unwrap();
        Engine::start(store, registry, EngineOptions::default()).await.unwrap()
    };
    let clock = Clock::manual(Timestamp::from_millis(1_800_000_000_000));
    let wake = clock.now().after(HOUR);
    let factory = SqliteFactory::new();
    let store = factory.open(clock.clone()).await;
    let mut changes = store.events().subscribe();
    let first = start(Arc::clone(&store)).await;
    let task = first.client().enqueue("sleeper", &()).await.unwrap();
    loop {
        match changes.next().await.unwrap() {
            Notice::Transition(change) if change.from == Some(State::Running) => break,
            _ => {}
        }
    }
    first.shutdown(Duration::ZERO).await;
    let left = factory.crash(store, clock.clone()).await;
    clock.advance(HOUR / 2);
    let second = start(Arc::clone(&left)).await;
    assert_eq!(left.task(task).await.unwrap().unwrap().task.standing.run_at, wake);
    clock.advance(HOUR / 2);
    assert_eq!(second.client().result::<u32>(task).await.unwrap(), 1);
}
