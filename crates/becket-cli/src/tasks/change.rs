//! Changing tasks: some that are named, one after the other, or [all that match](crate::bulk).
//!
//! One task that cannot be changed does not keep the others from it; the exit code then says that not all went well.

use std::process::ExitCode;

use anyhow::Context as _;
use bytes::Bytes;
use serde_json::json;

use crate::api::Api;
use crate::bulk::Bulk;
use crate::cli::{SelectionArgs, SelectionBody};
use crate::output;

/// Runs tasks again from the start.
pub(super) async fn requeue(api: &Api, selection: &SelectionArgs, json: bool) -> anyhow::Result<ExitCode> {
    if selection.ids.is_empty() {
        let bulk = Bulk { things: "tasks", verb: "requeue", done: "requeued" };
        return bulk.run(api, selection.body(), selection.bulk, json).await;
    }
    each(&selection.ids, "requeued", json, async |id| api.post(&["tasks", id, "requeue"], None::<&()>).await).await
}

/// Deletes finished tasks.
pub(super) async fn purge(api: &Api, selection: &SelectionArgs, json: bool) -> anyhow::Result<ExitCode> {
    if selection.ids.is_empty() {
        let bulk = Bulk { things: "tasks", verb: "purge", done: "purged" };
        return bulk.run(api, selection.body(), selection.bulk, json).await;
    }
    each(&selection.ids, "purged", json, async |id| {
        api.delete(&["tasks", id]).await?;
        // The API answers without a body; this is what it answers when several are deleted at once.
        Ok(json!({"purged": 1}).to_string().into())
    })
    .await
}

/// Ends tasks that have not ended.
pub(super) async fn cancel(
    api: &Api,
    selection: &SelectionArgs,
    reason: Option<&str>,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let reason = reason.map(|reason| ("reason".to_owned(), reason.into()));
    if selection.ids.is_empty() {
        let mut body = selection.body();
        body.extend(reason);
        let bulk = Bulk { things: "tasks", verb: "cancel", done: "cancelled" };
        return bulk.run(api, body, selection.bulk, json).await;
    }
    let body: Option<SelectionBody> = reason.map(|reason| [reason].into_iter().collect());
    each(&selection.ids, "cancelled", json, async |id| api.post(&["tasks", id, "cancel"], body.as_ref()).await).await
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
