//! `becket tasks enqueue`: submits a task, and waits for its end where that is asked for.

use std::io::Read as _;
use std::process::ExitCode;

use anyhow::Context as _;
use futures_util::StreamExt as _;
use reqwest::StatusCode;
use serde_json::value::RawValue;

use crate::api::{Api, cause, read, views};
use crate::cli::{EnqueueArgs, EnqueueBody, Query};
use crate::complaint::Complaint;
use crate::output;

/// Enqueues a task; with `--wait` the exit code is 0 if it completed.
pub(super) async fn run(api: &Api, args: &EnqueueArgs, json: bool) -> anyhow::Result<ExitCode> {
    let payload = args.args.as_deref().map(payload).transpose()?;
    let body = EnqueueBody { kind: &args.kind, args: payload.as_deref(), options: &args.options };
    let (status, answer) = api.post_for_status(&["tasks"], &body).await?;
    let task: views::Task = read(&answer)?;
    if args.wait {
        return wait(api, &task, json).await;
    }
    if json {
        output::document(&answer)?;
    } else if status == StatusCode::OK {
        output::line(format_args!("there already: {} ({})", task.id, task.state))?;
    } else {
        output::line(format_args!("enqueued: {}", task.id))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The arguments: as they were written, of a file, or of the standard input.
fn payload(given: &str) -> anyhow::Result<Box<RawValue>> {
    let (text, place) = match given.strip_prefix('@') {
        Some(file) => {
            (std::fs::read_to_string(file).with_context(|| format!("read the arguments {file}"))?, file.to_owned())
        }
        None if given == "-" => {
            let mut text = String::new();
            std::io::stdin().lock().read_to_string(&mut text).context("read the arguments from the standard input")?;
            (text, "the standard input".to_owned())
        }
        None => (given.to_owned(), "--args".to_owned()),
    };
    // What is wrong is told by its place alone: arguments may hold what is no one else's business.
    let not_json = |error: serde_json::Error| {
        let what = format!("the arguments are not JSON (line {}, column {})", error.line(), error.column());
        let mend = "write a text in quotes too: --args '\"octo/repo\"'; @FILE reads a file, - the standard input";
        Complaint::new(what).at(place.clone()).mend(mend)
    };
    Ok(serde_json::from_str::<Box<RawValue>>(&text).map_err(not_json)?)
}

/// Waits for the task's end, and shows it.
async fn wait(api: &Api, task: &views::Task, json: bool) -> anyhow::Result<ExitCode> {
    let spinner = output::spinner("waiting for the task's end");
    let answer = loop {
        // The stream ends with the task. It may end before, as when the server restarts: so the task is asked for.
        until_told(api, &task.id).await?;
        let answer = api.get(&["tasks", &task.id], &Query::new()).await?;
        if views::is_ended(&read::<views::Task>(&answer)?.state) {
            break answer;
        }
    };
    spinner.finish_and_clear();
    let task: views::Task = read(&answer)?;
    if json {
        output::document(&answer)?;
    } else {
        super::print(&task)?;
    }
    Ok(if task.state == "completed" { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn until_told(api: &Api, id: &str) -> anyhow::Result<()> {
    let mut stream = api.stream(&["tasks", id, "events"], &Query::new()).await?.bytes_stream();
    while let Some(piece) = stream.next().await {
        piece.map_err(|error| {
            Complaint::new(format!("waiting ended: {}", cause(&error)))
                .at(format!("/api/v1/tasks/{id}/events"))
                .mend(format!("see whether the server is running; `becket tasks watch {id}` goes on waiting"))
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_kept_as_they_were_written() {
        assert_eq!(
            payload("{\"amount\": 12345678901234567890.10}").unwrap().get(),
            "{\"amount\": 12345678901234567890.10}"
        );
        assert_eq!(payload(" null ").unwrap().get(), "null");
    }

    #[test]
    fn arguments_that_are_no_json_are_not_repeated() {
        let error = payload("{\"a\": s3cret}").unwrap_err();
        assert_eq!(error.to_string(), "the arguments are not JSON (line 1, column 7)");
        let complaint = error.downcast_ref::<Complaint>().unwrap();
        assert_eq!(complaint.place(), Some("--args"));
        assert!(complaint.remedy().unwrap().contains("@FILE"));
        assert!(payload("@/nowhere").unwrap_err().to_string().contains("read the arguments /nowhere"));
    }
}
