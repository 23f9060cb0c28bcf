//! Real engines in the world, with handlers that succeed, fail, park, sleep, panic and take steps, as the dice fall.
//!
//! An engine is killed by cutting its way to the store: nothing of it is heard any more, and its leases run out.

use std::sync::Arc;
use std::time::Duration;

use becket_tasks::order::Limits;
use becket_tasks::task::Lease;
use becket_tasks::{
    Backoff, Engine, EngineOptions, Policy, Registry, RetryPolicy, Run, Store, TaskContext, TaskError, WorkerId,
};

use crate::disk::Disk;
use crate::faulty::Faulty;
use crate::scenario::KINDS;
use crate::world::World;

/// Keeps one engine alive: each is killed or shut down after a while, and the next one starts.
pub(crate) async fn keep_one(world: Arc<World>, disk: Arc<Disk>, place: usize) {
    for life in 0.. {
        let way = Faulty::new(&world, &disk);
        let name = format!("engine-{place}-{life}");
        world.note(format_args!("{name} starts"));
        let options = EngineOptions {
            concurrency: 2 + world.below(3),
            prefetch: world.below(4),
            lease: Duration::from_secs(2) + world.millis(6_000),
            maintenance: Duration::from_secs(3),
            weights: world.look(|ledger| ledger.rules().weights.clone()),
            worker: Some(WorkerId::new(name.as_str())),
            ..EngineOptions::default()
        };
        let store = Arc::new(way.clone()) as Arc<dyn Store>;
        let Ok(engine) = Engine::start_in_virtual_time(store, registry(&world), options).await else { return };
        loop {
            world.pause(40_000).await;
            if world.trouble(70) {
                break;
            }
        }
        if world.chance(50) {
            world.note(format_args!("{name} is told to stop"));
            let report = engine.shutdown(world.millis(5_000)).await;
            world.note(format_args!("{name} has stopped: {report:?}"));
        } else {
            world.note(format_args!("{name} is killed"));
        }
        way.kill();
        world.pause(4_000).await;
    }
}

fn registry(world: &Arc<World>) -> Registry {
    let mut registry = Registry::new();
    for kind in KINDS {
        let limits: Limits = world.look(|ledger| ledger.rules().limits(kind));
        let backoff = Backoff::Exponential { first: Duration::from_secs(1), max: Duration::from_secs(5) };
        let retry = RetryPolicy { backoff, ..RetryPolicy::retries(3) };
        let policy = Policy { timeout: Duration::from_secs(20), retry, limits, ..Policy::default() };
        let world = Arc::clone(world);
        let added = registry.insert(*kind, policy, move |run: Run| {
            let world = Arc::clone(&world);
            async move {
                let lease = Lease { task: run.task.id, attempt: run.task.attempt };
                world.enter(|ledger| ledger.begins(lease));
                let result = handle(world, run.context).await?;
                Ok(Some(result.to_string().into()))
            }
        });
        debug_assert!(added.is_ok(), "no kind comes twice");
    }
    registry
}

async fn handle(world: Arc<World>, task: TaskContext) -> Result<u64, TaskError> {
    let max = world.pick(&[0, 500, 3_000, if world.is_calm() { 3_000 } else { 30_000 }]);
    if world.chance(70) {
        tokio::select! {
            biased;
            () = task.cancelled() => return Err(TaskError::retry("told to stop")),
            () = world.pause(max) => {}
        }
    } else {
        world.pause(max).await;
    }
    if world.chance(50) {
        for name in ["a", "b"] {
            let step = || async {
                world.pause(500).await;
                Ok(world.below(1_000_000))
            };
            let value = task.step(name, step).await?;
            world.enter(|ledger| ledger.goes_on(task.id(), name, &value.to_string()));
        }
    }
    match world.below(12) {
        0..=1 => Err(TaskError::retry("it went wrong")),
        2 => Err(TaskError::give_up("it is no use")),
        3 if !world.is_calm() => Err(TaskError::park_for("rate limit", world.millis(4_000))),
        4 if !world.is_calm() => task.sleep(Duration::from_secs(3)).await.map(|()| 1),
        // Says nothing on standard error, unlike `panic!`.
        5 => std::panic::resume_unwind(Box::new("told to")),
        _ => Ok(1),
    }
}
