//! Plain text for people: aligned columns, and how a budget reads.

use crate::budget::Limit;

/// One line per row under a line of names. The first column is words, aligned left; the others are numbers, aligned right.
#[must_use]
pub fn align(columns: &[String], rows: &[Vec<String>]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0).max(columns[column].len());
    let widths: Vec<_> = (0..columns.len()).map(width).collect();
    let mut text = String::new();
    for row in std::iter::once(columns).chain(rows.iter().map(Vec::as_slice)) {
        let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, width))| {
            if column == 0 { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
        });
        line(&mut text, cells.collect::<Vec<_>>().join("  ").trim_end());
    }
    text
}

/// Adds a line.
pub fn line(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}

/// A judged budget: whether it was kept and what it is about, the number, its limit.
#[must_use]
pub fn verdict(what: &str, measured: f64, limit: Limit) -> [String; 3] {
    let mark = if limit.allows(measured) { "kept  " } else { "MISSED" };
    let bound = match limit {
        Limit::AtLeast(lowest) => format!("at least {lowest}"),
        Limit::AtMost(highest) => format!("at most {highest}"),
    };
    [format!("{mark}  {what}"), format!("{measured:.2}"), bound]
}
