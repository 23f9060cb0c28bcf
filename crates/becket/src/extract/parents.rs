//! The tasks that a task waited for.

use std::ops::Deref;

use becket_tasks::{ParentTask, TaskError, WaitError};
use serde::de::DeserializeOwned;

use super::{FromTask, TaskInput};

/// The tasks that this one waited for, in the order of their acceptance, with how they ended and what they returned;
/// none where it waited for nothing.
///
/// ```
/// use becket::{Parents, TaskError};
///
/// async fn sum(parents: Parents) -> Result<u64, TaskError> {
///     Ok(parents.results::<u64>()?.iter().sum())
/// }
/// # let _ = becket::App::new().task("sum", sum);
/// ```
#[derive(Clone, Debug)]
pub struct Parents(pub Vec<ParentTask>);

impl Parents {
    /// What they returned, all of one type.
    ///
    /// # Errors
    /// As [`ParentTask::result`], of the first for which it fails.
    pub fn results<R: DeserializeOwned>(&self) -> Result<Vec<R>, WaitError> {
        self.iter().map(ParentTask::result).collect()
    }
}

impl Deref for Parents {
    type Target = [ParentTask];

    fn deref(&self) -> &[ParentTask] {
        &self.0
    }
}

impl FromTask for Parents {
    async fn from_task(input: &TaskInput) -> Result<Self, TaskError> {
        Ok(Self(input.context().parents().await?))
    }
}
