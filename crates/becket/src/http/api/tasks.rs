//! Tasks: list, show, run again, delete.

#![expect(unused_qualifications, reason = "what utoipa makes of `params(…)` has them")]

use axum::Json;
use axum::extract::{Path, State};
use becket_tasks::query::TaskFilter;
use becket_tasks::{TaskDetail, TaskId, Timestamp};
use http::{StatusCode, Uri};
use serde::Deserialize;
use utoipa::IntoParams;

use super::page::{Cursor, Limit, List, Listing, page};
use super::params::{Params, States, event_and_action};
use super::views::{TaskDetailView, TaskView};
use super::{Api, Shared, detail, find};
use crate::http::problem::Problem;

/// The list of tasks.
pub(super) struct Tasks;

impl List for Tasks {
    const TAG: u8 = b't';
}

/// Which tasks to list. Every given condition must hold.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Asked {
    /// In one of these states, separated by commas.
    #[param(value_type = Option<String>, example = "failed,cancelled")]
    state: Option<States>,
    /// Of this source.
    source: Option<String>,
    /// Of this event, `issues` or `issues.opened`.
    #[param(example = "issues.opened")]
    event: Option<String>,
    /// Of this action.
    action: Option<String>,
    /// Of this kind.
    kind: Option<String>,
    /// In this lane.
    #[param(example = "octo/repo#12")]
    lane: Option<String>,
    /// Of this tenant.
    tenant: Option<String>,
    /// Accepted at this time or later.
    #[param(value_type = Option<String>, format = DateTime)]
    since: Option<Timestamp>,
    /// Accepted before this time.
    #[param(value_type = Option<String>, format = DateTime)]
    until: Option<Timestamp>,
    /// The `next_cursor` of the page before.
    #[param(value_type = Option<String>)]
    cursor: Option<Cursor<Tasks>>,
    /// How many at the most. Default 50.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000)]
    limit: Option<Limit>,
}

/// Lists tasks, newest first.
#[utoipa::path(get, path = "/api/v1/tasks", tag = "tasks", operation_id = "list_tasks", params(Asked), responses(
    (status = 200, description = "One page of tasks.", body = Listing<TaskView>),
    (status = "default", response = Problem),
))]
pub(super) async fn list(
    State(api): State<Shared>,
    Params(query): Params<Asked>,
) -> Result<Json<Listing<TaskView>>, Problem> {
    let page = page(query.cursor.as_ref(), query.limit);
    let listed = api.store().tasks(query.filter(), page).await?;
    Ok(Json(Listing::of::<Tasks>(listed.items.into_iter().map(TaskView::from).collect(), listed.next)))
}

impl Asked {
    fn filter(&self) -> TaskFilter {
        let (event, action) = event_and_action(self.event.as_deref(), self.action.as_deref());
        TaskFilter {
            states: self.state.clone().unwrap_or_default().0,
            source: self.source.as_deref().map(Into::into),
            event: event.map(Into::into),
            action: action.map(Into::into),
            kind: self.kind.as_deref().map(Into::into),
            lane: self.lane.as_deref().map(Into::into),
            tenant: self.tenant.as_deref().map(Into::into),
            since: self.since,
            until: self.until,
        }
    }
}

/// Shows a task with its attempts, its result, its steps and its progress.
#[utoipa::path(get, path = "/api/v1/tasks/{id}", tag = "tasks", operation_id = "show_task",
    params(("id" = String, Path, description = "The task's id, or the sender's id of a delivery that has one task.")),
    responses(
        (status = 200, description = "The task.", body = TaskDetailView),
        (status = "default", response = Problem),
    ))]
pub(super) async fn show(
    State(api): State<Shared>,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<Json<TaskDetailView>, Problem> {
    let shown = async { detail::of(&api, find::task(api.store(), &id).await?).await };
    shown.await.map(Json).map_err(|problem| problem.at(uri.path()))
}

/// Runs a task again from the start; earlier attempts are forgiven. Steps are kept, unless it was completed.
#[utoipa::path(post, path = "/api/v1/tasks/{id}/requeue", tag = "tasks", operation_id = "requeue_task",
    params(("id" = String, Path, description = "The task's id, or the sender's id of a delivery that has one task.")),
    responses(
        (status = 200, description = "The task, queued.", body = TaskDetailView),
        (status = "default", response = Problem),
    ))]
pub(super) async fn requeue_one(
    State(api): State<Shared>,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<Json<TaskDetailView>, Problem> {
    let requeued = async { detail::of(&api, requeue(&api, &id).await?).await };
    requeued.await.map(Json).map_err(|problem| problem.at(uri.path()))
}

async fn requeue(api: &Api, id: &str) -> Result<TaskDetail, Problem> {
    let task = find::task(api.store(), id).await?.task.id;
    if api.client().requeue(&[task]).await?.is_empty() {
        return Err(refused(api, task, "a running task cannot be run again before it has ended").await);
    }
    api.store().task(task).await?.ok_or_else(gone)
}

/// Deletes a finished task, with its attempts, its steps and its result.
#[utoipa::path(delete, path = "/api/v1/tasks/{id}", tag = "tasks", operation_id = "purge_task",
    params(("id" = String, Path, description = "The task's id, or the sender's id of a delivery that has one task.")),
    responses(
        (status = 204, description = "It is deleted."),
        (status = "default", response = Problem),
    ))]
pub(super) async fn purge_one(
    State(api): State<Shared>,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<StatusCode, Problem> {
    purge(&api, &id).await.map_err(|problem| problem.at(uri.path()))
}

async fn purge(api: &Api, id: &str) -> Result<StatusCode, Problem> {
    let task = find::task(api.store(), id).await?.task.id;
    if api.client().purge(&[task]).await?.is_empty() {
        return Err(refused(api, task, "only finished tasks can be deleted; cancel it first").await);
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Why a store refused to change a task: it has gone meanwhile, or it is in the wrong state.
pub(super) async fn refused(api: &Api, task: TaskId, rule: &str) -> Problem {
    match api.store().task(task).await {
        Ok(Some(found)) => Problem::conflict(format!("the task is {}; {rule}", found.task.state())),
        Ok(None) => gone(),
        Err(error) => error.into(),
    }
}

pub(super) fn gone() -> Problem {
    Problem::not_found("there is no task with this id (any more)")
}
