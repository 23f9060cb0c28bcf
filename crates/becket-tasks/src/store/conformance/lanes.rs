//! Lanes: at most one task of a lane runs, in the order of acceptance.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::factory::Factory;
use super::world::{
    HOUR, LEASE, SEC, START, World, claim_by, completed, give_up, kinds, lease_of, retry_after, submission, task,
    task_started_by, worker,
};
use crate::id::TaskId;
use crate::order::{Debounce, Lane, Latest, OnRetry, Rules};
use crate::state::State;
use crate::store::Claim;
use crate::submission::{Due, NewTask};
use crate::task::{Claimed, End, Finished};

fn in_lane(name: &str) -> NewTask {
    NewTask { lane: Some(Lane::new(name)), ..task("work") }
}

fn passing(name: &str) -> NewTask {
    NewTask { lane: Some(Lane { on_retry: OnRetry::Pass, ..Lane::new(name) }), ..task("work") }
}

fn latest(name: &str, latest: Latest) -> NewTask {
    NewTask { lane: Some(Lane { latest: Some(latest), ..Lane::new(name) }), ..task("work") }
}

fn ids(claimed: &[Claimed]) -> Vec<TaskId> {
    claimed.iter().map(|claimed| claimed.id).collect()
}

impl World {
    /// Accepts tasks one by one.
    async fn add_each<const N: usize>(&self, tasks: [NewTask; N]) -> [TaskId; N] {
        let inserted = self.insert(tasks.into_iter().map(|task| submission(vec![task])).collect()).await.unwrap();
        std::array::from_fn(|place| inserted[place].tasks[0])
    }
}

/// Whatever their priorities, and whoever asks.
pub async fn g5_tasks_of_a_lane_run_one_at_a_time_in_order_of_acceptance(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let [first, second, third] =
        world.add_each([in_lane("a"), NewTask { priority: 9, ..in_lane("a") }, in_lane("a")]).await;
    let other = world.add(in_lane("b")).await;
    for (expected, beside) in [(first, Some(other)), (second, None), (third, None)] {
        let claimed = world.claim_all("w").await;
        assert_eq!(ids(&claimed), [Some(expected), beside].into_iter().flatten().collect::<Vec<_>>());
        assert!(world.claim_all("other").await.is_empty(), "the lane is busy");
        assert_eq!(world.end(&claimed[0], completed()).await, Finished::Now(State::Completed));
    }
    assert!(world.claim_all("w").await.is_empty());
}

/// Kinds do not matter, and the task tells its lane.
pub async fn tasks_of_different_kinds_share_a_lane(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let [first, second] = world.add_each([in_lane("a"), NewTask { lane: Some(Lane::new("a")), ..task("else") }]).await;
    assert_eq!(world.detail(second).await.task.lane.as_deref(), Some("a"));
    let both = Claim { kinds: kinds(&["work", "else"]), ..claim_by("w") };
    let claimed = world.claim(both.clone()).await.unwrap();
    assert_eq!(ids(&claimed), [first]);
    world.end(&claimed[0], give_up()).await;
    assert_eq!(ids(&world.claim(both).await.unwrap()), [second]);
}

/// However many of a kind are taken together.
pub async fn g5_batch_holds_one_task_of_a_lane(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let [first, second, other, alone] = world.add_each([in_lane("a"), in_lane("a"), in_lane("b"), task("work")]).await;
    let rules = Rules { batches: HashMap::from([("work".into(), 10)]), ..Rules::default() };
    let claim = Claim { limit: 1, rules: Arc::new(rules), ..claim_by("w") };
    let claimed = world.claim(claim.clone()).await.unwrap();
    assert_eq!(ids(&claimed), [first, other, alone]);
    assert!(world.claim(claim.clone()).await.unwrap().is_empty());
    world.end(&claimed[0], completed()).await;
    assert_eq!(ids(&world.claim(claim).await.unwrap()), [second]);
}

/// The order is strict by default.
pub async fn retrying_task_holds_its_lane(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let [first, second] = world.add_each([NewTask { max_attempts: 2, ..in_lane("a") }, in_lane("a")]).await;
    let claimed = world.claim_one("w", first).await;
    world.end(&claimed, retry_after(SEC)).await;
    assert!(world.claim_all("w").await.is_empty());
    world.clock.advance(SEC);
    let again = world.claim_one("w", first).await;
    world.end(&again, completed()).await;
    world.claim_one("w", second).await;
}

/// So do parking and a time in the future.
pub async fn task_that_is_not_due_holds_its_lane(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let [first, second] = world.add_each([NewTask { due: Due::After(SEC), ..in_lane("a") }, in_lane("a")]).await;
    assert!(world.claim_all("w").await.is_empty());
    world.clock.advance(SEC);
    let claimed = world.claim_one("w", first).await;
    world.end(&claimed, End::Park { due: Due::After(SEC), reason: "rate limit".into() }).await;
    assert!(world.claim_all("w").await.is_empty());
    world.clock.advance(SEC);
    let claimed = world.claim_one("w", first).await;
    world.end(&claimed, End::Release).await;
    let claimed = world.claim_one("w", first).await;
    world.end(&claimed, completed()).await;
    world.claim_one("w", second).await;
}

/// By choice those behind it go first; once it is due it is the first again, and still one at a time.
pub async fn retrying_task_lets_its_lane_pass_when_told_to(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let [first, second, third] =
        world.add_each([NewTask { max_attempts: 2, ..passing("a") }, passing("a"), passing("a")]).await;
    let claimed = world.claim_one("w", first).await;
    world.end(&claimed, retry_after(SEC)).await;
    let passed = world.claim_one("w", second).await;
    world.clock.advance(SEC);
    assert!(world.claim_all("w").await.is_empty(), "one at a time");
    world.end(&passed, completed()).await;
    let again = world.claim_one("w", first).await;
    assert!(world.claim_all("w").await.is_empty());
    world.end(&again, completed()).await;
    world.claim_one("w", third).await;
}

/// Purged or not.
pub async fn failed_or_cancelled_task_leaves_its_lane(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let [first, second, third] = world.add_each([in_lane("a"), in_lane("a"), in_lane("a")]).await;
    let claimed = world.claim_one("w", first).await;
    assert_eq!(world.cancel(vec![second], "no more".into()).await.unwrap(), [second]);
    assert_eq!(world.end(&claimed, give_up()).await, Finished::Now(State::Failed));
    world.purge(vec![first, second]).await.unwrap();
    world.claim_one("w", third).await;
}

/// Its handler may still run: the lane waits until its worker has reported, or its lease is over.
pub async fn cancelled_attempt_keeps_its_lane_until_it_is_over(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let [first, second, third] = world.add_each([in_lane("a"), in_lane("a"), in_lane("a")]).await;
    let claimed = world.claim_one("w", first).await;
    world.cancel(vec![first], "no more".into()).await.unwrap();
    assert!(world.claim_all("w").await.is_empty());
    assert_eq!(world.end(&claimed, End::Release).await, Finished::LeaseLost);
    world.claim_one("w", second).await;
    world.cancel(vec![second], "no more".into()).await.unwrap();
    assert!(world.claim_all("w").await.is_empty());
    world.clock.advance(LEASE);
    world.reclaim_expired().await.unwrap();
    world.claim_one("w", third).await;
    world.cancel(vec![third], "no more".into()).await.unwrap();
    let fourth = world.add(in_lane("a")).await;
    world.release(worker("w")).await.unwrap();
    world.claim_one("w", fourth).await;
}

/// Its lane goes on, and it comes first when it runs again.
pub async fn requeued_task_is_the_first_of_its_lane_again(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let [first, second, third] = world.add_each([in_lane("a"), in_lane("a"), in_lane("a")]).await;
    let claimed = world.claim_one("w", first).await;
    world.end(&claimed, give_up()).await;
    world.requeue(vec![first]).await.unwrap();
    let again = world.claim_one("w", first).await;
    world.end(&again, give_up()).await;
    let running = world.claim_one("w", second).await;
    world.requeue(vec![first]).await.unwrap();
    assert!(world.claim_all("w").await.is_empty(), "not beside the one that runs");
    world.end(&running, completed()).await;
    let again = world.claim_one("w", first).await;
    world.end(&again, completed()).await;
    world.claim_one("w", third).await;
}

/// An inline handler waits its turn like all others.
pub async fn task_starts_at_once_only_when_its_lane_is_free(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let start = |name: &str| NewTask { lane: Some(Lane::new("a")), ..task_started_by(name) };
    let first = world.submit(submission(vec![start("w")])).await;
    assert_eq!(ids(&first.started), first.tasks);
    let second = world.submit(submission(vec![start("w")])).await;
    assert!(second.started.is_empty());
    assert_eq!(world.state(second.tasks[0]).await, State::Queued);
    world.end(&first.started[0], completed()).await;
    world.claim_one("w", second.tasks[0]).await;
}

/// Those of another kind or lane, and the one that runs, are left alone.
pub async fn latest_task_replaces_those_that_wait(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let [running, waiting] = world.add_each([latest("a", Latest::Waiting), latest("a", Latest::Waiting)]).await;
    let other_kind = world.add(NewTask { lane: Some(Lane::new("a")), ..task("else") }).await;
    let other_lane = world.add(latest("b", Latest::Waiting)).await;
    let claimed = world.claim_all("w").await;
    assert_eq!(ids(&claimed), [waiting, other_lane], "the second had replaced the first");
    assert_eq!(world.state(running).await, State::Cancelled);
    let [older, newest] = world.add_each([latest("a", Latest::Waiting), latest("a", Latest::Waiting)]).await;
    assert_eq!((world.state(older).await, world.error(older).await.as_deref()), (State::Cancelled, Some("superseded")));
    assert_eq!(world.state(other_kind).await, State::Queued);
    assert_eq!(world.end(&claimed[0], completed()).await, Finished::Now(State::Completed));
    world.cancel(vec![other_kind], "no more".into()).await.unwrap();
    world.claim_one("w", newest).await;
}

/// It begins when the other has stopped.
pub async fn latest_task_stops_the_running_one_when_told_to(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let [first] = world.add_each([latest("a", Latest::Running)]).await;
    let claimed = world.claim_one("w", first).await;
    let [second] = world.add_each([latest("a", Latest::Running)]).await;
    assert_eq!((world.state(first).await, world.error(first).await.as_deref()), (State::Cancelled, Some("superseded")));
    assert_eq!(world.renew(vec![lease_of(&claimed)], LEASE).await.unwrap(), [false]);
    assert!(world.claim_all("w").await.is_empty());
    world.end(&claimed, completed()).await;
    world.claim_one("w", second).await;
}

/// Each newer one begins the quiet anew, up to the maximum.
pub async fn debounced_task_waits_for_quiet_and_the_last_one_runs(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let debounce = Some(Debounce { quiet: 10 * SEC, max: 25 * SEC });
    let debounced = || NewTask { lane: Some(Lane { debounce, ..Lane::new("a") }), ..task("work") };
    let mut all = Vec::new();
    for due in [10, 18, 25, 25] {
        let [id] = world.add_each([debounced()]).await;
        assert_eq!(world.detail(id).await.task.standing.run_at, START.after(due * SEC));
        all.push(id);
        world.clock.advance(8 * SEC);
    }
    // The maximum has come.
    let last = all.pop().unwrap();
    let claimed = world.claim_one("w", last).await;
    for id in all {
        assert_eq!((world.state(id).await, world.error(id).await.as_deref()), (State::Cancelled, Some("superseded")));
    }
    // A new burst begins; it waits for the running one, too.
    let [next] = world.add_each([debounced()]).await;
    world.clock.advance(Duration::from_secs(30));
    assert!(world.claim_all("w").await.is_empty());
    world.end(&claimed, completed()).await;
    world.claim_one("w", next).await;
    world.clock.advance(HOUR);
}
