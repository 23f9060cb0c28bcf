//! `tasks`: what the embedded task engine does in a second, and what a long queue costs it.
//!
//! The engine is a library, so it is measured in the process that uses it: each *leg* is one piece of [work](leg::Work)
//! in a fresh [process](child) of this program, whose CPU time and memory are its own. Legs take turns, round after round,
//! so that a machine that slows down slows all of them down. Some need an empty store of their own; others share one
//! store per backlog, which is filled first and topped up before each, so that the backlog is whole at its end.

mod arguments;
pub mod budget;
pub mod child;
pub mod json;
pub mod leg;
pub mod report;
pub mod shape;
pub mod table;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use self::leg::{CRASH_ENQUEUES, Order, Work};
use self::report::{Leg, Report, What};
use self::shape::Shape;
use crate::disk::{self, Calm, Probe};

/// So many tasks more than a drain is to run are queued: an engine runs on for a moment when the clock has stopped.
const DRAINED_BEYOND_MAX: u64 = 4_000;
/// How often the backlogs take turns in a round where claims are made directly at the store. One turn is short, so that
/// what else the machine does hits all backlogs alike.
const CLAIM_TURNS: u64 = 5;
/// A drain that is slower than this is cut short.
const DRAIN_MAX: Duration = Duration::from_secs(8);
/// Tasks in a call, where many are given at once.
const SLICE: usize = 100;
/// Callers that give many tasks at once: enough that a commit is never short of the next.
const SLICE_CALLERS: usize = 16;

/// What to measure.
#[derive(Debug, Clone)]
pub struct Plan {
    /// What kind of tasks; one block of legs each.
    pub shapes: Vec<Shape>,
    /// Tasks queued behind those that are worked on; one block of legs each.
    pub backlogs: Vec<u64>,
    /// Callers that enqueue one task at a time; 1 to 4096.
    pub callers: usize,
    /// Turns of each leg.
    pub rounds: usize,
    /// How long tasks are enqueued in one leg.
    pub duration: Duration,
    /// Tasks given one by one to an idle engine, per leg.
    pub samples: u64,
    /// Tasks claimed and ended directly at the store, per leg.
    pub claimed: u64,
    /// Tasks that an engine runs of those queued, per leg.
    pub drained: u64,
    /// This program's binary.
    pub bench: PathBuf,
    /// A folder on the disk to measure, for the stores.
    pub dir: PathBuf,
}

/// Measures, telling `progress` of each finished leg.
///
/// # Errors
/// When the engine fails or loses a task, or where there is no `/proc`.
pub fn run(plan: &Plan, progress: impl FnMut(&Leg)) -> Result<Report> {
    ensure!((1..=4096).contains(&plan.callers), "{} callers: give 1 to 4096", plan.callers);
    std::fs::create_dir_all(&plan.dir).with_context(|| format!("create {}", plan.dir.display()))?;
    let report = Report::new(disk::file_system(&plan.dir)?, plan);
    let mut bench = Bench { plan, calm: Calm::default(), report, progress };
    for &shape in &plan.shapes {
        bench.measure(shape)?;
    }
    Ok(bench.report)
}

struct Bench<'a, P> {
    plan: &'a Plan,
    calm: Calm,
    report: Report,
    progress: P,
}

/// A store that several legs work on, one after the other.
struct Backlog {
    queued: u64,
    folder: TempDir,
    /// How many unfinished tasks the latest leg left.
    unfinished: u64,
}

impl<P: FnMut(&Leg)> Bench<'_, P> {
    fn measure(&mut self, shape: Shape) -> Result<()> {
        let mut backlogs = Vec::new();
        for &queued in &self.plan.backlogs {
            let mut backlog = Backlog { queued, folder: self.folder()?, unfinished: 0 };
            if queued > 0 {
                self.on(&mut backlog, What::Filled, shape, Work::Fill { unfinished: queued })?;
            }
            backlogs.push(backlog);
        }
        let Plan { claimed, drained, rounds, .. } = *self.plan;
        for _round in 0..rounds {
            self.measure_empty(shape)?;
            backlogs.iter_mut().try_for_each(|backlog| self.fill(backlog, shape, claimed * CLAIM_TURNS))?;
            for _turn in 0..CLAIM_TURNS {
                for backlog in &mut backlogs {
                    self.on(backlog, What::Claimed, shape, Work::Claim { tasks: claimed })?;
                }
            }
            for backlog in &mut backlogs {
                // Where nothing is to be queued behind, there is nothing that it could run beyond.
                let beyond = if backlog.queued > 0 { DRAINED_BEYOND_MAX } else { 0 };
                self.fill(backlog, shape, drained + beyond)?;
                self.on(backlog, What::Drained, shape, Work::Drain { tasks: drained, within: DRAIN_MAX })?;
            }
            for backlog in &mut backlogs {
                self.reopen(backlog, shape)?;
            }
        }
        backlogs.into_iter().try_for_each(|backlog| disk::remove(backlog.folder))
    }

    /// The legs that begin with an empty store.
    fn measure_empty(&mut self, shape: Shape) -> Result<()> {
        let Plan { callers, duration, samples, .. } = *self.plan;
        for (what, work) in [
            (What::Enqueued, Work::Enqueue { callers, slice: 1, duration }),
            (What::EnqueuedInSlices, Work::Enqueue { callers: SLICE_CALLERS, slice: SLICE, duration }),
            (What::Both, Work::Both { callers, duration }),
            (What::Started, Work::Start { tasks: samples }),
        ] {
            let mut store = Backlog { queued: 0, folder: self.folder()?, unfinished: 0 };
            self.on(&mut store, what, shape, work)?;
            disk::remove(store.folder)?;
        }
        Ok(())
    }

    /// Opens the store after it was closed, and again after its process died in the middle of its work.
    fn reopen(&mut self, backlog: &mut Backlog, shape: Shape) -> Result<()> {
        self.fill(backlog, shape, 0)?;
        self.on(backlog, What::Reopened, shape, Work::Open)?;
        // What it enqueued beyond this was not acknowledged yet, and may or may not be there.
        let crash = Work::Crash { enqueues: CRASH_ENQUEUES };
        self.order(backlog, shape, crash)?;
        self.on(backlog, What::Recovered, shape, Work::Open)
    }

    /// Sees to it that the backlog is still whole when `taken` tasks are gone.
    fn fill(&mut self, backlog: &mut Backlog, shape: Shape, taken: u64) -> Result<()> {
        let unfinished = backlog.queued + taken;
        self.order(backlog, shape, Work::Fill { unfinished }).map(drop)
    }

    /// Runs a leg and notes it.
    fn on(&mut self, backlog: &mut Backlog, what: What, shape: Shape, work: Work) -> Result<()> {
        let disk = self.calm.wait(|| Probe::measure(&self.plan.dir))?;
        let measured = self.order(backlog, shape, work)?;
        let leg = Leg { what, shape, queued: backlog.queued, disk, measured };
        (self.progress)(&leg);
        self.report.legs.push(leg);
        Ok(())
    }

    fn order(&self, backlog: &mut Backlog, shape: Shape, work: Work) -> Result<leg::Measured> {
        let order = Order { work, shape, store: backlog.folder.path().join("tasks.db") };
        let measured = child::run(&self.plan.bench, &order).with_context(|| format!("{work:?}"))?;
        ensure!(
            measured.unfinished_before >= backlog.unfinished,
            "{work:?} found {} unfinished tasks, and the one before left {}: tasks were lost",
            measured.unfinished_before,
            backlog.unfinished
        );
        backlog.unfinished = measured.unfinished_after;
        Ok(measured)
    }

    fn folder(&self) -> Result<TempDir> {
        let dir: &Path = &self.plan.dir;
        tempfile::Builder::new().prefix("tasks-").tempdir_in(dir).context("create the store's folder")
    }
}
