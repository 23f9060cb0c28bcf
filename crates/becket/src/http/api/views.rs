//! Tasks and deliveries as the API shows them.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use becket_tasks::query::SubmissionInfo;
use becket_tasks::{Attempt, Outcome, State, SubmissionId, Task, TaskDetail, TaskId, Timestamp};
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use utoipa::ToSchema;

use super::detail::{ProgressView, StepView};

/// A task.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Task)]
pub(crate) struct TaskView {
    /// Its id.
    #[schema(value_type = String, example = "0NGK5H8Q0G000")]
    pub(super) id: TaskId,
    /// Chooses the handler.
    #[schema(value_type = String, example = "triage")]
    pub(super) kind: Arc<str>,
    /// `waiting`, `queued`, `running`, `retrying`, `completed`, `failed` or `cancelled`.
    #[schema(value_type = String, example = "completed")]
    pub(super) state: State,
    /// The source of its delivery; `api` for tasks that were enqueued by hand, `schedule` for those of schedules.
    #[schema(value_type = String, example = "github")]
    pub(super) source: Arc<str>,
    /// The event of its delivery; its kind for tasks that were enqueued by hand, the schedule's name for those of schedules.
    #[schema(value_type = String, example = "issues")]
    pub(super) event: Arc<str>,
    /// The action of its delivery.
    #[schema(value_type = Option<String>, example = "opened")]
    pub(super) action: Option<Arc<str>>,
    /// The sender's id of its delivery.
    #[schema(value_type = Option<String>, example = "72d3162e-cc78-11e3-81ab-4c9367dc0958")]
    pub(super) delivery_id: Option<Arc<str>>,
    /// Its lane: of the tasks in one, at most one runs at a time.
    #[schema(value_type = Option<String>, example = "octo/repo#12")]
    pub(super) lane: Option<Arc<str>>,
    /// Whose task it is: no tenant starves another.
    #[schema(value_type = Option<String>, example = "17")]
    pub(super) tenant: Option<Arc<str>>,
    /// What its kind's limits by key count it under.
    #[schema(value_type = Option<String>)]
    pub(super) limit_key: Option<Arc<str>>,
    /// How many attempts count against it, a running one included.
    #[schema(example = 1)]
    pub(super) attempt: u32,
    /// How many may.
    #[schema(example = 4)]
    pub(super) max_attempts: u32,
    /// When it was accepted.
    #[schema(value_type = String, format = DateTime)]
    pub(super) created_at: Timestamp,
    /// When its state last changed.
    #[schema(value_type = String, format = DateTime)]
    pub(super) updated_at: Timestamp,
    /// When it is or was due.
    #[schema(value_type = String, format = DateTime)]
    pub(super) run_at: Timestamp,
    /// Why its latest attempt ended badly, or why it was cancelled.
    #[schema(value_type = Option<String>)]
    pub(super) error: Option<Arc<str>>,
    /// What its handler returned. Lists do not carry results: it is `null` there.
    #[schema(value_type = Option<Object>)]
    pub(super) result: Option<Box<RawValue>>,
}

impl From<Task> for TaskView {
    fn from(task: Task) -> Self {
        Self {
            id: task.id,
            kind: task.kind,
            state: task.standing.state,
            source: task.source,
            event: task.event,
            action: task.action,
            delivery_id: task.key,
            lane: task.lane,
            tenant: task.tenant,
            limit_key: task.limit_key,
            attempt: task.standing.attempts_counted(),
            max_attempts: task.standing.max_attempts,
            created_at: task.created_at,
            updated_at: task.updated_at,
            run_at: task.standing.run_at,
            error: task.error,
            result: None,
        }
    }
}

impl TaskView {
    /// A task with its result, and its attempts beside it.
    pub(crate) fn with_result(detail: TaskDetail) -> (Self, Vec<Attempt>) {
        let result = detail.result.as_deref().map(json_or_base64);
        (Self { result, ..detail.task.into() }, detail.attempts)
    }
}

/// A task with its attempts, its result, its steps and its progress.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TaskDetail)]
pub(super) struct TaskDetailView {
    #[serde(flatten)]
    pub(super) task: TaskView,
    /// Its attempts, first to latest.
    pub(super) attempts: Vec<AttemptView>,
    /// What its attempts have done for good, oldest first. Later attempts do not do it again.
    pub(super) steps: Vec<StepView>,
    /// How far the running attempt has come; `null` when it has not said so, or none runs.
    pub(super) progress: Option<ProgressView>,
}

/// Without its steps and its progress, which [`detail`](super::detail) adds.
impl From<TaskDetail> for TaskDetailView {
    fn from(detail: TaskDetail) -> Self {
        let (task, attempts) = TaskView::with_result(detail);
        let attempts = attempts.into_iter().map(AttemptView::from).collect();
        Self { task, attempts, steps: Vec::new(), progress: None }
    }
}

/// One run of a task.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Attempt)]
pub(super) struct AttemptView {
    /// Counts from 1; those that do not count against the task, and those before a requeue, are counted too.
    #[schema(example = 1)]
    attempt: u32,
    /// Who ran it.
    #[schema(example = "4711-09f3c2")]
    worker: String,
    /// When it began.
    #[schema(value_type = String, format = DateTime)]
    started_at: Timestamp,
    /// When it ended; `null` while it runs.
    #[schema(value_type = Option<String>, format = DateTime)]
    ended_at: Option<Timestamp>,
    /// `completed`, `failed`, `parked`, `released`, `lost` or `cancelled`; `null` while it runs.
    #[schema(value_type = Option<String>, example = "completed")]
    outcome: Option<Outcome>,
    /// What went wrong.
    #[schema(value_type = Option<String>)]
    error: Option<Arc<str>>,
}

impl From<Attempt> for AttemptView {
    fn from(attempt: Attempt) -> Self {
        Self {
            attempt: attempt.attempt,
            worker: attempt.worker.as_str().to_owned(),
            started_at: attempt.started_at,
            ended_at: attempt.ended_at,
            outcome: attempt.outcome,
            error: attempt.error,
        }
    }
}

/// A delivery.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Delivery)]
pub(super) struct DeliveryView {
    /// Our id of it.
    #[schema(value_type = String, example = "0NGK5H8Q0G000")]
    pub(super) id: SubmissionId,
    /// The sender's id of it.
    #[schema(value_type = Option<String>, example = "72d3162e-cc78-11e3-81ab-4c9367dc0958")]
    pub(super) delivery_id: Option<Arc<str>>,
    /// Who sent it; `api` for what was enqueued by hand, `schedule` for what schedules fired.
    #[schema(value_type = String, example = "github")]
    pub(super) source: Arc<str>,
    /// What it says.
    #[schema(value_type = String, example = "issues")]
    pub(super) event: Arc<str>,
    /// What it says more closely.
    #[schema(value_type = Option<String>, example = "opened")]
    pub(super) action: Option<Arc<str>>,
    /// When it was accepted.
    #[schema(value_type = String, format = DateTime)]
    pub(super) received_at: Timestamp,
    /// Size of the body in bytes.
    #[schema(example = 11_724)]
    pub(super) size: u64,
    /// Its tasks that are still kept, and those that stand for one of its own.
    #[schema(value_type = Vec<String>)]
    pub(super) task_ids: Vec<TaskId>,
}

impl From<SubmissionInfo> for DeliveryView {
    fn from(submission: SubmissionInfo) -> Self {
        Self {
            id: submission.id,
            delivery_id: submission.key,
            source: submission.source,
            event: submission.event,
            action: submission.action,
            received_at: submission.received_at,
            size: submission.payload_bytes,
            task_ids: submission.tasks,
        }
    }
}

/// A delivery with its headers and body.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DeliveryDetail)]
pub(super) struct DeliveryDetailView {
    #[serde(flatten)]
    pub(super) delivery: DeliveryView,
    /// The repository that it is about, as its forge writes it.
    #[schema(example = "octo/hello")]
    pub(super) repository: Option<String>,
    /// What happened in words that are the same for all forges; `null` where they have none for it.
    #[schema(example = "change_request.opened")]
    pub(super) normalised: Option<&'static str>,
    /// The headers that were kept, names in lower case.
    pub(super) headers: BTreeMap<String, String>,
    /// How `body` is written.
    pub(super) body_encoding: BodyEncoding,
    /// The body; `null` when it was erased.
    #[schema(value_type = Option<Object>)]
    pub(super) body: Option<Box<RawValue>>,
}

/// How a body is written in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum BodyEncoding {
    /// The body is JSON, and stands there as it is.
    Json,
    /// It is not JSON; a text holds its bytes in base 64.
    Base64,
    /// It was erased, or was empty to begin with.
    None,
}

/// A body, and how it is written.
pub(super) fn body(bytes: &[u8]) -> (BodyEncoding, Option<Box<RawValue>>) {
    if bytes.is_empty() {
        (BodyEncoding::None, None)
    } else if let Some(json) = json(bytes) {
        (BodyEncoding::Json, Some(json))
    } else {
        (BodyEncoding::Base64, base64(bytes))
    }
}

/// A result: handlers return JSON, unless they are low-level ones that return bytes.
pub(super) fn json_or_base64(bytes: &[u8]) -> Box<RawValue> {
    json(bytes).or_else(|| base64(bytes)).unwrap_or_else(|| RawValue::NULL.to_owned())
}

/// JSON as it is, digits and order of fields included.
pub(super) fn json(bytes: &[u8]) -> Option<Box<RawValue>> {
    serde_json::from_slice(bytes).ok()
}

fn base64(bytes: &[u8]) -> Option<Box<RawValue>> {
    to_raw_value(&STANDARD.encode(bytes)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: &[u8]) -> (BodyEncoding, Option<String>) {
        let (encoding, body) = body(bytes);
        (encoding, body.map(|body| body.get().to_owned()))
    }

    #[test]
    fn json_body_is_shown_without_changing_a_digit() {
        let body = r#"{"b": 12345678901234567890.10, "a": 1e400}"#;
        assert_eq!(text(body.as_bytes()), (BodyEncoding::Json, Some(body.to_owned())));
    }

    #[test]
    fn other_bodies_are_shown_in_base64() {
        assert_eq!(text(b"payload=%7B%7D"), (BodyEncoding::Base64, Some("\"cGF5bG9hZD0lN0IlN0Q=\"".to_owned())));
        assert_eq!(text(b"\"\xff\""), (BodyEncoding::Base64, Some("\"Iv8i\"".to_owned())));
        assert_eq!(text(b""), (BodyEncoding::None, None));
    }
}
