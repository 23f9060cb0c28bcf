//! A circuit breaker: after failures in a row nobody is let in for a while, then one, on trial.
//!
//! Pure: the time is an argument.
//!
//! Source: <https://martinfowler.com/bliki/CircuitBreaker.html>

use becket_tasks::Timestamp;

use crate::config::targets;

/// How long those wait who come while one is on trial.
const TRIAL_PAUSE: std::time::Duration = std::time::Duration::from_secs(1);

/// Whether a target is left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerState {
    /// Attempts are let in.
    Closed,
    /// None is, until then.
    Open {
        /// When one is tried.
        until: Timestamp,
    },
    /// One is let in, and decides.
    HalfOpen,
}

impl BreakerState {
    /// The word used in the API and in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open { .. } => "open",
            Self::HalfOpen => "half_open",
        }
    }
}

/// Whether an attempt may begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    Closed,
    Trial,
    Refused(Timestamp),
}

#[derive(Debug)]
pub(super) struct Breaker {
    rule: targets::Breaker,
    failures: u32,
    /// Set while it is not closed.
    until: Option<Timestamp>,
    on_trial: bool,
}

impl Breaker {
    pub(super) fn new(rule: targets::Breaker) -> Self {
        Self { rule, failures: 0, until: None, on_trial: false }
    }

    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    pub(super) fn state(&self, now: Timestamp) -> BreakerState {
        match self.until {
            None => BreakerState::Closed,
            Some(until) if now < self.sane(until, now) => BreakerState::Open { until },
            Some(_) => BreakerState::HalfOpen,
        }
    }

    /// A clock that was set back does not make the pause longer.
    fn sane(&self, until: Timestamp, now: Timestamp) -> Timestamp {
        until.min(now.after(self.rule.pause))
    }

    pub(super) fn enter(&mut self, now: Timestamp) -> Entry {
        match self.state(now) {
            BreakerState::Closed => Entry::Closed,
            BreakerState::Open { until } => Entry::Refused(self.sane(until, now)),
            BreakerState::HalfOpen if self.on_trial => Entry::Refused(now.after(TRIAL_PAUSE)),
            BreakerState::HalfOpen => {
                self.on_trial = true;
                Entry::Trial
            }
        }
    }

    /// An attempt has ended; `None` when nobody knows how.
    pub(super) fn ended(&mut self, is_well: Option<bool>, was_trial: bool, now: Timestamp) {
        if was_trial {
            self.on_trial = false;
        }
        match is_well {
            Some(true) => self.reset(),
            Some(false) => {
                self.failures = self.failures.saturating_add(1);
                // What began before it opened, and fails now, does not make the pause longer.
                if self.failures >= self.rule.failures && (self.until.is_none() || was_trial) {
                    self.until = Some(now.after(self.rule.pause));
                }
            }
            None => {}
        }
    }

    pub(super) fn reset(&mut self) {
        (self.failures, self.until, self.on_trial) = (0, None, false);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1_000)
    }

    fn open() -> Breaker {
        let mut breaker = Breaker::new(targets::Breaker::new(3, Duration::from_secs(30)));
        for second in 0..3 {
            assert_eq!(breaker.enter(at(second)), Entry::Closed);
            breaker.ended(Some(false), false, at(second));
        }
        breaker
    }

    #[test]
    fn only_failures_in_a_row_open_it() {
        let mut breaker = Breaker::new(targets::Breaker::new(2, Duration::from_secs(30)));
        for well in [false, true, false, true] {
            breaker.ended(Some(well), false, at(0));
        }
        breaker.ended(None, false, at(0));
        assert_eq!(breaker.state(at(0)), BreakerState::Closed);
        assert_eq!(open().state(at(3)), BreakerState::Open { until: at(32) });
    }

    #[test]
    fn after_the_pause_one_is_let_in_and_decides() {
        let mut breaker = open();
        assert_eq!(breaker.enter(at(31)), Entry::Refused(at(32)));
        assert_eq!(breaker.enter(at(32)), Entry::Trial);
        assert_eq!(breaker.enter(at(32)), Entry::Refused(at(33)), "one at a time");
        breaker.ended(Some(false), true, at(40));
        assert_eq!(breaker.enter(at(41)), Entry::Refused(at(70)));
        assert_eq!(breaker.enter(at(70)), Entry::Trial);
        breaker.ended(Some(true), true, at(71));
        assert_eq!((breaker.enter(at(71)), breaker.failures()), (Entry::Closed, 0));
    }

    #[test]
    fn trial_of_which_nobody_knows_the_end_is_followed_by_another() {
        let mut breaker = open();
        assert_eq!(breaker.enter(at(40)), Entry::Trial);
        breaker.ended(None, true, at(41));
        assert_eq!(breaker.enter(at(41)), Entry::Trial);
    }

    #[test]
    fn late_failure_of_an_attempt_from_before_does_not_prolong_the_pause() {
        let mut breaker = open();
        breaker.ended(Some(false), false, at(20));
        assert_eq!(breaker.state(at(20)), BreakerState::Open { until: at(32) });
    }

    #[test]
    fn clock_that_is_set_back_does_not_prolong_the_pause() {
        let mut breaker = Breaker::new(targets::Breaker::new(1, Duration::from_secs(30)));
        breaker.ended(Some(false), false, at(10_000));
        assert_eq!(breaker.enter(at(10_001)), Entry::Refused(at(10_030)));
        assert_eq!(breaker.enter(at(100)), Entry::Refused(at(130)));
    }
}
