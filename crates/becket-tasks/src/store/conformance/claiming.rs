//! What `claim` hands out, in which order, and how long it waits.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use super::factory::Factory;
use super::world::{
    HOUR, LEASE, SEC, START, World, claim_by, keyed, kinds, retry_after, soon, submission, task, task_with_attempts,
};
use crate::id::TaskId;
use crate::order::Rules;
use crate::state::State;
use crate::store::Claim;
use crate::submission::{Due, NewTask};
use crate::task::{Claimed, Finished};

/// Payload, labels, attempt numbers and times arrive with the task.
pub async fn claimed_task_brings_all_that_a_handler_needs(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let due = NewTask { due: Due::After(SEC), ..task_with_attempts(4) };
    let inserted = world.submit(keyed("k", vec![due])).await;
    world.clock.advance(3 * SEC);
    let claimed = world.claim_one("w", inserted.tasks[0]).await;
    assert_eq!((claimed.submission, &*claimed.kind), (inserted.submission, "work"));
    assert_eq!((claimed.attempt, claimed.attempts_counted, claimed.max_attempts), (1, 1, 4));
    let times = (claimed.created_at, claimed.run_at, claimed.started_at);
    assert_eq!(times, (START, START.after(SEC), START.after(3 * SEC)));
    let labels = (&*claimed.source, &*claimed.event, claimed.action.as_deref(), claimed.key.as_deref());
    assert_eq!(labels, ("test", "issues", Some("opened"), Some("k")));
    assert_eq!((&*claimed.payload, &*claimed.meta), (&b"payload"[..], &b"meta"[..]));
    assert_eq!(world.state(claimed.id).await, State::Running);
}

/// Highest priority, then longest due, then oldest.
pub async fn claims_are_ordered_by_priority_then_due_time_then_age(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let with = |priority, seconds_ago| NewTask {
        priority,
        due: Due::At(START.before(Duration::from_secs(seconds_ago))),
        ..task("work")
    };
    let tasks =
        vec![with(0, 1), with(0, 9), with(-1, 99), with(0, 9), with(5, 0), with(i8::MIN, 500), with(i8::MAX, 0)];
    let ids = world.submit(submission(tasks)).await.tasks;
    let expected = [6, 4, 1, 3, 0, 2, 5].map(|place| ids[place]);
    let first = world.claim(Claim { limit: 3, ..claim_by("w") }).await.unwrap();
    let rest = world.claim_all("w").await;
    assert_eq!(first.iter().chain(&rest).map(|claimed| claimed.id).collect::<Vec<_>>(), expected);
}

/// Tasks of other kinds wait for a worker that knows them.
pub async fn claim_takes_only_the_kinds_it_asks_for(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let ids = world.submit(submission(vec![task("other"), task("work"), task("third")])).await.tasks;
    world.claim_one("w", ids[1]).await;
    // What asks for nothing is answered at once, however long it would wait.
    assert!(world.claim(Claim { kinds: kinds(&[]), wait: HOUR, ..claim_by("w") }).await.unwrap().is_empty());
    assert!(world.claim(Claim { limit: 0, wait: HOUR, ..claim_by("w") }).await.unwrap().is_empty());
    let both = world.claim(Claim { kinds: kinds(&["third", "other"]), ..claim_by("w") }).await.unwrap();
    assert_eq!(both.iter().map(|claimed| claimed.id).collect::<Vec<_>>(), [ids[0], ids[2]]);
}

/// What exceeds the limit stays for the next.
pub async fn claim_takes_no_more_than_its_limit(factory: &dyn Factory) {
    let world = World::new(factory).await;
    world.submit(submission(vec![task("work"); 5])).await;
    let limits = [2, 2, 2];
    let mut taken = Vec::new();
    for limit in limits {
        taken.push(world.claim(Claim { limit, ..claim_by("w") }).await.unwrap().len());
    }
    assert_eq!(taken, [2, 2, 1]);
}

/// Not a moment before, by the store's clock.
pub async fn task_that_is_not_due_is_claimed_once_it_is(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let id = world.add(NewTask { due: Due::After(HOUR), ..task("work") }).await;
    assert!(world.claim_all("w").await.is_empty());
    world.clock.advance(HOUR - Duration::from_millis(1));
    assert!(world.claim_all("w").await.is_empty());
    world.clock.advance(Duration::from_millis(1));
    world.claim_one("w", id).await;
}

/// Those of other kinds between them are taken on their own.
pub async fn tasks_of_a_batch_count_as_one(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let of = ["work", "else", "work", "work", "else", "work", "work"].map(task).to_vec();
    let tasks = world.submit(submission(of)).await.tasks;
    let rules = Rules { batches: HashMap::from([("work".into(), 3)]), ..Rules::default() };
    let claim = Claim { kinds: kinds(&["work", "else"]), limit: 2, rules: Arc::new(rules), ..claim_by("w") };
    let claimed = world.claim(claim.clone()).await.unwrap();
    let ids = |claimed: &[Claimed]| claimed.iter().map(|one| one.id).collect::<Vec<_>>();
    assert_eq!(ids(&claimed), [tasks[0], tasks[2], tasks[3], tasks[1]]);
    assert_eq!(ids(&world.claim(claim).await.unwrap()), [tasks[4], tasks[5], tasks[6]]);
}

/// Neither by another worker nor by the one that holds it.
pub async fn running_task_is_not_claimed_again(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let id = world.add(task("work")).await;
    world.claim_one("w", id).await;
    assert!(world.claim_all("w").await.is_empty());
    assert!(world.claim_all("other").await.is_empty());
}

/// Many workers at once: every task is claimed by exactly one of them.
pub async fn concurrent_claimers_never_share_an_attempt(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let ids: HashSet<TaskId> = world.submit(submission(vec![task("work"); 200])).await.tasks.into_iter().collect();
    let claims = (0..20).map(|n| {
        let store = world.store.clone();
        tokio::spawn(async move { store.claim(Claim { limit: 15, ..claim_by(&format!("w{n}")) }).await })
    });
    let mut seen = HashSet::new();
    for answer in futures_util::future::join_all(claims).await {
        for claimed in answer.unwrap().unwrap() {
            assert!(seen.insert(claimed.id), "{claimed:?} was claimed twice");
        }
    }
    assert_eq!(seen, ids);
}

/// Waits up to ten times as long as a test has patience.
fn parked(name: &str) -> Claim {
    Claim { wait: Duration::from_secs(200), limit: 1, ..claim_by(name) }
}

/// An idle worker is woken at once.
pub async fn parked_claim_is_answered_by_an_insert(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let (claimed, id) = soon(async { tokio::join!(world.claim(parked("w")), world.add(task("work"))) }).await;
    assert_eq!(claimed.unwrap()[0].id, id);
}

/// A dead letter that is run again wakes, too.
pub async fn parked_claim_is_answered_by_a_requeue(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let id = world.task_in(State::Failed).await;
    let (claimed, requeued) = soon(async { tokio::join!(world.claim(parked("w")), world.requeue(vec![id])) }).await;
    assert_eq!(requeued.unwrap(), [id]);
    assert_eq!(claimed.unwrap()[0].id, id);
}

/// Nothing happens but time.
pub async fn parked_claim_is_answered_when_a_retry_becomes_due(factory: &dyn Factory) {
    let world = World::in_real_time(factory).await;
    let first = world.running(2).await;
    let delay = Duration::from_millis(30);
    assert_eq!(world.end(&first, retry_after(delay)).await, Finished::Now(State::Retrying));
    let due = world.detail(first.id).await.task.standing.run_at;
    let claimed = soon(world.claim(parked("w"))).await.unwrap();
    assert_eq!((claimed[0].id, claimed[0].attempt), (first.id, 2));
    assert!(claimed[0].started_at >= due);
}

/// A machine that slept wakes up late: what became due meanwhile is claimed.
pub async fn parked_claim_is_answered_when_the_clock_jumps_forwards(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let id = world.add(NewTask { due: Due::After(HOUR), ..task("work") }).await;
    let jump = async {
        // The claim is polled first, and parks.
        tokio::task::yield_now().await;
        world.clock.advance(HOUR);
    };
    let (claimed, ()) = soon(async { tokio::join!(world.claim(parked("w")), jump) }).await;
    assert_eq!(claimed.unwrap()[0].id, id);
}

/// An empty answer after the time asked for, though other work is there.
pub async fn parked_claim_ends_empty_when_nothing_comes(factory: &dyn Factory) {
    let world = World::in_real_time(factory).await;
    world.add(task("other")).await;
    world.add(NewTask { due: Due::After(HOUR), ..task("work") }).await;
    let begun = std::time::Instant::now();
    let wait = Duration::from_millis(30);
    assert!(soon(world.claim(Claim { wait, ..claim_by("w") })).await.unwrap().is_empty());
    assert!(begun.elapsed() >= wait);
}

/// One claim must not eat another's call.
pub async fn every_one_of_many_parked_claims_is_answered(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let claims = futures_util::future::join_all((0..8).map(|n| {
        let claim = Claim { lease: LEASE, ..parked(&format!("w{n}")) };
        world.claim(claim)
    }));
    let insert = async {
        for _ in 0..8 {
            world.add(task("work")).await;
        }
    };
    let (answers, ()) = soon(async { tokio::join!(claims, insert) }).await;
    let ids: HashSet<TaskId> = answers.into_iter().map(|answer| answer.unwrap()[0].id).collect();
    assert_eq!(ids.len(), 8);
}
