//! Steps: what attempts have done stays done.

use bytes::Bytes;

use super::factory::Factory;
use super::world::{
    HOUR, SEC, START, World, completed, give_up, keep, lease_of, retry_after, task, task_with_attempts,
};
use crate::id::TaskId;
use crate::state::State;
use crate::step::{Saved, Step};
use crate::submission::Due;
use crate::task::{Claimed, End, Finished, Lease};

async fn save(world: &World, claimed: &Claimed, name: &str, body: impl Into<Bytes>) -> Saved {
    world.save_step(lease_of(claimed), name.into(), body.into()).await.unwrap()
}

async fn names(world: &World, id: TaskId) -> Vec<String> {
    world.steps(id).await.unwrap().into_iter().map(|step| step.name.to_string()).collect()
}

/// A task of kind `work` with a step, which runs in its first attempt of three.
async fn with_a_step(world: &World) -> Claimed {
    let claimed = world.running(3).await;
    assert_eq!(save(world, &claimed, "done", "1").await, Saved::Now);
    claimed
}

/// Any bytes under any name, oldest first; those of one moment by name. The task does not move.
pub async fn saved_steps_are_read_back_unchanged(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let claimed = world.running(1).await;
    let before = world.detail(claimed.id).await;
    assert_eq!(world.steps(claimed.id).await.unwrap(), []);
    let bytes: Bytes = (0..=255_u8).collect::<Vec<_>>().into();
    let large: Bytes = vec![b'x'; 1 << 20].into();
    for (name, body) in [("b", bytes.clone()), ("a", large.clone())] {
        assert_eq!(save(&world, &claimed, name, body).await, Saved::Now);
    }
    world.clock.advance(SEC);
    assert_eq!(save(&world, &claimed, "A \u{1f980}'s name", Bytes::new()).await, Saved::Now);
    let step = |name: &str, at, body| Step { name: name.into(), at, body };
    let expected = [step("a", START, large), step("b", START, bytes)];
    let steps = world.steps(claimed.id).await.unwrap();
    assert_eq!(steps[..2], expected);
    assert_eq!(steps[2..], [step("A \u{1f980}'s name", START.after(SEC), Bytes::new())]);
    assert_eq!(world.detail(claimed.id).await, before);
}

/// A worker that got no answer may ask again.
pub async fn saved_step_keeps_what_it_was_first(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let claimed = with_a_step(&world).await;
    world.clock.advance(SEC);
    assert_eq!(save(&world, &claimed, "done", "2").await, Saved::Already);
    let first = Step { name: "done".into(), at: START, body: "1".into() };
    assert_eq!(world.steps(claimed.id).await.unwrap(), [first]);
}

/// Each task has names of its own.
pub async fn steps_of_one_task_are_not_those_of_another(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let (one, other) = (with_a_step(&world).await, world.running(1).await);
    assert_eq!(world.steps(other.id).await.unwrap(), []);
    assert_eq!(save(&world, &other, "done", "other").await, Saved::Now);
    assert_eq!(world.steps(one.id).await.unwrap()[0].body, "1");
    assert_eq!(world.steps(other.id).await.unwrap()[0].body, "other");
}

/// The fence is that of a finish: only the attempt that runs may say what was done.
pub async fn step_from_a_lost_lease_is_not_kept(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let old = world.running(3).await;
    world.go_silent(1).await;
    assert_eq!(save(&world, &old, "late", "1").await, Saved::LeaseLost);
    let new = world.claim_one("w", old.id).await;
    assert_eq!(save(&world, &old, "late", "1").await, Saved::LeaseLost);
    assert_eq!(world.steps(old.id).await.unwrap(), []);
    assert_eq!(save(&world, &new, "in time", "1").await, Saved::Now);
    assert_eq!(names(&world, old.id).await, ["in time"]);
}

/// Whatever it waits for, or however it ended.
pub async fn step_of_a_task_that_does_not_run_is_not_kept(factory: &dyn Factory) {
    for state in State::ALL.into_iter().filter(|state| *state != State::Running) {
        let world = World::new(factory).await;
        let id = world.task_in(state).await;
        for attempt in 0..3 {
            let saved = world.save_step(Lease { task: id, attempt }, "late".into(), "1".into()).await;
            assert_eq!(saved.unwrap(), Saved::LeaseLost, "{state}");
        }
        assert_eq!(world.steps(id).await.unwrap(), [], "{state}");
    }
}

/// Purged, or never there.
pub async fn step_of_an_unknown_task_is_not_kept(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let unknown = TaskId::from_u64(42);
    let saved = world.save_step(Lease { task: unknown, attempt: 1 }, "done".into(), "1".into()).await;
    assert_eq!(saved.unwrap(), Saved::Unknown);
    assert_eq!(world.steps(unknown).await.unwrap(), []);
}

/// By an error, a pause, a shutdown, silence, success or failure.
pub async fn steps_stay_however_attempts_end(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let park = End::Park { due: Due::Now, reason: "later".into() };
    let mut claimed = with_a_step(&world).await;
    let id = claimed.id;
    for (number, end) in [retry_after(SEC), park, End::Release].into_iter().enumerate() {
        assert_eq!(save(&world, &claimed, &format!("in {number}"), "1").await, Saved::Now);
        world.end(&claimed, end).await;
        world.clock.advance(SEC);
        claimed = world.claim_one("w", id).await;
    }
    world.go_silent(1).await;
    claimed = world.claim_one("w", id).await;
    let expected = ["done", "in 0", "in 1", "in 2"];
    assert_eq!(names(&world, id).await, expected);
    assert_eq!(save(&world, &claimed, "done", "2").await, Saved::Already);
    assert_eq!(world.end(&claimed, completed()).await, Finished::Now(State::Completed));
    assert_eq!(names(&world, id).await, expected);
    let failed = with_a_step(&world).await;
    world.end(&failed, give_up()).await;
    assert_eq!(names(&world, failed.id).await, ["done"]);
}

/// What it has done stays done: `failed`, `cancelled`, `queued`, `retrying`.
pub async fn requeue_keeps_the_steps_of_a_task_that_has_not_completed(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let park = || End::Park { due: Due::After(HOUR), reason: "later".into() };
    for (end, state) in [(give_up(), State::Failed), (park(), State::Queued), (retry_after(HOUR), State::Retrying)] {
        let claimed = with_a_step(&world).await;
        assert_eq!(world.end(&claimed, end).await, Finished::Now(state));
        requeue_and_complete(&world, claimed.id).await;
    }
    let cancelled = with_a_step(&world).await.id;
    world.cancel(vec![cancelled], "no more".into()).await.unwrap();
    requeue_and_complete(&world, cancelled).await;
}

async fn requeue_and_complete(world: &World, id: TaskId) {
    assert_eq!(world.requeue(vec![id]).await.unwrap(), [id]);
    assert_eq!(names(world, id).await, ["done"]);
    let again = world.claim_one("w", id).await;
    assert_eq!(save(world, &again, "more", "2").await, Saved::Now);
    world.end(&again, completed()).await;
    assert_eq!(names(world, id).await, ["done", "more"]);
}

/// It did everything, so whoever runs it again wants everything again.
pub async fn requeue_of_a_completed_task_forgets_its_steps(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let claimed = with_a_step(&world).await;
    world.end(&claimed, completed()).await;
    world.requeue(vec![claimed.id]).await.unwrap();
    assert_eq!(world.steps(claimed.id).await.unwrap(), []);
    let again = world.claim_one("w", claimed.id).await;
    assert_eq!(save(&world, &again, "done", "2").await, Saved::Now);
    assert_eq!(world.steps(claimed.id).await.unwrap()[0].body, "2");
}

/// Nothing is left of them, and those of others stay.
pub async fn steps_go_with_a_purged_task(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let (gone, kept) = (with_a_step(&world).await, with_a_step(&world).await);
    world.end(&gone, completed()).await;
    assert_eq!(world.purge(vec![gone.id, kept.id]).await.unwrap(), [gone.id]);
    assert_eq!(world.steps(gone.id).await.unwrap(), []);
    assert_eq!(names(&world, kept.id).await, ["done"]);
}

/// Nothing is left of them, and an unfinished task keeps its own, however old it is.
pub async fn steps_go_with_an_outdated_task(factory: &dyn Factory) {
    let world = World::new(factory).await;
    let gone = with_a_step(&world).await;
    world.end(&gone, completed()).await;
    let waiting = with_a_step(&world).await;
    world.end(&waiting, retry_after(10 * HOUR)).await;
    world.add(task("other")).await;
    world.add(task_with_attempts(1)).await;
    world.clock.advance(2 * HOUR);
    assert_eq!(world.prune_all(keep(HOUR, 9)).await.0, 1);
    assert_eq!(world.steps(gone.id).await.unwrap(), []);
    assert_eq!(names(&world, waiting.id).await, ["done"]);
}
