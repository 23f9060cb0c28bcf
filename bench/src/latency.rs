//! Latencies in a fixed amount of memory: a histogram whose buckets grow with the value.
//!
//! Every power of two is cut into 128 equal buckets, so a percentile is off by less than 0.4 % however long the run is.
//! Each connection of the [generator](crate::load) fills its own and they are merged at the end; nothing is shared
//! while the clock runs.

use std::time::Duration;

const SUB_BITS: u32 = 7;
const SUB_BUCKETS: usize = 1 << SUB_BITS;
/// Values above 2^36 ns (69 s) are counted as this: no request may take so long, see [`crate::load`].
const NANOS_MAX: u64 = (1 << 36) - 1;
const BUCKETS: usize = (36 - SUB_BITS as usize + 1) * SUB_BUCKETS;

/// How often each latency was seen.
#[derive(Debug, Clone)]
pub struct Histogram {
    counts: Vec<u32>,
    total: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: vec![0; BUCKETS], total: 0 }
    }
}

impl Histogram {
    /// Counts one value.
    pub fn record(&mut self, value: Duration) {
        let nanos = u64::try_from(value.as_nanos()).unwrap_or(NANOS_MAX).min(NANOS_MAX);
        let count = &mut self.counts[bucket_of(nanos)];
        *count = count.saturating_add(1);
        self.total += 1;
    }

    /// Adds all values of `other`.
    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
            *mine = mine.saturating_add(*theirs);
        }
        self.total += other.total;
    }

    /// How many values were recorded.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The smallest value that at least the share `quantile` (0 to 1) of all values does not exceed.
    ///
    /// Zero when nothing was recorded.
    #[must_use]
    pub fn percentile(&self, quantile: f64) -> Duration {
        let rank = ((self.total as f64 * quantile).ceil() as u64).max(1);
        let mut seen = 0;
        for (bucket, &count) in self.counts.iter().enumerate() {
            seen += u64::from(count);
            if seen >= rank {
                return Duration::from_nanos(middle_of(bucket));
            }
        }
        Duration::ZERO
    }
}

/// Below 128 ns one bucket a nanosecond; above, the position of the highest bit picks the row and the next seven bits
/// the bucket in it.
fn bucket_of(nanos: u64) -> usize {
    if nanos < SUB_BUCKETS as u64 {
        return nanos as usize;
    }
    let row = nanos.ilog2() - SUB_BITS;
    let within = (nanos >> row) as usize - SUB_BUCKETS;
    (row as usize + 1) * SUB_BUCKETS + within
}

fn middle_of(bucket: usize) -> u64 {
    if bucket < SUB_BUCKETS {
        return bucket as u64;
    }
    let row = bucket / SUB_BUCKETS - 1;
    let within = (bucket % SUB_BUCKETS + SUB_BUCKETS) as u64;
    let lowest = within << row;
    lowest + (1 << row) / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(micros: impl IntoIterator<Item = u64>) -> Histogram {
        let mut histogram = Histogram::default();
        for value in micros {
            histogram.record(Duration::from_micros(value));
        }
        histogram
    }

    fn assert_close(measured: Duration, micros: f64) {
        let off = (measured.as_nanos() as f64 / 1e3 - micros).abs() / micros;
        assert!(off < 0.004, "{measured:?} is {:.2} % away from {micros} µs", off * 100.0);
    }

    #[test]
    fn percentiles_are_within_four_per_mille() {
        let histogram = of(1..=100_000);
        assert_close(histogram.percentile(0.5), 50_000.0);
        assert_close(histogram.percentile(0.99), 99_000.0);
        assert_close(histogram.percentile(0.999), 99_900.0);
        assert_close(histogram.percentile(1.0), 100_000.0);
    }

    #[test]
    fn one_slow_request_in_a_thousand_shows_above_p999_only() {
        let histogram = of((0..999).map(|_| 100).chain([1_000_000]));
        assert_close(histogram.percentile(0.99), 100.0);
        assert_close(histogram.percentile(0.999), 100.0);
        assert_close(histogram.percentile(0.9995), 1_000_000.0);
    }

    #[test]
    fn merging_is_the_same_as_recording_in_one() {
        let mut merged = of([10, 20, 30]);
        merged.merge(&of([40, 50_000]));
        let one = of([10, 20, 30, 40, 50_000]);
        assert_eq!(merged.counts, one.counts);
        assert_eq!(merged.total(), 5);
    }

    #[test]
    fn buckets_cover_every_value_in_order_without_gaps() {
        let mut last = 0;
        for nanos in (0..4096).chain((12..36).flat_map(|bit| [(1 << bit) - 1, 1 << bit, (1 << bit) + 1])) {
            let bucket = bucket_of(nanos);
            assert!(bucket == last || bucket == last + 1 || nanos > 4096, "gap at {nanos}");
            assert!(bucket >= last, "order breaks at {nanos}");
            last = bucket;
        }
        assert_eq!(bucket_of(NANOS_MAX), BUCKETS - 1);
    }

    #[test]
    fn an_empty_histogram_says_zero() {
        assert_eq!(Histogram::default().percentile(0.99), Duration::ZERO);
    }
}
