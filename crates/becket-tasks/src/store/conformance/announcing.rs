//! What the listeners of a store hear.

use std::sync::Arc;
use std::time::Duration;

use super::factory::Factory;
use super::world::{
    LEASE, World, completed, keyed, lease_of, retry_after, soon, submission, task, task_started_by, task_with_attempts,
};
use crate::events::{Notice, Subscription, Transition};
use crate::order::{Lane, Latest};
use crate::state::State;
use crate::submission::NewTask;
use crate::task::{Finished, Lease};

async fn next(listener: &mut Subscription) -> Arc<Transition> {
    match soon(listener.next()).await {
        Some(Notice::Transition(transition)) => transition,
        other => panic!("expected a transition, not {other:?}"),
    }
}

/// A whole life, step by step, with attempt numbers and errors.
pub async fn transitions_are_announced_in_order(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let mut listener = world.events().subscribe();
    let inserted = world.submit(submission(vec![task_with_attempts(2)])).await;
    let id = inserted.tasks[0];
    let first = world.claim_one("w", id).await;
    world.end(&first, retry_after(Duration::ZERO)).await;
    for _ in 0..2 {
        world.claim_one("w", id).await;
        world.go_silent(1).await;
    }
    world.requeue(vec![id]).await.unwrap();
    let fourth = world.claim_one("w", id).await;
    world.end(&fourth, completed()).await;
    world.requeue(vec![id]).await.unwrap();
    world.cancel(vec![id], "no more".into()).await.unwrap();

    use State::{Cancelled, Completed, Failed, Queued, Retrying, Running};
    let expected = [
        (None, Queued, 0, None),
        (Some(Queued), Running, 1, None),
        (Some(Running), Retrying, 1, Some("it went wrong")),
        (Some(Retrying), Running, 2, None),
        (Some(Running), Retrying, 2, Some("its worker went silent")),
        (Some(Retrying), Running, 3, None),
        (Some(Running), Failed, 3, Some("crashed its worker 2 times")),
        (Some(Failed), Queued, 3, None),
        (Some(Queued), Running, 4, None),
        (Some(Running), Completed, 4, None),
        (Some(Completed), Queued, 4, None),
        (Some(Queued), Cancelled, 4, Some("no more")),
    ];
    for (from, to, attempt, error) in expected {
        let heard = next(&mut listener).await;
        assert_eq!((heard.from, heard.to, heard.attempt, heard.error.as_deref()), (from, to, attempt, error));
        assert_eq!((heard.task, heard.submission, &*heard.kind), (id, inserted.submission, "work"));
    }
}

/// An announcement comes after the commit.
pub async fn announced_change_can_be_read(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let mut listener = world.events().subscribe();
    let insert = world.submit(submission(vec![task("work")]));
    let listen = async {
        let heard = next(&mut listener).await;
        world.state(heard.task).await
    };
    let (_, state) = tokio::join!(insert, listen);
    assert_eq!(state, State::Queued);
}

/// Duplicates, fenced ends, and interventions that make no sense.
pub async fn refused_changes_are_not_announced(factory: &dyn Factory) {
    let world = World::new(factory).await;
    world.submit(keyed("k", vec![task("work")])).await;
    let running = world.claim_all("w").await.remove(0);
    let done = world.task_in(State::Completed).await;
    let mut listener = world.events().subscribe();
    world.submit(keyed("k", vec![task("work")])).await;
    world.claim_all("w").await;
    let mut other = lease_of(&running);
    other.attempt += 1;
    assert_eq!(world.end_lease(other, completed()).await, Finished::LeaseLost);
    world.renew(vec![lease_of(&running)], LEASE).await.unwrap();
    world.requeue(vec![running.id]).await.unwrap();
    world.cancel(vec![done], "too late".into()).await.unwrap();
    world.purge(vec![running.id]).await.unwrap();
    world.end(&running, completed()).await;
    let heard = next(&mut listener).await;
    assert_eq!((heard.task, heard.to), (running.id, State::Completed));
}

/// Only what runs has to be told.
pub async fn running_attempt_that_is_cancelled_is_told(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let mut cancelled = world.events().cancellations();
    let completed = world.task_in(State::Completed).await;
    let running = world.task_in(State::Running).await;
    let others = [world.task_in(State::Queued).await, completed];
    world.cancel(others.to_vec(), "no more".into()).await.unwrap();
    world.cancel(vec![running], "no more".into()).await.unwrap();
    assert_eq!(soon(cancelled.next()).await, Some(Lease { task: running, attempt: 1 }));

    let latest = || NewTask { lane: Some(Lane { latest: Some(Latest::Running), ..Lane::new("l") }), ..task("work") };
    let replaced = world.add(latest()).await;
    let claimed = world.claim_one("w", replaced).await;
    world.add(latest()).await;
    assert_eq!(soon(cancelled.next()).await, Some(lease_of(&claimed)), "also by a newer task of its lane");
}

/// It was never queued.
pub async fn started_task_is_announced_once_as_running(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let mut listener = world.events().subscribe();
    let inserted = world.submit(submission(vec![task_started_by("w"), task("work")])).await;
    let (first, second) = (next(&mut listener).await, next(&mut listener).await);
    assert_eq!((first.task, first.from, first.to, first.attempt), (inserted.tasks[0], None, State::Running, 1));
    assert_eq!((second.task, second.from, second.to), (inserted.tasks[1], None, State::Queued));
}
