//! When those come back that were not let in: one after the other, as far apart as the target takes them.
//!
//! Nobody has a place of his own: whoever comes back asks again. But if all came back at once, most would only be sent
//! away again. Pure: the time is an argument.

use std::time::Duration;

use becket_tasks::Timestamp;

/// The shortest wait: coming back costs a commit.
const WAIT_MIN: Duration = Duration::from_millis(100);
/// The longest behind the first turn that makes sense: who waits longer might miss that the others are gone.
const WAIT_MAX: Duration = Duration::from_secs(60);
/// How much the latest duration counts in the usual one.
const LATEST: f64 = 0.2;

#[derive(Debug, Default)]
pub(super) struct Turns {
    /// The latest turn that was given.
    last: Option<Timestamp>,
    usual: Option<Duration>,
}

impl Turns {
    /// How long to wait: until `from`, or as far behind the latest turn as `apart` says.
    pub(super) fn next(&mut self, now: Timestamp, from: Timestamp, apart: Duration) -> Duration {
        let wait_max = WAIT_MAX.saturating_add(from.since(now));
        let turn = self.last.map_or(from, |last| last.after(apart).max(from));
        let turn = turn.min(now.after(wait_max));
        self.last = Some(turn);
        turn.since(now).max(WAIT_MIN)
    }

    /// Notes how long an attempt took.
    pub(super) fn took(&mut self, took: Duration) {
        self.usual = Some(self.usual.map_or(took, |usual| usual.mul_f64(1.0 - LATEST) + took.mul_f64(LATEST)));
    }

    /// How long attempts take.
    pub(super) fn usual(&self) -> Duration {
        self.usual.unwrap_or(WAIT_MIN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn turns_are_apart_and_never_too_soon_or_too_late() {
        let mut turns = Turns::default();
        let waits: Vec<u128> = (0..3).map(|_| turns.next(at(0), at(0), SECOND).as_millis()).collect();
        assert_eq!(waits, [100, 1_000, 2_000]);
        let waits: Vec<Duration> = (0..100).map(|_| turns.next(at(0), at(0), SECOND)).collect();
        assert_eq!(waits[99], WAIT_MAX);
    }

    #[test]
    fn turns_that_are_over_hold_nobody_up() {
        let mut turns = Turns::default();
        for _ in 0..10 {
            turns.next(at(0), at(0), SECOND);
        }
        assert_eq!(turns.next(at(60_000), at(60_000), SECOND), WAIT_MIN);
    }

    #[test]
    fn nobody_comes_back_before_it_makes_sense() {
        let mut turns = Turns::default();
        assert_eq!(turns.next(at(0), at(600_000), SECOND), 600 * SECOND);
    }

    #[test]
    fn usual_duration_follows_the_latest() {
        let mut turns = Turns::default();
        turns.took(SECOND);
        turns.took(6 * SECOND);
        assert_eq!(turns.usual(), 2 * SECOND);
    }
}
