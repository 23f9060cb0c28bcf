//! What the program writes: lines, tables and JSON on the standard output, notes and progress on the standard error.
//!
//! All output goes through here. What comes from elsewhere (events, errors of handlers, ids) is written without control
//! characters, since a sender could otherwise move the cursor of whoever looks at its webhooks.

use std::fmt::{self, Display};
use std::io::{self, IsTerminal as _, Write as _};
use std::time::Duration;

use comfy_table::{Cell, Color, ContentArrangement, presets};
use indicatif::{ProgressBar, ProgressStyle};
use reqwest::StatusCode;
use serde::Serialize;
use serde_json::{Value, json};

use crate::complaint::Complaint;

/// Tables are not wrapped on terminals that say they have fewer columns.
const WIDTH_MIN: u16 = 40;

/// Writes a line to the standard output.
pub(crate) fn line(text: impl Display) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{text}")?;
    stdout.flush()
}

/// Writes JSON text to the standard output, byte for byte as the server sent it.
pub(crate) fn document(text: &[u8]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text)?;
    stdout.write_all(b"\n")?;
    stdout.flush()
}

/// Writes bytes to the standard output, and nothing beside them.
pub(crate) fn bytes(bytes: &[u8]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(bytes)?;
    stdout.flush()
}

/// Writes a value of ours as one line of JSON to the standard output.
pub(crate) fn json<T: Serialize>(value: &T) -> io::Result<()> {
    document(&serde_json::to_vec(value)?)
}

/// Writes a line to the standard error stream.
pub(crate) fn note(text: impl Display) {
    // Nobody is left who could be told that the standard error stream is closed.
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Writes a question to the standard error stream, and leaves the cursor behind it.
pub(crate) fn question(text: impl Display) {
    let mut stderr = io::stderr().lock();
    let _ = write!(stderr, "{text}");
    let _ = stderr.flush();
}

/// Writes an error to the standard error stream: what, where and how to mend it; with `as_json` as problem details.
pub(crate) fn failure(error: &anyhow::Error, as_json: bool) {
    let complaint = error.downcast_ref::<Complaint>();
    if as_json {
        match complaint.and_then(Complaint::document) {
            Some(document) => note(String::from_utf8_lossy(document)),
            None => note(problem(error, complaint.and_then(Complaint::status))),
        }
        return;
    }
    note(format_args!("error: {}", Plain(&format!("{error:#}"))));
    if let Some(place) = complaint.and_then(Complaint::place) {
        note(format_args!("where: {}", Plain(place)));
    }
    if let Some(mend) = complaint.and_then(Complaint::remedy) {
        note(format_args!("mend:  {}", Plain(mend)));
    }
}

/// Problem details for what no server explained; the status is there when one answered.
fn problem(error: &anyhow::Error, status: Option<StatusCode>) -> Value {
    let detail = format!("{error:#}");
    match status {
        Some(status) => {
            json!({"title": status.canonical_reason().unwrap_or("Error"), "status": status.as_u16(), "detail": detail})
        }
        None => json!({"title": "Error", "detail": detail}),
    }
}

/// A text without control characters other than line ends.
pub(crate) struct Plain<'a>(pub(crate) &'a str);

impl Display for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |c: char| if c.is_control() && c != '\n' { char::REPLACEMENT_CHARACTER } else { c };
        self.0.chars().try_for_each(|c| fmt::Write::write_char(f, shown(c)))
    }
}

/// A table: columns of text, no lines, wrapped to the width of the terminal if there is one.
pub(crate) struct Table(comfy_table::Table);

impl Table {
    /// A table without rows.
    pub(crate) fn new<const N: usize>(header: [&str; N]) -> Self {
        let mut table = comfy_table::Table::new();
        table.load_style(presets::NOTHING).set_header(header);
        // Recorders of terminals tell a width of 0; a table that is squeezed into it cannot be read.
        if table.width().is_some_and(|columns| columns >= WIDTH_MIN) {
            table.set_content_arrangement(ContentArrangement::Dynamic);
        }
        for column in table.column_iter_mut() {
            column.set_padding((0, 2));
        }
        Self(table)
    }

    /// Adds a row.
    pub(crate) fn row<const N: usize>(&mut self, cells: [Cell; N]) {
        self.0.add_row(cells);
    }

    /// Whether it has no rows.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Writes it to the standard output.
    pub(crate) fn print(&self) -> io::Result<()> {
        line(self.0.trim_fmt())
    }
}

/// A cell of text.
pub(crate) fn cell(text: impl Display) -> Cell {
    Cell::new(Plain(&text.to_string()).to_string().replace('\n', " "))
}

/// A cell of a text that may be missing.
pub(crate) fn optional(text: Option<&str>) -> Cell {
    cell(text.unwrap_or("-"))
}

/// A cell with a task's state, in the colour that it has everywhere.
pub(crate) fn state(word: &str) -> Cell {
    let coloured = |color| if colours_on_stdout() { cell(word).fg(color) } else { cell(word) };
    match word {
        "completed" => coloured(Color::Green),
        "failed" => coloured(Color::Red),
        "retrying" => coloured(Color::Yellow),
        "running" => coloured(Color::Cyan),
        _ => cell(word),
    }
}

fn colours_on_stdout() -> bool {
    io::stdout().is_terminal() && colours_wanted()
}

/// Whether the standard error stream is a terminal whose owner wants colours.
pub(crate) fn colours_on_stderr() -> bool {
    io::stderr().is_terminal() && colours_wanted()
}

/// <https://no-color.org>: any value but an empty one says no.
fn colours_wanted() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// A progress bar on the standard error stream; nothing where that is no terminal.
pub(crate) fn progress(len: u64, what: &'static str) -> ProgressBar {
    styled(ProgressBar::new(len), "{msg} {wide_bar} {human_pos}/{human_len} {eta}").with_message(what)
}

/// A spinner on the standard error stream, for work of unknown length; nothing where that is no terminal.
pub(crate) fn spinner(what: &'static str) -> ProgressBar {
    let bar = styled(ProgressBar::new_spinner(), "{spinner} {msg} {elapsed}").with_message(what);
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}

/// A bar in a style of its own. The templates are ours, and a test builds each.
pub(crate) fn styled(bar: ProgressBar, template: &str) -> ProgressBar {
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_elsewhere_cannot_move_the_cursor() {
        assert_eq!(Plain("a\u{1b}[2Jb\rc\u{9b}d").to_string(), "a\u{fffd}[2Jb\u{fffd}c\u{fffd}d");
        assert_eq!(cell("two\nlines").content(), "two lines");
    }

    #[test]
    fn table_is_columns_without_lines_or_trailing_space() {
        let mut table = Table::new(["ID", "STATE"]);
        table.row([cell("0000000000001"), state("failed")]);
        assert_eq!(table.0.trim_fmt(), "ID             STATE\n0000000000001  failed");
    }
}
