//! Histograms that a store keeps of its commits, read by whoever exports metrics.
//!
//! Plain atomics: recording costs a few nanoseconds and takes no lock. Buckets are fixed and cumulative only when read.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds of commit sizes, in operations.
pub const SIZE_BOUNDS: [f64; 10] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0];
/// Upper bounds of commit times, in seconds.
pub const SECONDS_BOUNDS: [f64; 12] =
    [0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0];

/// How many values fell where.
#[derive(Debug)]
pub struct Histogram {
    bounds: &'static [f64],
    buckets: Vec<AtomicU64>,
    /// The sum in millionths, so that it fits an integer.
    sum_millionths: AtomicU64,
}

/// What a [`Histogram`] held at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// Upper bounds; one more bucket follows for what is larger.
    pub bounds: &'static [f64],
    /// How many values fell into each bucket (not cumulative).
    pub buckets: Vec<u64>,
    /// The sum of all values.
    pub sum: f64,
}

impl Snapshot {
    /// How many values there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }
}

impl Histogram {
    /// An empty histogram.
    #[must_use]
    pub fn new(bounds: &'static [f64]) -> Self {
        let buckets = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self { bounds, buckets, sum_millionths: AtomicU64::new(0) }
    }

    /// Counts one value; negative ones count as 0.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to the range of u64 before")]
    pub fn record(&self, value: f64) {
        let place = self.bounds.iter().position(|bound| value <= *bound).unwrap_or(self.bounds.len());
        self.buckets[place].fetch_add(1, Ordering::Relaxed);
        self.sum_millionths.fetch_add((value.max(0.0) * 1e6) as u64, Ordering::Relaxed);
    }

    /// Reads it.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a metric, not an account")]
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            bounds: self.bounds,
            buckets: self.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed)).collect(),
            sum: self.sum_millionths.load(Ordering::Relaxed) as f64 / 1e6,
        }
    }
}

/// How a store's commits went.
#[derive(Debug)]
pub struct CommitMeasures {
    /// Operations a commit.
    pub size: Histogram,
    /// Seconds from the first operation taken to the commit's end.
    pub seconds: Histogram,
}

impl Default for CommitMeasures {
    fn default() -> Self {
        Self { size: Histogram::new(&SIZE_BOUNDS), seconds: Histogram::new(&SECONDS_BOUNDS) }
    }
}

impl CommitMeasures {
    /// Counts one commit.
    #[expect(clippy::cast_precision_loss, reason = "a commit has fewer operations than 2^52")]
    pub fn record(&self, operations: usize, took: Duration) {
        self.size.record(operations as f64);
        self.seconds.record(took.as_secs_f64());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_fall_into_the_first_bucket_that_holds_them() {
        let histogram = Histogram::new(&[1.0, 10.0]);
        for value in [0.5, 1.0, 1.5, 11.0, -1.0] {
            histogram.record(value);
        }
        let snapshot = histogram.snapshot();
        assert_eq!(snapshot.buckets, [3, 1, 1]);
        assert_eq!(snapshot.count(), 5);
        assert!((snapshot.sum - 14.0).abs() < 1e-6);
    }
}
