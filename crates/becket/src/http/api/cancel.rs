//! Ending a task before its time.

use axum::Json;
use axum::extract::{Path, State};
use becket_tasks::TaskDetail;
use http::Uri;
use serde::Deserialize;
use utoipa::ToSchema;

use super::body::OptionalBody;
use super::tasks::{gone, refused};
use super::views::TaskDetailView;
use super::{Api, Shared, detail, find};
use crate::http::problem::Problem;

/// The longest reason kept, in characters.
const REASON_MAX: usize = 500;

/// Why a task is cancelled.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Cancellation {
    /// Becomes the task's error. At most 500 characters.
    #[schema(example = "the customer asked for it")]
    reason: Option<String>,
}

/// Cancels a task that has not ended. A running handler is told, and what it returns is ignored.
#[utoipa::path(post, path = "/api/v1/tasks/{id}/cancel", tag = "tasks", operation_id = "cancel_task",
    params(("id" = String, Path, description = "The task's id, or the sender's id of a delivery that has one task.")),
    request_body(content = Option<Cancellation>, description = "May be left out."),
    responses(
        (status = 200, description = "The task, cancelled.", body = TaskDetailView),
        (status = "default", response = Problem),
    ))]
pub(super) async fn cancel(
    State(api): State<Shared>,
    Path(id): Path<String>,
    uri: Uri,
    OptionalBody(cancellation): OptionalBody<Cancellation>,
) -> Result<Json<TaskDetailView>, Problem> {
    let cancelled = async { detail::of(&api, cancel_one(&api, &id, cancellation).await?).await };
    cancelled.await.map(Json).map_err(|problem| problem.at(uri.path()))
}

async fn cancel_one(api: &Api, id: &str, cancellation: Cancellation) -> Result<TaskDetail, Problem> {
    let reason = reason(cancellation.reason)?;
    let task = find::task(api.store(), id).await?.task.id;
    if api.client().cancel(&[task], reason).await?.is_empty() {
        return Err(refused(api, task, "only a task that has not ended can be cancelled").await);
    }
    api.store().task(task).await?.ok_or_else(gone)
}

/// The reason given, or that none was.
pub(super) fn reason(given: Option<String>) -> Result<String, Problem> {
    let reason = given.unwrap_or_else(|| "cancelled through the API".to_owned());
    if reason.chars().count() > REASON_MAX {
        return Err(Problem::unprocessable(format!("reason: longer than {REASON_MAX} characters")));
    }
    Ok(reason)
}
