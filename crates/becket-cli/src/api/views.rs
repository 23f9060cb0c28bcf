//! The API's answers, as far as tables and the demo need them. Fields that are not shown are not read.

use serde::Deserialize;
use serde_json::value::RawValue;

/// One page of a list.
#[derive(Debug, Deserialize)]
pub(crate) struct Listing<T> {
    /// The items.
    pub(crate) items: Vec<T>,
    /// Where the next page begins.
    pub(crate) next_cursor: Option<String>,
}

/// A task; in lists without `result`, `attempts`, `steps` and `progress`.
#[derive(Debug, Deserialize)]
pub(crate) struct Task {
    pub(crate) id: String,
    pub(crate) kind: String,
    pub(crate) state: String,
    pub(crate) source: String,
    pub(crate) event: String,
    pub(crate) action: Option<String>,
    pub(crate) delivery_id: Option<String>,
    pub(crate) lane: Option<String>,
    pub(crate) tenant: Option<String>,
    pub(crate) limit_key: Option<String>,
    pub(crate) attempt: u32,
    pub(crate) max_attempts: u32,
    pub(crate) created_at: String,
    pub(crate) updated_at: String,
    pub(crate) run_at: String,
    pub(crate) error: Option<String>,
    pub(crate) result: Option<Box<RawValue>>,
    #[serde(default)]
    pub(crate) attempts: Vec<Attempt>,
    #[serde(default)]
    pub(crate) steps: Vec<Step>,
    #[serde(default)]
    pub(crate) progress: Option<Progress>,
}

/// A task and those around it.
#[derive(Debug, Deserialize)]
pub(crate) struct Graph {
    pub(crate) id: String,
    pub(crate) nodes: Vec<Node>,
    pub(crate) edges: Vec<Edge>,
    pub(crate) truncated: bool,
}

/// A task of a graph.
#[derive(Debug, Deserialize)]
pub(crate) struct Node {
    pub(crate) id: String,
    pub(crate) kind: String,
    pub(crate) state: String,
}

/// That one task waits or waited for another.
#[derive(Debug, Deserialize)]
pub(crate) struct Edge {
    pub(crate) parent: String,
    pub(crate) child: String,
}

/// All that is paused.
#[derive(Debug, Deserialize)]
pub(crate) struct Pauses {
    pub(crate) items: Vec<Pause>,
}

/// Something that can be paused.
#[derive(Debug, Deserialize)]
pub(crate) struct Pause {
    pub(crate) scope: String,
    pub(crate) name: String,
}

/// What a reload brought into force.
#[derive(Debug, Deserialize)]
pub(crate) struct Reloaded {
    pub(crate) sources: Vec<String>,
    pub(crate) kinds_added: Vec<String>,
    pub(crate) kinds_removed: Vec<String>,
}

/// A source and its secrets.
#[derive(Debug, Deserialize)]
pub(crate) struct SourceSecrets {
    pub(crate) source: String,
    pub(crate) accepts_unsigned: bool,
    pub(crate) secrets: Vec<Secret>,
}

/// What is known of a secret.
#[derive(Debug, Deserialize)]
pub(crate) struct Secret {
    pub(crate) place: usize,
    pub(crate) name: Option<String>,
    pub(crate) not_before: Option<String>,
    pub(crate) not_after: Option<String>,
    pub(crate) state: String,
    pub(crate) last_used_at: Option<String>,
    pub(crate) used: u64,
    pub(crate) safe_to_drop: bool,
    pub(crate) reason: String,
}

/// A target that has a name.
#[derive(Debug, Deserialize)]
pub(crate) struct Target {
    pub(crate) name: String,
    pub(crate) sort: String,
    pub(crate) to: String,
    pub(crate) kind: String,
    pub(crate) running: u32,
    pub(crate) breaker: Option<Breaker>,
}

/// A circuit breaker.
#[derive(Debug, Deserialize)]
pub(crate) struct Breaker {
    pub(crate) state: String,
    pub(crate) open_until: Option<String>,
}

/// One run of a task.
#[derive(Debug, Deserialize)]
pub(crate) struct Attempt {
    pub(crate) attempt: u32,
    pub(crate) worker: String,
    pub(crate) started_at: String,
    pub(crate) ended_at: Option<String>,
    pub(crate) outcome: Option<String>,
    pub(crate) error: Option<String>,
}

/// What an attempt of a task has done for good.
#[derive(Debug, Deserialize)]
pub(crate) struct Step {
    pub(crate) name: String,
    pub(crate) at: String,
    pub(crate) size: u64,
    pub(crate) result: Option<Box<RawValue>>,
}

/// How far a running attempt has come.
#[derive(Debug, Deserialize)]
pub(crate) struct Progress {
    pub(crate) done: u64,
    /// 0 where it is not known.
    pub(crate) total: u64,
    pub(crate) message: String,
    pub(crate) at: String,
}

/// The progress of one task, as the stream of events tells it.
#[derive(Debug, Deserialize)]
pub(crate) struct TaskProgress {
    pub(crate) id: String,
    pub(crate) kind: String,
    #[serde(flatten)]
    pub(crate) progress: Progress,
}

/// A delivery; in lists without `headers` and `body`.
#[derive(Debug, Deserialize)]
pub(crate) struct Delivery {
    pub(crate) id: String,
    pub(crate) delivery_id: Option<String>,
    pub(crate) source: String,
    pub(crate) event: String,
    pub(crate) action: Option<String>,
    pub(crate) received_at: String,
    pub(crate) size: u64,
    pub(crate) task_ids: Vec<String>,
    #[serde(default)]
    pub(crate) repository: Option<String>,
    #[serde(default)]
    pub(crate) normalised: Option<String>,
    #[serde(default)]
    pub(crate) headers: std::collections::BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) body: Option<Box<RawValue>>,
}

/// A schedule.
#[derive(Debug, Deserialize)]
pub(crate) struct Schedule {
    pub(crate) name: String,
    pub(crate) cron: String,
    pub(crate) zone: String,
    pub(crate) kind: String,
    pub(crate) paused: bool,
    pub(crate) next_at: Option<String>,
    pub(crate) last_at: Option<String>,
}

/// One change of one task's state.
#[derive(Debug, Deserialize)]
pub(crate) struct Transition {
    pub(crate) id: String,
    pub(crate) kind: String,
    pub(crate) from: Option<String>,
    pub(crate) state: String,
    pub(crate) attempt: u32,
    pub(crate) at: String,
    pub(crate) error: Option<String>,
}

/// What a server answers to a delivery that it took.
#[derive(Debug, Deserialize)]
pub(crate) struct Acknowledgement {
    pub(crate) status: String,
    #[serde(default)]
    pub(crate) task_ids: Vec<String>,
    #[serde(default)]
    pub(crate) duplicate: bool,
}

/// What a server answers when an inline handler failed.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct HandlerFailed {
    pub(crate) task_ids: Vec<String>,
}

/// An event with its action, as people write it.
pub(crate) fn event(event: &str, action: Option<&str>) -> String {
    action.map_or_else(|| event.to_owned(), |action| format!("{event}.{action}"))
}

/// Whether a task in this state has ended.
pub(crate) fn is_ended(state: &str) -> bool {
    matches!(state, "completed" | "failed" | "cancelled")
}
