//! A route's filter at work: what it said is counted, and told once in a while where it could not say anything.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use prometheus_client::metrics::counter::Counter;

use super::filter::{Cause, Filter, Verdict, View};

/// The time between two log lines about one filter.
const PAUSE: Duration = Duration::from_secs(60);

/// What a filter said, as metrics name it.
const WORDS: [&str; 4] = ["true", "false", "missing", "failed"];

/// A filter, and what counts what it says.
#[derive(Debug)]
pub(crate) struct Guard {
    pub(super) filter: Filter,
    /// In the order of [`WORDS`].
    counts: [Counter; WORDS.len()],
    line: Mutex<Line>,
}

/// When something was logged last, and how often it has happened since.
#[derive(Debug, Default)]
struct Line {
    last: Option<Instant>,
    untold: u64,
}

impl Guard {
    pub(super) fn new(filter: Filter) -> Self {
        Self { filter, counts: Default::default(), line: Mutex::default() }
    }

    /// Whether the route gets the delivery.
    pub(super) fn lets_pass(&self, route: &str, source: &str, view: &View<'_>) -> bool {
        let verdict = self.filter.verdict(view);
        let place = match &verdict {
            Verdict::True => 0,
            Verdict::Not(_, Cause::False) => 1,
            Verdict::Not(_, Cause::Missing(_)) => 2,
            Verdict::Not(_, Cause::Failed(_)) => 3,
        };
        self.counts[place].inc();
        if let Verdict::Not(part, Cause::Failed(why)) = &verdict
            && let Some(untold) = self.note(Instant::now())
        {
            let part = self.filter.parts().nth(*part).unwrap_or_default();
            tracing::warn!(route, source, ?part, untold, "a filter cannot be evaluated, and counts as false: {why}");
        }
        verdict == Verdict::True
    }

    /// Counts with these from now on.
    pub(super) fn count_with(&mut self, counter: impl FnMut(&'static str) -> Counter) {
        self.counts = WORDS.map(counter);
    }

    /// `Some` if this failure is to be logged, with the number of those before it that were not.
    fn note(&self, now: Instant) -> Option<u64> {
        let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        if line.last.is_some_and(|last| now.saturating_duration_since(last) < PAUSE) {
            line.untold += 1;
            return None;
        }
        line.last = Some(now);
        Some(std::mem::take(&mut line.untold))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failure_is_logged_once_a_minute_with_the_number_of_the_others() {
        let (guard, start) = (Guard::new(Filter::parse("payload.a > 1").unwrap()), Instant::now());
        assert_eq!(guard.note(start), Some(0));
        assert_eq!(guard.note(start + PAUSE / 2), None);
        assert_eq!(guard.note(start + PAUSE), Some(1));
    }
}
