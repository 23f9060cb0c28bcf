//! `becket tasks watch`: follows the API's stream of events.

use std::collections::BTreeSet;
use std::process::ExitCode;

use futures_util::StreamExt as _;
use serde_json::Value;

use crate::api::{Api, cause, read, views};
use crate::cli::{Query, TaskState, joined};
use crate::complaint::Complaint;
use crate::output::{self, Plain};
use crate::sse::{Message, Reader};

/// The tasks that are waited for, and whether all that ended did so well.
struct Watched {
    pending: BTreeSet<String>,
    all_completed: bool,
}

/// Prints transitions; with ids, only theirs and their progress, until all have ended.
pub(super) async fn run(
    api: &Api,
    ids: Vec<String>,
    states: &[TaskState],
    kind: Option<String>,
    json: bool,
) -> anyhow::Result<ExitCode> {
    // Of the progress of all tasks there is too much to be of interest.
    let progress = (!ids.is_empty()).then(|| "true".to_owned());
    let query: Query = [("state", joined(states)), ("kind", kind), ("progress", progress)]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect();
    // Listening begins before the tasks are asked for, so that no end falls between the two.
    let mut stream = api.events(&query).await?.bytes_stream();
    let mut watched = None;
    if !ids.is_empty() {
        let found = Watched::find(api, ids).await?;
        if found.pending.is_empty() {
            return Ok(found.exit_code());
        }
        watched = Some(found);
    }

    let mut reader = Reader::default();
    while let Some(piece) = stream.next().await {
        let piece = piece.map_err(|error| ended(&cause(&error)))?;
        for message in reader.feed(&piece) {
            if !show(&message, watched.as_mut(), json)? {
                continue;
            }
            // Ends may be among what was missed: ask again.
            if let Some(watched) = &mut watched
                && message.event == "missed"
            {
                *watched = Watched::find(api, std::mem::take(&mut watched.pending)).await?.after(watched);
            }
        }
        if let Some(watched) = &watched
            && watched.pending.is_empty()
        {
            return Ok(watched.exit_code());
        }
    }
    Err(ended("the server closed the stream").into())
}

fn ended(why: &str) -> Complaint {
    Complaint::new(format!("watching ended: {why}")).at("/api/v1/events").mend("see whether the server is running")
}

impl Watched {
    /// Asks for the tasks, whose ids may be their senders'.
    async fn find(api: &Api, ids: impl IntoIterator<Item = String>) -> anyhow::Result<Self> {
        let mut found = Self { pending: BTreeSet::new(), all_completed: true };
        for id in ids {
            let task: views::Task = read(&api.get(&["tasks", &id], &Query::new()).await?)?;
            if views::is_ended(&task.state) {
                found.all_completed &= task.state == "completed";
            } else {
                found.pending.insert(task.id);
            }
        }
        Ok(found)
    }

    fn after(self, earlier: &Self) -> Self {
        Self { all_completed: self.all_completed && earlier.all_completed, ..self }
    }

    /// Takes note of a transition; answers whether it is of one of the tasks.
    fn note(&mut self, transition: &views::Transition) -> bool {
        if !self.pending.contains(&transition.id) {
            return false;
        }
        if views::is_ended(&transition.state) {
            self.pending.remove(&transition.id);
            self.all_completed &= transition.state == "completed";
        }
        true
    }

    fn exit_code(&self) -> ExitCode {
        if self.all_completed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

/// Prints a message, if it is of interest; answers whether it was.
fn show(message: &Message, watched: Option<&mut Watched>, json: bool) -> anyhow::Result<bool> {
    if message.event == "missed" {
        let missed: Value = read(message.data.as_bytes())?;
        if json {
            output::document(message.data.as_bytes())?;
        } else {
            output::note(format_args!("this listener was too slow and missed {} changes", missed["missed"]));
        }
        return Ok(true);
    }
    if message.event == "progress" {
        return show_progress(message, watched.as_deref(), json);
    }
    if message.event != "transition" {
        return Ok(false);
    }
    let transition: views::Transition = read(message.data.as_bytes())?;
    if watched.is_some_and(|watched| !watched.note(&transition)) {
        return Ok(false);
    }
    if json {
        output::document(message.data.as_bytes())?;
    } else {
        output::line(Plain(&line(&transition)))?;
    }
    Ok(true)
}

/// Prints how far one of the tasks has come; answers whether it is one of them.
fn show_progress(message: &Message, watched: Option<&Watched>, json: bool) -> anyhow::Result<bool> {
    let task: views::TaskProgress = read(message.data.as_bytes())?;
    if !watched.is_some_and(|watched| watched.pending.contains(&task.id)) {
        return Ok(false);
    }
    if json {
        output::document(message.data.as_bytes())?;
    } else {
        let views::TaskProgress { id, kind, progress } = &task;
        let line = format!("{}  {id}  {kind}  {}", progress.at, super::progress::text(progress));
        output::line(Plain(&line))?;
    }
    Ok(true)
}

fn line(transition: &views::Transition) -> String {
    let views::Transition { id, kind, from, state, attempt, at, error } = transition;
    let from = from.as_deref().unwrap_or("new");
    let error = error.as_deref().map(|error| format!("  {error}")).unwrap_or_default();
    format!("{at}  {id}  {kind}  {from} -> {state}  attempt {attempt}{error}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transition(id: &str, state: &str) -> views::Transition {
        views::Transition {
            id: id.to_owned(),
            kind: "triage".to_owned(),
            from: Some("running".to_owned()),
            state: state.to_owned(),
            attempt: 2,
            at: "2026-11-22T08:00:00.000Z".to_owned(),
            error: Some("no".to_owned()),
        }
    }

    #[test]
    fn watched_tasks_are_done_when_each_has_ended() {
        let mut watched = Watched { pending: ["A", "B"].map(str::to_owned).into(), all_completed: true };
        assert!(!watched.note(&transition("C", "failed")), "another's task is of no interest");
        assert!(watched.note(&transition("A", "retrying")));
        assert_eq!(watched.pending.len(), 2);
        watched.note(&transition("A", "completed"));
        assert!(watched.all_completed);
        watched.note(&transition("B", "failed"));
        assert!(watched.pending.is_empty() && !watched.all_completed);
    }

    #[test]
    fn line_says_what_became_of_which_task() {
        let expected = "2026-11-22T08:00:00.000Z  A  triage  running -> retrying  attempt 2  no";
        assert_eq!(line(&transition("A", "retrying")), expected);
    }
}
