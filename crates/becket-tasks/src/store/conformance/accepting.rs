//! What `insert` and `append` accept, and what they know already.

use std::time::Duration;

use super::factory::Factory;
use super::world::{START, World, keyed, submission, task, task_started_by, worker};
use crate::id::SubmissionId;
use crate::query::{Page, SubmissionFilter, TaskFilter};
use crate::state::State;
use crate::submission::{Due, NewTask, Submission};
use crate::time::Timestamp;

/// A submission and all of its tasks are there, with what was asked for.
pub async fn accepted_submission_has_its_tasks_queued(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let urgent = NewTask { priority: 7, max_attempts: 3, ..task("b") };
    let inserted = world.submit(keyed("k", vec![task("a"), urgent])).await;
    assert!(!inserted.duplicate);
    assert!(inserted.started.is_empty());
    assert_eq!(world.info(inserted.submission).await.tasks, inserted.tasks);
    let kinds = ["a", "b"];
    for (id, kind) in inserted.tasks.iter().zip(kinds) {
        let task = world.detail(*id).await.task;
        assert_eq!((&*task.kind, task.state(), task.standing.attempt), (kind, State::Queued, 0));
        assert_eq!((task.submission, task.key.as_deref()), (inserted.submission, Some("k")));
        assert_eq!((task.created_at, task.updated_at, task.standing.run_at), (START, START, START));
    }
    let urgent = world.detail(inserted.tasks[1]).await.task;
    assert_eq!((urgent.priority, urgent.standing.max_attempts), (7, 3));
}

/// A submission that no handler wants is kept all the same.
pub async fn submission_may_have_no_tasks(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let inserted = world.submit(keyed("k", Vec::new())).await;
    assert!(inserted.tasks.is_empty());
    assert!(world.info(inserted.submission).await.tasks.is_empty());
    assert!(world.submit(keyed("k", Vec::new())).await.duplicate);
}

/// G2, for one store: the second delivery of a key is answered with the ids of the first.
pub async fn redelivered_submission_creates_no_second_task(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let first = world.submit(keyed("k", vec![task("a"), task("b")])).await;
    let again = world.submit(keyed("k", vec![task("a"), task("b"), task("c")])).await;
    assert!(again.duplicate);
    assert_eq!((again.submission, &again.tasks), (first.submission, &first.tasks));
    assert_eq!(world.counts().await.unwrap().unfinished(), 2);
}

/// Both come in one call: the second is a duplicate of the first, and what stands beside them is accepted.
pub async fn duplicate_inside_one_call_is_known_as_one(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let calls = vec![keyed("k", vec![task("a")]), keyed("other", vec![task("a")]), keyed("k", vec![task("a")])];
    let inserted = world.insert(calls).await.unwrap();
    assert_eq!(inserted.iter().map(|one| one.duplicate).collect::<Vec<_>>(), [false, false, true]);
    assert_eq!((inserted[2].submission, &inserted[2].tasks), (inserted[0].submission, &inserted[0].tasks));
    assert_eq!(world.counts().await.unwrap().of(State::Queued), 2);
}

/// A key belongs to its source.
pub async fn same_key_from_another_source_is_another_submission(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let first = world.submit(keyed("k", vec![task("a")])).await;
    let other = world.submit(Submission { source: "other".into(), ..keyed("k", vec![task("a")]) }).await;
    assert!(!other.duplicate);
    assert_ne!(other.submission, first.submission);
}

/// Equal in all but the key that neither has: two submissions.
pub async fn submissions_without_a_key_are_never_duplicates(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let inserted = world.insert(vec![submission(vec![task("a")]), submission(vec![task("a")])]).await.unwrap();
    assert!(inserted.iter().all(|one| !one.duplicate));
    assert_ne!(inserted[0].submission, inserted[1].submission);
    assert!(!world.submit(submission(Vec::new())).await.duplicate);
}

/// A redelivery is answered with the tasks that are kept: a purged one is gone, an appended one is there.
pub async fn duplicate_names_only_the_tasks_that_are_left(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let first = world.submit(keyed("k", vec![task("a"), task("b")])).await;
    world.cancel(vec![first.tasks[0]], "no more".into()).await.unwrap();
    world.purge(vec![first.tasks[0]]).await.unwrap();
    let appended = world.append(first.submission, vec![task("c")]).await.unwrap().unwrap();
    let again = world.submit(keyed("k", vec![task("a"), task("b")])).await;
    assert_eq!(again.tasks, [first.tasks[1], appended.tasks[0]]);
}

/// However many callers bring the same key at once, one of them is first.
pub async fn concurrent_redeliveries_are_accepted_once(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let calls = (0..16).map(|_| world.insert(vec![keyed("k", vec![task("a")])]));
    let answers = futures_util::future::join_all(calls).await;
    let inserted: Vec<_> = answers.into_iter().map(|answer| answer.unwrap().remove(0)).collect();
    assert_eq!(inserted.iter().filter(|one| !one.duplicate).count(), 1);
    assert!(inserted.iter().all(|one| one.tasks == inserted[0].tasks));
    assert_eq!(world.counts().await.unwrap().unfinished(), 1);
}

/// Many submissions in one call: each answer belongs to its submission, and ids have the same order.
pub async fn answers_come_in_the_order_given(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let calls = (0..50).map(|n| keyed(&n.to_string(), vec![task("a"); n % 3])).collect();
    let inserted = world.insert(calls).await.unwrap();
    for (n, one) in inserted.iter().enumerate() {
        assert_eq!(one.tasks.len(), n % 3);
        assert_eq!(world.info(one.submission).await.key.as_deref(), Some(&*n.to_string()));
    }
    assert!(inserted.is_sorted_by_key(|one| one.submission));
    let tasks: Vec<_> = inserted.iter().flat_map(|one| &one.tasks).collect();
    assert!(tasks.is_sorted());
}

/// Newest first stays newest first, whatever the clock does.
pub async fn ids_grow_when_the_clock_goes_back(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let first = world.submit(submission(vec![task("a")])).await;
    world.clock.set(START.before(Duration::from_secs(90)));
    let second = world.submit(submission(vec![task("a")])).await;
    assert!(second.submission > first.submission && second.tasks > first.tasks);
    let listed = world.tasks(TaskFilter::default(), Page::first(9)).await.unwrap();
    assert_eq!(listed.items.iter().map(|task| task.id).collect::<Vec<_>>(), [second.tasks[0], first.tasks[0]]);
    let listed = world.submissions(SubmissionFilter::default(), Page::first(9)).await.unwrap();
    assert_eq!(listed.items[0].id, second.submission);
}

/// A task has at least one attempt.
pub async fn zero_attempts_count_as_one(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let id = world.add(NewTask { max_attempts: 0, ..task("work") }).await;
    assert_eq!(world.detail(id).await.task.standing.max_attempts, 1);
    assert_eq!(world.claim_one("w", id).await.max_attempts, 1);
}

/// Delays count from the store's time; given times stay as they are, past ones too.
pub async fn due_times_are_resolved_by_the_clock_of_the_store(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let past = Timestamp::from_millis(5);
    let dues = [Due::Now, Due::After(Duration::from_secs(60)), Due::At(past)];
    let tasks = dues.map(|due| NewTask { due, ..task("a") });
    let inserted = world.submit(submission(tasks.to_vec())).await;
    let expected = [START, START.after(Duration::from_secs(60)), past];
    for (id, run_at) in inserted.tasks.iter().zip(expected) {
        assert_eq!(world.detail(*id).await.task.standing.run_at, run_at);
    }
}

/// A task that its submitter runs itself is under a lease from the first moment, and nobody else claims it.
pub async fn started_task_is_running_and_held_by_its_worker(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let inserted = world.submit(submission(vec![task_started_by("here"), task("work")])).await;
    assert_eq!(inserted.started.len(), 1);
    let started = &inserted.started[0];
    assert_eq!((started.id, started.attempt, started.attempts_counted), (inserted.tasks[0], 1, 1));
    assert_eq!((&*started.payload, &*started.meta), (&b"payload"[..], &b"meta"[..]));
    let detail = world.detail(started.id).await;
    assert_eq!((detail.task.state(), detail.attempts.len()), (State::Running, 1));
    assert_eq!((&detail.attempts[0].worker, detail.attempts[0].started_at), (&worker("here"), START));
    world.claim_one("w", inserted.tasks[1]).await;
    assert_eq!(world.release(worker("here")).await.unwrap(), 1);
}

/// The first delivery runs; the second must not run it again.
pub async fn redelivery_of_a_started_submission_starts_nothing(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let first = world.submit(keyed("k", vec![task_started_by("here")])).await;
    let again = world.submit(keyed("k", vec![task_started_by("there")])).await;
    assert!(again.duplicate && again.started.is_empty());
    assert_eq!(again.tasks, first.tasks);
    assert_eq!(world.release(worker("there")).await.unwrap(), 0);
}

/// A replay: new tasks on the same payload.
pub async fn appended_tasks_join_their_submission(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let first = world.submit(keyed("k", vec![task("work")])).await;
    let appended = world.append(first.submission, vec![task("more")]).await.unwrap().unwrap();
    assert!(!appended.duplicate);
    assert_eq!((appended.submission, appended.tasks.len()), (first.submission, 1));
    assert!(appended.tasks > first.tasks);
    let added = world.detail(appended.tasks[0]).await.task;
    assert_eq!((&*added.kind, &*added.event, added.key.as_deref()), ("more", "issues", Some("k")));
    assert_eq!(world.info(first.submission).await.tasks, [first.tasks[0], appended.tasks[0]]);
    let mut claim = super::world::claim_by("w");
    claim.kinds = super::world::kinds(&["more"]);
    assert_eq!(&*world.claim(claim).await.unwrap()[0].payload, b"payload");
}

/// There is nothing to add to.
pub async fn appending_to_an_unknown_submission_changes_nothing(factory: &dyn Factory) {
    let world = World::new(factory).await;
    world.submit(keyed("k", vec![task("a")])).await;
    assert!(world.append(SubmissionId::from_u64(42), vec![task("b")]).await.unwrap().is_none());
    assert_eq!(world.counts().await.unwrap().unfinished(), 1);
}

/// A replay can run where it was asked for, too.
pub async fn started_tasks_can_be_appended(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let first = world.submit(keyed("k", Vec::new())).await;
    let appended = world.append(first.submission, vec![task_started_by("here")]).await.unwrap().unwrap();
    assert_eq!(appended.started.len(), 1);
    assert_eq!((appended.started[0].id, &*appended.started[0].payload), (appended.tasks[0], &b"payload"[..]));
    assert_eq!(world.state(appended.tasks[0]).await, State::Running);
}
