//! Waiting for a task's end without missing it.
//!
//! Interest is registered before the task is read, so an end between the two is heard. Announcements only say when to
//! read again; the answer is always what the store has committed.

use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::Client;
use crate::error::Error;
use crate::events::{Notice, Subscription};
use crate::id::TaskId;
use crate::state::State;
use crate::task::TaskDetail;

/// How often to read without an announcement: another process that shares the store may not announce to this one.
const REREAD: Duration = Duration::from_secs(5);

/// Why there is no end, or no result, to wait for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WaitError {
    /// There is no such task (any more).
    #[error("there is no task {0}")]
    Unknown(TaskId),
    /// The task failed.
    #[error("the task failed: {0}")]
    Failed(Arc<str>),
    /// The task was cancelled.
    #[error("the task was cancelled: {0}")]
    Cancelled(Arc<str>),
    /// The result does not fit the type asked for, or is not kept any more.
    #[error("the result does not fit the type asked for, or is not kept any more")]
    Result(#[source] serde_json::Error),
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] Error),
}

impl Client {
    /// Waits until the task has ended (`completed`, `failed` or `cancelled`), however many attempts it takes.
    ///
    /// # Errors
    /// [`WaitError::Unknown`] when there is no such task, [`WaitError::Store`] when the store cannot be read.
    pub async fn wait(&self, task: TaskId) -> Result<TaskDetail, WaitError> {
        let mut announcements = self.store.events().subscribe();
        loop {
            let detail = self.store.task(task).await?.ok_or(WaitError::Unknown(task))?;
            if detail.task.state().is_finished() {
                return Ok(detail);
            }
            // Running out of time is as good a reason to read again as an announcement.
            let _ = timeout(REREAD, may_have_ended(&mut announcements, task)).await;
        }
    }

    /// Waits for the task's end and reads its result. No result reads as `null`.
    ///
    /// # Errors
    /// [`WaitError::Failed`] or [`WaitError::Cancelled`] when that is how it ended; else as [`wait`](Self::wait).
    pub async fn result<R: DeserializeOwned>(&self, task: TaskId) -> Result<R, WaitError> {
        let detail = self.wait(task).await?;
        typed_result(detail.task.state(), detail.task.error.as_ref(), detail.result.as_deref())
    }
}

/// Reads a result, if the task ended so that it has one. No result reads as `null`.
pub(super) fn typed_result<R: DeserializeOwned>(
    state: State,
    error: Option<&Arc<str>>,
    result: Option<&[u8]>,
) -> Result<R, WaitError> {
    let why = || error.cloned().unwrap_or_default();
    match state {
        State::Failed => Err(WaitError::Failed(why())),
        State::Cancelled => Err(WaitError::Cancelled(why())),
        State::Completed | State::Waiting | State::Queued | State::Running | State::Retrying => {
            serde_json::from_slice(result.unwrap_or(b"null")).map_err(WaitError::Result)
        }
    }
}

/// Returns when the task ended, or when it cannot be known whether it did.
async fn may_have_ended(announcements: &mut Subscription, task: TaskId) {
    loop {
        match announcements.next().await {
            Some(Notice::Transition(change)) if change.task != task || !change.to.is_finished() => {}
            Some(Notice::Progress(_)) => {}
            Some(Notice::Transition(_) | Notice::Missed(_)) => return,
            // Nobody announces any more; the caller reads again when its time is up.
            None => return std::future::pending().await,
        }
    }
}
