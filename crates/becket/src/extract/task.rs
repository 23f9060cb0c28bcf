//! What extractors take from: one attempt of a task, and the application's states.

use std::sync::Arc;

use becket_tasks::registry::Run;
use becket_tasks::{Claimed, Client, TaskContext, TaskError};
use becket_webhooks::{Normalised, View};
use bytes::Bytes;
use http::HeaderMap;

use super::{FromTask, States};
use crate::http::kept;

/// One attempt of a task, as extractors see it.
#[derive(Clone, Debug)]
pub struct TaskInput {
    run: Run,
    states: Arc<States>,
}

impl TaskInput {
    pub(crate) fn new(run: Run, states: Arc<States>) -> Self {
        Self { run, states }
    }

    /// The task with its payload.
    #[must_use]
    pub fn task(&self) -> &Claimed {
        &self.run.task
    }

    /// The attempt.
    #[must_use]
    pub fn context(&self) -> &TaskContext {
        &self.run.context
    }

    /// The headers that were kept of the delivery; none for a task enqueued by hand.
    #[must_use]
    pub fn headers(&self) -> HeaderMap {
        kept::decode(&self.task().meta)
    }

    /// The payload as JSON text: the body as it came, or the field `payload` of a form-encoded delivery, which is how
    /// GitHub sends webhooks with the content type `application/x-www-form-urlencoded`.
    ///
    /// # Errors
    /// Gives up when the payload was erased, or is a form without that field.
    pub fn json(&self) -> Result<Bytes, TaskError> {
        let task = self.task();
        if task.payload.is_empty() {
            return Err(TaskError::give_up("the payload is empty; it may have been erased"));
        }
        kept::json(&task.meta, &task.payload).ok_or_else(|| TaskError::give_up("the form has no field `payload`"))
    }

    /// What happened, in words that are the same for all forges; see [`crate::normalised`].
    #[must_use]
    pub fn normalised(&self) -> Option<Normalised> {
        kept::known(&self.task().meta).event()
    }

    /// What it happened to, read from the payload; `None` where the delivery has no normalised event.
    ///
    /// # Errors
    /// Gives up when the payload was erased, or lacks what the view cannot do without.
    pub fn view(&self) -> Result<Option<View>, TaskError> {
        let known = kept::known(&self.task().meta);
        let Some((kind, event)) = known.normalised else { return Ok(None) };
        let view = View::read(kind, event, known.repository.as_deref(), &self.json()?);
        view.map(Some).map_err(|error| TaskError::give_up(format!("`{event}` of {kind} cannot be read: {error}")))
    }

    pub(crate) fn shared_task(&self) -> Arc<Claimed> {
        Arc::clone(&self.run.task)
    }

    pub(super) fn states(&self) -> &States {
        &self.states
    }
}

impl FromTask for TaskContext {
    async fn from_task(input: &TaskInput) -> Result<Self, TaskError> {
        Ok(input.context().clone())
    }
}

impl FromTask for Client {
    async fn from_task(input: &TaskInput) -> Result<Self, TaskError> {
        Ok(input.context().client().clone())
    }
}
