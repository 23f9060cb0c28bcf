//! What is forgotten, when, and what never is.

use std::time::Duration;

use super::factory::Factory;
use super::world::{HOUR, SEC, START, World, completed, completed_with, keep, keyed, lease_of, submission, task};
use crate::query::Retention;
use crate::state::State;
use crate::submission::Submission;
use crate::task::{Finish, Finished};

/// Keeps everything that is not older than an hour.
const ONE_HOUR: Retention = keep(HOUR, u64::MAX);

/// With their attempts and results, and only once they are older.
pub async fn finished_tasks_go_when_they_are_too_old(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let finished = State::ALL.into_iter().filter(|state| state.is_finished());
    let mut ids = Vec::new();
    for state in finished {
        ids.push(world.task_in(state).await);
    }
    world.clock.advance(HOUR);
    assert_eq!(world.prune_all(ONE_HOUR).await, (0, 0));
    world.clock.advance(Duration::from_millis(1));
    assert_eq!(world.prune_all(ONE_HOUR).await, (3, 3));
    for id in ids {
        assert_eq!(world.store.task(id).await.unwrap(), None);
    }
    assert_eq!(world.counts().await.unwrap().by_state, [0; 7]);
}

/// However old they are; neither do their submissions.
pub async fn unfinished_tasks_never_go(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let (retrying, running) = (world.task_in(State::Retrying).await, world.task_in(State::Running).await);
    let queued = world.task_in(State::Queued).await;
    world.clock.advance(1_000 * HOUR);
    assert_eq!(world.prune_all(keep(Duration::ZERO, 0)).await, (0, 0));
    for id in [queued, retrying, running] {
        let detail = world.detail(id).await;
        assert!(world.payload(detail.task.submission).await.unwrap().is_some());
    }
}

/// A task that waited long and ended just now stays.
pub async fn age_counts_from_the_end_of_a_task(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let id = world.add(task("work")).await;
    world.clock.advance(5 * HOUR);
    let claimed = world.claim_one("w", id).await;
    world.end(&claimed, completed()).await;
    world.clock.advance(HOUR);
    assert_eq!(world.prune_all(ONE_HOUR).await, (0, 0));
    assert_eq!(world.state(id).await, State::Completed);
}

/// Newest by their end.
pub async fn only_the_newest_finished_tasks_are_kept(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let ids = world.submit(submission(vec![task("work"); 5])).await.tasks;
    let claimed = world.claim_all("w").await;
    for place in [3, 1, 0, 4] {
        world.clock.advance(SEC);
        world.end(&claimed[place], completed()).await;
    }
    assert_eq!(world.prune_all(keep(HOUR, 2)).await, (2, 0));
    let mut left = Vec::new();
    for id in &ids {
        left.push(world.store.task(*id).await.unwrap().map(|detail| detail.task.state()));
    }
    let kept = Some(State::Completed);
    assert_eq!(left, [kept, None, Some(State::Running), None, kept]);
}

/// A result has a shorter life than its task.
pub async fn expired_results_go_and_their_tasks_stay(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let (short, long) = (world.running(1).await, world.running(1).await);
    world.end(&short, completed_with("short", SEC)).await;
    world.end(&long, completed_with("long", HOUR)).await;
    world.clock.advance(SEC);
    let pruned = world.prune(ONE_HOUR).await.unwrap();
    assert_eq!((pruned.results, pruned.tasks, pruned.more), (1, 0, false));
    assert_eq!(world.prune(ONE_HOUR).await.unwrap().results, 0);
    assert_eq!(world.detail(short.id).await.result, None);
    assert_eq!(world.detail(long.id).await.result.as_deref(), Some(&b"long"[..]));
}

/// As long as one task is left, the payload is, too.
pub async fn submissions_go_after_their_tasks(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let inserted = world.submit(submission(vec![task("work"), task("later")])).await;
    let claimed = world.claim_one("w", inserted.tasks[0]).await;
    world.end(&claimed, completed()).await;
    world.clock.advance(2 * HOUR);
    assert_eq!(world.prune_all(ONE_HOUR).await, (1, 0));
    assert_eq!(&*world.payload(inserted.submission).await.unwrap().unwrap().payload, b"payload");
    world.cancel(vec![inserted.tasks[1]], "no more".into()).await.unwrap();
    world.clock.advance(2 * HOUR);
    assert_eq!(world.prune_all(ONE_HOUR).await, (1, 1));
    assert_eq!(world.payload(inserted.submission).await.unwrap(), None);
    assert_eq!(world.submission(inserted.submission).await.unwrap(), None);
}

/// G2: within the age also when its tasks are purged or are too many to be kept; after it the key is free again.
pub async fn redelivery_is_recognised_as_long_as_the_age(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let first = world.submit(keyed("k", vec![task("work")])).await;
    let claimed = world.claim_one("w", first.tasks[0]).await;
    world.end(&claimed, completed()).await;
    assert_eq!(world.prune_all(keep(HOUR, 0)).await, (1, 0));
    world.clock.set(START.after(HOUR));
    assert_eq!(world.prune_all(keep(HOUR, 0)).await, (0, 0));
    let again = world.submit(keyed("k", vec![task("work")])).await;
    assert!(again.duplicate && again.tasks.is_empty());
    world.clock.advance(SEC);
    assert_eq!(world.prune_all(keep(HOUR, 0)).await, (0, 1));
    let anew = world.submit(keyed("k", vec![task("work")])).await;
    assert!(!anew.duplicate && anew.submission > first.submission);
}

/// Neither by age nor by number may payloads be kept that no task needs; what tells of a redelivery stays.
pub async fn payload_goes_with_the_last_task_that_is_kept(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let with = |n: usize, tasks| Submission { payload: format!("payload {n}").into(), ..keyed(&n.to_string(), tasks) };
    let submissions =
        vec![with(0, vec![task("work")]), with(1, vec![task("work"); 2]), with(2, vec![task("work")]), with(3, vec![])];
    let inserted = world.insert(submissions).await.unwrap();
    for task in [inserted[0].tasks[0], inserted[1].tasks[0], inserted[2].tasks[0]] {
        world.clock.advance(SEC);
        world.cancel(vec![task], "no more".into()).await.unwrap();
    }
    assert_eq!(world.prune_all(keep(HOUR, 1)).await, (2, 0));
    let of = |n: usize| inserted[n].submission;
    let dropped = world.payload(of(0)).await.unwrap().unwrap();
    assert!(dropped.meta.is_empty() && dropped.payload.is_empty());
    for (n, why) in [(1, "a task is left"), (2, "its task is among the newest"), (3, "it never had a task")] {
        assert_eq!(world.payload(of(n)).await.unwrap().unwrap().payload, format!("payload {n}"), "{why}");
    }
    assert_eq!(world.claim_one("w", inserted[1].tasks[1]).await.payload, "payload 1");
    let again = world.submit(with(0, vec![task("work")])).await;
    assert!(again.duplicate && again.submission == of(0));
    assert_eq!(world.submission(of(0)).await.unwrap().unwrap().payload_bytes, 9, "how large it was is still told");
}

/// A slice is bounded; slices end.
pub async fn pruning_in_slices_comes_to_an_end(factory: &dyn Factory) {
    let world = World::new(factory).await;
    const TASKS: usize = 2_500;
    let submissions = (0..TASKS / 10).map(|_| submission(vec![task("work"); 10])).collect();
    world.insert(submissions).await.unwrap();
    let mut ended = 0;
    while ended < TASKS {
        let claimed = world.claim_all("w").await;
        let finishes = claimed.iter().map(|claimed| Finish { lease: lease_of(claimed), end: completed() });
        let answers = world.finish(finishes.collect()).await.unwrap();
        assert!(answers.iter().all(|answer| *answer == Finished::Now(State::Completed)));
        ended += answers.len();
    }
    world.clock.advance(2 * HOUR);
    let first = world.prune(ONE_HOUR).await.unwrap();
    assert!(first.more && first.tasks > 0 && first.tasks < 2_500, "{first:?}");
    let (tasks, submissions) = world.prune_all(ONE_HOUR).await;
    assert_eq!((first.tasks + tasks, first.submissions + submissions), (2_500, 250));
    assert!(!world.prune(ONE_HOUR).await.unwrap().more);
}

/// Payloads that were accepted together are forgotten one by one.
pub async fn payloads_beside_a_pruned_one_stay(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let with = |n: usize| {
        let tasks = if n == 2 { vec![task("work")] } else { Vec::new() };
        Submission { payload: format!("payload {n}").into(), ..submission(tasks) }
    };
    let inserted = world.insert((0..5).map(with).collect()).await.unwrap();
    world.clock.advance(2 * HOUR);
    assert_eq!(world.prune_all(ONE_HOUR).await, (0, 4));
    assert_eq!(world.payload(inserted[2].submission).await.unwrap().unwrap().payload, "payload 2");
    assert_eq!(world.payload(inserted[1].submission).await.unwrap(), None);
    assert_eq!(world.claim_one("w", inserted[2].tasks[0]).await.payload, "payload 2");
}
