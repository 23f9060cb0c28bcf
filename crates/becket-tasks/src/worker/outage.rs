//! A store that cannot be reached: said once, tried again with growing pauses, and said again when it is over.

use std::time::Duration;

use tracing::{error, info, warn};

use crate::error::Error;

/// The pause after the first failure; it doubles with each further one.
const PAUSE_FIRST: Duration = Duration::from_millis(100);
/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// How one caller of the store fares.
#[derive(Debug)]
pub(crate) struct Outage {
    what: &'static str,
    failures: u32,
}

impl Outage {
    /// For a caller that tries to `what`, as in "cannot renew leases".
    pub(crate) const fn new(what: &'static str) -> Self {
        Self { what, failures: 0 }
    }

    /// A call failed. Answers how long to pause before the next.
    pub(crate) fn failed(&mut self, error: &Error) -> Duration {
        if self.failures == 0 && error.is_temporary() {
            warn!(%error, "cannot {}; trying again until it works", self.what);
        } else if self.failures == 0 {
            error!(%error, "cannot {}", self.what);
        }
        let pause = PAUSE_FIRST.saturating_mul(1 << self.failures.min(16)).min(PAUSE_MAX);
        self.failures = self.failures.saturating_add(1);
        // A little less, at random, so that many processes do not come back together.
        pause.mul_f64(1.0 - fastrand::f64() / 4.0)
    }

    /// A call succeeded.
    pub(crate) fn over(&mut self) {
        if self.failures > 0 {
            info!(failures = self.failures, "can {} again", self.what);
        }
        self.failures = 0;
    }
}

/// What to say of a call that was not answered in time.
pub(crate) fn no_answer(within: Duration) -> Error {
    Error::Unavailable(format!("no answer within {}", humantime::format_duration(within)), None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_cap_and_begin_anew_after_a_success() {
        let mut outage = Outage::new("test");
        let mut pauses: Vec<Duration> = (0..40).map(|_| outage.failed(&Error::Busy)).collect();
        assert!(pauses[0] <= PAUSE_FIRST && pauses[0] >= PAUSE_FIRST.mul_f64(0.75));
        assert!(pauses[39] <= PAUSE_MAX && pauses[39] >= PAUSE_MAX.mul_f64(0.75));
        pauses.truncate(6);
        assert!(pauses.is_sorted(), "{pauses:?}");
        outage.over();
        assert!(outage.failed(&Error::Closed) <= PAUSE_FIRST);
    }
}
