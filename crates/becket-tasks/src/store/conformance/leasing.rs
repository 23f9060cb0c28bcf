//! Leases: renewed, lost, given back; and what becomes of tasks whose workers go silent.

use std::time::Duration;

use super::factory::Factory;
use super::world::{
    HOUR, LEASE, SEC, World, completed, give_up, lease_of, retry_after, submission, task, task_with_attempts, worker,
};
use crate::state::{CRASHES_MIN, State};
use crate::task::{End, Finished, Lease, Outcome};

/// A renewal counts from when it is made.
pub async fn renewed_lease_lasts_longer(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let claimed = world.running(2).await;
    world.clock.advance(LEASE - SEC);
    assert_eq!(world.renew(vec![lease_of(&claimed)], LEASE).await.unwrap(), [true]);
    world.clock.advance(LEASE - SEC);
    assert_eq!(world.reclaim_expired().await.unwrap(), 0);
    assert_eq!(world.state(claimed.id).await, State::Running);
    world.clock.advance(SEC);
    assert_eq!(world.reclaim_expired().await.unwrap(), 1);
}

/// Its task is due at once, under a new attempt.
pub async fn unrenewed_lease_is_reclaimed_and_the_attempt_counts(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let claimed = world.running(2).await;
    world.clock.advance(LEASE - Duration::from_millis(1));
    assert_eq!(world.reclaim_expired().await.unwrap(), 0);
    world.clock.advance(Duration::from_millis(1));
    assert_eq!(world.reclaim_expired().await.unwrap(), 1);
    let detail = world.detail(claimed.id).await;
    assert_eq!(detail.task.state(), State::Retrying);
    assert_eq!(detail.task.standing.run_at, world.clock.now());
    assert_eq!(detail.task.error.as_deref(), Some("its worker went silent"));
    let lost = &detail.attempts[0];
    assert_eq!((lost.outcome, lost.ended_at), (Some(Outcome::Lost), Some(world.clock.now())));
    assert_eq!(lost.error.as_deref(), Some("its worker went silent"));
    let second = world.claim_one("other", claimed.id).await;
    assert_eq!((second.attempt, second.attempts_counted), (2, 2));
    assert_eq!(world.reclaim_expired().await.unwrap(), 0);
}

/// Ended, reclaimed, of another attempt, or of no task at all.
pub async fn lease_of_an_ended_attempt_is_not_renewed(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let ended = world.running(2).await;
    world.end(&ended, completed()).await;
    let reclaimed = world.running(2).await;
    world.clock.advance(LEASE);
    world.reclaim_expired().await.unwrap();
    let unknown = Lease { task: crate::TaskId::from_u64(42), attempt: 1 };
    let leases = vec![lease_of(&ended), lease_of(&reclaimed), unknown];
    assert_eq!(world.renew(leases, LEASE).await.unwrap(), [false, false, false]);
    world.claim_one("other", reclaimed.id).await;
    assert_eq!(world.renew(vec![lease_of(&reclaimed)], LEASE).await.unwrap(), [false]);
}

/// Each lease is judged by itself, in the order given.
pub async fn one_lost_lease_does_not_hinder_the_renewal_of_others(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let (one, lost, other) = (world.running(2).await, world.running(2).await, world.running(2).await);
    world.cancel(vec![lost.id], "no more".into()).await.unwrap();
    world.clock.advance(LEASE - SEC);
    let leases = [&one, &lost, &other].map(lease_of).to_vec();
    assert_eq!(world.renew(leases, LEASE).await.unwrap(), [true, false, true]);
    world.clock.advance(LEASE - SEC);
    assert_eq!(world.reclaim_expired().await.unwrap(), 0);
}

/// G3: it is not retried for ever, and says why it ended.
pub async fn task_that_crashes_its_worker_again_and_again_ends_failed(factory: &dyn Factory) {
    let world = World::new(factory).await;
    for (max_attempts, crashes) in [(1, 3), (2, 3), (3, 3), (5, 5)] {
        let id = world.add(task_with_attempts(max_attempts)).await;
        for attempt in 1..=crashes {
            assert_eq!(world.claim_one("w", id).await.attempt, attempt);
            world.go_silent(1).await;
        }
        assert!(world.claim_all("w").await.is_empty());
        let detail = world.detail(id).await;
        assert_eq!(detail.task.state(), State::Failed);
        assert_eq!(detail.task.error, Some(format!("crashed its worker {crashes} times").into()));
        assert_eq!(detail.attempts.len() as u32, crashes);
        assert!(detail.attempts.iter().all(|attempt| attempt.error.as_deref() == Some("its worker went silent")));
    }
}

/// Twice: due at once, as if it had retries.
pub async fn crash_of_a_task_without_retries_is_retried(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let id = world.add(task_with_attempts(1)).await;
    for attempt in 1..CRASHES_MIN {
        let claimed = world.claim_one("w", id).await;
        assert_eq!((claimed.attempts_counted, claimed.max_attempts), (attempt, 1));
        world.go_silent(1).await;
        let task = world.detail(id).await.task;
        assert_eq!((task.state(), task.standing.run_at), (State::Retrying, world.clock.now()));
        assert_eq!(task.error.as_deref(), Some("its worker went silent"));
    }
    let last = world.claim_one("w", id).await;
    assert_eq!(last.attempts_counted, CRASHES_MIN);
    assert_eq!(world.end(&last, completed()).await, Finished::Now(State::Completed));
}

/// The allowance is for crashes only.
pub async fn error_after_a_crash_fails_a_task_without_retries(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let id = world.running(1).await.id;
    world.go_silent(1).await;
    let second = world.claim_one("w", id).await;
    assert_eq!(world.end(&second, retry_after(Duration::ZERO)).await, Finished::Now(State::Failed));
    assert_eq!(world.error(id).await.as_deref(), Some("it went wrong"));
    assert!(world.claim_all("w").await.is_empty());
}

/// In any order; only the silent ones are counted in the text.
pub async fn failure_and_silence_use_up_attempts_alike(factory: &dyn Factory) {
    let world = World::new(factory).await;
    for (silent, text) in [
        ([false, false, true], "crashed its worker once"),
        ([true, false, true], "crashed its worker 2 times"),
        ([true, true, false], "it went wrong"),
    ] {
        let id = world.add(task_with_attempts(3)).await;
        for (silent, state) in silent.into_iter().zip([State::Retrying, State::Retrying, State::Failed]) {
            let claimed = world.claim_one("w", id).await;
            if silent {
                world.go_silent(1).await;
            } else {
                world.end(&claimed, retry_after(Duration::ZERO)).await;
            }
            assert_eq!(world.state(id).await, state, "{text}");
        }
        assert_eq!(world.error(id).await.as_deref(), Some(text));
    }
}

/// G8, for a store: due at once, and no attempt is used up.
pub async fn release_gives_back_only_what_the_worker_holds(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let mine = world.submit(submission(vec![task("work"); 2])).await.tasks;
    let held = world.claim_all("w").await;
    let ended = world.running(1).await;
    world.end(&ended, give_up()).await;
    let others = world.add(task("work")).await;
    world.claim_one("other", others).await;

    assert_eq!(world.release(worker("w")).await.unwrap(), 2);
    assert_eq!(world.release(worker("w")).await.unwrap(), 0);
    assert_eq!(world.state(others).await, State::Running);
    assert_eq!(world.state(ended.id).await, State::Failed);
    for id in &mine {
        let detail = world.detail(*id).await;
        assert_eq!((detail.task.state(), detail.task.standing.attempts_counted()), (State::Queued, 0));
        assert_eq!(detail.attempts[0].outcome, Some(Outcome::Released));
    }
    assert_eq!(world.end(&held[0], End::Release).await, Finished::LeaseLost);
    let again = world.claim_all("other").await;
    assert_eq!(
        again.iter().map(|claimed| (claimed.attempt, claimed.attempts_counted)).collect::<Vec<_>>(),
        [(2, 1); 2]
    );
}

/// Neither reclaimed too early, nor never.
pub async fn lease_survives_a_clock_that_goes_back(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let claimed = world.running(2).await;
    let begun = world.clock.now();
    world.clock.set(begun.before(HOUR));
    assert_eq!(world.reclaim_expired().await.unwrap(), 0);
    assert_eq!(world.renew(vec![lease_of(&claimed)], LEASE).await.unwrap(), [true]);
    world.clock.advance(LEASE);
    assert_eq!(world.reclaim_expired().await.unwrap(), 1);
    assert_eq!(world.detail(claimed.id).await.task.standing.run_at, world.clock.now());
}

/// Its worker renews in time, however late the clock says that it is.
pub async fn lease_survives_a_clock_that_jumps_forwards(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let claimed = world.running(2).await;
    world.clock.set(world.clock.now().after(100 * HOUR));
    assert_eq!(world.reclaim_expired().await.unwrap(), 0);
    world.clock.advance(LEASE - SEC);
    assert_eq!(world.reclaim_expired().await.unwrap(), 0);
    assert_eq!(world.renew(vec![lease_of(&claimed)], LEASE).await.unwrap(), [true]);
    world.clock.advance(LEASE);
    assert_eq!(world.reclaim_expired().await.unwrap(), 1, "time that passes still ends it");
}
