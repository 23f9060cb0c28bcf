//! Enqueueing one task, or a chain of tasks: what is said of each before it is accepted.
//!
//! [`Enqueue`] and [`Chain`] only collect; awaiting them is what enqueues. For more than chains see
//! [`Graph`](super::Graph).

use std::future::IntoFuture;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use serde::Serialize;

use super::graph::{Graph, GraphError};
use super::{Address, Client, EnqueueError, EnqueueOptions};
use crate::id::TaskId;
use crate::submission::{Parent, Submission};

/// One task that is to be enqueued.
#[derive(Debug)]
pub(super) struct Planned {
    pub(super) kind: Arc<str>,
    pub(super) payload: Result<Bytes, serde_json::Error>,
    pub(super) options: EnqueueOptions,
}

impl Planned {
    pub(super) fn new<A: Serialize + ?Sized>(kind: &str, arguments: &A) -> Self {
        let payload = serde_json::to_vec(arguments).map(Bytes::from);
        Self { kind: kind.into(), payload, options: EnqueueOptions::default() }
    }

    /// The submission that it becomes as the `place`-th of a call, to run after `parents` as well.
    pub(super) fn submission(
        self,
        client: &Client,
        place: usize,
        parents: impl IntoIterator<Item = Parent>,
    ) -> Result<Submission, EnqueueError> {
        let payload = self.payload.map_err(EnqueueError::Arguments)?;
        let mut submission = client.submission_of(place, &self.kind, payload, self.options)?;
        if let Some(task) = submission.tasks.first_mut() {
            task.after.extend(parents);
        }
        Ok(submission)
    }
}

/// A task that is enqueued when this is awaited, which answers its id once it is durable.
///
/// # Errors
/// [`EnqueueError`]; nothing was accepted.
#[derive(Debug)]
#[must_use = "nothing is enqueued until this is awaited"]
pub struct Enqueue {
    client: Client,
    task: Planned,
}

/// Tasks of which each waits for the one before. They are enqueued when this is awaited, all or none, which answers
/// their ids in order once they are durable.
///
/// A link whose predecessor fails or is cancelled is cancelled as well, and so on to the end, unless it
/// [survives](Self::survive) that. What is said between two links is said of the first of them.
///
/// # Errors
/// [`EnqueueError`]; nothing was accepted.
#[derive(Debug)]
#[must_use = "nothing is enqueued until this is awaited"]
pub struct Chain {
    client: Client,
    links: Vec<Planned>,
    last: Planned,
}

impl Enqueue {
    pub(super) fn new<A: Serialize + ?Sized>(client: Client, kind: &str, arguments: &A) -> Self {
        Self { client, task: Planned::new(kind, arguments) }
    }

    /// A task of `kind` that waits for this one.
    pub fn then<A: Serialize + ?Sized>(self, kind: &str, arguments: &A) -> Chain {
        Chain { client: self.client, links: vec![self.task], last: Planned::new(kind, arguments) }
    }

    /// Waits for tasks that exist already, until each has ended. At most
    /// [`PARENTS_MAX`](crate::submission::PARENTS_MAX).
    pub fn after(mut self, tasks: impl IntoIterator<Item = TaskId>) -> Self {
        self.task.options.after.extend(tasks);
        self
    }

    /// Runs also after tasks that failed or were cancelled. Otherwise it is cancelled with the first that does.
    pub fn survive(mut self) -> Self {
        self.task.options.survives_parents = true;
        self
    }

    /// Tells somebody how the task ended; see [`EnqueueOptions::notify`].
    pub fn notify(mut self, address: impl Into<Address>) -> Self {
        self.task.options.notify = Some(address.into());
        self
    }

    /// A second task with the same key is not accepted; the first one's id is answered.
    pub fn key(mut self, key: impl Into<Arc<str>>) -> Self {
        self.task.options.key = Some(key.into());
        self
    }

    /// Takes all of what may differ from the kind's policy, instead of what was said before.
    pub fn options(mut self, options: EnqueueOptions) -> Self {
        self.task.options = options;
        self
    }
}

impl IntoFuture for Enqueue {
    type Output = Result<TaskId, EnqueueError>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let submission = self.task.submission(&self.client, 0, [])?;
            let inserted = self.client.submit(submission).await?;
            self.client.asked_for(&inserted).await
        })
    }
}

impl Chain {
    /// A task of `kind` that waits for the last one.
    pub fn then<A: Serialize + ?Sized>(mut self, kind: &str, arguments: &A) -> Self {
        let before = std::mem::replace(&mut self.last, Planned::new(kind, arguments));
        self.links.push(before);
        self
    }

    /// Lets the last task also wait for tasks that exist already.
    pub fn after(mut self, tasks: impl IntoIterator<Item = TaskId>) -> Self {
        self.last.options.after.extend(tasks);
        self
    }

    /// Lets the last task run also after tasks that failed or were cancelled.
    pub fn survive(mut self) -> Self {
        self.last.options.survives_parents = true;
        self
    }

    /// Tells somebody how the last task ended; see [`EnqueueOptions::notify`].
    pub fn notify(mut self, address: impl Into<Address>) -> Self {
        self.last.options.notify = Some(address.into());
        self
    }

    /// Gives the last task a key: a second task with it is not accepted, and the first one takes its place in the
    /// chain.
    pub fn key(mut self, key: impl Into<Arc<str>>) -> Self {
        self.last.options.key = Some(key.into());
        self
    }

    /// Takes all of what may differ from the policy of the last task's kind, instead of what was said of it before.
    pub fn options(mut self, options: EnqueueOptions) -> Self {
        self.last.options = options;
        self
    }

    fn submissions(self) -> Result<Vec<Submission>, EnqueueError> {
        let count = self.links.len() + 1;
        if count > Graph::TASKS_MAX {
            return Err(GraphError::TooMany(count).into());
        }
        let before = |place: usize| place.checked_sub(1).map(|submission| Parent::Submitted { submission, task: 0 });
        let links = self.links.into_iter().chain([self.last]).enumerate();
        links.map(|(place, link)| link.submission(&self.client, place, before(place))).collect()
    }
}

impl IntoFuture for Chain {
    type Output = Result<Vec<TaskId>, EnqueueError>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let client = self.client.clone();
            client.submit_each(self.submissions()?).await
        })
    }
}
