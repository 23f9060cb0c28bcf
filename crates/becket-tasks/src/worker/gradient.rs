//! How many attempts should run at once: the decision, from one window to the next.
//!
//! It is Gradient2 of Netflix' concurrency-limits, with a ceiling of processor time and a way out of silence. Handlers that
//! wait for others take no longer when more of them run, so the pool grows while its places are all taken. Once more of
//! them make each take longer, the gradient (what an attempt used to take, divided by what it takes now) pulls it
//! back. Four things differ, and `docs/adr/0008-adaptive-pool.md` says why:
//!
//! - Each kind of task is compared with itself, so that a change of the mix is not taken for a change of the load.
//! - A process that keeps its processors busy does not grow, and shrinks while it has no time left, though not below one
//!   attempt a processor: handlers that compute gain nothing from company, and ingest needs the time.
//! - What attempts take in the long run is learnt slowly while the pool is full, lest the pool takes for normal what it has
//!   caused itself.
//! - A pool that is idle shrinks by and by, and one whose attempts do not end grows slowly.
//!
//! Pure: windows come in, sizes go out. No clock, no dice, no semaphore.
//!
//! Source: <https://github.com/Netflix/concurrency-limits>, `Gradient2Limit`.

use std::collections::HashMap;
use std::sync::Arc;

/// How much longer attempts may take than they used to before the pool shrinks for it.
const TOLERANCE: f64 = 1.5;
/// The steepest gradient: however slow attempts have become, a window asks for half at the least.
const GRADIENT_MIN: f64 = 0.5;
/// How much of what a window asks for is done.
const SMOOTHING: f64 = 0.2;
/// Over how many windows the long mean reaches back.
const LONG_WINDOWS: f64 = 600.0;
/// The same for a rise while all places are taken.
const LONG_WINDOWS_FULL: f64 = 6_000.0;
/// So many first windows are averaged evenly.
const WARM_UP_WINDOWS: u32 = 10;
/// When the long mean is more than this many times the present one, it follows faster.
const LONG_TOO_LONG: f64 = 2.0;
/// How much faster.
const LONG_DECAY: f64 = 0.95;
/// From this share of the processors on, the pool shrinks.
const CPU_FULL: f64 = 0.9;
/// Up to this share it may grow. Between the two it stays, so that it does not swing.
const CPU_ROOM: f64 = 0.75;
/// What a window of full processors leaves of the pool.
const CPU_SHRINK: f64 = 0.95;
/// Which part of the way to its use an idle pool goes in one window.
const IDLE_SHRINK: f64 = 0.02;
/// After so many windows without an end, though all places are taken, one place is added.
const SILENT_WINDOWS: u32 = 4;

/// What happened in one window.
#[derive(Clone, Debug, Default)]
pub(crate) struct Window {
    /// Of attempts that completed or ran out of time, by kind. How long a failure took says nothing of the load.
    pub(crate) took: HashMap<Arc<str>, Took>,
    /// How many attempts ended, however they did.
    pub(crate) ended: u64,
    /// How many places were taken at once at the most.
    pub(crate) taken_max: usize,
    /// Which share of its processors the process was busy, 0 to 1; `None` where that is not known.
    pub(crate) cpu: Option<f64>,
}

/// How long attempts of one kind took.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Took {
    pub(crate) attempts: u64,
    pub(crate) seconds: f64,
}

/// The size of a pool, and what it was made of.
#[derive(Debug)]
pub(crate) struct Gradient {
    min: f64,
    max: f64,
    /// As few as this is never too much for the processors.
    processors: f64,
    size: f64,
    /// Bounded: there are as many as there are kinds with a handler.
    long: HashMap<Arc<str>, LongMean>,
    silent_windows: u32,
}

/// What attempts of one kind take in the long run, in seconds.
#[derive(Clone, Copy, Debug, Default)]
struct LongMean {
    seconds: f64,
    windows: u32,
}

impl Gradient {
    /// A pool that starts with `min` places and never leaves `min ..= max`; `processors` is how many it runs on.
    pub(crate) fn new(min: usize, max: usize, processors: usize) -> Self {
        let (min, max) = (min.max(1) as f64, max.max(min).max(1) as f64);
        Self { min, max, processors: processors.max(1) as f64, size: min, long: HashMap::new(), silent_windows: 0 }
    }

    /// The size for the next window.
    pub(crate) fn next(&mut self, window: &Window) -> usize {
        let all_taken = window.taken_max >= rounded(self.size);
        let gradient = self.gradient(&window.took, all_taken);
        let silent = self.is_silent(all_taken, window.ended);
        let cpu = window.cpu.unwrap_or(0.0);
        let mostly_free = window.taken_max as f64 <= self.size / 2.0;

        self.size = if cpu >= CPU_FULL {
            (self.size * CPU_SHRINK).max(self.size.min(self.processors))
        } else if mostly_free {
            let used = window.taken_max as f64 * 2.0;
            self.size - (self.size - used.clamp(self.min, self.size)) * IDLE_SHRINK
        } else if !all_taken {
            self.size
        } else if silent {
            if cpu <= CPU_ROOM { self.size + 1.0 } else { self.size }
        } else {
            self.follow(gradient, cpu)
        };
        self.size = self.size.clamp(self.min, self.max);
        rounded(self.size)
    }

    /// Gradient2's step: towards `size × gradient`, and a little beyond, to find out whether there is room.
    fn follow(&self, gradient: Option<f64>, cpu: f64) -> f64 {
        // All that ended failed: nothing was learnt.
        let Some(gradient) = gradient else { return self.size };
        let queue = if cpu <= CPU_ROOM { self.size.sqrt() } else { 0.0 };
        let wanted = self.size * gradient + queue;
        self.size * (1.0 - SMOOTHING) + wanted * SMOOTHING
    }

    /// What attempts used to take, divided by what they take now, allowing for [`TOLERANCE`]; `None` when none ended.
    fn gradient(&mut self, took: &HashMap<Arc<str>, Took>, all_taken: bool) -> Option<f64> {
        let (mut expected, mut seconds) = (0.0, 0.0);
        for (kind, took) in took.iter().filter(|(_, took)| took.attempts > 0) {
            let short = (took.seconds / took.attempts as f64).max(f64::MIN_POSITIVE);
            let long = self.long.entry(Arc::clone(kind)).or_default();
            expected += long.follow(short, all_taken) * took.attempts as f64;
            seconds += took.seconds;
        }
        let attempts = took.values().any(|took| took.attempts > 0);
        let gradient = TOLERANCE * expected / seconds.max(f64::MIN_POSITIVE);
        attempts.then(|| gradient.clamp(GRADIENT_MIN, 1.0))
    }

    /// Whether attempts have not ended for long, though all places are taken: they are too slow to learn from.
    fn is_silent(&mut self, all_taken: bool, ended: u64) -> bool {
        self.silent_windows = if all_taken && ended == 0 { self.silent_windows + 1 } else { 0 };
        let is_silent = self.silent_windows >= SILENT_WINDOWS;
        if is_silent {
            self.silent_windows = 0;
        }
        is_silent
    }
}

impl LongMean {
    /// Takes in a window's mean, and answers the long one.
    fn follow(&mut self, short: f64, all_taken: bool) -> f64 {
        self.windows = self.windows.saturating_add(1);
        let weight = if self.windows <= WARM_UP_WINDOWS {
            1.0 / f64::from(self.windows)
        } else if all_taken && short > self.seconds {
            2.0 / (LONG_WINDOWS_FULL + 1.0)
        } else {
            2.0 / (LONG_WINDOWS + 1.0)
        };
        self.seconds += (short - self.seconds) * weight;
        if self.seconds > short * LONG_TOO_LONG {
            self.seconds *= LONG_DECAY;
        }
        self.seconds
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within the range of the pool")]
fn rounded(size: f64) -> usize {
    size.round() as usize
}

#[cfg(test)]
#[path = "gradient_tests.rs"]
mod tests;
