//! The report as plain text: what was run, one line per row, one line per budget.

use super::budget::Verdict;
use super::leg::CONCURRENCY;
use super::report::{Leg, Report, Row, What};
use crate::disk;
use crate::text::{align, line, verdict};

const COLUMNS: [&str; 15] = [
    "",
    "queued",
    "enq/s",
    "end/s",
    "rounds",
    "us",
    "x none",
    "cpu us",
    "writer us",
    "p50 ms",
    "p99",
    "fdatasyncs",
    "disk KB",
    "end MB",
    "peak",
];

/// Writes all of it.
#[must_use]
pub fn render(report: &Report, verdicts: &[Verdict]) -> String {
    let rows = report.rows();
    let mut text = heading(report);
    for block in rows.chunk_by(|a, b| a.shape == b.shape) {
        let Some(first) = block.first() else { continue };
        line(&mut text, &format!("\n{} tasks", first.shape.name()));
        let cells: Vec<_> = block.iter().map(|row| cells(row, &rows)).collect();
        text.push_str(&align(&COLUMNS.map(str::to_owned), &cells));
    }
    if !verdicts.is_empty() {
        line(&mut text, "\nbudgets");
        let columns = ["", "measured", "limit", "queued", "tasks"].map(str::to_owned);
        text.push_str(&align(&columns, &verdicts.iter().map(judged).collect::<Vec<_>>()));
    }
    text
}

/// One leg in one line, to show that the run goes on.
#[must_use]
pub fn progress(leg: &Leg) -> String {
    let mut text = format!("{:>26}, {:>9} queued", leg.what.words(), thousands(leg.queued));
    if leg.what != What::Started {
        for (rate, unit) in [(leg.enqueued_per_sec(), "enq/s"), (leg.ended_per_sec(), "end/s")] {
            text.extend(rate.map(|rate| format!("  {rate:>7.0} {unit}")));
        }
    }
    text.extend(leg.measured.p50.map(|p50| format!("  {:>7.3} ms", p50.as_secs_f64() * 1e3)));
    text
}

fn heading(report: &Report) -> String {
    let Report { cores, file_system, duration, rounds, callers, legs } = report;
    let mut text = String::new();
    if cfg!(debug_assertions) {
        line(&mut text, "A DEBUG BUILD: these numbers mean nothing. Use `cargo run --release`.");
    }
    if disk::is_memory(file_system) {
        line(&mut text, "FILES IN MEMORY: fdatasync does nothing here. Choose a folder on a disk with --dir.");
    }
    line(
        &mut text,
        &format!("{cores} cores for engine, callers and handlers; {file_system}; {CONCURRENCY} handlers at once"),
    );
    let secs = duration.as_secs_f64();
    line(
        &mut text,
        &format!(
            "{rounds} rounds a row, in turns; {callers} callers, {} at 100 a call; {secs} s of enqueuing a leg",
            super::SLICE_CALLERS
        ),
    );
    let probes: Vec<_> = legs.iter().map(|leg| leg.disk).collect();
    let probe = disk::Probe::median(&probes);
    let (appended, overwritten) = (probe.appended.as_secs_f64() * 1e3, probe.overwritten.as_secs_f64() * 1e3);
    line(&mut text, &format!("fdatasync of 16 KB: {appended:.3} ms appended, {overwritten:.3} ms overwritten"));
    text
}

fn cells(row: &Row, rows: &[Row]) -> Vec<String> {
    let number = |number: Option<f64>, digits: usize| number.map_or("-".into(), |number| format!("{number:.digits$}"));
    let pair = |pair: Option<(f64, f64)>, digits: usize| {
        pair.map_or("-".into(), |(one, other)| format!("{one:.digits$}-{other:.digits$}"))
    };
    let megabytes = |bytes: u64| format!("{:.1}", bytes as f64 / 1e6);
    vec![
        row.what.words(),
        thousands(row.queued),
        number(row.enqueued_per_sec, 0),
        number(row.ended_per_sec, 0),
        pair(row.per_sec_range, 0),
        number(row.micros, 1),
        number(row.cost_over_empty(rows), 2),
        number(row.cpu_micros, 1),
        number(row.writer_micros, 1),
        number(row.p50_millis, 3),
        number(row.p99_millis, 3),
        row.fdatasyncs.map_or("-".into(), |(p50, p99)| format!("{p50:.2}/{p99:.2}")),
        number(row.written_kilobytes, 2),
        megabytes(row.rss_bytes),
        megabytes(row.rss_peak_bytes),
    ]
}

fn judged(judged: &Verdict) -> Vec<String> {
    let mut cells = verdict(judged.what, judged.measured, judged.limit).to_vec();
    cells.extend([thousands(judged.queued), judged.shape.name().to_owned()]);
    cells
}

/// `1,000,000`.
fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tasks::budget;
    use crate::tasks::report::tests::{MILLI, leg, report};

    #[test]
    fn every_line_of_a_block_is_aligned_and_says_what_is_not_measured() {
        let mut opened = leg(What::Reopened, 1_000_000, 0);
        opened.measured.p50 = Some(MILLI * 7);
        let report = report(vec![leg(What::Drained, 0, 50_000), leg(What::Drained, 1_000_000, 40_000), opened]);
        let text = render(&report, &budget::judge(&report));
        let lines: Vec<_> = text.lines().skip_while(|line| *line != "plain tasks").skip(1).take(4).collect();
        assert!(lines.iter().all(|line| line.len() == lines[0].len()), "{text}");
        let drained: Vec<_> = lines[2].split_whitespace().collect();
        assert_eq!(drained[..7], ["drain", "1,000,000", "-", "40000", "40000-40000", "25.0", "1.25"]);
        let opened: Vec<_> = lines[3].split_whitespace().collect();
        assert_eq!(opened[4..], ["-", "-", "-", "-", "-", "-", "-", "7.000", "-", "-", "-", "40.0", "50.0"]);
        assert!(text.contains("kept    open, was closed, seconds"), "{text}");
    }

    #[test]
    fn large_numbers_are_read_in_threes() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(thousands(number), text);
        }
    }
}
