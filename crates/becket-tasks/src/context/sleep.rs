//! Sleep: a pause that holds no worker, and that the end of the process does not cut short or make longer.
//!
//! A sleeping attempt ends: it is parked, and another one begins when it is time. When to wake is saved as a step, named
//! by the place of the sleep among those of the attempt.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;

use super::TaskContext;
use super::steps::{Begun, read};
use crate::retry::TaskError;
use crate::step::RESERVED;
use crate::time::Timestamp;

impl TaskContext {
    /// Pauses for `duration`, be it for days, without a worker: the attempt ends with the error that this returns, and
    /// does not count; when it is time, the handler runs again from its start, and this call, reached again, returns at
    /// once. Whatever must not be done again by then belongs into [steps](Self::step).
    ///
    /// ```
    /// # async fn is_answered(_: u64) -> Result<bool, becket_tasks::TaskError> { Ok(true) }
    /// # async fn remind(_: u64) -> Result<(), becket_tasks::TaskError> { Ok(()) }
    /// use std::time::Duration;
    /// use becket_tasks::{TaskContext, TaskError};
    ///
    /// async fn follow_up(issue: u64, task: TaskContext) -> Result<(), TaskError> {
    ///     task.sleep(Duration::from_secs(24 * 3_600)).await?;
    ///     if !is_answered(issue).await? {
    ///         task.step("remind", || remind(issue)).await?;
    ///     }
    ///     Ok(())
    /// }
    /// ```
    ///
    /// When to wake is decided and stored the first time, and holds over retries and restarts, whatever `duration` is
    /// then. Sleeps are told apart by their order: the first one that an attempt reaches is sleep 1, the next one sleep 2.
    /// So handlers must reach their sleeps in the same order each time, one after the other. Each takes the place of a
    /// step, and counts as one.
    ///
    /// # Errors
    /// While it is not over: one that parks the attempt, to be passed on with `?`. Otherwise as [`step`](Self::step).
    pub async fn sleep(&self, duration: Duration) -> Result<(), TaskError> {
        self.sleep_until(self.now().after(duration)).await
    }

    /// Pauses until `time`, as [`sleep`](Self::sleep) does; a time that has passed is no pause.
    ///
    /// # Errors
    /// As [`sleep`](Self::sleep).
    pub async fn sleep_until(&self, time: Timestamp) -> Result<(), TaskError> {
        let number = self.0.sleeps.fetch_add(1, Ordering::Relaxed) + 1;
        let name: Arc<str> = format!("{RESERVED}sleep {number}").into();
        let stored = match self.begin_step(&name).await? {
            Begun::Before(body) => Some(body),
            Begun::Now(step) => step.save(Bytes::from(format!("\"{time}\""))).await?,
        };
        let wake = stored.map_or(Ok(time), |body| read(&name, &body))?;
        if wake <= self.now() {
            return Ok(());
        }
        Err(TaskError::park_until(format!("sleeps until {wake}"), wake))
    }

    fn now(&self) -> Timestamp {
        self.client().store().clock().now()
    }
}
