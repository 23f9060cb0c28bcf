//! How many starts a rate still allows, decided in one place so that no two stores differ.
//!
//! Exact: the times of the latest starts are kept, so that no period of the given length ever holds more than allowed,
//! wherever it begins. Pure: time comes in as an argument.

use std::collections::VecDeque;

use crate::order::Rate;
use crate::time::Timestamp;

/// The latest starts of one kind, or of one key of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Starts(VecDeque<Timestamp>);

impl Starts {
    /// Starts that were kept elsewhere, in the order of their times.
    #[must_use]
    pub fn new(times: impl IntoIterator<Item = Timestamp>) -> Self {
        Self(times.into_iter().collect())
    }

    /// When `rate` allows the next start: a time that is not after `now` means at once.
    #[must_use]
    pub fn allowed_at(&self, rate: Rate, now: Timestamp) -> Timestamp {
        let Some(place) = self.0.len().checked_sub(rate.starts()) else { return now };
        // A start in the future was made before somebody set the clock back: it counts as one made now.
        self.0.get(place).map_or(now, |start| (*start).min(now).after(rate.period()))
    }

    /// Notes a start at `now`, and forgets those that can no longer matter.
    pub fn note(&mut self, rate: Rate, now: Timestamp) {
        for start in &mut self.0 {
            *start = (*start).min(now);
        }
        self.0.push_back(now);
        while self.0.len() > rate.starts() {
            self.0.pop_front();
        }
    }

    /// Whether all starts are so long ago that nothing is lost by forgetting them.
    #[must_use]
    pub fn are_over(&self, rate: Rate, now: Timestamp) -> bool {
        self.0.back().is_none_or(|latest| *latest <= now && latest.after(rate.period()) <= now)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    const RATE: Rate = Rate { starts: 3, period: Duration::from_millis(100) };

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn so_many_start_at_once_and_the_next_when_the_first_is_a_period_ago() {
        let mut starts = Starts::default();
        for now in [0, 10, 20] {
            assert_eq!(starts.allowed_at(RATE, at(now)), at(now));
            starts.note(RATE, at(now));
        }
        assert_eq!(starts.allowed_at(RATE, at(30)), at(100));
        assert!(!starts.are_over(RATE, at(119)) && starts.are_over(RATE, at(120)));
    }

    #[test]
    fn clock_that_was_set_back_delays_no_longer_than_a_period() {
        let mut starts = Starts::new([at(9_000), at(9_000), at(9_000)]);
        assert_eq!(starts.allowed_at(RATE, at(50)), at(150));
        starts.note(RATE, at(50));
        assert_eq!(starts.0, [at(50), at(50), at(50)]);
    }

    proptest! {
        #[test]
        fn no_period_holds_more_than_allowed(steps in prop::collection::vec(0..60_i64, 1..200)) {
            let (mut starts, mut now, mut made) = (Starts::default(), 0, Vec::new());
            for step in steps {
                now += step;
                if starts.allowed_at(RATE, at(now)) <= at(now) {
                    starts.note(RATE, at(now));
                    made.push(now);
                }
            }
            for begin in &made {
                let within = made.iter().filter(|start| (*begin..begin + 100).contains(*start)).count();
                prop_assert!(within <= 3);
            }
        }
    }
}
