//! The report for programs: every leg, every row, every budget; units are in the names.

use serde_json::{Value, json};

use super::budget::Verdict;
use super::report::{Leg, Report, Row};
use crate::budget::Limit;

/// The whole report as one object.
#[must_use]
pub fn value(report: &Report, verdicts: &[Verdict]) -> Value {
    let rows = report.rows();
    json!({
        "cores": report.cores,
        "file_system": report.file_system,
        "debug_build": cfg!(debug_assertions),
        "callers": report.callers,
        "enqueue_secs": report.duration.as_secs_f64(),
        "rounds": report.rounds,
        "legs": report.legs.iter().map(leg).collect::<Vec<_>>(),
        "rows": rows.iter().map(|row| summed(row, &rows)).collect::<Vec<_>>(),
        "budgets": verdicts.iter().map(judged).collect::<Vec<_>>(),
    })
}

fn leg(leg: &Leg) -> Value {
    let measured = &leg.measured;
    let millis = |time: Option<std::time::Duration>| time.map(|time| time.as_secs_f64() * 1e3);
    json!({
        "what": leg.what.words(),
        "shape": leg.shape.name(),
        "queued": leg.queued,
        "enqueued": measured.enqueued,
        "ended": measured.ended,
        "elapsed_secs": measured.elapsed.as_secs_f64(),
        "p50_ms": millis(measured.p50),
        "p99_ms": millis(measured.p99),
        "cpu_secs": measured.cpu.as_secs_f64(),
        "writer_cpu_secs": measured.writer_cpu.as_secs_f64(),
        "written_bytes": measured.written_bytes,
        "rss_bytes": measured.rss_bytes,
        "rss_peak_bytes": measured.rss_peak_bytes,
        "fdatasync_between_ms": millis(measured.fdatasync),
        "fdatasync_appended_ms": leg.disk.appended.as_secs_f64() * 1e3,
        "fdatasync_overwritten_ms": leg.disk.overwritten.as_secs_f64() * 1e3,
    })
}

fn summed(row: &Row, rows: &[Row]) -> Value {
    json!({
        "what": row.what.words(),
        "shape": row.shape.name(),
        "queued": row.queued,
        "enqueued_per_sec": row.enqueued_per_sec,
        "ended_per_sec": row.ended_per_sec,
        "per_sec_lowest": row.per_sec_range.map(|(lowest, _)| lowest),
        "per_sec_highest": row.per_sec_range.map(|(_, highest)| highest),
        "us": row.micros,
        "cost_over_empty": row.cost_over_empty(rows),
        "cpu_us": row.cpu_micros,
        "writer_cpu_us": row.writer_micros,
        "written_kb": row.written_kilobytes,
        "p50_ms": row.p50_millis,
        "p99_ms": row.p99_millis,
        "p50_fdatasyncs": row.fdatasyncs.map(|(p50, _)| p50),
        "p99_fdatasyncs": row.fdatasyncs.map(|(_, p99)| p99),
        "rss_bytes": row.rss_bytes,
        "rss_peak_bytes": row.rss_peak_bytes,
    })
}

fn judged(verdict: &Verdict) -> Value {
    let (bound, limit) = match verdict.limit {
        Limit::AtLeast(lowest) => ("at_least", lowest),
        Limit::AtMost(highest) => ("at_most", highest),
    };
    json!({
        "what": verdict.what,
        "shape": verdict.shape.name(),
        "queued": verdict.queued,
        "measured": verdict.measured,
        bound: limit,
        "kept": verdict.is_kept(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tasks::budget;
    use crate::tasks::report::What;
    use crate::tasks::report::tests::{leg, report};

    #[test]
    fn legs_rows_and_budgets_are_all_there() {
        let report = report(vec![leg(What::Drained, 0, 50_000), leg(What::Drained, 0, 30_000)]);
        let value = value(&report, &budget::judge(&report));
        assert_eq!(value["legs"].as_array().unwrap().len(), 2);
        assert_eq!(value["rows"][0]["ended_per_sec"], 40_000.0);
        assert_eq!(value["rows"][0]["cost_over_empty"], 1.0);
        assert_eq!(value["rows"][0]["p50_fdatasyncs"], Value::Null);
        assert_eq!(value["budgets"][0]["at_least"], 40_000.0);
        assert_eq!(value["budgets"][0]["kept"], true);
    }
}
