//! What survives the end of the process, for stores that outlive it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::factory::Reopen;
use super::world::{
    HOUR, LEASE, SEC, START, World, claim_by, completed, completed_with, keyed, lease_of, retry_after, submission,
    task, task_started_by, task_with_attempts,
};
use crate::id::TaskId;
use crate::mark::Mark;
use crate::order::{Lane, Limits, Rate, Rules, Scope};
use crate::state::{CRASHES_MIN, State};
use crate::step::Saved;
use crate::store::Claim;
use crate::submission::{Due, NewTask, Parent};
use crate::task::{Finished, Lease, Outcome};

/// Kills the process of `world`, and opens what it left.
async fn crash(factory: &dyn Reopen, world: World) -> World {
    let World { store, clock } = world;
    World { store: factory.crash(store, clock.clone()).await, clock }
}

/// G1: with labels and payloads, whole.
pub async fn acknowledged_submissions_survive_a_crash(factory: &dyn Reopen) {
    let world = World::new(factory).await;
    let inserted = world.insert((0..20).map(|n| keyed(&n.to_string(), vec![task("work")])).collect()).await.unwrap();
    let appended = world.append(inserted[0].submission, vec![task("more")]).await.unwrap().unwrap();
    let before = world.detail(inserted[7].tasks[0]).await;
    let world = crash(factory, world).await;
    assert_eq!(world.counts().await.unwrap().of(State::Queued), 21);
    assert_eq!(world.detail(inserted[7].tasks[0]).await, before);
    assert_eq!(world.info(inserted[0].submission).await.tasks, [inserted[0].tasks[0], appended.tasks[0]]);
    let claimed: Vec<_> = world.claim_all("w").await;
    let ids: Vec<TaskId> = inserted.iter().map(|one| one.tasks[0]).collect();
    assert_eq!(claimed.iter().map(|claimed| claimed.id).collect::<Vec<_>>(), ids);
    assert!(claimed.iter().all(|claimed| *claimed.payload == *b"payload" && *claimed.meta == *b"meta"));
}

/// G2, over a crash.
pub async fn redelivery_after_a_crash_is_recognised(factory: &dyn Reopen) {
    let world = World::new(factory).await;
    let first = world.submit(keyed("k", vec![task("work")])).await;
    let world = crash(factory, world).await;
    let again = world.submit(keyed("k", vec![task("work")])).await;
    assert!(again.duplicate);
    assert_eq!((again.submission, again.tasks), (first.submission, first.tasks));
}

/// With its attempts, its error and its result.
pub async fn what_ended_before_a_crash_stays_ended(factory: &dyn Reopen) {
    let world = World::new(factory).await;
    let done = world.running(1).await;
    world.end(&done, completed_with("42", HOUR)).await;
    let mut details = vec![world.detail(done.id).await];
    for state in [State::Retrying, State::Failed, State::Cancelled] {
        let id = world.task_in(state).await;
        details.push(world.detail(id).await);
    }
    let world = crash(factory, world).await;
    for before in details {
        assert_eq!(world.detail(before.task.id).await, before);
    }
}

/// What was done before the crash is not done again, and nobody from before it can say that he did more.
pub async fn saved_steps_survive_a_crash(factory: &dyn Reopen) {
    let world = World::new(factory).await;
    let old = world.running(2).await;
    let save = async |world: &World, lease, name: &str| world.save_step(lease, name.into(), "1".into()).await.unwrap();
    assert_eq!(save(&world, lease_of(&old), "done").await, Saved::Now);
    let steps = world.steps(old.id).await.unwrap();
    let world = crash(factory, world).await;
    assert_eq!(world.steps(old.id).await.unwrap(), steps);
    assert_eq!(save(&world, lease_of(&old), "late").await, Saved::LeaseLost);
    let new = world.claim_one("w", old.id).await;
    assert_eq!(save(&world, lease_of(&old), "late").await, Saved::LeaseLost);
    assert_eq!(save(&world, lease_of(&new), "done").await, Saved::Already);
    assert_eq!(save(&world, lease_of(&new), "more").await, Saved::Now);
}

/// Nobody waits for the lease; the attempt that was cut off counts. Claimed or started by its submitter alike.
pub async fn running_tasks_are_retried_at_once_after_a_crash(factory: &dyn Reopen) {
    let world = World::new(factory).await;
    let claimed = world.running(2).await.id;
    let started = NewTask { max_attempts: 2, ..task_started_by("w") };
    let started = world.submit(submission(vec![started])).await.tasks[0];
    let world = crash(factory, world).await;
    let again = world.claim_all("w").await;
    assert_eq!(again.iter().map(|claimed| claimed.id).collect::<Vec<_>>(), [claimed, started]);
    assert!(again.iter().all(|claimed| (claimed.attempt, claimed.attempts_counted) == (2, 2)));
    for id in [claimed, started] {
        let lost = &world.detail(id).await.attempts[0];
        assert_eq!((lost.outcome, lost.error.as_deref()), (Some(Outcome::Lost), Some("its worker went silent")));
        assert!(lost.ended_at.is_some());
    }
}

/// Begun by a worker, claimed ahead by it, or started by its submitter: a `kill -9` makes none of them a dead letter.
pub async fn crash_of_a_task_without_retries_is_retried(factory: &dyn Reopen) {
    let mut world = World::new(factory).await;
    let tasks = vec![task_with_attempts(1), task_with_attempts(1), task_started_by("w")];
    let ids = world.submit(submission(tasks)).await.tasks;
    assert_eq!(world.claim_all("w").await.iter().map(|claimed| claimed.id).collect::<Vec<_>>(), ids[..2]);
    for attempt in 2..=CRASHES_MIN {
        world = crash(factory, world).await;
        assert_eq!(world.counts().await.unwrap().of(State::Retrying), 3);
        let again = world.claim_all("w").await;
        assert_eq!(again.iter().map(|claimed| claimed.id).collect::<Vec<_>>(), ids);
        assert!(again.iter().all(|claimed| (claimed.attempts_counted, claimed.max_attempts) == (attempt, 1)));
    }
    let mut crashed = ids;
    let done = crashed.remove(0);
    assert_eq!(
        world.end_lease(Lease { task: done, attempt: CRASHES_MIN }, completed()).await,
        Finished::Now(State::Completed)
    );
    let world = crash(factory, world).await;
    assert_eq!(world.state(done).await, State::Completed);
    for id in crashed {
        assert_eq!(world.state(id).await, State::Failed);
        assert_eq!(world.error(id).await.as_deref(), Some("crashed its worker 3 times"));
    }
}

/// The allowance is for crashes only, and an orderly restart in between changes nothing.
pub async fn error_after_a_crash_fails_a_task_without_retries(factory: &dyn Reopen) {
    let world = World::new(factory).await;
    let id = world.running(1).await.id;
    let World { store, clock } = crash(factory, world).await;
    store.close().await.unwrap();
    drop(store);
    let world = World { store: factory.reopen(clock.clone()).await, clock };
    let second = world.claim_one("w", id).await;
    assert_eq!((second.attempts_counted, second.max_attempts), (2, 1));
    assert_eq!(world.end(&second, retry_after(Duration::ZERO)).await, Finished::Now(State::Failed));
    assert_eq!(world.error(id).await.as_deref(), Some("it went wrong"));
    assert!(world.claim_all("w").await.is_empty());
}

/// G3: two errors, and then it killed its process.
pub async fn crash_uses_up_the_last_attempt(factory: &dyn Reopen) {
    let world = World::new(factory).await;
    let id = world.add(task_with_attempts(3)).await;
    for _ in 0..2 {
        let claimed = world.claim_one("w", id).await;
        assert_eq!(world.end(&claimed, retry_after(Duration::ZERO)).await, Finished::Now(State::Retrying));
    }
    world.claim_one("w", id).await;
    let world = crash(factory, world).await;
    assert!(world.claim_all("w").await.is_empty());
    assert_eq!(world.state(id).await, State::Failed);
    assert_eq!(world.error(id).await.as_deref(), Some("crashed its worker once"));
}

/// G3: the process restarts, the task does not do so for ever.
pub async fn task_that_crashes_its_process_again_and_again_ends_failed(factory: &dyn Reopen) {
    let mut world = World::new(factory).await;
    let id = world.add(task_with_attempts(4)).await;
    for attempt in 1..=4 {
        assert_eq!(world.claim_one("w", id).await.attempt, attempt);
        world = crash(factory, world).await;
    }
    assert!(world.claim_all("w").await.is_empty());
    assert_eq!(world.state(id).await, State::Failed);
    assert_eq!(world.error(id).await.as_deref(), Some("crashed its worker 4 times"));
    assert_eq!(world.detail(id).await.attempts.len(), 4);
}

/// G4, over a crash.
pub async fn worker_from_before_a_crash_is_fenced(factory: &dyn Reopen) {
    let world = World::new(factory).await;
    let old = world.running(3).await;
    let world = crash(factory, world).await;
    assert_eq!(world.renew(vec![lease_of(&old)], LEASE).await.unwrap(), [false]);
    assert_eq!(world.end(&old, completed()).await, Finished::LeaseLost);
    let new = world.claim_one("w", old.id).await;
    assert_eq!(world.end(&old, completed()).await, Finished::LeaseLost);
    assert_eq!(world.end(&new, completed()).await, Finished::Now(State::Completed));
}

/// Delayed, retrying and urgent ones.
pub async fn waiting_tasks_keep_their_time_over_a_crash(factory: &dyn Reopen) {
    let world = World::new(factory).await;
    let retrying = world.running(2).await;
    world.end(&retrying, retry_after(2 * HOUR)).await;
    let delayed = world.add(NewTask { due: Due::After(HOUR), ..task("work") }).await;
    let usual = world.add(task("work")).await;
    let urgent = world.add(NewTask { priority: 9, ..task("work") }).await;
    let world = crash(factory, world).await;
    let due = world.claim_all("w").await;
    assert_eq!(due.iter().map(|claimed| claimed.id).collect::<Vec<_>>(), [urgent, usual]);
    world.clock.advance(HOUR);
    world.claim_one("w", delayed).await;
    world.clock.advance(HOUR);
    assert_eq!(world.claim_one("w", retrying.id).await.attempt, 2);
}

/// Ids name one task for ever.
pub async fn ids_grow_over_a_crash_and_a_clock_that_went_back(factory: &dyn Reopen) {
    let world = World::new(factory).await;
    let first = world.submit(submission(vec![task("work")])).await;
    world.clock.set(START.before(Duration::from_secs(90)));
    let world = crash(factory, world).await;
    let second = world.submit(submission(vec![task("work")])).await;
    assert!(second.submission > first.submission && second.tasks > first.tasks);
}

/// The everyday restart: running tasks were given back, so no attempt counts.
pub async fn orderly_closed_store_opens_with_everything_in_it(factory: &dyn Reopen) {
    let World { store, clock } = World::new(factory).await;
    let world = World { store, clock: clock.clone() };
    let (done, held) = (world.running(1).await, world.running(1).await);
    world.end(&done, completed_with("42", HOUR)).await;
    assert_eq!(world.release(super::world::worker("w")).await.unwrap(), 1);
    let done = world.detail(done.id).await;
    world.close().await.unwrap();
    drop(world);
    clock.advance(SEC);
    let world = World { store: factory.reopen(clock.clone()).await, clock };
    assert_eq!(world.detail(done.task.id).await, done);
    assert_eq!(world.claim_one("w", held.id).await.attempts_counted, 1);
}

/// One that is cancelled holds its lane until its worker has reported; a crash takes the worker with it.
pub async fn lane_of_a_cancelled_attempt_is_free_after_a_crash(factory: &dyn Reopen) {
    let world = World::new(factory).await;
    let in_lane = || NewTask { lane: Some(Lane::new("a")), ..task("work") };
    let first = world.add(in_lane()).await;
    let second = world.add(in_lane()).await;
    world.claim_one("w", first).await;
    world.cancel(vec![first], "no more".into()).await.unwrap();
    world.purge(vec![first]).await.unwrap();
    let third = world.add(in_lane()).await;
    let world = crash(factory, world).await;
    let claimed = world.claim_one("w", second).await;
    world.end(&claimed, completed()).await;
    world.claim_one("w", third).await;
}

/// Lanes, limits, pauses and families outlive the process.
pub async fn what_ties_tasks_to_others_survives_a_crash(factory: &dyn Reopen) {
    let world = World::new(factory).await;
    let in_lane = || NewTask { lane: Some(Lane::new("a")), ..task_with_attempts(9) };
    let (first, second) = (world.add(in_lane()).await, world.add(in_lane()).await);
    let child = world.add(NewTask { after: vec![Parent::Task(second)], ..task("work") }).await;
    world.claim_one("w", first).await;
    let paused = Scope::Kind("work".into());
    world.set_paused(paused.clone(), true).await.unwrap();
    let world = crash(factory, world).await;
    assert_eq!(world.paused().await.unwrap(), std::slice::from_ref(&paused));
    assert!(world.claim_all("w").await.is_empty());
    world.set_paused(paused, false).await.unwrap();
    for expected in [first, second, child] {
        let claimed = world.claim_one("w", expected).await;
        world.end(&claimed, completed()).await;
    }
}

/// As if nothing had happened.
pub async fn rate_is_kept_over_a_crash(factory: &dyn Reopen) {
    let world = World::new(factory).await;
    let rate = Rate { starts: 2, period: HOUR };
    let limits = Limits { rate: Some(rate), ..Default::default() };
    let rules = Arc::new(Rules { limits: HashMap::from([("work".into(), limits)]), ..Default::default() });
    let claim = || Claim { rules: rules.clone(), ..claim_by("w") };
    for _ in 0..3 {
        world.add(task("work")).await;
    }
    for claimed in world.claim(claim()).await.unwrap() {
        world.end(&claimed, completed()).await;
    }
    let world = crash(factory, world).await;
    assert!(world.claim(claim()).await.unwrap().is_empty());
    world.clock.advance(HOUR);
    assert_eq!(world.claim(claim()).await.unwrap().len(), 1);
}

/// What was missed while nobody ran is known only by that.
pub async fn what_is_kept_of_schedules_survives_a_crash(factory: &dyn Reopen) {
    let world = World::new(factory).await;
    world.advance_schedule("a".into(), START, Some(START)).await.unwrap();
    world.pause_schedule("b".into(), true).await.unwrap();
    let before = world.schedule_states().await.unwrap();
    let world = crash(factory, world).await;
    assert_eq!(world.schedule_states().await.unwrap(), before);
}

/// Otherwise a secret that was used yesterday looks as if nobody used it.
pub async fn marks_survive_a_crash(factory: &dyn Reopen) {
    let world = World::new(factory).await;
    world.mark(vec![Mark { last: Some(START), count: 7, ..Mark::new("a".into(), START) }]).await.unwrap();
    let before = world.marks().await.unwrap();
    assert_eq!(before.len(), 1);
    let world = crash(factory, world).await;
    assert_eq!(world.marks().await.unwrap(), before);
}
