//! How often the same thing is logged.
//!
//! Whoever can connect can be refused, as often as they like; a line for each would fill the log, and the disk with it.
//! Nothing is lost: the metrics count every refusal, and the ring of rejections keeps the last.
//!
//! Pure: the time is given.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The time between two lines on the same thing.
const PAUSE: Duration = Duration::from_secs(10);

/// The refusals of one source, by reason.
#[derive(Debug, Default)]
pub(super) struct Refusals(Mutex<BTreeMap<&'static str, Line>>);

/// When something was logged last, and how often it has happened since.
#[derive(Debug)]
struct Line {
    last: Instant,
    untold: u64,
}

impl Refusals {
    /// Notes a refusal. `Some` if it is to be logged, with the number of those before it that were not.
    pub(super) fn note(&self, reason: &'static str, now: Instant) -> Option<u64> {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(line) = lines.get_mut(reason) else {
            lines.insert(reason, Line { last: now, untold: 0 });
            return Some(0);
        };
        if now.saturating_duration_since(line.last) < PAUSE {
            line.untold += 1;
            return None;
        }
        line.last = now;
        Some(std::mem::take(&mut line.untold))
    }
}

/// Whether deliveries can be kept, as far as the last one tells.
#[derive(Debug, Default)]
pub(crate) struct Outage {
    /// Apart from the rest, so that a commit that goes well costs one read.
    lasts: AtomicBool,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// When the beginning of an outage was logged last.
    told: Option<Instant>,
    /// Whether the end of this one is to be logged too.
    tell_end: bool,
    refused: u64,
}

impl Outage {
    /// Notes a delivery that could not be kept; says whether to log it. The first of an outage is, unless outages come
    /// one after the other.
    pub(super) fn refused(&self, now: Instant) -> bool {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.refused += 1;
        let lasted = self.lasts.swap(true, Ordering::Relaxed);
        if lasted || known.told.is_some_and(|told| now.saturating_duration_since(told) < PAUSE) {
            return false;
        }
        known.told = Some(now);
        known.tell_end = true;
        true
    }

    /// Notes a delivery that was kept. `Some` if the end of an outage is to be logged, with the number of deliveries
    /// that were refused.
    pub(super) fn kept(&self) -> Option<u64> {
        if !self.lasts.load(Ordering::Relaxed) {
            return None;
        }
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        self.lasts.store(false, Ordering::Relaxed);
        let tell = std::mem::take(&mut known.tell_end);
        tell.then(|| std::mem::take(&mut known.refused))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_refusal_is_logged_and_then_a_count_at_most_every_ten_seconds() {
        let (refusals, start) = (Refusals::default(), Instant::now());
        assert_eq!(refusals.note("wrong_secret", start), Some(0));
        for _ in 0..1_000 {
            assert_eq!(refusals.note("wrong_secret", start + PAUSE / 2), None);
        }
        assert_eq!(refusals.note("no_signature", start + PAUSE / 2), Some(0), "reasons are counted apart");
        assert_eq!(refusals.note("wrong_secret", start + PAUSE), Some(1_000));
        assert_eq!(refusals.note("wrong_secret", start + PAUSE), None);
        assert_eq!(refusals.note("wrong_secret", start + 2 * PAUSE), Some(1));
    }

    #[test]
    fn outage_is_logged_once_when_it_begins_and_once_when_it_ends() {
        let (outage, start) = (Outage::default(), Instant::now());
        assert_eq!(outage.kept(), None);
        assert!(outage.refused(start));
        assert!(!outage.refused(start + 5 * PAUSE));
        assert_eq!(outage.kept(), Some(2));
        assert_eq!(outage.kept(), None);
    }

    #[test]
    fn outages_one_after_the_other_are_logged_at_most_every_ten_seconds() {
        let (outage, start) = (Outage::default(), Instant::now());
        assert!(outage.refused(start));
        assert_eq!(outage.kept(), Some(1));
        assert!(!outage.refused(start + PAUSE / 2));
        assert_eq!(outage.kept(), None);
        assert!(outage.refused(start + PAUSE));
        assert_eq!(outage.kept(), Some(2));
    }
}
