//! Bulk operations: what they are, how they go, stopping one.
//!
//! They are begun in [`bulk`](super::bulk), kept in a [`Book`] and worked off in the background, slice by slice. A book
//! is in memory: with the process its operations end between two slices, and what they did stays done.

mod book;
mod replays;
mod work;

use axum::Json;
use axum::extract::{Path, State};
use becket_tasks::Timestamp;
use http::{StatusCode, Uri};
use serde::Serialize;
use utoipa::ToSchema;

pub(super) use self::book::{Book, Operation};
pub(super) use self::replays::Replays;
pub(super) use self::work::{Verb, Work};
use super::Shared;
use super::page::Listing;
use crate::http::problem::Problem;

/// A change to all tasks or deliveries that match a filter.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Operation)]
pub(super) struct OperationView {
    /// Its id.
    #[schema(example = "5f1c09e3a7d2b846")]
    pub(super) id: String,
    /// `requeue`, `purge`, `cancel` or `replay`.
    #[schema(value_type = String, example = "purge")]
    verb: Verb,
    /// `running`, `completed`, `failed` or `cancelled`.
    #[schema(value_type = String, example = "running")]
    state: book::State,
    /// How many matched when they were counted, at its start; `null` until then.
    #[schema(example = 50_000)]
    matching: Option<u64>,
    /// How many were changed so far.
    #[schema(example = 12_500)]
    done: u64,
    /// Why it failed.
    error: Option<String>,
    /// When it was begun.
    #[schema(value_type = String, format = DateTime)]
    started_at: Timestamp,
    /// When it ended.
    #[schema(value_type = Option<String>, format = DateTime)]
    ended_at: Option<Timestamp>,
}

impl From<&Operation> for OperationView {
    fn from(operation: &Operation) -> Self {
        let progress = operation.progress();
        Self {
            id: operation.id.clone(),
            verb: operation.verb,
            state: progress.state,
            matching: progress.matching,
            done: progress.done,
            error: progress.error,
            started_at: operation.started_at,
            ended_at: progress.ended_at,
        }
    }
}

/// Lists the operations that are remembered, newest first: those that run, and the last that ended.
#[utoipa::path(get, path = "/api/v1/operations", tag = "operations", operation_id = "list_operations",
    responses(
        (status = 200, description = "All of them, on one page.", body = Listing<OperationView>),
        (status = "default", response = Problem),
    ))]
pub(super) async fn list(State(api): State<Shared>) -> Json<Listing<OperationView>> {
    let items = api.lasting.operations.all().iter().map(|operation| OperationView::from(&**operation)).collect();
    Json(Listing { items, next_cursor: None })
}

/// Shows how far an operation has come.
#[utoipa::path(get, path = "/api/v1/operations/{id}", tag = "operations", operation_id = "show_operation",
    params(("id" = String, Path, description = "The operation's id.")),
    responses(
        (status = 200, description = "The operation.", body = OperationView),
        (status = "default", response = Problem),
    ))]
pub(super) async fn show(
    State(api): State<Shared>,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<Json<OperationView>, Problem> {
    let operation = api.lasting.operations.find(&id).ok_or_else(|| unknown().at(uri.path()))?;
    Ok(Json(OperationView::from(&*operation)))
}

/// Stops an operation after the slice that it is at. What it has changed stays changed.
#[utoipa::path(delete, path = "/api/v1/operations/{id}", tag = "operations", operation_id = "stop_operation",
    params(("id" = String, Path, description = "The operation's id.")),
    responses(
        (status = 202, description = "It is told to stop.", body = OperationView),
        (status = "default", response = Problem),
    ))]
pub(super) async fn stop(
    State(api): State<Shared>,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<(StatusCode, Json<OperationView>), Problem> {
    let operation = api.lasting.operations.find(&id).ok_or_else(|| unknown().at(uri.path()))?;
    if operation.stop() {
        Ok((StatusCode::ACCEPTED, Json(OperationView::from(&*operation))))
    } else {
        Err(Problem::conflict("the operation has ended already").at(uri.path()))
    }
}

fn unknown() -> Problem {
    Problem::not_found("there is no operation with this id (any more)")
}
