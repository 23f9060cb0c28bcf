//! What a handler may know about its attempt, and do besides its work.

mod progress;
mod sleep;
mod steps;

use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use serde::Serialize;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::progress::Reporter;
use self::steps::Steps;
use crate::client::{Client, Enqueue, ParentTask};
use crate::error::Result;
use crate::id::{SubmissionId, TaskId};
use crate::task::Claimed;

/// One attempt of a task, as its handler sees it. Cloning gives a handle to the same attempt.
#[derive(Clone, Debug)]
pub struct TaskContext(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    task: Arc<Claimed>,
    deadline: Instant,
    cancellation: CancellationToken,
    client: Client,
    /// How long what a step returns may be.
    result_bytes_max: usize,
    steps: Steps,
    /// How many sleeps the handler has reached.
    sleeps: AtomicU32,
    reporter: Reporter,
}

impl TaskContext {
    pub(crate) fn new(
        task: Arc<Claimed>,
        deadline: Instant,
        cancellation: CancellationToken,
        client: Client,
        result_bytes_max: usize,
    ) -> Self {
        Self(Arc::new(Inner {
            task,
            deadline,
            cancellation,
            client,
            result_bytes_max,
            steps: Steps::default(),
            sleeps: AtomicU32::new(0),
            reporter: Reporter::default(),
        }))
    }

    /// The task's id; the same in every attempt, so it serves as an idempotency key towards others.
    #[must_use]
    pub fn id(&self) -> TaskId {
        self.0.task.id
    }

    /// The submission that the task belongs to.
    #[must_use]
    pub fn submission(&self) -> SubmissionId {
        self.0.task.submission
    }

    /// The task's kind.
    #[must_use]
    pub fn kind(&self) -> &Arc<str> {
        &self.0.task.kind
    }

    /// Which of the attempts that count this is: 1 to [`max_attempts`](Self::max_attempts), or after a crash of the
    /// worker to [`CRASHES_MIN`](crate::state::CRASHES_MIN) if that is more. Attempts that were parked or given back at
    /// a shutdown do not count.
    #[must_use]
    #[expect(clippy::misnamed_getters, reason = "to a handler, only the attempts that count are attempts")]
    pub fn attempt(&self) -> u32 {
        self.0.task.attempts_counted
    }

    /// How many attempts the task has: an error in this one or a later one makes it fail.
    #[must_use]
    pub fn max_attempts(&self) -> u32 {
        self.0.task.max_attempts
    }

    /// When this attempt's time is up and its future is dropped.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        self.0.deadline
    }

    /// Waits until the handler should stop: the task was cancelled, its lease was lost, its time is up, or the worker
    /// shuts down. A handler that goes on is dropped shortly afterwards.
    pub async fn cancelled(&self) {
        self.0.cancellation.cancelled().await;
    }

    /// Whether the handler should stop.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.cancellation.is_cancelled()
    }

    /// A token that is cancelled when [`cancelled`](Self::cancelled) returns, to hand on. Cancelling it yourself reaches
    /// only those who have it.
    #[must_use]
    pub fn cancellation_token(&self) -> CancellationToken {
        self.0.cancellation.child_token()
    }

    /// A client of the same store, to submit more work.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.0.client
    }

    /// The tasks that this one waited for, with what they returned; none where it waited for nothing.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn parents(&self) -> Result<Vec<ParentTask>> {
        self.0.client.parents(self.id()).await
    }

    /// Enqueues a task that need not wait for this one, as [`Client::enqueue`] does.
    ///
    /// A handler that runs twice enqueues twice, unless the task has a [key](Enqueue::key) made of this task's
    /// [id](Self::id).
    pub fn enqueue<A: Serialize + ?Sized>(&self, kind: &str, arguments: &A) -> Enqueue {
        self.0.client.enqueue(kind, arguments)
    }

    /// Enqueues a task that waits until this one has ended, through whatever retries; it is cancelled if this one
    /// fails, unless it [survives](Enqueue::survive) that. It reads what this one returns as one of its
    /// [parents](Self::parents).
    ///
    /// An attempt that fails after this and is retried enqueues again; see [`enqueue`](Self::enqueue) for how not to.
    pub fn then<A: Serialize + ?Sized>(&self, kind: &str, arguments: &A) -> Enqueue {
        self.enqueue(kind, arguments).after([self.id()])
    }
}
