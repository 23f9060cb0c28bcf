//! What the API shows of one task beside its row: what its attempts have done, and how far the running one has come.

use std::sync::Arc;

use becket_tasks::{Progress, Step, SubmissionId, TaskDetail, TaskId, Timestamp};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::Api;
use super::views::{TaskDetailView, json};
use crate::http::problem::Problem;

/// A task with its attempts, its result, its steps and its progress.
pub(super) async fn of(api: &Api, found: TaskDetail) -> Result<TaskDetailView, Problem> {
    let id = found.task.id;
    let steps = api.store().steps(id).await?.into_iter().map(StepView::from).collect();
    let progress = api.store().events().progress(id).map(|progress| ProgressView::from(&*progress));
    Ok(TaskDetailView { steps, progress, ..found.into() })
}

/// What one of a task's attempts has done for good.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Step)]
pub(super) struct StepView {
    /// Its name; `@sleep 1`, `@sleep 2` … are the sleeps, whose result is the time to wake.
    #[schema(value_type = String, example = "comment")]
    name: Arc<str>,
    /// When it was stored.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// Size of its result in bytes.
    #[schema(example = 9)]
    size: usize,
    /// What it returned; `null` where that is not JSON.
    #[schema(value_type = Option<Object>)]
    result: Option<Box<RawValue>>,
}

impl From<Step> for StepView {
    fn from(step: Step) -> Self {
        Self { name: step.name, at: step.at, size: step.body.len(), result: json(&step.body) }
    }
}

/// How far a running attempt has come. Kept in memory, and only while it runs.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Progress)]
pub(super) struct ProgressView {
    /// How much is done.
    #[schema(example = 3)]
    done: u64,
    /// Of how much; 0 where that is not known.
    #[schema(example = 10)]
    total: u64,
    /// What is being done.
    #[schema(value_type = String, example = "importing rows")]
    message: Arc<str>,
    /// When it was reported.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
}

impl From<&Progress> for ProgressView {
    fn from(progress: &Progress) -> Self {
        let Progress { done, total, at, .. } = *progress;
        Self { done, total, message: Arc::clone(&progress.message), at }
    }
}

/// Of which task, and which of its attempts, an event tells.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OfAttempt {
    /// The task's id.
    #[schema(value_type = String)]
    pub(super) id: TaskId,
    /// Our id of its delivery.
    #[schema(value_type = String)]
    pub(super) delivery: SubmissionId,
    /// The task's kind.
    #[schema(value_type = String)]
    pub(super) kind: Arc<str>,
    /// Its running or latest attempt; 0 before the first.
    pub(super) attempt: u32,
}

/// The progress of a task: the data of an event named `progress`.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TaskProgress)]
pub(super) struct TaskProgressView {
    #[serde(flatten)]
    of: OfAttempt,
    #[serde(flatten)]
    progress: ProgressView,
}

impl From<&Progress> for TaskProgressView {
    fn from(progress: &Progress) -> Self {
        let (kind, attempt) = (Arc::clone(&progress.kind), progress.attempt);
        let of = OfAttempt { id: progress.task, delivery: progress.submission, kind, attempt };
        Self { of, progress: progress.into() }
    }
}
