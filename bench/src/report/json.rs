//! The report for programs: every leg, every row, every budget; units are in the names.

use serde_json::{Value, json};

use super::{Leg, Report, Row};
use crate::budget::{Limit, Verdict};
use crate::server::Kind;

/// The whole report as one object.
#[must_use]
pub fn value(report: &Report, verdicts: &[Verdict]) -> Value {
    let rows = report.rows();
    json!({
        "cores": report.cores,
        "file_system": report.file_system,
        "debug_build": cfg!(debug_assertions),
        "leg_secs": report.duration.as_secs_f64(),
        "rounds": report.rounds,
        "route": report.route,
        "legs": report.legs.iter().map(leg).collect::<Vec<_>>(),
        "rows": rows.iter().map(|row| summed(row, &rows)).collect::<Vec<_>>(),
        "budgets": verdicts.iter().map(judged).collect::<Vec<_>>(),
    })
}

fn leg(leg: &Leg) -> Value {
    json!({
        "server": leg.server.name(),
        "payload": leg.payload.name(),
        "body_bytes": leg.body_bytes,
        "connections": leg.connections,
        "requests": leg.requests,
        "requests_per_sec": leg.rate(),
        "p50_ms": leg.percentile_millis(0.5),
        "p99_ms": leg.percentile_millis(0.99),
        "p999_ms": leg.percentile_millis(0.999),
        "cpu_us": leg.cpu_micros(),
        "generator_cpu_us": leg.generator_cpu_micros(),
        "rss_idle_bytes": leg.rss_idle_bytes,
        "rss_peak_bytes": leg.rss_peak_bytes,
        "rss_end_bytes": leg.rss_end_bytes,
        "settle_secs": leg.settle.as_secs_f64(),
        "written_bytes": leg.written_bytes,
        "fdatasync_appended_ms": leg.disk.appended.as_secs_f64() * 1e3,
        "fdatasync_overwritten_ms": leg.disk.overwritten.as_secs_f64() * 1e3,
    })
}

fn summed(row: &Row, rows: &[Row]) -> Value {
    let mut value = leg(&row.total);
    if let Some(hmac) = row.beside(Kind::Hmac, rows) {
        let rate = row.rate_over(hmac);
        value["rate_over_hmac"] = json!({"all": rate.all, "low": rate.low, "high": rate.high});
        value["cpu_over_hmac"] = row.cpu_over(hmac).into();
    }
    value
}

fn judged(verdict: &Verdict) -> Value {
    let (bound, limit) = match verdict.limit {
        Limit::AtLeast(lowest) => ("at_least", lowest),
        Limit::AtMost(highest) => ("at_most", highest),
    };
    json!({
        "what": verdict.what,
        "payload": verdict.payload,
        "connections": verdict.connections,
        "measured": verdict.measured,
        bound: limit,
        "kept": verdict.is_kept(),
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::budget;
    use crate::report::tests::{leg, report};

    #[test]
    fn legs_rows_and_budgets_are_all_there() {
        let milli = Duration::from_millis(1);
        let report = report(vec![
            leg(Kind::Hmac, 128, 1000, milli, milli * 20),
            leg(Kind::Becket, 128, 300, milli, milli * 12),
            leg(Kind::Hmac, 128, 1000, milli, milli * 20),
            leg(Kind::Becket, 128, 500, milli, milli * 20),
        ]);
        let value = value(&report, &budget::judge(&report));
        assert_eq!(value["legs"].as_array().unwrap().len(), 4);
        assert_eq!(value["rows"][1]["rate_over_hmac"], json!({"all": 0.4, "low": 0.3, "high": 0.5}));
        assert_eq!(value["rows"][1]["cpu_over_hmac"], 2.0);
        assert_eq!(value["budgets"][0]["at_least"], 0.4);
        assert_eq!(value["budgets"][0]["kept"], true);
    }
}
