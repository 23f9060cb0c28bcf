//! A store that can be told to fail, to hang, to refuse, and to wait.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use becket_tasks::Mark;
use becket_tasks::measure::CommitMeasures;
use becket_tasks::order::Scope;
use becket_tasks::query::{
    Counts, Family, Listed, Page, Payload, Pruned, Retention, SubmissionFilter, SubmissionInfo, TaskFilter,
};
use becket_tasks::schedule::ScheduleState;
use becket_tasks::store::memory::MemoryStore;
use becket_tasks::store::{Claim, Description};
use becket_tasks::submission::Inserted;
use becket_tasks::task::{Finish, Finished, Lease};
use becket_tasks::{
    Claimed, Clock, Error, Events, NewTask, Result, Saved, Step, Store, Submission, SubmissionId, Task, TaskDetail,
    TaskId, Timestamp, WorkerId,
};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use tokio::sync::watch;

use crate::world::SOON;

/// What one verb does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    Fine,
    /// Fails as if the store could not be reached.
    Down,
    /// Never answers.
    Hangs,
    /// Waits until the mood is another.
    Waits,
}

/// A verb's mood, and how often it was met.
#[derive(Debug)]
pub(crate) struct Verb {
    mood: watch::Sender<Mood>,
    met: watch::Sender<usize>,
}

impl Verb {
    fn new() -> Self {
        Self { mood: watch::Sender::new(Mood::Fine), met: watch::Sender::new(0) }
    }

    pub(crate) fn is(&self, mood: Mood) {
        self.met.send_replace(0);
        self.mood.send_replace(mood);
    }

    /// Waits until the verb was called so often since its mood was set.
    pub(crate) async fn called(&self, times: usize) {
        let mut met = self.met.subscribe();
        tokio::time::timeout(SOON, met.wait_for(|met| *met >= times)).await.expect("the verb is not called").unwrap();
    }

    pub(crate) fn calls(&self) -> usize {
        *self.met.borrow()
    }

    async fn pass(&self) -> Result<()> {
        let mut mood = self.mood.subscribe();
        self.met.send_modify(|met| *met += 1);
        let now = *mood.borrow();
        match now {
            Mood::Fine => Ok(()),
            Mood::Down => Err(Error::Unavailable("told to".into(), None)),
            Mood::Hangs => std::future::pending().await,
            Mood::Waits => {
                let _ = mood.wait_for(|mood| *mood != Mood::Waits).await;
                Ok(())
            }
        }
    }
}

/// A store in memory whose verbs have moods.
#[derive(Debug)]
pub(crate) struct Unsteady {
    inner: MemoryStore,
    pub(crate) insert: Verb,
    pub(crate) claim: Verb,
    pub(crate) renew: Verb,
    pub(crate) finish: Verb,
    pub(crate) prune: Verb,
    pub(crate) release: Verb,
    /// Met after the commit, before the answer.
    pub(crate) save_step: Verb,
    pub(crate) steps: Verb,
    /// Met after the read, before the answer.
    pub(crate) read: Verb,
    pub(crate) list: Verb,
    /// How many tasks were claimed.
    pub(crate) claimed: AtomicUsize,
    /// Ends of these tasks are refused for good, with everything that comes along with them.
    pub(crate) refused: Mutex<Vec<TaskId>>,
    /// Claimed besides what the caller asks for, against the contract.
    pub(crate) stray_kind: Mutex<Option<Arc<str>>>,
    /// How many renewals were refused.
    pub(crate) lost: watch::Sender<usize>,
}

impl Unsteady {
    pub(crate) fn new(inner: MemoryStore) -> Self {
        Self {
            inner,
            insert: Verb::new(),
            claim: Verb::new(),
            renew: Verb::new(),
            finish: Verb::new(),
            prune: Verb::new(),
            release: Verb::new(),
            save_step: Verb::new(),
            steps: Verb::new(),
            read: Verb::new(),
            list: Verb::new(),
            claimed: AtomicUsize::new(0),
            refused: Mutex::default(),
            stray_kind: Mutex::default(),
            lost: watch::Sender::new(0),
        }
    }

    /// Does what the maintenance of another process would.
    pub(crate) async fn reclaim(&self) -> u64 {
        self.inner.reclaim_expired().await.unwrap()
    }

    /// Makes parked claims look again, after the clock was moved.
    pub(crate) fn wake(&self) {
        self.inner.wake();
    }
}

impl Store for Unsteady {
    fn insert(&self, submissions: Vec<Submission>) -> BoxFuture<'_, Result<Vec<Inserted>>> {
        Box::pin(async move {
            self.insert.pass().await?;
            self.inner.insert(submissions).await
        })
    }

    fn append(&self, submission: SubmissionId, tasks: Vec<NewTask>) -> BoxFuture<'_, Result<Option<Inserted>>> {
        self.inner.append(submission, tasks)
    }

    fn claim(&self, mut claim: Claim) -> BoxFuture<'_, Result<Vec<Claimed>>> {
        Box::pin(async move {
            self.claim.pass().await?;
            if let Some(stray) = self.stray_kind.lock().unwrap().clone() {
                claim.kinds = [&*claim.kinds, &[stray]].concat().into();
            }
            let (limit, is_in_batches) = (claim.limit, !claim.rules.batches.is_empty());
            let claimed = self.inner.claim(claim).await?;
            assert!(claimed.len() <= limit || is_in_batches);
            self.claimed.fetch_add(claimed.len(), Ordering::SeqCst);
            Ok(claimed)
        })
    }

    fn renew(&self, leases: Vec<Lease>, lease: Duration) -> BoxFuture<'_, Result<Vec<bool>>> {
        Box::pin(async move {
            self.renew.pass().await?;
            let held = self.inner.renew(leases, lease).await?;
            self.lost.send_modify(|lost| *lost += held.iter().filter(|held| !**held).count());
            Ok(held)
        })
    }

    fn finish(&self, finishes: Vec<Finish>) -> BoxFuture<'_, Result<Vec<Finished>>> {
        Box::pin(async move {
            self.finish.pass().await?;
            let refused = self.refused.lock().unwrap().clone();
            if finishes.iter().any(|finish| refused.contains(&finish.lease.task)) {
                return Err(Error::Invalid("told to refuse".into()));
            }
            self.inner.finish(finishes).await
        })
    }

    fn save_step(&self, lease: Lease, name: Arc<str>, body: Bytes) -> BoxFuture<'_, Result<Saved>> {
        Box::pin(async move {
            let saved = self.inner.save_step(lease, name, body).await?;
            self.save_step.pass().await?;
            Ok(saved)
        })
    }

    fn release(&self, worker: WorkerId) -> BoxFuture<'_, Result<u64>> {
        Box::pin(async move {
            self.release.pass().await?;
            self.inner.release(worker).await
        })
    }

    fn reclaim_expired(&self) -> BoxFuture<'_, Result<u64>> {
        self.inner.reclaim_expired()
    }

    fn cancel(&self, tasks: Vec<TaskId>, reason: Arc<str>) -> BoxFuture<'_, Result<Vec<TaskId>>> {
        self.inner.cancel(tasks, reason)
    }

    fn requeue(&self, tasks: Vec<TaskId>) -> BoxFuture<'_, Result<Vec<TaskId>>> {
        self.inner.requeue(tasks)
    }

    fn purge(&self, tasks: Vec<TaskId>) -> BoxFuture<'_, Result<Vec<TaskId>>> {
        self.inner.purge(tasks)
    }

    fn erase(&self, submissions: Vec<SubmissionId>) -> BoxFuture<'_, Result<Vec<SubmissionId>>> {
        self.inner.erase(submissions)
    }

    fn prune(&self, retention: Retention) -> BoxFuture<'_, Result<Pruned>> {
        Box::pin(async move {
            self.prune.pass().await?;
            self.inner.prune(retention).await
        })
    }

    fn task(&self, task: TaskId) -> BoxFuture<'_, Result<Option<TaskDetail>>> {
        Box::pin(async move {
            let detail = self.inner.task(task).await?;
            self.read.pass().await?;
            Ok(detail)
        })
    }

    fn steps(&self, task: TaskId) -> BoxFuture<'_, Result<Vec<Step>>> {
        Box::pin(async move {
            self.steps.pass().await?;
            self.inner.steps(task).await
        })
    }

    fn tasks(&self, filter: TaskFilter, page: Page) -> BoxFuture<'_, Result<Listed<Task>>> {
        Box::pin(async move {
            self.list.pass().await?;
            self.inner.tasks(filter, page).await
        })
    }

    fn submission(&self, submission: SubmissionId) -> BoxFuture<'_, Result<Option<SubmissionInfo>>> {
        self.inner.submission(submission)
    }

    fn submissions(&self, filter: SubmissionFilter, page: Page) -> BoxFuture<'_, Result<Listed<SubmissionInfo>>> {
        self.inner.submissions(filter, page)
    }

    fn payload(&self, submission: SubmissionId) -> BoxFuture<'_, Result<Option<Payload>>> {
        self.inner.payload(submission)
    }

    fn family(&self, task: TaskId) -> BoxFuture<'_, Result<Option<Family>>> {
        self.inner.family(task)
    }

    fn set_paused(&self, scope: Scope, is_paused: bool) -> BoxFuture<'_, Result<()>> {
        self.inner.set_paused(scope, is_paused)
    }

    fn paused(&self) -> BoxFuture<'_, Result<Vec<Scope>>> {
        self.inner.paused()
    }

    fn counts(&self) -> BoxFuture<'_, Result<Counts>> {
        self.inner.counts()
    }

    fn schedule_states(&self) -> BoxFuture<'_, Result<Vec<ScheduleState>>> {
        self.inner.schedule_states()
    }

    fn advance_schedule(
        &self,
        name: Arc<str>,
        settled_until: Timestamp,
        fired: Option<Timestamp>,
    ) -> BoxFuture<'_, Result<()>> {
        self.inner.advance_schedule(name, settled_until, fired)
    }

    fn mark(&self, marks: Vec<Mark>) -> BoxFuture<'_, Result<()>> {
        self.inner.mark(marks)
    }

    fn marks(&self) -> BoxFuture<'_, Result<Vec<Mark>>> {
        self.inner.marks()
    }

    fn pause_schedule(&self, name: Arc<str>, paused: bool) -> BoxFuture<'_, Result<()>> {
        self.inner.pause_schedule(name, paused)
    }

    fn probe(&self) -> BoxFuture<'_, Result<()>> {
        self.inner.probe()
    }

    fn close(&self) -> BoxFuture<'_, Result<()>> {
        self.inner.close()
    }

    fn events(&self) -> &Events {
        self.inner.events()
    }

    fn clock(&self) -> &Clock {
        self.inner.clock()
    }

    fn description(&self) -> Description {
        self.inner.description()
    }

    fn measures(&self) -> &CommitMeasures {
        self.inner.measures()
    }
}
