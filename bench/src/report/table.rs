//! The report as plain text: what was run, one line per row, one line per budget.

use super::{Leg, Report, Row};
use crate::budget::Verdict;
use crate::disk;
use crate::server::Kind;
use crate::text::{align, line, verdict};

const COLUMNS: [&str; 17] = [
    "server", "conns", "req/s", "x hmac", "rounds", "p50 ms", "p99", "p99.9", "cpu us", "x hmac", "gen us", "idle MB",
    "peak", "end", "settle s", "disk KB", "fsync ms",
];

/// Writes all of it.
#[must_use]
pub fn render(report: &Report, verdicts: &[Verdict]) -> String {
    let rows = report.rows();
    let mut text = heading(report);
    for block in rows.chunk_by(|a, b| a.total.payload == b.total.payload) {
        let Some(Row { total, .. }) = block.first() else { continue };
        let (payload, kilobytes) = (total.payload.name(), total.body_bytes as f64 / 1e3);
        line(&mut text, &format!("\n{payload}, {kilobytes:.1} KB a delivery"));
        text.push_str(&align(
            &COLUMNS.map(str::to_owned),
            &block.iter().map(|row| cells(row, &rows)).collect::<Vec<_>>(),
        ));
    }
    if !verdicts.is_empty() {
        line(&mut text, "\nbecket's budgets");
        let columns = ["", "measured", "limit", "conns", "payload"].map(str::to_owned);
        text.push_str(&align(&columns, &verdicts.iter().map(judged).collect::<Vec<_>>()));
    }
    text
}

/// One leg in one line, to show that the run goes on.
#[must_use]
pub fn progress(leg: &Leg) -> String {
    format!(
        "{:>12} {:>4} connections {:>7} {:>8.0} req/s  p50 {:.2} ms  p99 {:.2} ms",
        leg.payload.name(),
        leg.connections,
        leg.server.name(),
        leg.rate(),
        leg.percentile_millis(0.5),
        leg.percentile_millis(0.99)
    )
}

fn heading(report: &Report) -> String {
    let Report { cores, file_system, duration, rounds, .. } = report;
    let mut text = String::new();
    if cfg!(debug_assertions) {
        line(&mut text, "A DEBUG BUILD: these numbers mean nothing. Use `cargo run --release`.");
    }
    if disk::is_memory(file_system) {
        line(&mut text, "FILES IN MEMORY: fdatasync does nothing here. Choose a folder on a disk with --dir.");
    }
    line(&mut text, &format!("{cores} cores shared with the load generator; {file_system}"));
    line(&mut text, &format!("{rounds} rounds of {} s a row, servers in turns", duration.as_secs_f64()));
    if report.legs.iter().any(|leg| leg.server == Kind::Becket) {
        let route = if report.route { "each delivery also runs a task" } else { "no route: deliveries are only kept" };
        line(&mut text, &format!("becket: {route}"));
    }
    text
}

fn cells(row: &Row, rows: &[Row]) -> Vec<String> {
    let leg = &row.total;
    let hmac = row.beside(Kind::Hmac, rows);
    let rate = hmac.map(|hmac| row.rate_over(hmac));
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".into());
    let megabytes = |bytes: u64| format!("{:.1}", bytes as f64 / 1e6);
    let millis = |quantile| format!("{:.2}", leg.percentile_millis(quantile));
    vec![
        leg.server.name().into(),
        leg.connections.to_string(),
        format!("{:.0}", leg.rate()),
        or_dash(rate.map(|rate| format!("{:.2}", rate.all))),
        or_dash(rate.map(|rate| format!("{:.2}-{:.2}", rate.low, rate.high))),
        millis(0.5),
        millis(0.99),
        millis(0.999),
        format!("{:.1}", leg.cpu_micros()),
        or_dash(hmac.map(|hmac| format!("{:.2}", row.cpu_over(hmac)))),
        format!("{:.1}", leg.generator_cpu_micros()),
        megabytes(leg.rss_idle_bytes),
        megabytes(leg.rss_peak_bytes),
        megabytes(leg.rss_end_bytes),
        format!("{:.1}", leg.settle.as_secs_f64()),
        format!("{:.1}", leg.written_kilobytes()),
        format!("{:.2}/{:.2}", leg.disk.appended.as_secs_f64() * 1e3, leg.disk.overwritten.as_secs_f64() * 1e3),
    ]
}

fn judged(judged: &Verdict) -> Vec<String> {
    let mut cells = verdict(judged.what, judged.measured, judged.limit).to_vec();
    cells.extend([judged.connections.to_string(), judged.payload.to_owned()]);
    cells
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::budget;
    use crate::report::tests::{leg, report};

    const MILLI: Duration = Duration::from_millis(1);

    #[test]
    fn every_line_of_a_block_is_aligned_and_carries_its_ratio() {
        let report = report(vec![
            leg(Kind::Hmac, 128, 20_000, MILLI, MILLI * 200),
            leg(Kind::Becket, 128, 9_000, MILLI * 12, MILLI * 225),
        ]);
        let text = render(&report, &budget::judge(&report));
        let lines: Vec<_> = text.lines().skip_while(|line| !line.starts_with("server")).take(3).collect();
        assert!(lines.iter().all(|line| line.len() == lines[0].len()), "{text}");
        let becket: Vec<_> = lines[2].split_whitespace().collect();
        assert_eq!(becket[..5], ["becket", "128", "9000", "0.45", "0.45-0.45"]);
        assert_eq!(becket[8..10], ["25.0", "2.50"]);
        assert_eq!(becket.last(), Some(&"0.20/0.10"));
        assert!(text.contains("kept    req/s, of hmac's"), "{text}");
    }

    #[test]
    fn without_the_hmac_server_there_is_no_ratio() {
        let text = render(&report(vec![leg(Kind::Null, 1, 10, MILLI, MILLI)]), &[]);
        let row: Vec<_> = text.lines().last().unwrap().split_whitespace().collect();
        assert_eq!(row[3..5], ["-", "-"]);
        assert!(!text.contains("budgets"));
    }

    #[test]
    fn files_in_memory_are_pointed_out() {
        let mut report = report(vec![leg(Kind::Null, 1, 10, MILLI, MILLI)]);
        report.file_system = "tmpfs".into();
        assert!(render(&report, &[]).contains("FILES IN MEMORY"));
    }
}
