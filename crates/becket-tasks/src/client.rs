//! What programs and people ask of the engine: submit work, look at it, run it again, wait for it.
//!
//! A [`Client`] is a thin hand over a [`Store`]: it adds types, the policies of the registry, and loops over pages. It
//! needs no running engine, so a program that only submits work can hold one too.

mod bulk;
mod enqueue;
pub mod graph;
pub mod notify;
mod parents;
mod places;
mod policies;
mod wait;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use bytes::Bytes;
use serde::Serialize;

pub use self::bulk::{Bulk, Change};
use self::enqueue::Planned;
pub use self::enqueue::{Chain, Enqueue};
pub use self::graph::{Graph, GraphError};
pub use self::notify::Address;
pub use self::parents::ParentTask;
use self::policies::Policies;
pub use self::wait::WaitError;
use self::wait::typed_result;
use crate::error::{Error, Result};
use crate::id::{SubmissionId, TaskId};
use crate::order::Lane;
use crate::query::{Listed, Page, TaskFilter};
use crate::registry::Registry;
use crate::store::Store;
use crate::submission::{Due, Inserted, NewTask, Parent, Submission, Unique};
use crate::task::{Task, TaskDetail};

/// The source of what [`Client::enqueue`] submits.
const SOURCE: &str = "api";

/// A handle to the tasks of one store. Cloning is cheap.
#[derive(Clone)]
pub struct Client {
    store: Arc<dyn Store>,
    policies: policies::Shared,
    /// How many tasks were not accepted because another stood for them.
    reused: Arc<AtomicU64>,
}

/// What may differ from the kind's [`Policy`](crate::Policy) for one task.
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
    /// The tasks that must have ended before it is queued; at most
    /// [`PARENTS_MAX`](crate::submission::PARENTS_MAX).
    pub after: Vec<TaskId>,
    /// Whether it runs also after tasks that failed or were cancelled. Otherwise it is cancelled with the first that
    /// does.
    pub survives_parents: bool,
    /// Whom to tell how the task ended, by a task of the kind [`notify::KIND`], which must have a handler. `None` tells
    /// whom the kind's policy says, if anybody.
    pub notify: Option<Address>,
    /// Its place in a lane; `None` takes the policy's.
    pub lane: Option<Lane>,
    /// Whose task it is; `None` takes the policy's.
    pub tenant: Option<Arc<str>>,
    /// What its kind's limits by key count it under; `None` takes the policy's.
    pub limit_key: Option<Arc<str>>,
    /// Take another task of the kind for this one if there is one with the same key that has not ended, or whose result is
    /// fresh; its id is answered. A result is fresh no longer than the policy keeps it. `None` takes the policy's.
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
            after: Vec::new(),
            survives_parents: false,
            notify: None,
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
    /// The tasks cannot wait for one another like that.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// The store did not accept it.
    #[error(transparent)]
    Store(#[from] Error),
}

impl Client {
    /// A client of `store` that knows the kinds and policies of `registry`.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, registry: &Registry) -> Self {
        Self { store, policies: Arc::new(ArcSwap::from_pointee(Policies::of(registry))), reused: Arc::default() }
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// Accepts one submission; answers once it is durable. A task that is given no lane, tenant, limit's key or unique key
    /// gets what its kind's [`Policy`](crate::Policy) says.
    ///
    /// # Errors
    /// As [`Store::insert`]; nothing was accepted.
    pub async fn submit(&self, mut submission: Submission) -> Result<Inserted> {
        self.place(&mut submission);
        self.submit_placed(submission).await
    }

    /// Accepts one submission whose tasks have been placed.
    pub(crate) async fn submit_placed(&self, submission: Submission) -> Result<Inserted> {
        let inserted = self.store.insert(vec![submission]).await?.pop().ok_or_else(no_answer)?;
        self.count(&inserted);
        Ok(inserted)
    }

    fn count(&self, inserted: &Inserted) {
        if !inserted.reused.is_empty() {
            self.reused.fetch_add(inserted.reused.len() as u64, Ordering::Relaxed);
        }
    }

    /// How many tasks were not accepted because another stood for them ([`NewTask::unique`]), through this client and those
    /// cloned from it. An engine and all that is submitted through its client count together.
    #[must_use]
    pub fn reused(&self) -> u64 {
        self.reused.load(Ordering::Relaxed)
    }

    /// Accepts submissions in one call, each wholly or not at all, as [`submit`](Self::submit) does; answers in the order
    /// given.
    ///
    /// # Errors
    /// As [`Store::insert`]; nothing was accepted.
    pub async fn submit_all(&self, mut submissions: Vec<Submission>) -> Result<Vec<Inserted>> {
        submissions.iter_mut().for_each(|submission| self.place(submission));
        let inserted = self.store.insert(submissions).await?;
        inserted.iter().for_each(|one| self.count(one));
        Ok(inserted)
    }

    /// Adds tasks to a submission that is there already; `None` if it is not. As with [`submit`](Self::submit), their
    /// policies say what they belong to, and which tasks stand for them; but no result is fresh enough for that: whoever
    /// runs a submission again wants it done again.
    ///
    /// # Errors
    /// As [`Store::append`]; nothing was accepted.
    pub async fn append(&self, submission: SubmissionId, mut tasks: Vec<NewTask>) -> Result<Option<Inserted>> {
        if !self.place_appended(submission, &mut tasks).await? {
            return Ok(None);
        }
        let inserted = self.store.append(submission, tasks).await?;
        inserted.iter().for_each(|one| self.count(one));
        Ok(inserted)
    }

    /// Enqueues one task of `kind` with JSON `arguments`, as its policy says, once it is awaited; answers its id.
    ///
    /// Before that more can be said: what it waits for, or what follows it.
    ///
    /// ```
    /// # async fn run(client: &becket_tasks::Client) -> Result<(), becket_tasks::EnqueueError> {
    /// let loaded = client.enqueue("load", "https://example.org/archive").await?;
    /// let chain = client.enqueue("count", "photos").after([loaded]).then("report", &()).await?;
    /// # let _ = chain;
    /// # Ok(())
    /// # }
    /// ```
    pub fn enqueue<A: Serialize + ?Sized>(&self, kind: &str, arguments: &A) -> Enqueue {
        Enqueue::new(self.clone(), kind, arguments)
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
        self.enqueue(kind, arguments).options(options).await
    }

    /// What [`enqueue_with`](Self::enqueue_with) would submit. Its first task is the one that was asked for.
    ///
    /// # Errors
    /// [`EnqueueError::UnknownKind`] or [`EnqueueError::Arguments`].
    pub fn plan<A: Serialize + ?Sized>(
        &self,
        kind: &str,
        arguments: &A,
        options: EnqueueOptions,
    ) -> Result<Submission, EnqueueError> {
        Planned { options, ..Planned::new(kind, arguments) }.submission(self, 0, [])
    }

    /// Submits all or none, and answers the first task of each.
    async fn submit_each(&self, submissions: Vec<Submission>) -> Result<Vec<TaskId>, EnqueueError> {
        if submissions.is_empty() {
            return Ok(Vec::new());
        }
        let inserted = self.submit_all(submissions).await?;
        let mut tasks = Vec::with_capacity(inserted.len());
        for one in &inserted {
            tasks.push(self.asked_for(one).await?);
        }
        Ok(tasks)
    }

    /// The task that was asked for among those of a submission that [`plan`](Self::plan) made, or of the first with its
    /// key.
    ///
    /// # Errors
    /// [`EnqueueError::Gone`] when it is not kept any more, [`EnqueueError::Store`] when the store cannot be read.
    pub async fn asked_for(&self, inserted: &Inserted) -> Result<TaskId, EnqueueError> {
        let gone = EnqueueError::Gone(inserted.submission);
        let Some(first) = inserted.tasks.first().copied() else { return Err(gone) };
        // Of a first submission the task may be gone, and the one that told of its end still be there.
        if inserted.duplicate && self.get(first).await?.is_none_or(|found| *found.task.kind == *notify::KIND) {
            return Err(gone);
        }
        Ok(first)
    }

    /// The submission of one task; the `place`-th of its call.
    fn submission_of(
        &self,
        place: usize,
        kind: &str,
        payload: Bytes,
        options: EnqueueOptions,
    ) -> Result<Submission, EnqueueError> {
        let unknown = |kind: &str| EnqueueError::UnknownKind(kind.into());
        let policy = self.policy(kind).ok_or_else(|| unknown(kind))?;
        let planned = self.new_task(kind).ok_or_else(|| unknown(kind))?;
        let task = NewTask {
            priority: options.priority.unwrap_or(planned.priority),
            max_attempts: options.max_attempts.unwrap_or(planned.max_attempts),
            due: options.due,
            after: options.after.into_iter().map(Parent::Task).collect(),
            survives_parents: options.survives_parents,
            lane: options.lane,
            tenant: options.tenant,
            limit_key: options.limit_key,
            unique: options.unique.map(|unique| self.kept_so_long(kind, unique)),
            ..planned
        };
        let event = Arc::clone(&task.kind);
        let mut tasks = vec![task];
        if options.notify.is_some() || policy.notify {
            let policy = self.policy(notify::KIND).ok_or_else(|| unknown(notify::KIND))?;
            tasks.push(notify::teller(&policy, place, 0));
        }
        let meta = options.notify.as_ref().map(Address::to_meta).unwrap_or_default();
        Ok(Submission { source: options.source, event, action: None, key: options.key, meta, payload, tasks })
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

    /// Cancels unfinished tasks; answers which. One that runs in this process hears it at once, one that runs in another
    /// when its lease is next renewed there, within two seconds.
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
