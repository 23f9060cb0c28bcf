//! What programs and people ask of the engine: submit work, look at it, run it again, wait for it.
//!
//! A [`Client`] is a thin hand over a [`Store`]: it adds types, the policies of the registry, and loops over pages. It
//! needs no running engine, so a program that only submits work can hold one too.

mod bulk;
mod places;
mod wait;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use serde::Serialize;

pub use self::bulk::{Bulk, Change};
pub use self::wait::WaitError;
use crate::error::{Error, Result};
use crate::id::{SubmissionId, TaskId};
use crate::order::Lane;
use crate::query::{Listed, Page, TaskFilter};
use crate::registry::{PayloadJson, Policy, Registry};
use crate::store::Store;
use crate::submission::{Due, Inserted, NewTask, Submission, Unique};
use crate::task::{Task, TaskDetail};

/// The source of what [`Client::enqueue`] submits.
const SOURCE: &str = "api";

/// A handle to the tasks of one store. Cloning is cheap.
#[derive(Clone)]
pub struct Client {
    store: Arc<dyn Store>,
    policies: Arc<HashMap<Arc<str>, Policy>>,
    payload_json: PayloadJson,
}

/// What may differ from the kind's [`Policy`] for one task.
#[derive(Clone, Debug)]
pub struct EnqueueOptions {
    /// Higher runs first among what is due; `None` takes the policy's.
    pub priority: Option<i8>,
    /// When to run it. Default: at once.
    pub due: Due,
    /// How many attempts may fail before the task does; `None` takes the policy's.
    pub max_attempts: Option<u32>,
    /// A second task with the same source and key is not accepted; the first one's id is answered.
    pub key: Option<Arc<str>>,
    /// Who asks. Default: `api`.
    pub source: Arc<str>,
    /// Its place in a lane; `None` takes the policy's.
    pub lane: Option<Lane>,
    /// Whose task it is; `None` takes the policy's.
    pub tenant: Option<Arc<str>>,
    /// What its kind's limits by key count it under; `None` takes the policy's.
    pub limit_key: Option<Arc<str>>,
    /// Take another task of the kind for this one if there is one with the same key that has not ended, or whose result is
    /// fresh; its id is answered. A result is fresh no longer than the policy keeps it.
    pub unique: Option<Unique>,
}

impl Default for EnqueueOptions {
    fn default() -> Self {
        Self {
            priority: None,
            due: Due::Now,
            max_attempts: None,
            key: None,
            source: SOURCE.into(),
            lane: None,
            tenant: None,
            limit_key: None,
            unique: None,
        }
    }
}

/// Why a task was not accepted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EnqueueError {
    /// No handler is registered for the kind, so nothing would ever run it.
    #[error("no handler is registered for tasks of kind `{0}`")]
    UnknownKind(Arc<str>),
    /// The arguments cannot be written as JSON.
    #[error("the arguments cannot be written as JSON")]
    Arguments(#[source] serde_json::Error),
    /// The key was accepted before, and its task is not kept any more.
    #[error("the key was accepted before as submission {0}, whose task is not kept any more")]
    Gone(SubmissionId),
    /// The store did not accept it.
    #[error(transparent)]
    Store(#[from] Error),
}

impl Client {
    /// A client of `store` that knows the kinds and policies of `registry`.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, registry: &Registry) -> Self {
        Self { store, policies: Arc::new(registry.policies()), payload_json: registry.payload_json() }
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// The policy of `kind`; `None` when no handler is registered for it.
    #[must_use]
    pub fn policy(&self, kind: &str) -> Option<&Policy> {
        self.policies.get(kind)
    }

    /// A task of `kind` as its policy says; `None` when no handler is registered for it.
    #[must_use]
    pub fn new_task(&self, kind: &str) -> Option<NewTask> {
        self.policies.get_key_value(kind).map(|(kind, policy)| policy.new_task(Arc::clone(kind)))
    }

    /// Accepts one submission; answers once it is durable. A task that is given no lane, tenant or limit's key gets what
    /// its kind's [`Policy`] says.
    ///
    /// # Errors
    /// As [`Store::insert`]; nothing was accepted.
    pub async fn submit(&self, mut submission: Submission) -> Result<Inserted> {
        self.place(&mut submission);
        self.submit_placed(submission).await
    }

    /// Accepts one submission whose tasks have been placed.
    pub(crate) async fn submit_placed(&self, submission: Submission) -> Result<Inserted> {
        self.store.insert(vec![submission]).await?.pop().ok_or_else(no_answer)
    }

    /// Accepts submissions in one call, each wholly or not at all, as [`submit`](Self::submit) does; answers in the order
    /// given.
    ///
    /// # Errors
    /// As [`Store::insert`]; nothing was accepted.
    pub async fn submit_all(&self, mut submissions: Vec<Submission>) -> Result<Vec<Inserted>> {
        submissions.iter_mut().for_each(|submission| self.place(submission));
        self.store.insert(submissions).await
    }

    /// Adds tasks to a submission that is there already; `None` if it is not. As with [`submit`](Self::submit), their
    /// policies say what they belong to.
    ///
    /// # Errors
    /// As [`Store::append`]; nothing was accepted.
    pub async fn append(&self, submission: SubmissionId, mut tasks: Vec<NewTask>) -> Result<Option<Inserted>> {
        if !self.place_appended(submission, &mut tasks).await? {
            return Ok(None);
        }
        self.store.append(submission, tasks).await
    }

    /// Submits one task of `kind` with JSON `arguments`, as its policy says.
    ///
    /// # Errors
    /// [`EnqueueError`]; nothing was accepted.
    pub async fn enqueue<A: Serialize + ?Sized>(&self, kind: &str, arguments: &A) -> Result<TaskId, EnqueueError> {
        self.enqueue_with(kind, arguments, EnqueueOptions::default()).await
    }

    /// Submits one task of `kind` with JSON `arguments`. Its event is its kind.
    ///
    /// # Errors
    /// [`EnqueueError`]; nothing was accepted.
    pub async fn enqueue_with<A: Serialize + ?Sized>(
        &self,
        kind: &str,
        arguments: &A,
        options: EnqueueOptions,
    ) -> Result<TaskId, EnqueueError> {
        // The arguments are written before the first await: the future does not borrow them across it.
        let submission = self.submission_of(kind, arguments, options)?;
        let inserted = self.submit(submission).await?;
        inserted.tasks.first().copied().ok_or(EnqueueError::Gone(inserted.submission))
    }

    fn submission_of<A: Serialize + ?Sized>(
        &self,
        kind: &str,
        arguments: &A,
        options: EnqueueOptions,
    ) -> Result<Submission, EnqueueError> {
        let planned = self.new_task(kind).ok_or_else(|| EnqueueError::UnknownKind(kind.into()))?;
        let payload = serde_json::to_vec(arguments).map_err(EnqueueError::Arguments)?;
        let task = NewTask {
            priority: options.priority.unwrap_or(planned.priority),
            max_attempts: options.max_attempts.unwrap_or(planned.max_attempts),
            due: options.due,
            lane: options.lane,
            tenant: options.tenant,
            limit_key: options.limit_key,
            unique: options.unique.map(|unique| self.kept_so_long(kind, unique)),
            ..planned
        };
        Ok(Submission {
            source: options.source,
            event: Arc::clone(&task.kind),
            action: None,
            key: options.key,
            meta: bytes::Bytes::new(),
            payload: payload.into(),
            tasks: vec![task],
        })
    }

    /// What is kept no longer cannot be fresh.
    fn kept_so_long(&self, kind: &str, unique: Unique) -> Unique {
        let kept = self.policy(kind).map_or(unique.fresh, |policy| policy.result_ttl);
        Unique { fresh: unique.fresh.min(kept), ..unique }
    }

    /// One task with its attempts and result; `None` when there is none (any more).
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn get(&self, task: TaskId) -> Result<Option<TaskDetail>> {
        self.store.task(task).await
    }

    /// Tasks, newest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn list(&self, filter: TaskFilter, page: Page) -> Result<Listed<Task>> {
        self.store.tasks(filter, page).await
    }

    /// Runs tasks again from the start, unless they are running; answers which.
    ///
    /// # Errors
    /// As [`Store::requeue`]; nothing was changed.
    pub async fn requeue(&self, tasks: &[TaskId]) -> Result<Vec<TaskId>> {
        self.store.requeue(tasks.to_vec()).await
    }

    /// Cancels unfinished tasks; answers which. A running one
    /// learns it when its lease is next renewed, within two seconds.
    ///
    /// # Errors
    /// As [`Store::cancel`]; nothing was changed.
    pub async fn cancel(&self, tasks: &[TaskId], reason: impl Into<Arc<str>>) -> Result<Vec<TaskId>> {
        self.store.cancel(tasks.to_vec(), reason.into()).await
    }

    /// Deletes finished tasks with their attempts and results; answers which.
    ///
    /// # Errors
    /// As [`Store::purge`]; nothing was changed.
    pub async fn purge(&self, tasks: &[TaskId]) -> Result<Vec<TaskId>> {
        self.store.purge(tasks.to_vec()).await
    }
}

fn no_answer() -> Error {
    Error::Corrupt("the store answered fewer submissions than it was given".to_owned())
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("store", &self.store.description()).finish_non_exhaustive()
    }
}
