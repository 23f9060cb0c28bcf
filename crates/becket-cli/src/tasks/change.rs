//! Changing tasks: some that are named, one after the other, or all that match, in one request.
//!
//! One task that cannot be changed does not keep the others from it; the exit code then says that not all went well.

use std::process::ExitCode;

use anyhow::Context as _;
use bytes::Bytes;
use serde::Serialize;
use serde_json::{Value, json};

use crate::api::{Api, read};
use crate::cli::SelectionArgs;
use crate::output;

/// Runs tasks again from the start.
pub(super) async fn requeue(api: &Api, selection: &SelectionArgs, json: bool) -> anyhow::Result<ExitCode> {
    if selection.ids.is_empty() {
        return matching(api, "requeue", selection, json).await;
    }
    each(&selection.ids, "requeued", json, async |id| api.post(&["tasks", id, "requeue"], None::<&()>).await).await
}

/// Deletes finished tasks.
pub(super) async fn purge(api: &Api, selection: &SelectionArgs, json: bool) -> anyhow::Result<ExitCode> {
    if selection.ids.is_empty() {
        return matching(api, "purge", selection, json).await;
    }
    each(&selection.ids, "purged", json, async |id| {
        api.delete(&["tasks", id]).await?;
        // The API answers without a body; this is what it answers when several are deleted at once.
        Ok(json!({"purged": 1}).to_string().into())
    })
    .await
}

/// Ends tasks that have not ended.
pub(super) async fn cancel(api: &Api, ids: &[String], reason: Option<&str>, json: bool) -> anyhow::Result<ExitCode> {
    #[derive(Serialize)]
    struct Cancellation<'a> {
        reason: &'a str,
    }
    let body = reason.map(|reason| Cancellation { reason });
    each(ids, "cancelled", json, async |id| api.post(&["tasks", id, "cancel"], body.as_ref()).await).await
}

/// Changes all that match. The server works in slices and answers at the end.
async fn matching(api: &Api, verb: &str, selection: &SelectionArgs, json: bool) -> anyhow::Result<ExitCode> {
    let spinner = output::spinner("working");
    let answer = api.post(&["tasks", verb], Some(&selection.body())).await;
    spinner.finish_and_clear();
    let answer = answer?;
    if json {
        output::document(&answer)?;
    } else {
        let counts: serde_json::Map<String, Value> = read(&answer)?;
        for (what, count) in counts {
            output::line(format_args!("{what}: {count}"))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Changes one after the other. JSON is one document for each.
pub(crate) async fn each(
    ids: &[String],
    done: &str,
    json: bool,
    change: impl AsyncFn(&str) -> anyhow::Result<Bytes>,
) -> anyhow::Result<ExitCode> {
    let bar = output::progress(ids.len() as u64, "working");
    let mut last_error = None;
    for id in ids {
        let changed = change(id).await;
        bar.inc(1);
        match changed {
            Ok(answer) if json => bar.suspend(|| output::document(&answer))?,
            Ok(_) => bar.suspend(|| output::line(format_args!("{done}: {id}")))?,
            Err(error) if ids.len() == 1 => return Err(error),
            Err(error) => {
                bar.suspend(|| output::failure(&error, json));
                last_error = Some(error);
            }
        }
    }
    bar.finish_and_clear();
    match last_error {
        Some(error) => Err(error).context("not all could be changed; the last that could not"),
        None => Ok(ExitCode::SUCCESS),
    }
}
