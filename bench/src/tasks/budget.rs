//! The budgets of the embedded task engine.
//!
//! One table, [`BUDGETS`]. A budget is judged for every row that it speaks of; `--check` fails when one is missed, and
//! when none could be judged.

use super::report::{Report, Row, What};
use super::shape::Shape;
use crate::budget::Limit;

/// What "with 1,000,000 queued" means.
const MANY: u64 = 1_000_000;

/// A promise about a number.
#[derive(Debug)]
pub struct Budget {
    /// What the number is.
    pub what: &'static str,
    /// For rows with at least so many tasks queued.
    pub queued_min: u64,
    /// Its bound.
    pub limit: Limit,
    /// How it is computed from a row, all of them beside it; `None` for rows that it does not speak of.
    measure: fn(&Row, &[Row]) -> Option<f64>,
}

/// The budgets. MB are 1,000,000 bytes; fdatasync is that of 16 KB appended, the shortest
/// of the probes between the tasks.
pub const BUDGETS: &[Budget] = &[
    Budget {
        what: "enqueued per second, 1 a call",
        queued_min: 0,
        limit: Limit::AtLeast(40_000.0),
        measure: |row, _| row.enqueued_per_sec.filter(|_| row.what == What::Enqueued),
    },
    Budget {
        what: "drained per second",
        queued_min: 0,
        limit: Limit::AtLeast(40_000.0),
        measure: |row, _| row.ended_per_sec.filter(|_| row.what == What::Drained),
    },
    Budget {
        what: "drained per second, of the plain rate",
        queued_min: 0,
        limit: Limit::AtLeast(0.8),
        measure: |row, rows| {
            let is_plain =
                |other: &&Row| (other.what, other.queued, other.shape) == (row.what, row.queued, Shape::Plain);
            let plain = rows.iter().find(is_plain).filter(|_| row.shape != Shape::Plain)?;
            row.ended_per_sec
                .filter(|_| row.what == What::Drained)
                .zip(plain.ended_per_sec)
                .map(|(own, plain)| own / plain)
        },
    },
    Budget {
        what: "enqueue to start p50, in fdatasyncs",
        queued_min: 0,
        limit: Limit::AtMost(2.0),
        measure: |row, _| row.fdatasyncs.map(|(p50, _)| p50).filter(|_| row.what == What::Started),
    },
    Budget {
        what: "claim and end, times the cost with none queued",
        queued_min: MANY,
        limit: Limit::AtMost(1.3),
        measure: |row, rows| row.cost_over_empty(rows).filter(|_| row.what == What::Claimed),
    },
    Budget {
        what: "open, was closed, seconds",
        queued_min: MANY,
        limit: Limit::AtMost(1.0),
        measure: |row, _| row.p50_millis.map(|millis| millis / 1e3).filter(|_| row.what == What::Reopened),
    },
    Budget {
        what: "open, had crashed, seconds",
        queued_min: MANY,
        limit: Limit::AtMost(1.0),
        measure: |row, _| row.p50_millis.map(|millis| millis / 1e3).filter(|_| row.what == What::Recovered),
    },
    Budget {
        what: "memory peak of any leg, MB",
        queued_min: MANY,
        limit: Limit::AtMost(100.0),
        measure: |row, rows| {
            let beside = rows.iter().filter(|other| (other.shape, other.queued) == (row.shape, row.queued));
            let peak = beside.map(|other| other.rss_peak_bytes).max()?;
            (row.what == What::Drained).then_some(peak as f64 / 1e6)
        },
    },
];

/// A budget judged for one row.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// What the number is.
    pub what: &'static str,
    /// The row's tasks.
    pub shape: Shape,
    /// Tasks queued.
    pub queued: u64,
    /// The number.
    pub measured: f64,
    /// What it may be.
    pub limit: Limit,
}

impl Verdict {
    /// Whether the number is within its limit.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        self.limit.allows(self.measured)
    }
}

/// Judges every budget that the report has the numbers for.
#[must_use]
pub fn judge(report: &Report) -> Vec<Verdict> {
    let rows = report.rows();
    let judged = |budget: &Budget, row: &Row| {
        let measured = (budget.measure)(row, &rows).filter(|_| row.queued >= budget.queued_min)?;
        Some(Verdict { what: budget.what, shape: row.shape, queued: row.queued, measured, limit: budget.limit })
    };
    BUDGETS.iter().flat_map(|budget| rows.iter().filter_map(|row| judged(budget, row)).collect::<Vec<_>>()).collect()
}

/// Whether `--check` passes: at least one budget was judged, and none was missed.
#[must_use]
pub fn passes(verdicts: &[Verdict]) -> bool {
    !verdicts.is_empty() && verdicts.iter().all(Verdict::is_kept)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tasks::report::Leg;
    use crate::tasks::report::tests::{MILLI, leg, report};

    fn opened(what: What, queued: u64, millis: u32) -> Leg {
        let mut leg = leg(what, queued, 0);
        leg.measured.p50 = Some(MILLI * millis);
        leg
    }

    fn missed(legs: Vec<Leg>) -> Vec<&'static str> {
        judge(&report(legs)).iter().filter(|verdict| !verdict.is_kept()).map(|verdict| verdict.what).collect()
    }

    fn enqueued(what: What, enqueued: u64) -> Leg {
        let mut leg = leg(what, 0, 0);
        leg.measured.enqueued = enqueued;
        leg
    }

    #[test]
    fn an_engine_at_its_limits_keeps_every_budget() {
        let mut started = leg(What::Started, 0, 1000);
        (started.measured.p50, started.measured.p99) = (Some(MILLI * 2), Some(MILLI * 9));
        started.measured.fdatasync = Some(MILLI);
        let legs = vec![
            enqueued(What::Enqueued, 40_000),
            started,
            leg(What::Claimed, 0, 130_000),
            leg(What::Claimed, MANY, 100_000),
            leg(What::Drained, MANY, 50_000),
            Leg { shape: Shape::Lanes, ..leg(What::Drained, MANY, 40_000) },
            opened(What::Reopened, MANY, 1000),
            opened(What::Recovered, MANY, 1000),
        ];
        let verdicts = judge(&report(legs));
        assert!(verdicts.iter().all(Verdict::is_kept), "{verdicts:?}");
        let judged: std::collections::BTreeSet<&str> = verdicts.iter().map(|verdict| verdict.what).collect();
        assert_eq!(judged.len(), BUDGETS.len(), "{verdicts:?}");
        assert!(passes(&verdicts));
    }

    #[test]
    fn each_number_beyond_its_limit_is_a_miss() {
        assert_eq!(missed(vec![enqueued(What::Enqueued, 39_999)]), ["enqueued per second, 1 a call"]);
        assert_eq!(missed(vec![leg(What::Drained, 0, 39_999)]), ["drained per second"]);
        let tenants = Leg { shape: Shape::Tenants, ..leg(What::Drained, 0, 79_999) };
        assert_eq!(missed(vec![leg(What::Drained, 0, 100_000), tenants]), ["drained per second, of the plain rate"]);
        let claims = vec![leg(What::Claimed, 0, 131_000), leg(What::Claimed, MANY, 100_000)];
        assert_eq!(missed(claims), ["claim and end, times the cost with none queued"]);
        assert_eq!(missed(vec![opened(What::Reopened, MANY, 1001)]), ["open, was closed, seconds"]);
        assert_eq!(missed(vec![opened(What::Recovered, MANY, 1001)]), ["open, had crashed, seconds"]);
        let mut fat = leg(What::Filled, MANY, 0);
        fat.measured.rss_peak_bytes = 101_000_000;
        assert_eq!(missed(vec![fat, leg(What::Drained, MANY, 50_000)]), ["memory peak of any leg, MB"]);
    }

    #[test]
    fn what_is_promised_with_a_million_queued_is_not_judged_with_fewer() {
        let legs =
            vec![leg(What::Claimed, 0, 90_000), leg(What::Claimed, 100_000, 10), opened(What::Reopened, 9, 5000)];
        assert_eq!(judge(&report(legs)), []);
    }

    #[test]
    fn nothing_judged_is_not_a_pass() {
        assert!(!passes(&judge(&report(vec![leg(What::Both, 0, 9)]))));
    }
}
