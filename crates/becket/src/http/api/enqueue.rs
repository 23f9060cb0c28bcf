//! Enqueueing a task by hand. What can be said of a task here can be said of each task of a [graph](super::graphs).

mod in_lane;

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use becket_tasks::order::NAME_BYTES_MAX;
use becket_tasks::{Due, EnqueueError, EnqueueOptions, Latest, TaskDetail, TaskId, Timestamp, Unique};
use http::header::LOCATION;
use http::{HeaderName, StatusCode, Uri};
use serde::{Deserialize, Deserializer, de};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use self::in_lane::{InLane, OnRetryWord};
use super::body::Body;
use super::tasks::gone;
use super::views::TaskDetailView;
use super::{Api, Shared, detail};
use crate::http::problem::Problem;
use crate::notify;

/// The longest key, in bytes; as long as a sender's id may be.
const KEY_BYTES_MAX: usize = 256;
/// As many as a route's `retries` allow.
const MAX_ATTEMPTS_MAX: u32 = 101;

/// A task to be run.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Enqueue {
    /// Chooses the handler.
    #[schema(example = "reindex")]
    kind: String,
    /// What the handler gets as its payload. Default: `null`.
    #[serde(default)]
    #[schema(value_type = Option<Object>, example = json!({"repository": "octo/repo"}))]
    args: Option<Box<RawValue>>,
    /// Higher runs first among what is due. Default: the handler's.
    #[schema(value_type = Option<i32>, minimum = -128, maximum = 127)]
    priority: Option<i8>,
    /// When to run it. Default: at once. Not together with `delay`.
    #[schema(value_type = Option<String>, format = DateTime)]
    run_at: Option<Timestamp>,
    /// How long to wait before running it, with a unit. Not together with `run_at`.
    #[serde(default, deserialize_with = "duration")]
    #[schema(value_type = Option<String>, example = "30s")]
    delay: Option<Duration>,
    /// How many attempts may fail before the task does. Default: the handler's.
    #[schema(minimum = 1, maximum = 101)]
    max_attempts: Option<u32>,
    /// A second task with the same key is not accepted; the first one is answered. 1 to 256 visible ASCII characters.
    #[schema(example = "nightly-2026-11-22")]
    key: Option<String>,
    /// The ids of tasks that must have ended before it runs; in a graph, their names. At most 1000.
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>, example = json!(["0NGK5H8Q0G000"]))]
    after: Vec<String>,
    /// Whether it runs also after tasks that failed or were cancelled. Otherwise it is cancelled with the first that
    /// does.
    #[serde(default)]
    #[schema(value_type = Option<bool>)]
    survive_parents: bool,
    /// A URL that is told when the task has ended, whichever way; it is never shown again. Default: the handler's.
    #[schema(example = "https://example.org/done")]
    notify: Option<String>,
    /// Its lane: of the tasks in one, at most one runs at a time. 1 to 256 bytes. Default: the handler's.
    #[schema(example = "octo/repo")]
    lane: Option<String>,
    /// What it means for those behind it in its lane when it waits for its retry: they wait as well, or pass. Only
    /// together with `lane`. Default: the handler's.
    #[schema(inline)]
    on_retry: Option<OnRetryWord>,
    /// Whether it cancels older tasks of the handler in its lane that wait; `stop_running` cancels the running one, too.
    /// Only together with `lane`. Default: the handler's.
    #[serde(default, deserialize_with = "in_lane::latest")]
    #[schema(value_type = Option<Object>, example = "stop_running")]
    latest: Option<Option<Latest>>,
    /// It runs when nothing newer has come into its lane for so long, and replaces older tasks; with a unit, up to a day.
    /// Only together with `lane`. Default: the handler's.
    #[serde(default, deserialize_with = "duration")]
    #[schema(value_type = Option<String>, example = "10s")]
    debounce: Option<Duration>,
    /// How long after the first of them the newest runs in any case; with a unit, up to 7 days. Default: six times
    /// `debounce`.
    #[serde(default, deserialize_with = "duration")]
    #[schema(value_type = Option<String>, example = "1m")]
    debounce_max: Option<Duration>,
    /// Whose task it is. 1 to 256 bytes. Default: the handler's.
    tenant: Option<String>,
    /// What the handler's limits by key count it under. 1 to 256 bytes. Default: the handler's.
    limit_key: Option<String>,
    /// Of the tasks of the kind with this text, one is enough: while the latest has not ended, or has completed less than
    /// `fresh_for` ago, it is answered and nothing is enqueued. 1 to 256 bytes.
    #[schema(example = "octo/repo")]
    unique: Option<String>,
    /// How long a result is as good as new, with a unit; only together with `unique`. Default: not at all, so that only
    /// tasks that have not ended count.
    #[serde(default, deserialize_with = "duration")]
    #[schema(value_type = Option<String>, example = "10m")]
    fresh_for: Option<Duration>,
}

/// Accepts a task; answers once it is durable.
#[utoipa::path(post, path = "/api/v1/tasks", tag = "tasks", operation_id = "enqueue_task", request_body = Enqueue,
    responses(
        (status = 202, description = "The task; `Location` leads to it.", body = TaskDetailView),
        (status = 200, description = "The task that was accepted with this key before, or that stands for this one.",
            body = TaskDetailView),
        (status = "default", response = Problem),
    ))]
pub(super) async fn enqueue(
    State(api): State<Shared>,
    uri: Uri,
    Body(enqueue): Body<Enqueue>,
) -> Result<(StatusCode, [(HeaderName, String); 1], Json<TaskDetailView>), Problem> {
    let accepted = async {
        let (status, task) = accept(&api, enqueue).await?;
        Ok::<_, Problem>((status, detail::of(&api, task).await?))
    };
    let (status, task) = accepted.await.map_err(|problem| problem.at(uri.path()))?;
    let location = format!("/api/v1/tasks/{}", task.task.id);
    Ok((status, [(LOCATION, location)], Json(task)))
}

async fn accept(api: &Api, enqueue: Enqueue) -> Result<(StatusCode, TaskDetail), Problem> {
    let parsed = enqueue.after.iter().map(|id| id.parse::<TaskId>().map_err(|_| not_an_id(id)));
    let after = parsed.collect::<Result<Vec<TaskId>, Problem>>()?;
    let options = EnqueueOptions { after, ..enqueue.options(api)? };
    let client = api.client();
    let submission = client.plan(&enqueue.kind, enqueue.args(), options).map_err(|error| problem_of(api, error))?;
    let inserted = client.submit(submission).await.map_err(|error| problem_of(api, error.into()))?;
    let task = client.asked_for(&inserted).await.map_err(|error| problem_of(api, error))?;
    let detail = api.store().task(task).await?.ok_or_else(gone)?;
    let was_there = inserted.duplicate || inserted.reused.contains(&task);
    Ok((if was_there { StatusCode::OK } else { StatusCode::ACCEPTED }, detail))
}

/// Why tasks were not accepted.
pub(super) fn problem_of(api: &Api, error: EnqueueError) -> Problem {
    match error {
        EnqueueError::UnknownKind(kind) => unknown_kind(&kind, &api.context.kinds),
        EnqueueError::Gone(_) => {
            Problem::conflict("a task with this key was accepted before, and is not kept any more")
        }
        EnqueueError::Store(becket_tasks::Error::Invalid(detail)) => Problem::unprocessable(format!("after: {detail}")),
        EnqueueError::Store(error) => error.into(),
        error => Problem::unprocessable(error.to_string()),
    }
}

fn not_an_id(text: &str) -> Problem {
    let shown: String = text.chars().take(100).collect();
    Problem::unprocessable(format!("after: `{shown}` is not a task's id"))
}

fn unknown_kind(kind: &str, kinds: &[Arc<str>]) -> Problem {
    let kinds: Vec<&str> = kinds.iter().map(|kind| &**kind).filter(|kind| !notify::is_reserved(kind)).collect();
    let known = if kinds.is_empty() { "there are none".to_owned() } else { format!("there are {}", kinds.join(", ")) };
    let shown: String = kind.chars().take(100).collect();
    Problem::unprocessable(format!("kind: no handler is registered for `{shown}`; {known}"))
}

impl Enqueue {
    pub(super) fn kind(&self) -> &str {
        &self.kind
    }

    pub(super) fn args(&self) -> &RawValue {
        self.args.as_deref().unwrap_or(RawValue::NULL)
    }

    /// What it waits for, as it was written.
    pub(super) fn after(&self) -> &[String] {
        &self.after
    }

    /// What was asked for, if it can be had, but for what it waits for.
    pub(super) fn options(&self, api: &Api) -> Result<EnqueueOptions, Problem> {
        if notify::is_reserved(&self.kind) {
            return Err(unknown_kind(&self.kind, &api.context.kinds));
        }
        self.check()?;
        let policy = api.client().policy(&self.kind);
        if let Some(url) = &self.notify {
            let Some(notifier) = &api.context.notifier else {
                return Err(Problem::unprocessable(
                    "notify: this server has no secret to sign with; set notify.secret",
                ));
            };
            notifier.target(url).map_err(|error| Problem::unprocessable(format!("notify: {error}")))?;
        }
        Ok(EnqueueOptions {
            priority: self.priority,
            due: self.due(),
            max_attempts: self.max_attempts,
            key: self.key.as_deref().map(Into::into),
            survives_parents: self.survive_parents,
            notify: self.notify.as_deref().map(Into::into),
            unique: self.unique(),
            lane: self.in_lane().lane(policy.as_deref()),
            tenant: self.tenant.as_deref().map(Into::into),
            limit_key: self.limit_key.as_deref().map(Into::into),
            ..EnqueueOptions::default()
        })
    }

    fn check(&self) -> Result<(), Problem> {
        if self.run_at.is_some() && self.delay.is_some() {
            return Err(Problem::unprocessable("delay: cannot be given together with run_at"));
        }
        if self.max_attempts.is_some_and(|attempts| !(1..=MAX_ATTEMPTS_MAX).contains(&attempts)) {
            return Err(Problem::unprocessable(format!(
                "max_attempts: not a whole number from 1 to {MAX_ATTEMPTS_MAX}"
            )));
        }
        if self.unique.as_ref().is_some_and(|unique| !(1..=NAME_BYTES_MAX).contains(&unique.len())) {
            return Err(Problem::unprocessable(format!("unique: not 1 to {NAME_BYTES_MAX} bytes")));
        }
        if self.fresh_for.is_some() && self.unique.is_none() {
            return Err(Problem::unprocessable("fresh_for: says how long the result of a `unique` task is fresh"));
        }
        let is_key =
            |key: &String| (1..=KEY_BYTES_MAX).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic());
        if self.key.as_ref().is_some_and(|key| !is_key(key)) {
            return Err(Problem::unprocessable("key: not 1 to 256 visible ASCII characters"));
        }
        for (field, name) in [("lane", &self.lane), ("tenant", &self.tenant), ("limit_key", &self.limit_key)] {
            if name.as_ref().is_some_and(|name| !(1..=NAME_BYTES_MAX).contains(&name.len())) {
                return Err(Problem::unprocessable(format!("{field}: not 1 to {NAME_BYTES_MAX} bytes long")));
            }
        }
        self.in_lane().check()
    }

    fn in_lane(&self) -> InLane<'_> {
        let Self { on_retry, latest, debounce, debounce_max, .. } = *self;
        InLane { lane: self.lane.as_deref(), on_retry, latest, debounce, debounce_max }
    }

    fn unique(&self) -> Option<Unique> {
        Some(Unique { key: self.unique.as_deref()?.into(), fresh: self.fresh_for.unwrap_or_default() })
    }

    fn due(&self) -> Due {
        match (self.run_at, self.delay) {
            (Some(time), _) => Due::At(time),
            (None, Some(delay)) => Due::After(delay),
            (None, None) => Due::Now,
        }
    }
}

fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let Some(text) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
    humantime::parse_duration(&text)
        .map(Some)
        .map_err(|_| de::Error::custom(format_args!("`{text}` is not a duration with a unit, such as \"30s\"")))
}
