//! Unique tasks: of one kind with one key, one is enough.

use std::time::Duration;

use super::factory::Factory;
use super::world::{HOUR, SEC, World, completed_with, give_up, keyed, submission, task, task_started_by};
use crate::query::Retention;
use crate::state::State;
use crate::submission::{NewTask, Parent, Unique};

fn unique(key: &str) -> NewTask {
    NewTask { unique: Some(Unique { key: key.into(), fresh: 10 * SEC }), ..task("work") }
}

/// Nothing of the second is kept.
pub async fn task_under_way_stands_for_another_with_its_key(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let first = world.submit(submission(vec![unique("k")])).await;
    assert!(!first.duplicate && first.reused.is_empty());
    for state in [State::Queued, State::Running] {
        assert_eq!(world.state(first.tasks[0]).await, state);
        let again = world.submit(submission(vec![unique("k")])).await;
        assert_eq!((again.submission, &again.tasks, again.duplicate), (first.submission, &first.tasks, true));
        assert_eq!(again.reused, first.tasks);
        world.claim_all("w").await;
    }
    let start = NewTask { start: task_started_by("w").start, ..unique("k") };
    assert!(world.submit(submission(vec![start])).await.started.is_empty());
    assert_eq!(world.counts().await.unwrap().unfinished(), 1);
}

/// Many callers at once: one task.
pub async fn concurrent_callers_get_the_same_task(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let calls = (0..20).map(|_| world.submit(submission(vec![unique("k")])));
    let inserted = futures_util::future::join_all(calls).await;
    assert!(inserted.iter().all(|one| one.tasks == inserted[0].tasks));
    assert_eq!(inserted.iter().filter(|one| !one.duplicate).count(), 1);
    assert_eq!(world.counts().await.unwrap().unfinished(), 1);
}

/// By kind and key.
pub async fn other_keys_and_kinds_are_their_own(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let other_kind = NewTask { kind: "else".into(), ..unique("k") };
    let mixed = world.submit(submission(vec![unique("k"), unique("k"), unique("l"), other_kind, task("work")])).await;
    assert_eq!(mixed.tasks[0], mixed.tasks[1]);
    assert_eq!((mixed.reused.as_slice(), mixed.duplicate), (&mixed.tasks[..1], false));
    assert_eq!(world.counts().await.unwrap().unfinished(), 4);
    assert_eq!(
        world.info(mixed.submission).await.tasks,
        [mixed.tasks[0], mixed.tasks[2], mixed.tasks[3], mixed.tasks[4]]
    );
}

/// That is how results are cached.
pub async fn result_stands_for_another_while_it_is_fresh(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let first = world.submit(submission(vec![unique("k")])).await.tasks[0];
    let claimed = world.claim_one("w", first).await;
    world.end(&claimed, completed_with("7", HOUR)).await;
    world.clock.advance(10 * SEC - Duration::from_millis(1));
    let again = world.submit(submission(vec![unique("k")])).await;
    assert_eq!(again.tasks, [first]);
    assert_eq!(world.detail(first).await.result.as_deref(), Some(&b"7"[..]));
    world.clock.advance(Duration::from_millis(1));
    let new = world.submit(submission(vec![unique("k")])).await;
    assert!(!new.duplicate && new.tasks != [first]);
    assert_eq!(world.submit(submission(vec![unique("k")])).await.tasks, new.tasks);
}

/// Nor does one that is gone.
pub async fn task_that_ended_badly_stands_for_nothing(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let mut latest = world.submit(submission(vec![unique("k")])).await.tasks[0];
    for is_cancelled in [false, true] {
        let claimed = world.claim_one("w", latest).await;
        if is_cancelled {
            world.cancel(vec![latest], "no more".into()).await.unwrap();
        } else {
            world.end(&claimed, give_up()).await;
        }
        let next = world.submit(submission(vec![unique("k")])).await;
        assert!(!next.duplicate);
        latest = next.tasks[0];
    }
    let claimed = world.claim_one("w", latest).await;
    world.end(&claimed, completed_with("7", HOUR)).await;
    world.purge(vec![latest]).await.unwrap();
    assert!(!world.submit(submission(vec![unique("k")])).await.duplicate);
}

/// What the sender sent is kept, though it gives rise to nothing new: with the task that stands for its own, for as long as
/// that is kept. And others may wait for the one that is there.
pub async fn delivery_is_kept_though_its_task_is_known(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let first = world.add(unique("k")).await;
    let delivery = world.submit(keyed("d", vec![unique("k")])).await;
    assert_eq!(
        (delivery.duplicate, delivery.tasks.as_slice(), delivery.reused.as_slice()),
        (false, &[first][..], &[first][..])
    );
    assert_eq!(world.info(delivery.submission).await.tasks, [first]);
    let again = world.submit(keyed("d", vec![unique("k")])).await;
    assert_eq!((again.duplicate, again.submission, again.tasks.as_slice()), (true, delivery.submission, &[first][..]));
    let child = NewTask { after: vec![Parent::Submitted { submission: 0, task: 0 }], ..task("work") };
    let both = world.insert(vec![submission(vec![unique("k")]), submission(vec![child])]).await.unwrap();
    assert_eq!(world.store.family(both[1].tasks[0]).await.unwrap().unwrap().parents, [first]);
    let replayed = world.append(delivery.submission, vec![unique("k"), task("work")]).await.unwrap().unwrap();
    assert_eq!(world.info(delivery.submission).await.tasks, replayed.tasks, "each once");

    let claimed = world.claim_all("w").await;
    assert_eq!(claimed[0].id, first);
    world.end(&claimed[0], completed_with("7", HOUR)).await;
    world.cancel(vec![both[1].tasks[0]], "no more".into()).await.unwrap();
    assert_eq!(world.purge(vec![first]).await.unwrap(), [first]);
    assert_eq!(world.info(delivery.submission).await.tasks, replayed.tasks[1..]);
}

/// In the same slice as its task, though it was that of another.
pub async fn delivery_goes_with_the_task_that_stood_for_its_own(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let first = world.add(unique("k")).await;
    let delivery = world.submit(keyed("d", vec![unique("k")])).await.submission;
    let claimed = world.claim_one("w", first).await;
    world.end(&claimed, completed_with("7", HOUR)).await;
    world.clock.advance(HOUR);
    let retention = Retention { age: SEC, finished_max: 10 };
    let pruned = world.prune(retention).await.unwrap();
    assert_eq!((pruned.tasks, pruned.submissions), (1, 2));
    assert!(world.store.submission(delivery).await.unwrap().is_none());
}

/// Also where the same call brought the first.
pub async fn appended_task_is_listed_though_it_stands_for_the_next(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let first = world.submit(submission(vec![task("work")])).await;
    let appended = world.append(first.submission, vec![unique("k"), unique("k")]).await.unwrap().unwrap();
    assert_eq!(appended.tasks[0], appended.tasks[1]);
    assert_eq!(world.info(first.submission).await.tasks, [first.tasks[0], appended.tasks[0]]);
}
