//! How attempts end, and what follows.

use std::sync::Arc;
use std::time::Duration;

use super::factory::Factory;
use super::world::{
    HOUR, LEASE, SEC, START, World, completed, completed_with, give_up, lease_of, retry_after, task_with_attempts,
    worker,
};
use crate::id::TaskId;
use crate::state::State;
use crate::store::ending::ERROR_BYTES_MAX;
use crate::submission::Due;
use crate::task::{End, Finish, Finished, Lease, Outcome};

/// `running` → `completed`.
pub async fn completed_task_keeps_its_result(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let claimed = world.running(1).await;
    world.clock.advance(SEC);
    assert_eq!(world.end(&claimed, completed_with("42", HOUR)).await, Finished::Now(State::Completed));
    let detail = world.detail(claimed.id).await;
    assert_eq!((detail.task.state(), detail.result.as_deref()), (State::Completed, Some(&b"42"[..])));
    assert_eq!((detail.task.created_at, detail.task.updated_at), (START, START.after(SEC)));
    assert_eq!(detail.task.error, None);
    let without = world.running(1).await;
    world.end(&without, completed()).await;
    assert_eq!(world.detail(without.id).await.result, None);
}

/// Nobody has to prune for that.
pub async fn result_is_answered_until_its_time_to_live_ends(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let claimed = world.running(1).await;
    world.end(&claimed, completed_with("42", HOUR)).await;
    world.clock.advance(HOUR - Duration::from_millis(1));
    assert!(world.detail(claimed.id).await.result.is_some());
    world.clock.advance(Duration::from_millis(1));
    assert_eq!(world.detail(claimed.id).await.result, None);
    assert_eq!(world.state(claimed.id).await, State::Completed);
}

/// `running` → `retrying`, and claimed again when its time has come.
pub async fn failed_attempt_is_retried_when_asked(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let first = world.running(2).await;
    assert_eq!(world.end(&first, retry_after(HOUR)).await, Finished::Now(State::Retrying));
    assert_eq!(world.detail(first.id).await.task.standing.run_at, START.after(HOUR));
    assert_eq!(world.error(first.id).await.as_deref(), Some("it went wrong"));
    assert!(world.claim_all("w").await.is_empty());
    world.clock.advance(HOUR);
    let second = world.claim_one("w", first.id).await;
    assert_eq!((second.attempt, second.attempts_counted, second.run_at), (2, 2, START.after(HOUR)));
}

/// The last of its attempts makes it a dead letter.
pub async fn task_fails_when_its_attempts_are_used_up(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let id = world.add(task_with_attempts(3)).await;
    let mut states = Vec::new();
    for _ in 0..3 {
        let claimed = world.claim_one("w", id).await;
        states.push(world.end(&claimed, retry_after(Duration::ZERO)).await);
    }
    assert_eq!(states, [State::Retrying, State::Retrying, State::Failed].map(Finished::Now));
    assert!(world.claim_all("w").await.is_empty());
    assert_eq!(world.error(id).await.as_deref(), Some("it went wrong"));
}

/// Whatever attempts are left.
pub async fn giving_up_fails_at_once(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let claimed = world.running(9).await;
    assert_eq!(world.end(&claimed, give_up()).await, Finished::Now(State::Failed));
    let detail = world.detail(claimed.id).await;
    assert_eq!(detail.task.error.as_deref(), Some("it is no use"));
    assert_eq!(detail.attempts[0].outcome, Some(Outcome::Failed));
}

/// `running` → `queued`, due when asked.
pub async fn parking_uses_up_no_attempt(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let id = world.add(task_with_attempts(1)).await;
    for attempt in 1..=3 {
        let claimed = world.claim_one("w", id).await;
        assert_eq!((claimed.attempt, claimed.attempts_counted), (attempt, 1));
        let end = End::Park { due: Due::After(HOUR), reason: "rate limit".into() };
        assert_eq!(world.end(&claimed, end).await, Finished::Now(State::Queued));
        let detail = world.detail(id).await;
        assert_eq!(detail.attempts.last().unwrap().outcome, Some(Outcome::Parked));
        assert_eq!(detail.task.error.as_deref(), Some("rate limit"));
        assert!(world.claim_all("w").await.is_empty());
        world.clock.advance(HOUR);
    }
    let last = world.claim_one("w", id).await;
    assert_eq!(world.end(&last, retry_after(SEC)).await, Finished::Now(State::Failed));
}

/// `running` → `queued`, at its old place in the order.
pub async fn releasing_uses_up_no_attempt(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let claimed = world.running(1).await;
    world.clock.advance(SEC);
    assert_eq!(world.end(&claimed, End::Release).await, Finished::Now(State::Queued));
    let detail = world.detail(claimed.id).await;
    assert_eq!((detail.task.standing.run_at, detail.task.error), (START, None));
    assert_eq!(detail.attempts[0].outcome, Some(Outcome::Released));
    assert_eq!(world.claim_one("w", claimed.id).await.attempts_counted, 1);
}

/// The attempt that failed still tells.
pub async fn success_clears_the_error_of_earlier_attempts(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let first = world.running(2).await;
    world.end(&first, retry_after(Duration::ZERO)).await;
    let second = world.claim_one("w", first.id).await;
    assert_eq!(world.error(first.id).await.as_deref(), Some("it went wrong"));
    world.end(&second, completed()).await;
    let detail = world.detail(first.id).await;
    assert_eq!(detail.task.error, None);
    assert_eq!(detail.attempts[0].error.as_deref(), Some("it went wrong"));
}

/// First to latest, each with its worker, its times and its end; a running one has none.
pub async fn every_attempt_is_kept(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let first = world.running(3).await;
    world.clock.advance(SEC);
    world.end(&first, retry_after(SEC)).await;
    world.clock.advance(SEC);
    world.claim_one("other", first.id).await;
    let attempts = world.detail(first.id).await.attempts;
    assert_eq!(attempts.iter().map(|attempt| attempt.attempt).collect::<Vec<_>>(), [1, 2]);
    assert_eq!((&attempts[0].worker, &attempts[1].worker), (&worker("w"), &worker("other")));
    assert_eq!((attempts[0].started_at, attempts[0].ended_at), (START, Some(START.after(SEC))));
    assert_eq!(attempts[0].outcome, Some(Outcome::Failed));
    assert_eq!(attempts[0].error.as_deref(), Some("it went wrong"));
    assert_eq!((attempts[1].started_at, attempts[1].ended_at), (START.after(2 * SEC), None));
    assert_eq!((attempts[1].outcome, attempts[1].error.as_deref()), (None, None));
}

/// A handler that reports megabytes fills no store.
pub async fn overlong_errors_and_reasons_lose_their_end(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let long: Arc<str> = "x".repeat(1_000_000).into();
    let (failed, cancelled) = (world.running(1).await, world.running(1).await);
    world.end(&failed, End::GiveUp { error: long.clone() }).await;
    world.cancel(vec![cancelled.id], long).await.unwrap();
    for id in [failed.id, cancelled.id] {
        let detail = world.detail(id).await;
        let error = detail.task.error.unwrap();
        assert!(error.len() <= ERROR_BYTES_MAX && error.starts_with("xxx") && error.ends_with('…'));
        assert_eq!(detail.attempts[0].error.as_ref(), Some(&error));
    }
}

/// G4: reclaimed, and then also while another attempt runs; by every kind of end.
pub async fn g4_finish_from_a_lost_lease_changes_nothing(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let park = End::Park { due: Due::Now, reason: "x".into() };
    let ends = [completed_with("late", HOUR), retry_after(SEC), give_up(), park, End::Release];
    let late = world.running(5).await;
    world.clock.advance(LEASE);
    world.reclaim_expired().await.unwrap();
    let reclaimed = world.detail(late.id).await;
    for end in &ends {
        assert_eq!(world.end(&late, end.clone()).await, Finished::LeaseLost);
        assert_eq!(world.detail(late.id).await, reclaimed);
    }
    let holder = world.claim_one("other", late.id).await;
    let running = world.detail(late.id).await;
    for end in &ends {
        assert_eq!(world.end(&late, end.clone()).await, Finished::LeaseLost);
        assert_eq!(world.detail(late.id).await, running);
    }
    assert_eq!(world.end(&holder, completed()).await, Finished::Now(State::Completed));
}

/// A worker that was not sure may ask twice.
pub async fn second_finish_changes_nothing(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let claimed = world.running(2).await;
    world.end(&claimed, completed_with("first", HOUR)).await;
    let before = world.detail(claimed.id).await;
    assert_eq!(world.end(&claimed, completed_with("second", HOUR)).await, Finished::LeaseLost);
    assert_eq!(world.end(&claimed, give_up()).await, Finished::LeaseLost);
    assert_eq!(world.detail(claimed.id).await, before);
}

/// A batch with unknown tasks, lost leases and repetitions in its midst.
pub async fn finishes_are_answered_in_order_and_independently(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let (first, second, third) = (world.running(2).await, world.running(2).await, world.running(2).await);
    let unknown = Lease { task: TaskId::from_u64(42), attempt: 1 };
    let future = Lease { task: second.id, attempt: 2 };
    let finish = |lease, end| Finish { lease, end };
    let batch = vec![
        finish(unknown, completed()),
        finish(lease_of(&first), completed()),
        finish(future, completed()),
        finish(lease_of(&first), give_up()),
        finish(lease_of(&second), retry_after(SEC)),
        finish(lease_of(&third), give_up()),
    ];
    let expected = [
        Finished::Unknown,
        Finished::Now(State::Completed),
        Finished::LeaseLost,
        Finished::LeaseLost,
        Finished::Now(State::Retrying),
        Finished::Now(State::Failed),
    ];
    assert_eq!(world.finish(batch).await.unwrap(), expected);
    assert!(world.finish(Vec::new()).await.unwrap().is_empty());
}
