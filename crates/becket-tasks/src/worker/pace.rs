//! How far ahead of free slots to claim.
//!
//! A claim costs a turn of the store, so quick tasks want to be claimed many at a time. A task that is claimed and waits
//! here, though, waits behind whatever runs here, out of reach of other workers and of more urgent tasks. So as many
//! are claimed ahead as will start within a short horizon at the present pace, and none when handlers are slow.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Within which time everything that was claimed ahead should have started.
const HORIZON: Duration = Duration::from_millis(10);
/// How much one attempt moves the mean: one part in this many.
const WEIGHT: u64 = 16;

/// A moving mean of how long attempts take; 0 while nothing is known.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    mean_nanos: AtomicU64,
}

impl Pace {
    /// Takes in how long one attempt took. A lost update between two threads does not matter.
    pub(crate) fn record(&self, took: Duration) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX).max(1);
        let mean = match self.mean_nanos.load(Ordering::Relaxed) {
            0 => nanos,
            mean => mean - mean / WEIGHT + nanos / WEIGHT,
        };
        self.mean_nanos.store(mean.max(1), Ordering::Relaxed);
    }

    /// How long attempts take, on a moving average; `None` while nothing is known.
    pub(crate) fn mean(&self) -> Option<Duration> {
        let nanos = self.mean_nanos.load(Ordering::Relaxed);
        (nanos > 0).then(|| Duration::from_nanos(nanos))
    }

    /// How many tasks to claim ahead: none while nothing is known, never more than `bound`.
    pub(crate) fn ahead(&self, concurrency: usize, bound: usize) -> usize {
        let mean = u128::from(self.mean_nanos.load(Ordering::Relaxed));
        let within_horizon = (concurrency as u128 * HORIZON.as_nanos()).checked_div(mean).unwrap_or(0);
        usize::try_from(within_horizon).unwrap_or(usize::MAX).min(bound)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_claimed_ahead_before_the_pace_is_known_or_when_it_is_slow() {
        let pace = Pace::default();
        assert_eq!(pace.ahead(16, 256), 0);
        pace.record(Duration::from_secs(2));
        assert_eq!(pace.ahead(16, 256), 0);
    }

    #[test]
    fn quick_handlers_are_claimed_ahead_up_to_the_bound() {
        let pace = Pace::default();
        pace.record(Duration::from_millis(1));
        assert_eq!(pace.ahead(16, 256), 160);
        assert_eq!(pace.ahead(16, 100), 100);
        assert_eq!(pace.ahead(16, 0), 0);
    }

    #[test]
    fn pace_follows_a_change_and_never_overflows() {
        let pace = Pace::default();
        pace.record(Duration::ZERO);
        pace.record(Duration::MAX);
        assert_eq!(pace.ahead(16, 256), 0);
        for _ in 0..1_000 {
            pace.record(Duration::from_micros(5));
        }
        assert_eq!(pace.ahead(16, 256), 256);
    }
}
