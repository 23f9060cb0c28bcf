//! The delivery that a task came of, and its headers.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use becket_tasks::{Claimed, SubmissionId, TaskError, Timestamp};
use becket_webhooks::Normalised;
use bytes::Bytes;
use http::HeaderMap;

use super::{FromTask, TaskInput};
use crate::http::kept;

/// The delivery that a task came of.
///
/// A task that was enqueued by hand looks like a delivery of the source `api` without headers. `Debug` shows neither
/// body nor headers.
#[derive(Clone)]
pub struct Delivery {
    task: Arc<Claimed>,
    headers: HeaderMap,
    known: kept::Known,
}

impl Delivery {
    /// Our own id of it.
    #[must_use]
    pub fn id(&self) -> SubmissionId {
        self.task.submission
    }

    /// Who sent it, e.g. `github`.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.task.source
    }

    /// The sender's id of it, the same each time that it is sent; unique within one source only.
    #[must_use]
    pub fn delivery_id(&self) -> Option<&str> {
        self.task.key.as_deref()
    }

    /// What it says, e.g. `issues`.
    #[must_use]
    pub fn event(&self) -> &str {
        &self.task.event
    }

    /// What it says more closely, e.g. `opened`.
    #[must_use]
    pub fn action(&self) -> Option<&str> {
        self.task.action.as_deref()
    }

    /// The repository that it is about, as its forge writes it, e.g. `octo/hello`; `None` where it is about none. See
    /// [`becket_webhooks::Delivery::repository`].
    #[must_use]
    pub fn repository(&self) -> Option<&str> {
        self.known.repository.as_deref()
    }

    /// What happened in words that are the same for all forges, e.g. `change_request.opened`; see
    /// [`becket_webhooks::Delivery::normalised`].
    #[must_use]
    pub fn normalised(&self) -> Option<Normalised> {
        self.known.event()
    }

    /// The headers that were kept: the source's own, `content-type` and `user-agent`.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The body as it was received, byte for byte.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.task.payload
    }

    /// When the task was accepted: with the delivery, or later when the delivery was replayed.
    #[must_use]
    pub fn received_at(&self) -> Timestamp {
        self.task.created_at
    }
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery")
            .field("id", &self.id())
            .field("source", &self.source())
            .field("delivery_id", &self.delivery_id())
            .field("event", &self.event())
            .field("action", &self.action())
            .field("repository", &self.repository())
            .field("normalised", &self.normalised())
            .field("body_bytes", &self.body().len())
            .finish_non_exhaustive()
    }
}

impl FromTask for Delivery {
    async fn from_task(input: &TaskInput) -> Result<Self, TaskError> {
        let task = input.shared_task();
        let known = kept::known(&task.meta);
        Ok(Self { task, headers: input.headers(), known })
    }
}

/// The headers that were kept of the delivery; see [`Delivery::headers`].
#[derive(Clone, Debug)]
pub struct Headers(pub HeaderMap);

impl Deref for Headers {
    type Target = HeaderMap;

    fn deref(&self) -> &HeaderMap {
        &self.0
    }
}

impl FromTask for Headers {
    async fn from_task(input: &TaskInput) -> Result<Self, TaskError> {
        Ok(Self(input.headers()))
    }
}
