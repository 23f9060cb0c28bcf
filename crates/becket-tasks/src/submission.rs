//! What the engine accepts in one atomic step: a payload, its labels, and the tasks it gives rise to.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::id::{SubmissionId, TaskId};
use crate::order::Lane;
use crate::task::{Claimed, WorkerId};
use crate::time::Timestamp;

/// One payload and its tasks, to be accepted together or not at all.
#[derive(Clone)]
pub struct Submission {
    /// Who sends it, e.g. `github`.
    pub source: Arc<str>,
    /// What it says, e.g. `issues`.
    pub event: Arc<str>,
    /// What it says more closely, e.g. `opened`.
    pub action: Option<Arc<str>>,
    /// The sender's id of it. A second submission with the same source and key is a duplicate, and gives rise to nothing.
    pub key: Option<Arc<str>>,
    /// Facts about the payload that the engine keeps and does not read, such as headers.
    pub meta: Bytes,
    /// What the handlers work on. Stored once, however many tasks there are.
    pub payload: Bytes,
    /// The work; may be empty.
    pub tasks: Vec<NewTask>,
}

impl fmt::Debug for Submission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Submission")
            .field("source", &self.source)
            .field("event", &self.event)
            .field("action", &self.action)
            .field("key", &self.key)
            .field("payload_bytes", &self.payload.len())
            .field("tasks", &self.tasks)
            .finish_non_exhaustive()
    }
}

/// One task of a submission.
#[derive(Clone, Debug)]
pub struct NewTask {
    /// Chooses the handler.
    pub kind: Arc<str>,
    /// Higher runs first among what is due; 0 is usual.
    pub priority: i8,
    /// How many attempts may fail before the task does; 0 counts as 1. A crash of the worker makes it fail only after
    /// [`CRASHES_MIN`](crate::state::CRASHES_MIN) attempts, also where these are fewer.
    pub max_attempts: u32,
    /// When to run it.
    pub due: Due,
    /// Insert it already running in the caller's process (an inline handler). A task that waits for parents or behind
    /// others in its lane, or whose kind or source is paused, is queued all the same.
    pub start: Option<Start>,
    /// Its place in a lane; `None`: it is in no lane.
    pub lane: Option<Lane>,
    /// Whose task it is: no tenant starves another. `None`: all such tasks together count as one tenant.
    pub tenant: Option<Arc<str>>,
    /// What its kind's limits by key count it under; `None`: only the kind's own limits hold.
    pub limit_key: Option<Arc<str>>,
    /// The tasks that must have ended before it is queued; at most [`PARENTS_MAX`].
    pub after: Vec<Parent>,
    /// Whether it runs also after parents that failed or were cancelled. Otherwise it is cancelled with the first that
    /// does.
    pub survives_parents: bool,
    /// Take another task of its kind for this one if there is one with the same key: see [`Unique`].
    pub unique: Option<Unique>,
}

/// Of the tasks of one kind with one key, one is enough.
///
/// While the latest of them has not ended, or has completed less than [`fresh`](Self::fresh) ago, a new one is not
/// accepted, and that one is answered: it runs, or its result is known. One that failed or was cancelled is in nobody's
/// way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unique {
    /// The key; at most [`NAME_BYTES_MAX`](crate::order::NAME_BYTES_MAX), a longer one is cut.
    pub key: Arc<str>,
    /// How long what it has returned is as good as new.
    pub fresh: Duration,
}

/// How many parents a task has at the most.
pub const PARENTS_MAX: usize = 1_000;

/// A task that another waits for. Only tasks that were accepted before can be named, so no circle can be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parent {
    /// A task that is in the store already.
    Task(TaskId),
    /// A task of the same call: the `task`-th of its `submission`-th submission, both counted from 0. It must come before
    /// the task that waits for it. Tasks that are [appended](crate::Store::append) count as submission 0.
    Submitted {
        /// Which submission.
        submission: usize,
        /// Which of its tasks.
        task: usize,
    },
}

impl NewTask {
    /// A task that is due at once, with priority 0 and one attempt.
    pub fn new(kind: impl Into<Arc<str>>) -> Self {
        Self {
            kind: kind.into(),
            priority: 0,
            max_attempts: 1,
            due: Due::Now,
            start: None,
            lane: None,
            tenant: None,
            limit_key: None,
            after: Vec::new(),
            survives_parents: false,
            unique: None,
        }
    }
}

/// When something is due. The store resolves it with its own clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// At once.
    Now,
    /// So long after the store takes it.
    After(Duration),
    /// At a time.
    At(Timestamp),
}

impl Due {
    /// The time that this means at `now`. A time in the past stays in the past: it is the task's place in the order.
    #[must_use]
    pub fn resolve(self, now: Timestamp) -> Timestamp {
        match self {
            Self::Now => now,
            Self::After(duration) => now.after(duration),
            Self::At(time) => time,
        }
    }
}

/// Who runs a task that is inserted already running.
#[derive(Clone, Debug)]
pub struct Start {
    /// The worker that holds the lease.
    pub worker: WorkerId,
    /// How long the lease lasts unless it is renewed.
    pub lease: Duration,
}

/// What became of a submission.
#[derive(Clone, Debug)]
pub struct Inserted {
    /// The submission's id: for a duplicate, that of the first.
    pub submission: SubmissionId,
    /// Its tasks, in the order given: for a duplicate, those of the first.
    pub tasks: Vec<TaskId>,
    /// Whether it was known already, so that nothing was changed: by its key, or, where it has none, because all its tasks
    /// were. Then it is the submission of the first of these that is named.
    pub duplicate: bool,
    /// The tasks that were inserted already running.
    pub started: Vec<Claimed>,
    /// Those of its tasks that were there before, by [`NewTask::unique`].
    pub reused: Vec<TaskId>,
}
