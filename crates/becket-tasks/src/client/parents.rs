//! What a task may know of the tasks that it waited for: how they ended, and what they returned.

use std::sync::Arc;

use bytes::Bytes;
use serde::de::DeserializeOwned;

use super::{Client, WaitError, typed_result};
use crate::error::Result;
use crate::id::TaskId;
use crate::state::State;
use crate::task::TaskDetail;

/// A task that another waited for, as it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParentTask {
    /// Its id.
    pub id: TaskId,
    /// Its kind.
    pub kind: Arc<str>,
    /// How it ended: `completed`, or `failed` or `cancelled` where the child survives that. Another state only if it
    /// was run again since.
    pub state: State,
    /// Why it ended badly.
    pub error: Option<Arc<str>>,
    /// What it returned, if anything. Kept until its children have ended, whatever its time to live.
    pub result: Option<Bytes>,
}

impl ParentTask {
    /// Reads what it returned. No result reads as `null`.
    ///
    /// # Errors
    /// [`WaitError::Failed`] or [`WaitError::Cancelled`] when that is how it ended, [`WaitError::Result`] when the
    /// result is of another type.
    pub fn result<R: DeserializeOwned>(&self) -> Result<R, WaitError> {
        typed_result(self.state, self.error.as_ref(), self.result.as_deref())
    }
}

impl From<TaskDetail> for ParentTask {
    fn from(detail: TaskDetail) -> Self {
        let TaskDetail { task, result, .. } = detail;
        Self { id: task.id, kind: task.kind, state: task.standing.state, error: task.error, result }
    }
}

impl Client {
    /// The tasks that `task` waited for, in the order of their ids, which is that of their acceptance.
    ///
    /// All of them are there while the task has not ended; later, those that are not kept any more are missing. At most
    /// [`PARENTS_MAX`](crate::submission::PARENTS_MAX).
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn parents(&self, task: TaskId) -> Result<Vec<ParentTask>> {
        let family = self.store.family(task).await?.unwrap_or_default();
        let mut parents = Vec::with_capacity(family.parents.len());
        for parent in family.parents {
            parents.extend(self.store.task(parent).await?.map(ParentTask::from));
        }
        Ok(parents)
    }
}
