//! The two endpoints of PR-Agent's webhook processor, for programs that were written for it.
//!
//! They show a delivery as one thing with one status, whatever number of tasks it has; of several tasks of one handler,
//! which replays make, the latest counts. Whoever writes something new
//! asks for tasks and deliveries instead.

#![expect(unused_qualifications, reason = "what utoipa makes of `params(…)` has them")]

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use becket_tasks::query::SubmissionInfo;
use becket_tasks::state::Standing;
use becket_tasks::{State as TaskState, TaskDetail, Timestamp};
use futures_util::future::try_join_all;
use http::Uri;
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};
use utoipa::{IntoParams, ToSchema};

use super::deliveries::Deliveries;
use super::page::{Cursor, Limit, Listing, page};
use super::params::Params;
use super::{Api, Shared, find, views};
use crate::http::problem::Problem;
use crate::notify;

/// The longest list, since each item carries its payload.
const LIMIT_MAX: usize = 100;
/// How many bytes of payloads one list carries; the payloads of further items are `null`.
const PAYLOAD_BYTES_MAX: usize = 8 * 1_024 * 1_024;

/// A delivery as PR-Agent's webhook processor shows it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WebhookStatus {
    /// The sender's id, or ours where there is none.
    #[schema(example = "72d3162e-cc78-11e3-81ab-4c9367dc0958")]
    webhook_id: String,
    /// Who sent it.
    #[schema(value_type = String, example = "github")]
    source: Arc<str>,
    /// What it says: `issues.opened`.
    #[schema(example = "issues.opened")]
    event_type: String,
    /// The body; `null` when it was erased, text in base 64 when it is not JSON.
    #[schema(value_type = Option<Object>)]
    payload: Option<Box<RawValue>>,
    /// The least finished of its tasks decides.
    status: Status,
    /// When it was accepted.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When one of its tasks last changed its state.
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
    /// The most attempts that one of its tasks has used.
    attempts: u32,
    /// The most attempts that one of its tasks may use.
    max_attempts: u32,
    /// What went wrong, if anything did.
    error: Option<String>,
    /// What its handler returned; of several handlers an object, by kind.
    #[schema(value_type = Option<Object>)]
    result: Option<Box<RawValue>>,
}

/// PR-Agent's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Status {
    /// It waits for a worker.
    Queued,
    /// A handler runs.
    Processing,
    /// A handler failed and is to be run again.
    Retrying,
    /// All handlers succeeded, or none wanted it.
    Completed,
    /// A handler failed for good, or was cancelled.
    Failed,
}

/// Shows one delivery's status.
#[utoipa::path(get, path = "/api/v1/webhook_status/{delivery_id}", tag = "pr-agent", operation_id = "webhook_status",
    params(("delivery_id" = String, Path, description = "The sender's id where only one source has it, or ours.")),
    responses(
        (status = 200, description = "The delivery.", body = WebhookStatus),
        (status = "default", response = Problem),
    ))]
pub(super) async fn one(
    State(api): State<Shared>,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<Json<WebhookStatus>, Problem> {
    let status = async {
        let delivery = find::delivery(api.store(), &id).await?;
        status_of(&api, delivery, &mut usize::MAX.clone()).await
    };
    status.await.map(Json).map_err(|problem| problem.at(uri.path()))
}

/// Which deliveries.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Asked {
    /// The `next_cursor` of the page before.
    #[param(value_type = Option<String>)]
    cursor: Option<Cursor<Deliveries>>,
    /// How many at the most. Default 50.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 100)]
    limit: Option<Limit<LIMIT_MAX>>,
}

/// Lists the status of deliveries, newest first. Payloads beyond 8 MiB in one answer are `null`.
#[utoipa::path(get, path = "/api/v1/webhook_statuses", tag = "pr-agent", operation_id = "webhook_statuses",
    params(Asked),
    responses(
        (status = 200, description = "One page of deliveries.", body = Listing<WebhookStatus>),
        (status = "default", response = Problem),
    ))]
pub(super) async fn list(
    State(api): State<Shared>,
    Params(query): Params<Asked>,
) -> Result<Json<Listing<WebhookStatus>>, Problem> {
    let page = page(query.cursor.as_ref(), query.limit);
    let listed = api.store().submissions(Default::default(), page).await?;
    let mut room = PAYLOAD_BYTES_MAX;
    let mut items = Vec::with_capacity(listed.items.len());
    for delivery in listed.items {
        items.push(status_of(&api, delivery, &mut room).await?);
    }
    Ok(Json(Listing::of::<Deliveries>(items, listed.next)))
}

/// Reads a delivery's tasks, and its payload where there is `room` for so many bytes.
async fn status_of(api: &Api, delivery: SubmissionInfo, room: &mut usize) -> Result<WebhookStatus, Problem> {
    let tasks = try_join_all(delivery.tasks.iter().map(|task| api.store().task(*task))).await?;
    let own = |detail: &TaskDetail| !notify::is_reserved(&detail.task.kind);
    let tasks = latest_of_each_kind(tasks.into_iter().flatten().filter(own));
    let bytes = usize::try_from(delivery.payload_bytes).unwrap_or(usize::MAX);
    let payload = match room.checked_sub(bytes) {
        Some(left) => {
            *room = left;
            api.store().payload(delivery.id).await?
        }
        None => None,
    };
    let payload = payload.and_then(|payload| views::body(&payload.payload).1);
    Ok(combine(delivery, &tasks, payload))
}

/// A replay gives each handler a new task, and what became of the earlier one counts no longer.
fn latest_of_each_kind(tasks: impl Iterator<Item = TaskDetail>) -> Vec<TaskDetail> {
    let mut latest: BTreeMap<Arc<str>, TaskDetail> = BTreeMap::new();
    for task in tasks {
        let kind = Arc::clone(&task.task.kind);
        if latest.get(&kind).is_none_or(|known| known.task.id < task.task.id) {
            latest.insert(kind, task);
        }
    }
    latest.into_values().collect()
}

fn combine(delivery: SubmissionInfo, tasks: &[TaskDetail], payload: Option<Box<RawValue>>) -> WebhookStatus {
    let standings = || tasks.iter().map(|detail| &detail.task.standing);
    let event_type = match &delivery.action {
        Some(action) => format!("{}.{action}", delivery.event),
        None => delivery.event.to_string(),
    };
    WebhookStatus {
        webhook_id: delivery.key.map_or_else(|| delivery.id.to_string(), |key| key.to_string()),
        source: delivery.source,
        event_type,
        payload,
        status: status(&standings().map(|standing| standing.state).collect::<Vec<_>>()),
        created_at: delivery.received_at,
        updated_at: tasks.iter().map(|detail| detail.task.updated_at).max().unwrap_or(delivery.received_at),
        attempts: standings().map(Standing::attempts_counted).max().unwrap_or(0),
        max_attempts: standings().map(|standing| standing.max_attempts).max().unwrap_or(0),
        error: error(tasks),
        result: result(tasks),
    }
}

/// The least finished task decides; among finished ones, a failed one.
fn status(states: &[TaskState]) -> Status {
    if states.contains(&TaskState::Running) {
        Status::Processing
    } else if states.contains(&TaskState::Retrying) {
        Status::Retrying
    } else if states.contains(&TaskState::Queued) || states.contains(&TaskState::Waiting) {
        Status::Queued
    } else if states.contains(&TaskState::Failed) || states.contains(&TaskState::Cancelled) {
        Status::Failed
    } else {
        Status::Completed
    }
}

fn error(tasks: &[TaskDetail]) -> Option<String> {
    let errors = tasks.iter().filter(|detail| detail.task.state() != TaskState::Completed);
    let texts: Vec<String> = errors
        .filter_map(|detail| match (&detail.task.error, detail.task.state()) {
            (Some(error), TaskState::Cancelled) => Some(format!("cancelled: {error}")),
            (None, TaskState::Cancelled) => Some("cancelled".to_owned()),
            (error, _) => error.as_deref().map(ToOwned::to_owned),
        })
        .collect();
    (!texts.is_empty()).then(|| texts.join("; "))
}

fn result(tasks: &[TaskDetail]) -> Option<Box<RawValue>> {
    let shown = |detail: &TaskDetail| detail.result.as_deref().map(views::json_or_base64);
    match tasks {
        [] => None,
        [only] => shown(only),
        several => {
            let by_kind: BTreeMap<&str, _> =
                several.iter().filter_map(|detail| Some((&*detail.task.kind, shown(detail)?))).collect();
            if by_kind.is_empty() { None } else { to_raw_value(&by_kind).ok() }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn least_finished_task_decides_the_status() {
        use TaskState::{Cancelled, Completed, Failed, Queued, Retrying, Running, Waiting};
        for (states, expected) in [
            (&[][..], Status::Completed),
            (&[Completed][..], Status::Completed),
            (&[Completed, Queued], Status::Queued),
            (&[Waiting, Failed], Status::Queued),
            (&[Queued, Retrying], Status::Retrying),
            (&[Failed, Running, Queued], Status::Processing),
            (&[Completed, Failed], Status::Failed),
            (&[Cancelled], Status::Failed),
        ] {
            assert_eq!(status(states), expected, "{states:?}");
        }
    }
}
