//! The world of one seed: its dice, its time, its trace, and the ledger in which every commit is entered.
//!
//! Everybody in it shares one runtime of one thread with paused time, so nothing happens at the same time, and the dice
//! fall in the same order each time. Knows neither who works nor what can fail.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use becket_tasks::order::Rules;
use becket_tasks::{Clock, Timestamp};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::ledger::{At, Check, Ledger};

/// 2026-01-01T00:00:00Z: when each world begins.
const BIRTH: Timestamp = Timestamp::from_millis(1_767_225_600_000);
/// How many of the latest events are told when something is wrong.
const TOLD: usize = 50;

/// What all share.
#[derive(Debug)]
pub(crate) struct World {
    seed: u64,
    pub(crate) clock: Clock,
    state: Mutex<State>,
    /// From then on nothing fails and nobody crashes, so that everything can end.
    is_calm: AtomicBool,
    /// Parked claims look again.
    pub(crate) changed: Notify,
    /// Something is wrong.
    failed: Notify,
}

#[derive(Debug)]
struct State {
    dice: fastrand::Rng,
    ledger: Ledger,
    begun: Instant,
    /// To when the clock at the store's edge was moved.
    synced: Instant,
    /// Until when the store cannot be reached.
    outage: Instant,
    trace: Vec<String>,
    failure: Option<String>,
}

impl World {
    pub(crate) fn new(seed: u64, rules: impl FnOnce(&mut fastrand::Rng) -> std::sync::Arc<Rules>) -> Self {
        let now = Instant::now();
        let mut dice = fastrand::Rng::with_seed(seed);
        let ledger = Ledger::new(rules(&mut dice));
        let state = State { dice, ledger, begun: now, synced: now, outage: now, trace: Vec::new(), failure: None };
        Self {
            seed,
            clock: Clock::manual(BIRTH),
            state: Mutex::new(state),
            is_calm: AtomicBool::new(false),
            changed: Notify::new(),
            failed: Notify::new(),
        }
    }

    /// Whether it happens, of a hundred times so many.
    pub(crate) fn chance(&self, percent: u32) -> bool {
        self.lock().dice.u32(..100) < percent
    }

    /// As [`chance`](Self::chance), and never once the world is calm.
    pub(crate) fn trouble(&self, percent: u32) -> bool {
        self.chance(percent) && !self.is_calm()
    }

    /// A number below `end`, which is not 0.
    pub(crate) fn below(&self, end: usize) -> usize {
        self.lock().dice.usize(..end)
    }

    /// One of them; there is at least one.
    pub(crate) fn pick<T: Copy>(&self, among: &[T]) -> T {
        among[self.below(among.len())]
    }

    /// A duration of up to so many milliseconds.
    pub(crate) fn millis(&self, max: u64) -> Duration {
        Duration::from_millis(self.lock().dice.u64(..=max))
    }

    pub(crate) async fn pause(&self, max: u64) {
        let pause = self.millis(max);
        tokio::time::sleep(pause).await;
    }

    pub(crate) fn is_calm(&self) -> bool {
        self.is_calm.load(Ordering::SeqCst)
    }

    pub(crate) fn calm(&self) {
        self.is_calm.store(true, Ordering::SeqCst);
        self.note("nothing fails from here on");
    }

    pub(crate) fn set_outage(&self, lasts: Duration) {
        self.lock().outage = Instant::now() + lasts;
    }

    pub(crate) fn is_out(&self) -> bool {
        Instant::now() < self.lock().outage && !self.is_calm()
    }

    /// Moves the clock at the store's edge to the runtime's time, and answers what it shows.
    pub(crate) fn sync(&self) -> At {
        let passed = {
            let mut state = self.lock();
            let now = Instant::now();
            let passed = now - state.synced;
            state.synced = now;
            passed
        };
        if !passed.is_zero() {
            self.clock.advance(passed);
        }
        At { now: self.clock.now(), elapsed: self.clock.elapsed() }
    }

    /// Writes a line of the trace.
    pub(crate) fn note(&self, line: impl std::fmt::Display) {
        let mut state = self.lock();
        let since = state.begun.elapsed();
        let number = state.trace.len();
        state.trace.push(format!("{number:>5} {:>8} ms  {line}", since.as_millis()));
    }

    /// Looks into the ledger.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&Ledger) -> T) -> T {
        look(&self.lock().ledger)
    }

    /// Enters something in the ledger, or asks it; what is wrong first ends the world.
    pub(crate) fn enter(&self, check: impl FnOnce(&mut Ledger) -> Check) {
        let mut state = self.lock();
        if state.failure.is_none()
            && let Err(wrong) = check(&mut state.ledger)
        {
            let (step, told) = (state.trace.len(), state.trace.len().saturating_sub(TOLD));
            let trace = state.trace[told..].join("\n");
            state.failure = Some(format!("{trace}\n\nseed {}, step {step}: {wrong}", self.seed));
            self.failed.notify_one();
        }
    }

    /// Waits until something is wrong.
    pub(crate) async fn fails(&self) {
        self.failed.notified().await;
    }

    /// All that happened, and what was wrong with it.
    pub(crate) fn end(&self) -> (Vec<String>, Option<String>) {
        let mut state = self.lock();
        (std::mem::take(&mut state.trace), state.failure.take())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
