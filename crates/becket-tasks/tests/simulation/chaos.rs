//! Those who interfere: operators who cancel, requeue and pause; outages of the store, crashes of it, a clock that jumps,
//! and wake-ups for nothing.

use std::sync::Arc;
use std::time::Duration;

use becket_tasks::order::Scope;
use becket_tasks::{Store, TaskId};

use crate::faulty::Faulty;
use crate::scenario::KINDS;
use crate::world::World;

/// What can be paused.
fn scopes() -> impl Iterator<Item = Scope> {
    KINDS.iter().map(|kind| Scope::Kind(Arc::from(*kind))).chain([Scope::Source("github".into())])
}

/// Interferes until it is dropped.
pub(crate) async fn operate(world: Arc<World>, way: Faulty) {
    loop {
        world.pause(5_000).await;
        let known: Vec<TaskId> = world.look(|ledger| ledger.tasks.keys().rev().take(12).copied().collect());
        if known.is_empty() {
            continue;
        }
        let chosen: Vec<TaskId> = (0..1 + world.below(3)).map(|_| world.pick(&known)).collect();
        match world.below(4) {
            0 => drop(way.cancel(chosen, "by hand".into()).await),
            1 => drop(way.requeue(chosen).await),
            2 => {
                let scopes: Vec<Scope> = scopes().collect();
                let scope = scopes[world.below(scopes.len())].clone();
                drop(way.set_paused(scope, world.chance(50)).await);
            }
            _ => way.wake(),
        }
    }
}

/// Resumes whatever may be paused.
pub(crate) async fn resume_all(way: &Faulty) {
    for scope in scopes() {
        drop(way.set_paused(scope, false).await);
    }
}

/// Lets great things go wrong until it is dropped.
pub(crate) async fn shake(world: Arc<World>, way: Faulty) {
    loop {
        world.pause(12_000).await;
        match world.below(4) {
            0 => {
                let lasts = Duration::from_millis(500) + world.millis(8_000);
                world.note(format_args!("the store is out of reach for {lasts:?}"));
                world.set_outage(lasts);
            }
            1 => way.crash_store(),
            2 => {
                world.sync();
                let now = world.clock.now();
                let jump = world.millis(20_000);
                let to = if world.chance(50) { now.before(jump) } else { now.after(jump * 100) };
                world.note(format_args!("the clock is set from {now} to {to}"));
                world.clock.set(to);
            }
            _ => way.wake(),
        }
    }
}
