//! Tasks, their attempts, and what a worker receives. Plain data.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::id::{SubmissionId, TaskId};
use crate::state::{Standing, State};
use crate::submission::Due;
use crate::time::Timestamp;

/// A task as it is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Task {
    /// Its id.
    pub id: TaskId,
    /// The submission it belongs to.
    pub submission: SubmissionId,
    /// Chooses the handler.
    pub kind: Arc<str>,
    /// State, attempts and due time.
    pub standing: Standing,
    /// Higher runs first among what is due.
    pub priority: i8,
    /// Its lane.
    pub lane: Option<Arc<str>>,
    /// Whose task it is.
    pub tenant: Option<Arc<str>>,
    /// What its kind's limits by key count it under.
    pub limit_key: Option<Arc<str>>,
    /// The submission's source.
    pub source: Arc<str>,
    /// The submission's event.
    pub event: Arc<str>,
    /// The submission's action.
    pub action: Option<Arc<str>>,
    /// The submission's key: the sender's id of it.
    pub key: Option<Arc<str>>,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// When its state last changed.
    pub updated_at: Timestamp,
    /// Why its latest attempt ended badly, or why it was cancelled.
    pub error: Option<Arc<str>>,
}

impl Task {
    /// The task's state.
    #[must_use]
    pub const fn state(&self) -> State {
        self.standing.state
    }
}

/// A task with all that is known of it.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskDetail {
    /// The task.
    pub task: Task,
    /// Its attempts, first to latest; a running one has no end.
    pub attempts: Vec<Attempt>,
    /// What its handler returned, until the result's time to live ends.
    pub result: Option<Bytes>,
}

/// One run of a task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// Counts from 1.
    pub attempt: u32,
    /// Who ran it.
    pub worker: WorkerId,
    /// When the worker claimed it.
    pub started_at: Timestamp,
    /// When it ended; `None` while it runs.
    pub ended_at: Option<Timestamp>,
    /// How it ended; `None` while it runs.
    pub outcome: Option<Outcome>,
    /// What went wrong.
    pub error: Option<Arc<str>>,
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The handler succeeded.
    Completed,
    /// The handler returned an error, panicked or ran out of time.
    Failed,
    /// The handler asked to be continued later; not held against the task.
    Parked,
    /// The worker gave it back at a shutdown; not held against the task.
    Released,
    /// The worker went silent: it crashed, or lost its lease.
    Lost,
    /// The task was cancelled meanwhile.
    Cancelled,
}

impl Outcome {
    /// The word that is used in JSON, columns and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Parked => "parked",
            Self::Released => "released",
            Self::Lost => "lost",
            Self::Cancelled => "cancelled",
        }
    }
}

/// Names a worker pool: one running process' share of the work.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WorkerId(Arc<str>);

impl WorkerId {
    /// Makes an id; two pools that live at the same time must not share one.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self(name.into())
    }

    /// An id for this process: its number and a random part.
    #[must_use]
    pub fn for_this_process() -> Self {
        Self(format!("{}-{:06x}", std::process::id(), fastrand::u32(..0x0100_0000)).into())
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for WorkerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// A task that a worker holds: all that a handler needs.
#[derive(Clone)]
pub struct Claimed {
    /// The task.
    pub id: TaskId,
    /// Its submission.
    pub submission: SubmissionId,
    /// Chooses the handler.
    pub kind: Arc<str>,
    /// The attempt that begins; the fence to finish with.
    pub attempt: u32,
    /// How many attempts count against the task, this one included.
    pub attempts_counted: u32,
    /// How many may before an error makes it fail; after a crash this one may be a later one.
    pub max_attempts: u32,
    /// When the task was accepted.
    pub created_at: Timestamp,
    /// When it was due; what passed since then is its waiting time.
    pub run_at: Timestamp,
    /// When it was claimed.
    pub started_at: Timestamp,
    /// The submission's source.
    pub source: Arc<str>,
    /// The submission's event.
    pub event: Arc<str>,
    /// The submission's action.
    pub action: Option<Arc<str>>,
    /// The submission's key: the sender's id of it.
    pub key: Option<Arc<str>>,
    /// What the submitter kept beside the payload.
    pub meta: Bytes,
    /// What to work on.
    pub payload: Bytes,
}

impl fmt::Debug for Claimed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claimed")
            .field("id", &self.id)
            .field("kind", &self.kind)
            .field("attempt", &self.attempt)
            .field("payload_bytes", &self.payload.len())
            .finish_non_exhaustive()
    }
}

/// A worker's right to one attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lease {
    /// The task.
    pub task: TaskId,
    /// The attempt: the fence.
    pub attempt: u32,
}

/// The end of one attempt, as its worker reports it.
#[derive(Clone, Debug)]
pub struct Finish {
    /// Which attempt ended.
    pub lease: Lease,
    /// How.
    pub end: End,
}

/// How an attempt ends, in its worker's words; [`state::transition`](crate::state::transition) says what follows.
#[derive(Clone, Debug)]
pub enum End {
    /// The handler succeeded.
    Completed {
        /// What it returned, if anything.
        result: Option<Bytes>,
        /// How long the result is kept.
        result_ttl: Duration,
    },
    /// The handler failed and may be run again.
    Retry {
        /// When, if attempts are left.
        due: Due,
        /// What went wrong.
        error: Arc<str>,
    },
    /// The handler failed and must not be run again.
    GiveUp {
        /// What went wrong.
        error: Arc<str>,
    },
    /// The handler is to be run again, and this attempt does not count.
    Park {
        /// When.
        due: Due,
        /// What it waits for.
        reason: Arc<str>,
    },
    /// The worker stops; this attempt does not count.
    Release,
}

/// What a store made of a [`Finish`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finished {
    /// The attempt ended, and the task is now in this state.
    Now(State),
    /// The attempt no longer held the task; nothing was changed.
    LeaseLost,
    /// There is no such task (any more); nothing was changed.
    Unknown,
}
