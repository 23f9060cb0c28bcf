//! Tenants take turns, limits hold, and what is paused rests.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::factory::Factory;
use super::world::{
    HOUR, LEASE, SEC, World, claim_by, completed, kinds, retry_after, soon, submission, task, task_started_by,
};
use crate::id::TaskId;
use crate::order::{Limits, Rate, Rules, Scope};
use crate::state::State;
use crate::store::Claim;
use crate::submission::NewTask;
use crate::task::{Claimed, End};

fn of(tenant: &str) -> NewTask {
    NewTask { tenant: Some(tenant.into()), ..task("work") }
}

fn keyed(key: &str) -> NewTask {
    NewTask { limit_key: Some(key.into()), ..task("work") }
}

fn rules(limits: Limits) -> Arc<Rules> {
    Arc::new(Rules { limits: HashMap::from([("work".into(), limits)]), ..Rules::default() })
}

fn limited(limits: Limits) -> Claim {
    Claim { rules: rules(limits), ..claim_by("w") }
}

fn ids(claimed: &[Claimed]) -> Vec<TaskId> {
    claimed.iter().map(|claimed| claimed.id).collect()
}

impl World {
    async fn tenants_of(&self, claim: Claim) -> String {
        let mut order = String::new();
        for claimed in self.claim(claim).await.unwrap() {
            order.push_str(&self.detail(claimed.id).await.task.tenant.unwrap_or_else(|| "-".into()));
        }
        order
    }
}

/// However many one of them has queued before.
pub async fn tenants_take_turns(factory: &dyn Factory) {
    let world = World::new(factory).await;
    world.submit(submission(vec![of("a"); 300])).await;
    world.claim(Claim { limit: 100, ..claim_by("w") }).await.unwrap();
    world.submit(submission(vec![of("b"), of("b"), task("work"), of("c")])).await;
    let order = world.tenants_of(Claim { limit: 7, ..claim_by("w") }).await;
    assert_eq!(order, "b-cabaa");
}

/// A weight is a number of turns.
pub async fn tenants_take_turns_by_their_weight(factory: &dyn Factory) {
    let world = World::new(factory).await;
    world.submit(submission(vec![of("a"); 20])).await;
    world.submit(submission(vec![of("b"); 20])).await;
    let rules = Arc::new(Rules { weights: HashMap::from([("b".into(), 3)]), ..Rules::default() });
    let order = world.tenants_of(Claim { limit: 16, rules, ..claim_by("w") }).await;
    assert_eq!(order.matches('b').count(), 12, "{order}");
}

/// Fairness is among equals.
pub async fn priority_comes_before_turns(factory: &dyn Factory) {
    let world = World::new(factory).await;
    world.submit(submission(vec![of("b"), of("b")])).await;
    world.submit(submission(vec![NewTask { priority: 1, ..of("a") }; 3])).await;
    assert_eq!(world.tenants_of(claim_by("w")).await, "aaabb");
}

/// Over all workers; those of another kind are left alone.
pub async fn no_more_of_a_kind_run_at_once_than_allowed(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let tasks = world.submit(submission(vec![task("work"), task("work"), task("work"), task("else")])).await.tasks;
    let claim = limited(Limits { concurrency: Some(2), ..Limits::default() });
    let claim = Claim { kinds: kinds(&["work", "else"]), ..claim };
    let claimed = world.claim(claim.clone()).await.unwrap();
    assert_eq!(ids(&claimed), [tasks[0], tasks[1], tasks[3]]);
    assert!(world.claim(claim.clone()).await.unwrap().is_empty());
    world.end(&claimed[0], retry_after(HOUR)).await;
    assert_eq!(ids(&world.claim(claim).await.unwrap()), [tasks[2]]);
}

/// A key that is full keeps no other key waiting, however much of it is queued before.
pub async fn no_more_of_a_key_run_at_once_than_allowed(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let limits = Limits { key_concurrency: Some(2), ..Limits::default() };
    // The limit is known before the tasks come, and again not.
    for prefix in ["x", "y"] {
        let (full, other) = (format!("{prefix}1"), format!("{prefix}2"));
        let mut many = world.submit(submission(vec![keyed(&full); 300])).await.tasks;
        let few = world.submit(submission(vec![keyed(&other); 3])).await.tasks;
        let free = world.submit(submission(vec![task("work")])).await.tasks;
        let claimed = world.claim(limited(limits)).await.unwrap();
        assert_eq!(ids(&claimed), [many[0], many[1], few[0], few[1], free[0]]);
        assert!(world.claim(limited(limits)).await.unwrap().is_empty());
        for one in claimed {
            world.end(&one, completed()).await;
        }
        let mut rest = Vec::new();
        loop {
            let claimed = world.claim(limited(limits)).await.unwrap();
            if claimed.is_empty() {
                break;
            }
            let of_full = claimed.iter().filter(|one| many.contains(&one.id)).count();
            assert!(of_full <= 2);
            rest.extend(ids(&claimed));
            for one in claimed {
                world.end(&one, completed()).await;
            }
        }
        rest.retain(|id| *id != few[2]);
        many.drain(..2);
        assert_eq!(rest, many, "all of them, in order");
    }
}

/// Whoever was next may be gone by then.
pub async fn key_that_is_free_goes_to_the_next_that_is_left(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let claim = || limited(Limits { key_concurrency: Some(1), ..Limits::default() });
    let tasks = world.submit(submission(vec![keyed("k"); 4])).await.tasks;
    let first = world.claim(claim()).await.unwrap();
    assert_eq!(ids(&first), tasks[..1]);
    assert!(world.claim(claim()).await.unwrap().is_empty());
    world.end(&first[0], completed()).await;
    world.cancel(vec![tasks[1]], "no more".into()).await.unwrap();
    let second = world.claim(claim()).await.unwrap();
    assert_eq!(ids(&second), tasks[2..3]);
    world.cancel(vec![tasks[2]], "no more".into()).await.unwrap();
    world.end(&second[0], completed()).await;
    assert_eq!(ids(&world.claim(claim()).await.unwrap()), tasks[3..]);
}

/// A lost lease, a release, a cancel and a purge give the place back.
pub async fn limits_count_what_runs(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let claim = || limited(Limits { key_concurrency: Some(1), concurrency: Some(1), ..Limits::default() });
    let ids_of = world.submit(submission(vec![NewTask { max_attempts: 9, ..keyed("k") }; 4])).await.tasks;
    let one = || async { world.claim(claim()).await.unwrap().pop() };
    assert_eq!(one().await.unwrap().id, ids_of[0]);
    world.clock.advance(LEASE);
    world.reclaim_expired().await.unwrap();
    world.requeue(vec![ids_of[0]]).await.unwrap();
    let again = one().await.unwrap();
    world.end(&again, End::Release).await;
    let again = one().await.unwrap();
    world.cancel(vec![again.id], "no more".into()).await.unwrap();
    assert!(one().await.is_none(), "its handler may still run");
    world.purge(vec![again.id]).await.unwrap();
    assert!(one().await.is_none());
    world.end(&again, completed()).await;
    assert!(one().await.is_some());
    assert!(one().await.is_none());
}

/// In any period of that length, for the kind and for each key.
pub async fn no_more_start_in_a_time_than_allowed(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let rate = |starts, secs| Some(Rate { starts, period: Duration::from_secs(secs) });
    let limits = Limits { rate: rate(3, 10), key_rate: rate(1, 4), ..Limits::default() };
    let tasks = [keyed("a"), keyed("a"), keyed("b"), keyed("a"), keyed("c"), keyed("c")];
    let tasks = world.submit(submission(tasks.to_vec())).await.tasks;
    let mut starts = Vec::new();
    for second in 0..25 {
        for claimed in world.claim(limited(limits)).await.unwrap() {
            starts.push((second, tasks.iter().position(|id| *id == claimed.id).unwrap()));
            world.end(&claimed, completed()).await;
        }
        world.clock.advance(SEC);
    }
    assert_eq!(starts, [(0, 0), (0, 2), (0, 4), (10, 1), (10, 5), (14, 3)]);
}

/// An idle worker need not ask.
pub async fn parked_claim_is_answered_when_a_rate_allows(factory: &dyn Factory) {
    let world = World::in_real_time(factory).await;
    let rate = Rate { starts: 1, period: Duration::from_millis(60) };
    let limits = Limits { rate: Some(rate), ..Limits::default() };
    world.submit(submission(vec![task("work"), task("work")])).await;
    let first = world.claim(limited(limits)).await.unwrap();
    let second = soon(world.claim(Claim { wait: HOUR, ..limited(limits) })).await.unwrap();
    assert_eq!((first.len(), second.len()), (1, 1));
    assert!(second[0].started_at.since(first[0].started_at) >= rate.period);
}

/// The same by key, where the task had its turn before.
pub async fn parked_claim_is_answered_when_a_key_is_free(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let limits = Limits { key_concurrency: Some(1), ..Limits::default() };
    world.submit(submission(vec![keyed("k"), keyed("k")])).await;
    let first = world.claim(limited(limits)).await.unwrap();
    let waiting = world.claim(Claim { wait: HOUR, ..limited(limits) });
    let end = async {
        tokio::task::yield_now().await;
        world.end(&first[0], completed()).await
    };
    let (second, _) = soon(async { tokio::join!(waiting, end) }).await;
    assert_eq!(second.unwrap().len(), 1);
}

/// Whether it was loosened, tightened or given up.
pub async fn changed_limits_hold_for_what_is_queued_already(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let by_key = |limit| limited(Limits { key_concurrency: limit, ..Limits::default() });
    world.claim(by_key(Some(1))).await.unwrap();
    let tasks = world.submit(submission(vec![keyed("k"); 200])).await.tasks;
    assert_eq!(ids(&world.claim(by_key(Some(1))).await.unwrap()), tasks[..1]);
    assert_eq!(ids(&world.claim(by_key(Some(3))).await.unwrap()), tasks[1..3]);
    assert!(world.claim(by_key(Some(2))).await.unwrap().is_empty());
    let mut rest = Vec::new();
    for _ in 0..20 {
        rest.extend(ids(&world.claim(by_key(None)).await.unwrap()));
    }
    rest.sort_unstable();
    assert_eq!(rest, tasks[3..]);
}

/// What runs goes on; what comes meanwhile waits with the rest.
pub async fn paused_kind_or_source_rests_until_it_is_resumed(factory: &dyn Factory) {
    let world = World::new(factory).await;
    for scope in [Scope::Kind("work".into()), Scope::Source("test".into())] {
        let running = world.running(1).await;
        let queued = world.add(task("work")).await;
        world.set_paused(scope.clone(), true).await.unwrap();
        world.set_paused(scope.clone(), true).await.unwrap();
        assert_eq!(world.paused().await.unwrap(), std::slice::from_ref(&scope));
        let inline = world.submit(submission(vec![task_started_by("w")])).await;
        assert!(inline.started.is_empty());
        assert!(world.claim_all("w").await.is_empty(), "{scope}");
        world.end(&running, completed()).await;
        assert_eq!(world.state(running.id).await, State::Completed);
        let resume = async {
            tokio::task::yield_now().await;
            world.set_paused(scope.clone(), false).await
        };
        let waiting = world.claim(Claim { wait: HOUR, ..claim_by("w") });
        let (claimed, resumed) = soon(async { tokio::join!(waiting, resume) }).await;
        resumed.unwrap();
        assert_eq!(ids(&claimed.unwrap()), [queued, inline.tasks[0]]);
        assert!(world.paused().await.unwrap().is_empty());
    }
}

/// Names that nobody has used yet can be paused, too.
pub async fn pausing_one_thing_leaves_the_others_alone(factory: &dyn Factory) {
    let world = World::new(factory).await;
    for scope in [Scope::Source("later".into()), Scope::Kind("unheard of".into())] {
        world.set_paused(scope, true).await.unwrap();
    }
    let id = world.add(task("work")).await;
    world.claim_one("w", id).await;
    let words: Vec<String> = world.paused().await.unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(words, ["kind `unheard of`", "source `later`"]);
}
