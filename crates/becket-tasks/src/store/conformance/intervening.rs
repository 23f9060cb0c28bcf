//! What people and the system do to tasks: cancel, requeue, purge, erase.

use std::time::Duration;

use super::factory::Factory;
use super::world::{
    HOUR, LEASE, SEC, START, World, completed, completed_with, give_up, keyed, lease_of, retry_after, task,
    task_with_attempts,
};
use crate::id::{SubmissionId, TaskId};
use crate::state::{CRASHES_MIN, State};
use crate::submission::Submission;
use crate::task::{Finished, Outcome};

const UNKNOWN: TaskId = TaskId::from_u64(42);

/// `queued`, `running`, `retrying` → `cancelled`, with the reason.
pub async fn unfinished_tasks_can_be_cancelled(factory: &dyn Factory) {
    let world = World::new(factory).await;
    for state in State::ALL.into_iter().filter(|state| !state.is_finished()) {
        let id = world.task_in(state).await;
        world.clock.advance(SEC);
        assert_eq!(world.cancel(vec![UNKNOWN, id], "superseded".into()).await.unwrap(), [id], "{state}");
        let detail = world.detail(id).await;
        assert_eq!(detail.task.state(), State::Cancelled);
        assert_eq!((detail.task.error.as_deref(), detail.task.updated_at), (Some("superseded"), world.clock.now()));
        let last = detail.attempts.last().map(|attempt| (attempt.outcome, attempt.ended_at.is_some()));
        match state {
            State::Running => assert_eq!(last, Some((Some(Outcome::Cancelled), true))),
            State::Retrying => assert_eq!(last, Some((Some(Outcome::Failed), true))),
            _ => assert_eq!(last, None),
        }
    }
    world.clock.advance(2 * HOUR);
    assert!(world.claim_all("w").await.is_empty());
}

/// What is over stays as it is.
pub async fn finished_tasks_cannot_be_cancelled(factory: &dyn Factory) {
    let world = World::new(factory).await;
    for state in State::ALL.into_iter().filter(|state| state.is_finished()) {
        let id = world.task_in(state).await;
        let before = world.detail(id).await;
        assert!(world.cancel(vec![id], "too late".into()).await.unwrap().is_empty(), "{state}");
        assert_eq!(world.detail(id).await, before);
    }
}

/// The worker learns of it at its next renewal.
pub async fn cancelled_attempt_can_neither_renew_nor_finish(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let claimed = world.running(2).await;
    world.cancel(vec![claimed.id], "no more".into()).await.unwrap();
    let before = world.detail(claimed.id).await;
    assert_eq!(world.renew(vec![lease_of(&claimed)], LEASE).await.unwrap(), [false]);
    assert_eq!(world.end(&claimed, completed_with("late", HOUR)).await, Finished::LeaseLost);
    world.clock.advance(LEASE);
    assert_eq!(world.reclaim_expired().await.unwrap(), 0);
    assert_eq!(world.detail(claimed.id).await, before);
}

/// Named twice, cancelled once.
pub async fn task_is_cancelled_once_in_a_call(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let (one, other) = (world.add(task("work")).await, world.add(task("work")).await);
    let cancelled = world.cancel(vec![other, one, other], "no more".into()).await.unwrap();
    assert_eq!(cancelled, [other, one]);
}

/// All attempts are there again; the numbers go on.
pub async fn requeue_forgives_earlier_attempts(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let id = world.running(2).await.id;
    world.clock.advance(LEASE);
    world.reclaim_expired().await.unwrap();
    let second = world.claim_one("w", id).await;
    assert_eq!(world.end(&second, retry_after(SEC)).await, Finished::Now(State::Failed));
    world.clock.advance(SEC);
    assert_eq!(world.requeue(vec![id]).await.unwrap(), [id]);
    let detail = world.detail(id).await;
    assert_eq!((detail.task.state(), detail.task.error), (State::Queued, None));
    assert_eq!((detail.task.standing.run_at, detail.attempts.len()), (world.clock.now(), 2));
    let third = world.claim_one("w", id).await;
    assert_eq!((third.attempt, third.attempts_counted), (3, 1));
    assert_eq!(world.end(&third, retry_after(Duration::ZERO)).await, Finished::Now(State::Retrying));
    let fourth = world.claim_one("w", id).await;
    assert_eq!(world.end(&fourth, retry_after(SEC)).await, Finished::Now(State::Failed));
}

/// A task that crashed its worker too often may do so as often again.
pub async fn requeue_forgives_earlier_crashes(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let id = world.add(task_with_attempts(1)).await;
    for text in ["crashed its worker 3 times", "crashed its worker 6 times"] {
        for crash in 1..=CRASHES_MIN {
            assert_eq!(world.claim_one("w", id).await.attempts_counted, crash);
            world.go_silent(1).await;
        }
        assert_eq!(world.state(id).await, State::Failed);
        assert_eq!(world.error(id).await.as_deref(), Some(text));
        assert_eq!(world.requeue(vec![id]).await.unwrap(), [id]);
    }
}

/// Any state but `waiting` and `running` → `queued`.
pub async fn requeue_runs_any_task_but_a_waiting_or_running_one(factory: &dyn Factory) {
    let world = World::new(factory).await;
    for state in State::ALL {
        let id = world.task_in(state).await;
        let answer = world.requeue(vec![UNKNOWN, id]).await.unwrap();
        if matches!(state, State::Waiting | State::Running) {
            assert!(answer.is_empty());
            assert_eq!(world.state(id).await, state);
            world.cancel(vec![id], "no more".into()).await.unwrap();
        } else {
            assert_eq!(answer, [id], "{state}");
            let claimed = world.claim_one("w", id).await;
            assert_eq!(claimed.attempts_counted, 1, "{state}");
            assert_eq!(world.end(&claimed, completed()).await, Finished::Now(State::Completed));
        }
    }
}

/// Waiting for its retry, it starts now.
pub async fn requeue_makes_a_waiting_task_due_at_once(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let id = world.task_in(State::Retrying).await;
    assert!(world.claim_all("w").await.is_empty());
    world.requeue(vec![id]).await.unwrap();
    assert_eq!(world.detail(id).await.task.standing.run_at, START);
    world.claim_one("w", id).await;
}

/// A worker that wakes up after its task failed and was requeued still holds nothing.
pub async fn requeue_fences_attempts_from_before(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let old = world.running(1).await;
    world.go_silent(1).await;
    for _ in 1..CRASHES_MIN {
        world.claim_one("w", old.id).await;
        world.go_silent(1).await;
    }
    assert_eq!(world.state(old.id).await, State::Failed);
    world.requeue(vec![old.id]).await.unwrap();
    assert_eq!(world.end(&old, completed()).await, Finished::LeaseLost);
    let new = world.claim_one("w", old.id).await;
    assert_eq!(world.end(&old, give_up()).await, Finished::LeaseLost);
    assert_eq!(world.renew(vec![lease_of(&old), lease_of(&new)], LEASE).await.unwrap(), [false, true]);
    assert_eq!(world.end(&new, completed()).await, Finished::Now(State::Completed));
}

/// It runs from the start.
pub async fn requeue_drops_the_old_result(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let claimed = world.running(1).await;
    world.end(&claimed, completed_with("old", HOUR)).await;
    world.requeue(vec![claimed.id]).await.unwrap();
    assert_eq!(world.detail(claimed.id).await.result, None);
    let again = world.claim_one("w", claimed.id).await;
    world.end(&again, completed()).await;
    assert_eq!(world.detail(claimed.id).await.result, None);
}

/// Their submission stays, and no longer names them.
pub async fn purge_deletes_finished_tasks_only(factory: &dyn Factory) {
    let world = World::new(factory).await;
    for state in State::ALL {
        let id = world.task_in(state).await;
        let submission = world.detail(id).await.task.submission;
        let purged = world.purge(vec![UNKNOWN, id, id]).await.unwrap();
        assert_eq!(purged, if state.is_finished() { vec![id] } else { Vec::new() }, "{state}");
        assert_eq!(world.store.task(id).await.unwrap().is_none(), state.is_finished());
        assert_eq!(world.info(submission).await.tasks.is_empty(), state.is_finished());
        world.cancel(vec![id], "no more".into()).await.unwrap();
    }
}

/// Cancelled, purged, and then its worker comes back.
pub async fn purged_task_is_unknown_to_its_worker(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let claimed = world.running(2).await;
    world.cancel(vec![claimed.id], "no more".into()).await.unwrap();
    world.purge(vec![claimed.id]).await.unwrap();
    assert_eq!(world.end(&claimed, completed()).await, Finished::Unknown);
    assert_eq!(world.renew(vec![lease_of(&claimed)], LEASE).await.unwrap(), [false]);
    assert!(world.requeue(vec![claimed.id]).await.unwrap().is_empty());
}

/// Payload and what was kept beside it; the size, the labels and the tasks stay.
pub async fn erased_payload_is_gone_for_good(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let inserted = world.submit(keyed("k", vec![task("work")])).await;
    let unknown = SubmissionId::from_u64(42);
    assert_eq!(world.erase(vec![unknown, inserted.submission]).await.unwrap(), [inserted.submission]);
    let left = world.payload(inserted.submission).await.unwrap().unwrap();
    assert!(left.payload.is_empty() && left.meta.is_empty());
    let info = world.info(inserted.submission).await;
    assert_eq!((info.payload_bytes, info.key.as_deref()), (7, Some("k")));
    let claimed = world.claim_one("w", inserted.tasks[0]).await;
    assert!(claimed.payload.is_empty() && claimed.meta.is_empty());
    assert!(world.submit(keyed("k", vec![task("work")])).await.duplicate);
}

/// Payloads that were accepted together are erased one by one.
pub async fn erasing_one_payload_leaves_those_beside_it(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let with = |n: u32| Submission { payload: format!("payload {n}").into(), ..keyed(&n.to_string(), Vec::new()) };
    let inserted = world.insert((0..5).map(with).collect()).await.unwrap();
    world.erase(vec![inserted[1].submission, inserted[3].submission]).await.unwrap();
    for (n, one) in inserted.iter().enumerate() {
        let expected = if n % 2 == 1 { String::new() } else { format!("payload {n}") };
        assert_eq!(world.payload(one.submission).await.unwrap().unwrap().payload, expected);
    }
}
