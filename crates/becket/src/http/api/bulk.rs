//! One change to all that matches a filter: run again, delete, cancel, replay.
//!
//! Without `state`, to run again and to delete mean the dead letters (`failed`), so that a short filter cannot run again
//! what has succeeded; to cancel means whatever has not ended. Few are changed at once, and the answer says how many. For
//! more an [operation](super::operations) is begun, which gives way to everything else.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use becket_tasks::{BulkChange, State as TaskState};
use http::header::LOCATION;
use http::{StatusCode, Uri};
use serde::Serialize;
use utoipa::ToSchema;

use super::body::Body;
use super::cancel::reason;
use super::operations::{OperationView, Replays, Verb, Work};
use super::selection::{DeliverySelection, Selection};
use super::{Api, Shared};
use crate::http::problem::Problem;

/// How many are changed before the answer; for more, an operation is begun.
const AT_ONCE_MAX: u64 = 2_000;

/// How many.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Count {
    /// How many match; nothing was changed.
    Matching(u64),
    /// How many were run again.
    Requeued(u64),
    /// How many were deleted.
    Purged(u64),
    /// How many were cancelled.
    Cancelled(u64),
    /// How many were replayed.
    Replayed(u64),
}

/// Runs again every task that matches: dead letters, unless `state` says otherwise.
#[utoipa::path(post, path = "/api/v1/tasks/requeue", tag = "tasks", operation_id = "requeue_tasks",
    request_body = Selection,
    responses(
        (status = 200, description = "How many were run again, or match.", body = Count),
        (status = 202, description = "More than 2,000 match: the operation that was begun.", body = OperationView),
        (status = "default", response = Problem),
    ))]
pub(super) async fn requeue(
    State(api): State<Shared>,
    uri: Uri,
    Body(selection): Body<Selection>,
) -> Result<Response, Problem> {
    let rule = "a running task cannot be run again before it has ended";
    let allowed = |state| state != TaskState::Running;
    let asked = Asked { verb: Verb::Requeue, change: BulkChange::Requeue, states: &[TaskState::Failed], rule };
    asked.of_tasks(&api, selection, allowed).await.map_err(|problem| problem.at(uri.path()))
}

/// Deletes every task that matches: dead letters, unless `state` says otherwise.
#[utoipa::path(post, path = "/api/v1/tasks/purge", tag = "tasks", operation_id = "purge_tasks",
    request_body = Selection,
    responses(
        (status = 200, description = "How many were deleted, or match.", body = Count),
        (status = 202, description = "More than 2,000 match: the operation that was begun.", body = OperationView),
        (status = "default", response = Problem),
    ))]
pub(super) async fn purge(
    State(api): State<Shared>,
    uri: Uri,
    Body(selection): Body<Selection>,
) -> Result<Response, Problem> {
    let rule = "only finished tasks can be deleted";
    let asked = Asked { verb: Verb::Purge, change: BulkChange::Purge, states: &[TaskState::Failed], rule };
    asked.of_tasks(&api, selection, TaskState::is_finished).await.map_err(|problem| problem.at(uri.path()))
}

/// Cancels every task that matches and has not ended, for one `reason`.
#[utoipa::path(post, path = "/api/v1/tasks/cancel", tag = "tasks", operation_id = "cancel_tasks",
    request_body = Selection,
    responses(
        (status = 200, description = "How many were cancelled, or match.", body = Count),
        (status = 202, description = "More than 2,000 match: the operation that was begun.", body = OperationView),
        (status = "default", response = Problem),
    ))]
pub(super) async fn cancel(
    State(api): State<Shared>,
    uri: Uri,
    Body(mut selection): Body<Selection>,
) -> Result<Response, Problem> {
    let reason = reason(selection.reason.take()).map_err(|problem| problem.at(uri.path()))?;
    let unfinished: Vec<TaskState> = TaskState::ALL.into_iter().filter(|state| !state.is_finished()).collect();
    let rule = "only a task that has not ended can be cancelled";
    let asked = Asked { verb: Verb::Cancel, change: BulkChange::Cancel(reason.into()), states: &unfinished, rule };
    asked.of_tasks(&api, selection, |state| !state.is_finished()).await.map_err(|problem| problem.at(uri.path()))
}

/// Routes again every delivery that matches, oldest first, as if they had just come in. Those whose body is gone are
/// passed over.
#[utoipa::path(post, path = "/api/v1/deliveries/replay", tag = "deliveries", operation_id = "replay_deliveries",
    request_body = DeliverySelection,
    responses(
        (status = 200, description = "How many were replayed, or match.", body = Count),
        (status = 202, description = "More than 2,000 match: the operation that was begun.", body = OperationView),
        (status = "default", response = Problem),
    ))]
pub(super) async fn replay(
    State(api): State<Shared>,
    uri: Uri,
    Body(selection): Body<DeliverySelection>,
) -> Result<Response, Problem> {
    let dry_run = selection.dry_run;
    let filter = selection.filter().map_err(|problem| problem.at(uri.path()))?;
    let replays = Replays::new(api.client().clone(), api.context.replay.clone(), filter);
    carry_out(&api, Verb::Replay, Work::Deliveries(replays), dry_run).await.map_err(|problem| problem.at(uri.path()))
}

/// What is asked for, apart from which tasks.
struct Asked<'a> {
    verb: Verb,
    change: BulkChange,
    /// What is meant where no state is named.
    states: &'a [TaskState],
    /// Why other states are impossible.
    rule: &'a str,
}

impl Asked<'_> {
    async fn of_tasks(
        self,
        api: &Api,
        selection: Selection,
        allowed: impl Fn(TaskState) -> bool,
    ) -> Result<Response, Problem> {
        if selection.reason.is_some() {
            return Err(Problem::unprocessable("reason: only what is cancelled has one"));
        }
        let dry_run = selection.dry_run;
        let filter = selection.filter(self.states, allowed, self.rule)?;
        carry_out(api, self.verb, Work::tasks(api.client(), filter, self.change), dry_run).await
    }
}

/// Counts, changes few at once, or begins an operation for many.
async fn carry_out(api: &Api, verb: Verb, mut work: Work, dry_run: bool) -> Result<Response, Problem> {
    if dry_run {
        return Ok(Json(Count::Matching(work.count(u64::MAX).await?)).into_response());
    }
    if work.count(AT_ONCE_MAX + 1).await? > AT_ONCE_MAX {
        let operation = api.lasting.operations.start(verb, work, api.store().clock().clone())?;
        let view = OperationView::from(&*operation);
        let location = format!("/api/v1/operations/{}", view.id);
        return Ok((StatusCode::ACCEPTED, [(LOCATION, location)], Json(view)).into_response());
    }
    while work.slice().await? {
        tokio::task::yield_now().await;
    }
    let done = work.done();
    let count = match verb {
        Verb::Requeue => Count::Requeued(done),
        Verb::Purge => Count::Purged(done),
        Verb::Cancel => Count::Cancelled(done),
        Verb::Replay => Count::Replayed(done),
    };
    Ok(Json(count).into_response())
}
