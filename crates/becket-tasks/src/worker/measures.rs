//! What an engine measures of itself. Plain atomics, read by whoever exports metrics.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::measure::Histogram;
use crate::task::Outcome;

/// Upper bounds of waiting and processing times, in seconds.
const SECONDS_BOUNDS: [f64; 16] =
    [0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0];

/// What happened in one engine since it started.
#[derive(Debug)]
pub struct EngineMeasures {
    /// Seconds from the start of an attempt to its end.
    pub processing: Histogram,
    /// Seconds from when a task was due to when it was claimed.
    pub waiting: Histogram,
    attempts: [AtomicU64; OUTCOMES.len()],
    retries: AtomicU64,
    panics: AtomicU64,
    timeouts: AtomicU64,
    running: AtomicU64,
    ready: AtomicU64,
}

const OUTCOMES: [Outcome; 6] =
    [Outcome::Completed, Outcome::Failed, Outcome::Parked, Outcome::Released, Outcome::Lost, Outcome::Cancelled];

impl Default for EngineMeasures {
    fn default() -> Self {
        Self {
            processing: Histogram::new(&SECONDS_BOUNDS),
            waiting: Histogram::new(&SECONDS_BOUNDS),
            attempts: Default::default(),
            retries: AtomicU64::new(0),
            panics: AtomicU64::new(0),
            timeouts: AtomicU64::new(0),
            running: AtomicU64::new(0),
            ready: AtomicU64::new(0),
        }
    }
}

impl EngineMeasures {
    /// How many attempts ended so, once the store has committed it. An attempt that no longer held its task counts as
    /// [`Outcome::Lost`], whether it was reclaimed or cancelled.
    #[must_use]
    pub fn attempts(&self, outcome: Outcome) -> u64 {
        self.of(outcome).load(Ordering::Relaxed)
    }

    /// How many failed attempts are followed by another.
    #[must_use]
    pub fn retries(&self) -> u64 {
        self.retries.load(Ordering::Relaxed)
    }

    /// How many attempts panicked.
    #[must_use]
    pub fn panics(&self) -> u64 {
        self.panics.load(Ordering::Relaxed)
    }

    /// How many attempts ran out of time.
    #[must_use]
    pub fn timeouts(&self) -> u64 {
        self.timeouts.load(Ordering::Relaxed)
    }

    /// How many handlers run now.
    #[must_use]
    pub fn running(&self) -> u64 {
        self.running.load(Ordering::Relaxed)
    }

    /// How many tasks are claimed now and have not begun.
    #[must_use]
    pub fn ready(&self) -> u64 {
        self.ready.load(Ordering::Relaxed)
    }

    pub(crate) fn attempt_ended(&self, outcome: Outcome) {
        self.of(outcome).fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn retried(&self) {
        self.retries.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn panicked(&self) {
        self.panics.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn timed_out(&self) {
        self.timeouts.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn set_ready(&self, ready: usize) {
        self.ready.store(ready as u64, Ordering::Relaxed);
    }

    /// Counts a handler as running until the guard is dropped.
    pub(crate) fn runs(&self) -> RunningGuard<'_> {
        self.running.fetch_add(1, Ordering::Relaxed);
        RunningGuard(self)
    }

    /// How many attempts ended by their own doing.
    pub(crate) fn ended_by_themselves(&self) -> u64 {
        [Outcome::Completed, Outcome::Failed, Outcome::Parked].map(|outcome| self.attempts(outcome)).iter().sum()
    }

    fn of(&self, outcome: Outcome) -> &AtomicU64 {
        let place = OUTCOMES.iter().position(|one| *one == outcome).unwrap_or_default();
        &self.attempts[place]
    }
}

pub(crate) struct RunningGuard<'a>(&'a EngineMeasures);

impl Drop for RunningGuard<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::Relaxed);
    }
}
