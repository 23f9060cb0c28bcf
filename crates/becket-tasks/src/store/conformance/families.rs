//! Families: tasks that wait for others.

use super::factory::Factory;
use super::world::{
    HOUR, SEC, START, World, claim_by, completed, completed_with, give_up, keep, keyed, retry_after, soon, submission,
    task, task_started_by,
};
use crate::error::Error;
use crate::id::TaskId;
use crate::query::Family;
use crate::state::State;
use crate::store::Claim;
use crate::submission::{Due, NewTask, Parent, Submission};
use crate::task::{End, Finished};

fn after(parents: &[TaskId]) -> NewTask {
    NewTask { after: parents.iter().copied().map(Parent::Task).collect(), ..task("work") }
}

fn surviving(parents: &[TaskId]) -> NewTask {
    NewTask { survives_parents: true, ..after(parents) }
}

const fn nth(submission: usize, task: usize) -> Parent {
    Parent::Submitted { submission, task }
}

/// `waiting` → `queued`, when the last has ended.
pub async fn child_is_queued_when_all_its_parents_have_completed(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let (one, other) = (world.add(task("work")).await, world.add(task("work")).await);
    let child = world.add(after(&[one, other])).await;
    let grandchild = world.add(after(&[child])).await;
    for parent in world.claim_all("w").await {
        assert_eq!((world.state(child).await, world.state(grandchild).await), (State::Waiting, State::Waiting));
        world.clock.advance(SEC);
        world.end(&parent, completed()).await;
    }
    let detail = world.detail(child).await;
    assert_eq!((detail.task.state(), detail.task.standing.run_at), (State::Queued, START.after(2 * SEC)));
    assert_eq!(world.state(grandchild).await, State::Waiting);
    let claimed = world.claim_one("w", child).await;
    assert_eq!(claimed.attempt, 1);
    world.end(&claimed, completed()).await;
    world.claim_one("w", grandchild).await;
}

/// Its own time counts as well.
pub async fn child_is_not_due_before_its_time(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let parent = world.running(1).await;
    let child = world.add(NewTask { due: Due::After(HOUR), ..after(&[parent.id]) }).await;
    world.end(&parent, completed()).await;
    assert_eq!(world.state(child).await, State::Queued);
    assert!(world.claim_all("w").await.is_empty());
    world.clock.advance(HOUR);
    world.claim_one("w", child).await;
}

/// A parent that retries, parks or is given back has not ended.
pub async fn child_waits_while_its_parent_is_under_way(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let parent = world.running(9).await;
    let child = world.add(after(&[parent.id])).await;
    let park = End::Park { due: Due::Now, reason: "rate limit".into() };
    world.end(&parent, retry_after(SEC)).await;
    world.clock.advance(SEC);
    for end in [park, End::Release] {
        let claimed = world.claim_one("w", parent.id).await;
        world.end(&claimed, end).await;
        assert_eq!(world.state(child).await, State::Waiting);
    }
    world.requeue(vec![parent.id]).await.unwrap();
    let claimed = world.claim_one("w", parent.id).await;
    world.end(&claimed, completed()).await;
    assert_eq!(world.state(child).await, State::Queued);
}

/// A whole graph in one call: what comes before can be named by its place.
pub async fn graph_is_accepted_in_one_call(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let root = submission(vec![task("work")]);
    let leaf = |parent| NewTask { after: vec![parent], ..task("work") };
    let fan = submission(vec![leaf(nth(0, 0)), leaf(nth(0, 0))]);
    let join = submission(vec![NewTask { after: vec![nth(1, 0), nth(1, 1), nth(1, 1)], ..task("work") }]);
    let graph = world.insert(vec![root, fan, join]).await.unwrap();
    let (root, fan, join) = (graph[0].tasks[0], &graph[1].tasks, graph[2].tasks[0]);
    let of = |id: TaskId| world.store.family(id);
    assert_eq!(of(root).await.unwrap().unwrap(), Family { parents: Vec::new(), children: fan.clone() });
    assert_eq!(of(fan[0]).await.unwrap().unwrap(), Family { parents: vec![root], children: vec![join] });
    assert_eq!(of(join).await.unwrap().unwrap(), Family { parents: fan.clone(), children: Vec::new() });
    assert_eq!(of(TaskId::from_u64(42)).await.unwrap(), None);
    for expected in [vec![root], fan.clone(), vec![join]] {
        let claimed = world.claim_all("w").await;
        assert_eq!(claimed.iter().map(|one| one.id).collect::<Vec<_>>(), expected);
        for one in claimed {
            world.end(&one, completed()).await;
        }
    }
}

/// With the reason, and theirs with them.
pub async fn children_are_cancelled_with_a_parent_that_ends_badly(factory: &dyn Factory) {
    let world = World::new(factory).await;
    for (is_cancelled, reason) in
        [(false, "a task that it waited for failed"), (true, "a task that it waited for was cancelled")]
    {
        let (parent, other) =
            (world.running(1).await, world.add(NewTask { due: Due::After(HOUR), ..task("work") }).await);
        let child = world.add(after(&[parent.id, other])).await;
        let grandchild = world.add(after(&[child])).await;
        if is_cancelled {
            assert_eq!(world.cancel(vec![parent.id], "no more".into()).await.unwrap(), [parent.id]);
        } else {
            assert_eq!(world.end(&parent, give_up()).await, Finished::Now(State::Failed));
        }
        assert_eq!((world.state(child).await, world.error(child).await.as_deref()), (State::Cancelled, Some(reason)));
        let of_grandchild = "a task that it waited for was cancelled";
        assert_eq!(world.error(grandchild).await.as_deref(), Some(of_grandchild));
        assert_eq!(world.state(grandchild).await, State::Cancelled);
    }
}

/// By choice.
pub async fn surviving_child_runs_after_parents_that_ended_badly(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let (failed, cancelled) =
        (world.running(1).await, world.add(NewTask { due: Due::After(HOUR), ..task("work") }).await);
    let child = world.add(surviving(&[failed.id, cancelled])).await;
    world.end(&failed, give_up()).await;
    assert_eq!(world.state(child).await, State::Waiting);
    world.cancel(vec![cancelled], "no more".into()).await.unwrap();
    world.claim_one("w", child).await;
}

/// Completed, failed or cancelled before the child came.
pub async fn parents_that_have_ended_already_are_not_waited_for(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let completed = world.task_in(State::Completed).await;
    let (failed, cancelled) = (world.task_in(State::Failed).await, world.task_in(State::Cancelled).await);
    let fine = world.add(after(&[completed])).await;
    let doomed = [world.add(after(&[completed, failed])).await, world.add(after(&[cancelled])).await];
    let survivor = world.add(surviving(&[failed, cancelled])).await;
    for id in doomed {
        assert_eq!(world.state(id).await, State::Cancelled);
    }
    let claimed = world.claim_all("w").await;
    assert_eq!(claimed.iter().map(|one| one.id).collect::<Vec<_>>(), [fine, survivor]);
    assert_eq!(world.store.family(fine).await.unwrap().unwrap().parents, [completed]);
}

/// Neither where the caller wants it to, nor for a claim that waits.
pub async fn child_of_a_parent_that_ended_badly_never_begins(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let failed = world.task_in(State::Failed).await;
    let doomed = NewTask { after: vec![Parent::Task(failed)], ..task_started_by("w") };
    let waiting = world.store.claim(Claim { wait: HOUR, ..claim_by("w") });
    let insert = async {
        let inserted = world.submit(submission(vec![doomed, after(&[failed]), task("work")])).await;
        assert!(inserted.started.is_empty());
        inserted.tasks
    };
    let (claimed, tasks) = soon(async { tokio::join!(waiting, insert) }).await;
    assert_eq!(claimed.unwrap().iter().map(|one| one.id).collect::<Vec<_>>(), tasks[2..]);
    for id in &tasks[..2] {
        let detail = world.detail(*id).await;
        assert_eq!((detail.task.state(), detail.attempts.len()), (State::Cancelled, 0));
    }
}

/// And nothing of the call is accepted.
pub async fn parents_that_cannot_be_waited_for_are_refused(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let known = world.add(task("else")).await;
    let of = |parents: Vec<Parent>| NewTask { after: parents, ..task("work") };
    for bad in [
        vec![Parent::Task(TaskId::from_u64(42))],
        vec![nth(0, 0)],
        vec![nth(7, 0)],
        vec![Parent::Task(known); crate::submission::PARENTS_MAX + 1],
    ] {
        let call = vec![keyed("before", vec![task("work")]), submission(vec![of(bad.clone())])];
        let call = if bad == [nth(0, 0)] { vec![submission(vec![of(bad)])] } else { call };
        assert!(matches!(world.insert(call).await, Err(Error::Invalid(_))));
    }
    let submitted = world.detail(known).await.task.submission;
    assert!(matches!(world.append(submitted, vec![of(vec![nth(0, 0)])]).await, Err(Error::Invalid(_))));
    assert_eq!(world.counts().await.unwrap().unfinished(), 1);
    assert!(!world.submit(keyed("before", Vec::new())).await.duplicate);
}

/// A redelivered call names the tasks of the first.
pub async fn child_of_a_duplicate_waits_for_the_first(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let first = world.submit(keyed("k", vec![task("work")])).await;
    let child = submission(vec![NewTask { after: vec![nth(0, 0)], ..task("work") }]);
    let again = world.insert(vec![keyed("k", vec![task("work")]), child]).await.unwrap();
    assert!(again[0].duplicate);
    assert_eq!(world.store.family(again[1].tasks[0]).await.unwrap().unwrap().parents, first.tasks);
}

/// As those of a replay do.
pub async fn appended_task_can_wait_for_one_of_the_same_call(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let first = world.insert(vec![submission(vec![task("work")])]).await.unwrap().remove(0);
    let child = || NewTask { after: vec![nth(0, 0)], ..task("work") };
    let added = world.append(first.submission, vec![task("work"), child()]).await.unwrap().unwrap();
    assert_eq!(world.store.family(added.tasks[1]).await.unwrap().unwrap().parents, [added.tasks[0]]);
    assert_eq!(world.state(added.tasks[1]).await, State::Waiting);
    assert!(matches!(world.append(first.submission, vec![child()]).await, Err(Error::Invalid(_))));
}

/// Once it was told, a parent's second end changes nothing.
pub async fn parent_that_is_run_again_changes_nothing_for_its_children(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let parent = world.running(1).await;
    let other = world.add(NewTask { due: Due::After(HOUR), ..task("work") }).await;
    let child = world.add(after(&[parent.id, other])).await;
    world.end(&parent, completed()).await;
    world.requeue(vec![parent.id]).await.unwrap();
    let again = world.claim_one("w", parent.id).await;
    world.end(&again, give_up()).await;
    assert_eq!(world.state(child).await, State::Waiting);
    world.clock.advance(HOUR);
    let other = world.claim_one("w", other).await;
    world.end(&other, completed()).await;
    world.claim_one("w", child).await;
}

/// Its result neither, whatever its time to live.
pub async fn parent_is_kept_until_its_children_have_ended(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let parent = world.running(1).await;
    let child = world.add(after(&[parent.id])).await;
    world.end(&parent, completed_with("result", SEC)).await;
    world.clock.advance(2 * HOUR);
    assert!(world.purge(vec![parent.id]).await.unwrap().is_empty());
    assert_eq!(world.prune(keep(SEC, 0)).await.unwrap().tasks, 0);
    assert_eq!(world.detail(parent.id).await.result.as_deref(), Some(&b"result"[..]));
    let claimed = world.claim_one("w", child).await;
    world.end(&claimed, completed()).await;
    assert_eq!(world.purge(vec![parent.id]).await.unwrap(), [parent.id]);
    assert_eq!(world.store.family(child).await.unwrap().unwrap().parents, [parent.id]);
}

/// A chain that is cancelled from its root, however long it is.
pub async fn long_chain_is_cancelled_as_a_whole(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let link = |place: usize| -> Submission {
        let parents = if place == 0 { Vec::new() } else { vec![nth(place - 1, 0)] };
        submission(vec![NewTask { after: parents, ..task("work") }])
    };
    let chain = world.insert((0..3_000).map(link).collect()).await.unwrap();
    assert_eq!(world.counts().await.unwrap().of(State::Waiting), 2_999);
    world.cancel(vec![chain[0].tasks[0]], "no more".into()).await.unwrap();
    assert_eq!(world.counts().await.unwrap().of(State::Cancelled), 3_000);
}
