//! A change to all that match a filter: counted, asked about, begun, and followed to its end.
//!
//! The server does the work. Where it makes an operation of it, that goes on when this program is stopped.

use std::io::{self, IsTerminal as _};
use std::process::ExitCode;
use std::time::Duration;

use bytes::Bytes;
use indicatif::{HumanCount, ProgressBar};
use serde::Deserialize;

use crate::api::{Api, read};
use crate::cli::{BulkArgs, Query, SelectionBody};
use crate::complaint::Complaint;
use crate::output;

/// More than this are not changed without asking.
const UNASKED_MAX: u64 = 100;
/// How often to look how far an operation has come.
const LOOK_EACH: Duration = Duration::from_millis(200);

/// A change, and what it is made to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bulk {
    /// `tasks` or `deliveries`.
    pub(crate) things: &'static str,
    /// The last part of the path: `requeue`.
    pub(crate) verb: &'static str,
    /// What is said afterwards: `requeued`.
    pub(crate) done: &'static str,
}

/// What a dry run answers.
#[derive(Deserialize)]
struct Count {
    matching: u64,
}

/// An operation, as far as it is shown.
#[derive(Deserialize)]
struct Operation {
    id: String,
    state: String,
    matching: Option<u64>,
    done: u64,
    error: Option<String>,
}

impl Bulk {
    /// Changes all that `selection` chooses.
    pub(crate) async fn run(
        self,
        api: &Api,
        selection: SelectionBody,
        args: BulkArgs,
        json: bool,
    ) -> anyhow::Result<ExitCode> {
        let counted = self.count(api, &selection).await?;
        let Count { matching } = read(&counted)?;
        if args.dry_run {
            self.tell(&counted, "matching", matching, json)?;
            return Ok(ExitCode::SUCCESS);
        }
        if matching > UNASKED_MAX && !args.yes && !self.is_meant(matching)? {
            output::note("nothing was changed");
            return Ok(ExitCode::FAILURE);
        }
        let spinner = output::spinner("working");
        let answer = api.post(&[self.things, self.verb], Some(&selection)).await;
        spinner.finish_and_clear();
        let answer = answer?;
        match serde_json::from_slice::<Operation>(&answer) {
            Ok(operation) => self.follow(api, operation, answer, json).await?,
            Err(_) => {
                let counts: SelectionBody = read(&answer)?;
                let done = counts.get(self.done).and_then(serde_json::Value::as_u64).unwrap_or_default();
                self.tell(&answer, self.done, done, json)?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }

    async fn count(self, api: &Api, selection: &SelectionBody) -> anyhow::Result<Bytes> {
        let mut body = selection.clone();
        body.insert("dry_run".to_owned(), true.into());
        let spinner = output::spinner("counting");
        let answer = api.post(&[self.things, self.verb], Some(&body)).await;
        spinner.finish_and_clear();
        answer
    }

    fn tell(self, answer: &[u8], what: &str, count: u64, json: bool) -> io::Result<()> {
        if json {
            return output::document(answer);
        }
        if count == 0 {
            output::note(format_args!("no {} match", self.things));
        }
        output::line(format_args!("{what}: {count}"))
    }

    /// Asks whoever sits at the terminal.
    fn is_meant(self, matching: u64) -> anyhow::Result<bool> {
        let (count, Self { things, verb, .. }) = (HumanCount(matching), self);
        if !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
            let complaint = Complaint::new(format!("{count} {things} match, and there is no terminal to ask on"));
            return Err(complaint.mend(format!("give --yes to {verb} them, or narrow the filter")).into());
        }
        output::question(format_args!("{verb} {count} {things}? [y/N] "));
        let mut line = String::new();
        io::stdin().read_line(&mut line)?;
        Ok(is_yes(&line))
    }

    /// Shows how far an operation has come, until it has ended.
    async fn follow(self, api: &Api, mut operation: Operation, mut answer: Bytes, json: bool) -> anyhow::Result<()> {
        if !json {
            output::note(format_args!("operation {}; it goes on when this program is stopped", operation.id));
        }
        let bar = output::progress(0, "working");
        while operation.state == "running" {
            tokio::time::sleep(LOOK_EACH).await;
            answer = api.get(&["operations", &operation.id], &Query::new()).await?;
            operation = read(&answer)?;
            show(&bar, &operation);
        }
        bar.finish_and_clear();
        let Operation { state, done, error, .. } = operation;
        match state.as_str() {
            "completed" => Ok(self.tell(&answer, self.done, done, json)?),
            "failed" => {
                let why = error.unwrap_or_default();
                let complaint = Complaint::new(format!("the operation failed after {done} {}: {why}", self.things));
                Err(complaint.mend("begin it again; what was done stays done").into())
            }
            _ => Err(Complaint::new(format!("the operation was stopped after {done} {}", self.things)).into()),
        }
    }
}

fn show(bar: &ProgressBar, operation: &Operation) {
    if let Some(matching) = operation.matching {
        bar.set_length(matching);
    }
    bar.set_position(operation.done);
}

fn is_yes(line: &str) -> bool {
    matches!(line.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_yes_is_a_yes() {
        assert!(["y\n", "Y\n", " yes \r\n"].into_iter().all(is_yes));
        assert!(!["", "\n", "n\n", "yesterday\n", "ja\n"].into_iter().any(is_yes));
    }
}
