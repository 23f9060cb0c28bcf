//! Another registry while the engine works: what runs ends as it began, what comes goes by the new.

use std::sync::Arc;
use std::time::Duration;

use becket_tasks::schedule::Schedule;
use becket_tasks::{EnqueueError, Error, Policy, Registry, RetryPolicy, State, TaskError, Timestamp};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::world::{World, idle};

/// A registry whose handlers return these numbers.
fn registry(kinds: &[(&'static str, u64)]) -> Registry {
    let mut registry = Registry::new();
    for (kind, number) in kinds.iter().copied() {
        registry.task(kind, Policy::default(), move |_: serde_json::Value, _| async move { Ok(number) }).unwrap();
    }
    registry
}

#[tokio::test(start_paused = true)]
async fn new_kind_is_claimed_at_once_though_a_claim_was_waiting() {
    let live = World::new().task("a", |_| async { Ok(1) }).start().await;
    live.store.claim.called(1).await;
    idle(Duration::from_secs(3)).await;
    live.engine.replace_registry(registry(&[("a", 2), ("b", 3)])).unwrap();
    let began = Instant::now();
    let tasks = [live.enqueue("a").await, live.enqueue("b").await];
    assert_eq!(live.client.result::<u64>(tasks[0]).await.unwrap(), 2);
    assert_eq!(live.client.result::<u64>(tasks[1]).await.unwrap(), 3);
    assert_eq!(began.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn engine_that_knew_no_kind_begins_with_the_first() {
    let live = World::new().start().await;
    idle(Duration::from_secs(90)).await;
    live.engine.replace_registry(registry(&[("a", 1)])).unwrap();
    let task = live.enqueue("a").await;
    assert_eq!(live.client.result::<u64>(task).await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn attempt_that_runs_ends_under_its_own_handler_and_policy() {
    let go = Arc::new(Semaphore::new(0));
    let gate = Arc::clone(&go);
    let policy = Policy { retry: RetryPolicy::retries(3), ..Policy::default() };
    let world = World::new().task_with("a", policy, move |_| {
        let gate = Arc::clone(&gate);
        async move {
            gate.acquire().await.unwrap().forget();
            Err(TaskError::retry("not yet"))
        }
    });
    let mut live = world.start().await;
    let task = live.enqueue("a").await;
    live.until(task, State::Running).await;
    live.engine.replace_registry(registry(&[("a", 7)])).unwrap();
    go.add_permits(1);
    live.until(task, State::Retrying).await;
    live.clock.advance(Duration::from_secs(3_600));
    assert_eq!(live.client.result::<u64>(task).await.unwrap(), 7, "its next attempt is the new handler's");
}

#[tokio::test(start_paused = true)]
async fn task_whose_kind_is_gone_stays_queued_until_it_is_back() {
    let world = World::new().task("a", |_| async { Ok(1) }).task("b", |_| async { Ok(1) });
    let live = world.options(|options| options.concurrency = 1).start().await;
    live.engine.replace_registry(registry(&[("b", 2)])).unwrap();
    assert!(matches!(live.client.enqueue("a", &()).await, Err(EnqueueError::UnknownKind(_))), "every client knows");

    live.engine.replace_registry(registry(&[("a", 1), ("b", 2)])).unwrap();
    live.store.claim.is(crate::store::Mood::Waits);
    let task = live.enqueue("a").await;
    live.engine.replace_registry(registry(&[("b", 2)])).unwrap();
    live.store.claim.is(crate::store::Mood::Fine);
    let other = live.enqueue("b").await;
    assert_eq!(live.client.result::<u64>(other).await.unwrap(), 2);
    assert_eq!(live.state(task).await, State::Queued);

    live.engine.replace_registry(registry(&[("a", 5)])).unwrap();
    assert_eq!(live.client.result::<u64>(task).await.unwrap(), 5);
}

#[tokio::test(start_paused = true)]
async fn schedules_come_and_go_with_a_registry() {
    let live = World::new().start().await;
    let names = async |live: &crate::world::Live| {
        let all = live.engine.schedules().list().await.unwrap();
        all.into_iter().map(|one| one.schedule.name().to_string()).collect::<Vec<_>>()
    };
    let mut with = registry(&[("work", 1)]);
    with.schedule(Schedule::new("minutely", "* * * * *".parse().unwrap(), "work")).unwrap();
    live.engine.replace_registry(with).unwrap();
    assert_eq!(names(&live).await, ["minutely"]);
    live.engine.schedules().settled(live.clock.now()).await;
    live.clock.advance(Duration::from_secs(60));
    live.engine.schedules().settled(live.clock.now()).await;
    let fired = live.engine.schedules().list().await.unwrap()[0].last_at;
    assert!(fired.is_some_and(|at: Timestamp| at <= live.clock.now()), "{fired:?}");

    live.engine.replace_registry(registry(&[("work", 1)])).unwrap();
    assert!(names(&live).await.is_empty());
    assert!(live.engine.schedules().fire("minutely").await.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn registry_that_makes_no_sense_is_refused_and_the_old_one_stays() {
    let live = World::new().task("a", |_| async { Ok(1) }).start().await;
    let mut wrong = registry(&[("b", 2)]);
    wrong.schedule(Schedule::new("minutely", "* * * * *".parse().unwrap(), "c")).unwrap();
    assert!(matches!(live.engine.replace_registry(wrong), Err(Error::Invalid(_))));
    let task = live.enqueue("a").await;
    assert_eq!(live.client.result::<u64>(task).await.unwrap(), 1);
    assert!(live.engine.schedules().list().await.unwrap().is_empty());
}
