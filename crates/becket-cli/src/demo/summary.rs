//! The summary: what happened, and what is missing from what was promised.
//!
//! What the senders saw ([`Tally`]) is held against what the server says ([`Facts`]). Pure but for the printing.

mod promise;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::time::Duration;

use serde::Serialize;

use super::facts::Facts;
use super::handlers::{FLAKY, FLAKY_SUCCEEDS_AT};
use super::tally::Tally;
use crate::api::views;
use crate::output::{self, Table, cell, optional};

/// How many dead letters are shown in text; JSON has them all.
const DEAD_LETTERS_SHOWN: usize = 10;

/// What happened.
#[derive(Debug, Serialize)]
pub(super) struct Summary {
    posted: usize,
    acknowledged: usize,
    event_types: usize,
    duplicates_sent: usize,
    duplicates_recognised: usize,
    tasks: BTreeMap<String, usize>,
    retried_then_completed: usize,
    dead_letters: Vec<DeadLetter>,
    ack_p50_ms: f64,
    ack_p99_ms: f64,
    deliveries_per_second: f64,
    url: String,
    /// What was promised and did not happen; empty when all went well.
    pub(super) missing: Vec<String>,
}

/// A task that used up its attempts.
#[derive(Debug, Serialize)]
struct DeadLetter {
    id: String,
    kind: String,
    event: String,
    attempts: u32,
    error: Option<String>,
}

impl Summary {
    /// Sums up. Posting took `took`; the server is at `url`.
    pub(super) fn new(tally: &Tally, facts: &Facts, took: Duration, url: &str) -> Self {
        let rate = tally.acknowledged.len() as f64 / took.as_secs_f64().max(0.001);
        Self {
            posted: tally.posted,
            acknowledged: tally.acknowledged.len(),
            event_types: event_types(facts).len(),
            duplicates_sent: tally.duplicates_sent,
            duplicates_recognised: tally.duplicates_recognised,
            tasks: facts.by_state(),
            retried_then_completed: facts.of_kind(FLAKY).filter(|task| recovered(task)).count(),
            dead_letters: dead_letters(facts),
            ack_p50_ms: tally.latencies.percentile_ms(0.5),
            ack_p99_ms: tally.latencies.percentile_ms(0.99),
            deliveries_per_second: rate.round(),
            url: url.to_owned(),
            missing: promise::missing(tally, facts),
        }
    }

    /// Prints it, and where to look further if the server `goes_on`.
    pub(super) fn print(&self, goes_on: bool) -> io::Result<()> {
        let mut table = Table::new(["SUMMARY", ""]);
        let mut row = |what: &str, value: String| table.row([cell(what), cell(value)]);
        row("deliveries posted", format!("{} ({}/s)", self.posted, self.deliveries_per_second));
        row("acknowledged", format!("{}, p50 {} ms, p99 {} ms", self.acknowledged, self.ack_p50_ms, self.ack_p99_ms));
        row("event types", self.event_types.to_string());
        row(
            "duplicates",
            format!("{} sent on purpose, {} recognised", self.duplicates_sent, self.duplicates_recognised),
        );
        for (state, count) in &self.tasks {
            row(&format!("tasks {state}"), count.to_string());
        }
        row("retried, then completed", self.retried_then_completed.to_string());
        row("dead letters", self.dead_letters.len().to_string());
        output::line("")?;
        table.print()?;
        self.print_dead_letters()?;
        self.print_addresses(goes_on)?;
        for missing in &self.missing {
            output::line(format_args!("MISSING: {}", output::Plain(missing)))?;
        }
        Ok(())
    }

    fn print_dead_letters(&self) -> io::Result<()> {
        if self.dead_letters.is_empty() {
            return Ok(());
        }
        let mut table = Table::new(["DEAD LETTER", "KIND", "EVENT", "ATTEMPTS", "ERROR"]);
        for letter in self.dead_letters.iter().take(DEAD_LETTERS_SHOWN) {
            let DeadLetter { id, kind, event, attempts, error } = letter;
            table.row([cell(id), cell(kind), cell(event), cell(attempts), optional(error.as_deref())]);
        }
        output::line("")?;
        table.print()?;
        match self.dead_letters.len().saturating_sub(DEAD_LETTERS_SHOWN) {
            0 => Ok(()),
            more => output::line(format_args!("and {more} more")),
        }
    }

    fn print_addresses(&self, goes_on: bool) -> io::Result<()> {
        if !goes_on {
            return output::line("\n`becket demo --keep` goes on serving, to look at all this through the API");
        }
        let url = &self.url;
        output::line(format_args!(
            "\nlook further:\n  {url}/api/v1/tasks  {url}/metrics  {url}/openapi.json\n  \
             becket tasks list --state failed --url {url}\n  becket tasks requeue --kind broken --url {url}"
        ))
    }
}

/// The events that the server took, each with its source.
fn event_types(facts: &Facts) -> BTreeSet<(&str, &str)> {
    facts.deliveries.iter().map(|delivery| (delivery.source.as_str(), delivery.event.as_str())).collect()
}

/// Whether a flaky task did as it should.
fn recovered(task: &views::Task) -> bool {
    task.state == "completed" && task.attempt == FLAKY_SUCCEEDS_AT
}

fn dead_letters(facts: &Facts) -> Vec<DeadLetter> {
    let failed = facts.tasks.iter().filter(|task| task.state == "failed");
    failed
        .map(|task| DeadLetter {
            id: task.id.clone(),
            kind: task.kind.clone(),
            event: views::event(&task.event, task.action.as_deref()),
            attempts: task.attempt,
            error: task.error.clone(),
        })
        .collect()
}
