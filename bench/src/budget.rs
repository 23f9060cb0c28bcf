//! The budgets: what Becket may cost, as ratios to other servers of the same run.
//!
//! One table, [`BUDGETS`]. A budget is judged for each load that it speaks of and that was measured together with the
//! server it compares with; `--check` fails when one is missed, and when none could be judged.

use crate::report::{Report, Row};
use crate::server::Kind;

/// A promise about a number.
#[derive(Debug)]
pub struct Budget {
    /// What the number is.
    pub what: &'static str,
    /// The numbers of connections that it is promised for; empty: all.
    pub connections: &'static [usize],
    /// Its bound.
    pub limit: Limit,
    /// How it is computed; `None` when what it is compared with was not measured.
    measure: fn(&Block<'_>) -> Option<f64>,
}

/// A bound, itself allowed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Limit {
    /// Lower is a miss.
    AtLeast(f64),
    /// Higher is a miss.
    AtMost(f64),
}

impl Limit {
    /// Whether a number is within it.
    #[must_use]
    pub fn allows(self, measured: f64) -> bool {
        match self {
            Self::AtLeast(lowest) => measured >= lowest,
            Self::AtMost(highest) => measured <= highest,
        }
    }
}

/// The budgets of ingest. MB are 1,000,000 bytes; fdatasync is that of 16 KB appended, median of the probes taken just
/// before the legs.
pub const BUDGETS: &[Budget] = &[
    Budget {
        what: "req/s, of hmac's",
        connections: &[128, 512],
        limit: Limit::AtLeast(0.4),
        measure: |block| Some(block.becket.rate_over(block.hmac?).all),
    },
    Budget {
        what: "CPU per request, times hmac's",
        connections: &[128, 512],
        limit: Limit::AtMost(2.6),
        measure: |block| Some(block.becket.cpu_over(block.hmac?)),
    },
    Budget {
        what: "p99, times floor's",
        connections: &[128, 512],
        limit: Limit::AtMost(1.5),
        measure: |block| Some(block.becket.total.percentile_millis(0.99) / block.floor?.total.percentile_millis(0.99)),
    },
    Budget {
        what: "p50, in fdatasyncs of 16 KB",
        connections: &[1],
        limit: Limit::AtMost(3.0),
        measure: |block| {
            let total = &block.becket.total;
            Some(total.percentile_millis(0.5) / (total.disk.appended.as_secs_f64() * 1e3))
        },
    },
    Budget {
        what: "memory idle, MB",
        connections: &[],
        limit: Limit::AtMost(40.0),
        measure: |block| Some(block.becket.total.rss_idle_bytes as f64 / 1e6),
    },
    Budget {
        what: "memory peak, MB",
        connections: &[],
        limit: Limit::AtMost(100.0),
        measure: |block| Some(block.becket.total.rss_peak_bytes as f64 / 1e6),
    },
];

/// Becket's row under one load, with those that it is compared with.
struct Block<'a> {
    becket: &'a Row,
    hmac: Option<&'a Row>,
    floor: Option<&'a Row>,
}

/// A budget judged for one load.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// What the number is.
    pub what: &'static str,
    /// The load's payload.
    pub payload: &'static str,
    /// The load's connections.
    pub connections: usize,
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
    let mut verdicts = Vec::new();
    for becket in rows.iter().filter(|row| row.total.server == Kind::Becket) {
        let block = Block { becket, hmac: becket.beside(Kind::Hmac, &rows), floor: becket.beside(Kind::Floor, &rows) };
        let (payload, connections) = (becket.total.payload.name(), becket.total.connections);
        let due = BUDGETS.iter().filter(|b| b.connections.is_empty() || b.connections.contains(&connections));
        verdicts.extend(due.filter_map(|budget| {
            let measured = (budget.measure)(&block)?;
            Some(Verdict { what: budget.what, payload, connections, measured, limit: budget.limit })
        }));
    }
    verdicts
}

/// Whether `--check` passes: at least one budget was judged, and none was missed.
#[must_use]
pub fn passes(verdicts: &[Verdict]) -> bool {
    !verdicts.is_empty() && verdicts.iter().all(Verdict::is_kept)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::report::tests::{leg, report};

    const MILLI: Duration = Duration::from_millis(1);

    fn judged(becket_requests: u64, becket_latency: Duration, becket_cpu: Duration) -> Vec<Verdict> {
        judge(&report(vec![
            leg(Kind::Hmac, 128, 1000, MILLI, MILLI * 20),
            leg(Kind::Floor, 128, 700, MILLI * 10, MILLI * 20),
            leg(Kind::Becket, 128, becket_requests, becket_latency, becket_cpu),
        ]))
    }

    fn missed(verdicts: &[Verdict]) -> Vec<&'static str> {
        verdicts.iter().filter(|verdict| !verdict.is_kept()).map(|verdict| verdict.what).collect()
    }

    #[test]
    fn a_server_at_its_limits_keeps_every_budget() {
        // 400 of 1000 requests per second, 50 µs of 20 µs, 14.9 ms of 10 ms.
        let verdicts = judged(400, MILLI * 149 / 10, MILLI * 20);
        assert_eq!(missed(&verdicts), [""; 0]);
        assert_eq!(verdicts.len(), 5, "{verdicts:?}");
        assert!(passes(&verdicts));
    }

    #[test]
    fn each_number_beyond_its_limit_is_a_miss() {
        assert_eq!(missed(&judged(399, MILLI, MILLI)), ["req/s, of hmac's"]);
        assert_eq!(missed(&judged(400, MILLI, MILLI * 21)), ["CPU per request, times hmac's"]);
        assert_eq!(missed(&judged(400, MILLI * 16, MILLI)), ["p99, times floor's"]);
        assert!(!passes(&judged(399, MILLI, MILLI)));
    }

    #[test]
    fn a_single_connection_is_judged_against_the_disk() {
        // The disk's fdatasync takes 0.2 ms.
        let kept = judge(&report(vec![leg(Kind::Becket, 1, 100, Duration::from_micros(590), MILLI)]));
        assert!(passes(&kept), "{kept:?}");
        let late = judge(&report(vec![leg(Kind::Becket, 1, 100, Duration::from_micros(610), MILLI)]));
        assert_eq!(missed(&late), ["p50, in fdatasyncs of 16 KB"]);
    }

    #[test]
    fn memory_counts_under_every_load() {
        let mut fat = leg(Kind::Becket, 32, 100, MILLI, MILLI);
        (fat.rss_idle_bytes, fat.rss_peak_bytes) = (41_000_000, 101_000_000);
        assert_eq!(missed(&judge(&report(vec![fat]))), ["memory idle, MB", "memory peak, MB"]);
    }

    #[test]
    fn nothing_judged_is_not_a_pass() {
        assert!(!passes(&judge(&report(vec![leg(Kind::Hmac, 128, 1000, MILLI, MILLI)]))));
    }
}
