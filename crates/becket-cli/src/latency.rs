//! How long answers took: all of them, kept and sorted, since a command makes thousands at the most.

use std::time::Duration;

/// Durations, and what they come to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Latencies(Vec<Duration>);

impl Latencies {
    /// Adds one.
    pub(crate) fn add(&mut self, took: Duration) {
        self.0.push(took);
    }

    /// The smallest one that at least this share (0 to 1) of all do not exceed; `None` without any.
    pub(crate) fn percentile(&self, share: f64) -> Option<Duration> {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and the length")]
        let place = (share.clamp(0.0, 1.0) * sorted.len() as f64).ceil() as usize;
        sorted.get(place.saturating_sub(1)).copied()
    }

    /// The same in milliseconds, to a hundredth; 0 without any.
    pub(crate) fn percentile_ms(&self, share: f64) -> f64 {
        let ms = self.percentile(share).unwrap_or_default().as_secs_f64() * 1e3;
        (ms * 100.0).round() / 100.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentile_is_one_of_those_measured() {
        let mut latencies = Latencies::default();
        assert_eq!(latencies.percentile(0.5), None);
        for ms in (1..=100).rev() {
            latencies.add(Duration::from_millis(ms));
        }
        assert_eq!(latencies.percentile(0.5), Some(Duration::from_millis(50)));
        assert_eq!(latencies.percentile(0.99), Some(Duration::from_millis(99)));
        assert_eq!(latencies.percentile(1.0), Some(Duration::from_millis(100)));
        assert_eq!(latencies.percentile_ms(0.0), 1.0);
    }
}
