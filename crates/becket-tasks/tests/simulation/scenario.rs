//! The course of one seed: a while of trouble, then calm until every task has ended, then a look at everything.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use becket_tasks::order::{Limits, Rate, Rules};
use becket_tasks::query::{Page, SubmissionFilter};
use becket_tasks::store::conformance::Reopen;
use becket_tasks::{Store, WorkerId};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::disk::{Disk, done};
use crate::engines;
use crate::faulty::{Faulty, tick};
use crate::ledger::{Ledger, must};
use crate::worker::Process;
use crate::world::World;
use crate::{chaos, senders};

/// The kinds of tasks: one without limits, and one for each sort of limit.
pub(crate) const KINDS: &[&str] = &["free", "few", "rated", "keyed"];
/// How long things go wrong, in virtual time.
const TROUBLE: Duration = Duration::from_secs(30);
/// How long the rest may take once nothing goes wrong.
const CALM: Duration = Duration::from_secs(900);

/// No verb is under way for longer.
const UNDER_WAY: Duration = Duration::from_secs(6);

/// Who works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Workers {
    /// Simulated processes that call the verbs themselves.
    Simulated,
    /// Engines, two of them at a time, and one simulated process.
    Engines,
}

/// Lives through one seed; answers its trace and what was wrong.
pub(crate) fn live(seed: u64, workers: Workers, factory: Box<dyn Reopen>) -> (Vec<String>, Option<String>) {
    // What the code under test draws is drawn from the seed, too.
    fastrand::seed(seed);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let Ok(runtime) = runtime else { return (Vec::new(), Some("no runtime".to_owned())) };
    runtime.block_on(async {
        let world = Arc::new(World::new(seed, rules));
        let disk = Arc::new(Disk::new(factory, world.clock.clone()));
        let mut actors = JoinSet::new();
        tokio::select! {
            biased;
            () = world.fails() => {}
            () = course(&world, &disk, workers, &mut actors) => {}
        }
        actors.abort_all();
        world.end()
    })
}

async fn course(world: &Arc<World>, disk: &Arc<Disk>, workers: Workers, actors: &mut JoinSet<()>) {
    let way = Faulty::new(world, disk);
    actors.spawn(tick(Arc::clone(world)));
    let places = 2 + world.below(3);
    for place in 0..places {
        if workers == Workers::Engines && place < 2 {
            actors.spawn(engines::keep_one(Arc::clone(world), Arc::clone(disk), place));
        } else {
            actors.spawn(keep_a_process(Arc::clone(world), Arc::clone(disk), place));
        }
    }
    let mut sending = JoinSet::new();
    for place in 0..3 {
        sending.spawn(senders::send(process(world, disk, &format!("sender-{place}"))));
    }
    let mut interfering = JoinSet::new();
    interfering.spawn(chaos::operate(Arc::clone(world), way.clone()));
    interfering.spawn(chaos::shake(Arc::clone(world), way.clone()));

    sleep(TROUBLE).await;
    interfering.shutdown().await;
    world.calm();
    // What is still under way arrives.
    sleep(UNDER_WAY).await;
    chaos::resume_all(&way).await;
    while sending.join_next().await.is_some() {}
    let mut left = CALM.as_secs();
    while world.look(Ledger::has_unfinished) && left > 0 {
        sleep(Duration::from_secs(1)).await;
        left -= 1;
    }
    look_at_everything(world, disk);
}

/// G3: all has ended; and the store knows what was entered, no less and no more.
fn look_at_everything(world: &World, disk: &Disk) {
    world.enter(|ledger| {
        let unfinished = ledger.unfinished();
        must(unfinished.is_empty(), || {
            format!("G3: {CALM:?} after the last fault these have not ended:\n{}", unfinished.join("\n"))
        })
    });
    let store = disk.store();
    let ids: Vec<_> = world.look(|ledger| ledger.tasks.keys().copied().collect());
    for id in ids {
        match done(store.task(id)) {
            Ok(detail) => world.enter(|ledger| ledger.detail(id, detail.as_ref())),
            Err(error) => world.enter(|_| Err(format!("task {id} cannot be read: {error}"))),
        }
        let steps = done(store.steps(id)).unwrap_or_default();
        world.enter(|ledger| ledger.steps(id, steps));
    }
    let listed = done(store.submissions(SubmissionFilter::default(), Page::first(Page::LIMIT_MAX)));
    let listed = listed.map(|listed| listed.items.len()).unwrap_or_default();
    world.enter(|ledger| {
        let accepted = ledger.submissions.len();
        must(accepted == listed, || format!("G2: {accepted} submissions were accepted, and {listed} are listed"))
    });
}

/// Keeps one simulated process alive: each is killed or leaves after a while, and the next comes under the same name or
/// another.
async fn keep_a_process(world: Arc<World>, disk: Arc<Disk>, place: usize) {
    let mut life = 0;
    loop {
        let process = process(&world, &disk, &format!("worker-{place}-{life}"));
        let way = process.way.clone();
        let id = process.id.clone();
        world.note(format_args!("{id} starts"));
        let mut living = JoinSet::new();
        living.spawn(process.work());
        loop {
            world.pause(30_000).await;
            if world.trouble(70) {
                break;
            }
        }
        if world.chance(50) {
            world.note(format_args!("{id} leaves"));
            // It gives back what it holds, and goes on for a while all the same.
            let _ = way.release(id).await;
            world.pause(6_000).await;
        } else {
            world.note(format_args!("{id} is killed"));
        }
        living.shutdown().await;
        world.pause(4_000).await;
        life += usize::from(world.chance(50));
    }
}

fn process(world: &Arc<World>, disk: &Arc<Disk>, name: &str) -> Process {
    Process {
        world: Arc::clone(world),
        way: Faulty::new(world, disk),
        id: WorkerId::new(name),
        kinds: KINDS.iter().map(|kind| Arc::from(*kind)).collect(),
        rules: world.look(Ledger::rules),
        lease: Duration::from_secs(2) + world.millis(6_000),
        held: Arc::new(Mutex::default()),
    }
}

/// The limits of a world.
fn rules(dice: &mut fastrand::Rng) -> Arc<Rules> {
    let period = Duration::from_millis(dice.u64(500..5_000));
    let rate = Rate { starts: dice.u32(1..4), period };
    let limits = [
        ("few", Limits { concurrency: Some(dice.u32(1..3)), ..Limits::default() }),
        ("rated", Limits { rate: Some(rate), ..Limits::default() }),
        ("keyed", Limits { key_concurrency: Some(1), key_rate: Some(rate), concurrency: Some(3), rate: None }),
    ];
    let limits = limits.into_iter().map(|(kind, limits)| (Arc::from(kind), limits));
    let weights = HashMap::from([(Arc::from("a"), dice.u32(1..4))]);
    Arc::new(Rules { limits: limits.collect(), weights, ..Rules::default() })
}
