//! The reference store: everything in one process' memory, and gone with it.
//!
//! It is the model that the other stores are compared with, and the store of quick tests, so it is simple rather than
//! fast: one lock around the rows (`rows`), every verb a plain function of them and of the time, which is read once a
//! verb at this edge. Announcements are made before the lock is given back, so that they have the order of the changes.

mod family;
mod limits;
mod order;
mod prune;
mod query;
mod rows;
mod schedules;
mod starts;
mod steps;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use tokio::sync::Notify;

pub use self::limits::Limits;
use self::rows::{Log, Rows};
use crate::error::{Error, Result};
use crate::events::Events;
use crate::id::{IdGenerator, SubmissionId, TaskId};
use crate::mark::{self, Mark};
use crate::measure::CommitMeasures;
use crate::order::Scope;
use crate::query::{
    Counts, Family, Listed, Page, Payload, Pruned, Retention, SubmissionFilter, SubmissionInfo, TaskFilter,
};
use crate::schedule::ScheduleState;
use crate::step::{Saved, Step};
use crate::store::{Claim, Description, Durability, Store, ending};
use crate::submission::{Inserted, NewTask, Submission};
use crate::task::{Claimed, Finish, Finished, Lease, Task, TaskDetail, WorkerId};
use crate::time::{Clock, Timestamp};

/// A parked claim looks again at least so often while something is not yet due, so that a clock that jumps forwards
/// delays nothing for longer.
const RECHECK: Duration = Duration::from_secs(1);
/// The longest that one claim waits, whatever was asked: tokio cannot add any duration to any instant.
const WAIT_MAX: Duration = Duration::from_secs(24 * 3_600);

/// Keeps submissions and tasks in memory.
///
/// ```
/// # use becket_tasks::{Store, store::memory::MemoryStore, Submission, NewTask};
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let store = MemoryStore::default();
/// let inserted = store
///     .insert(vec![Submission {
///         source: "example".into(),
///         event: "greeting".into(),
///         action: None,
///         key: Some("first".into()),
///         meta: Default::default(),
///         payload: "hello".into(),
///         tasks: vec![NewTask::new("greet")],
///     }])
///     .await?;
/// assert_eq!(inserted[0].tasks.len(), 1);
/// # Ok::<(), becket_tasks::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct MemoryStore {
    /// `None` once closed.
    rows: Mutex<Option<Rows>>,
    /// Told when a parked claim should look again: after a change, and when a manual clock was set.
    changed: Arc<Notify>,
    clock: Clock,
    events: Events,
    measures: CommitMeasures,
}

impl Default for MemoryStore {
    /// An empty store with the system's clock and the default limits.
    fn default() -> Self {
        Self::new(Clock::system(), 0, Limits::default())
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore").field("clock", &self.clock).finish_non_exhaustive()
    }
}

impl MemoryStore {
    /// An empty store that reads the time from `clock` and makes the ids of `node`.
    #[must_use]
    pub fn new(clock: Clock, node: u64, limits: Limits) -> Self {
        let changed = Arc::new(Notify::new());
        let parked = Arc::downgrade(&changed);
        clock.on_set(move || {
            parked.upgrade().is_some_and(|parked| {
                parked.notify_waiters();
                true
            })
        });
        Self {
            rows: Mutex::new(Some(Rows::new(IdGenerator::new(node, 0), limits))),
            changed,
            clock,
            events: Events::default(),
            measures: CommitMeasures::default(),
        }
    }

    /// Does to what is kept what a crash of the process does to a store that outlives it: attempts are lost, and whose turn
    /// it was is forgotten. For tests: of such a store, and of programs that must outlive a crash.
    pub fn crash(&self) {
        // A closed store has nothing to lose.
        let _ = self.change(1, Rows::crash);
    }

    /// Makes parked claims look again. Changes do so by themselves, and so does a manual clock that is set.
    pub fn wake(&self) {
        self.changed.notify_waiters();
    }

    /// Runs one verb that changes something, announces what it did, and wakes parked claims.
    fn change<T>(&self, operations: usize, verb: impl FnOnce(&mut Rows, Timestamp, &mut Log) -> T) -> Result<T> {
        let begun = Instant::now();
        let mut log = Log::default();
        let answer = {
            let mut guard = self.lock();
            let rows = guard.as_mut().ok_or(Error::Closed)?;
            rows.elapsed = self.clock.elapsed();
            let answer = verb(rows, self.clock.now(), &mut log);
            log.announce(&self.events);
            answer
        };
        if log.may_wake() {
            self.wake();
        }
        self.measures.record(operations, begun.elapsed());
        Ok(answer)
    }

    /// Runs one verb that only looks.
    fn look<T>(&self, verb: impl FnOnce(&Rows, Timestamp) -> T) -> Result<T> {
        let guard = self.lock();
        let rows = guard.as_ref().ok_or(Error::Closed)?;
        Ok(verb(rows, self.clock.now()))
    }

    fn lock(&self) -> MutexGuard<'_, Option<Rows>> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn claim_or_wait(&self, claim: Claim) -> Result<Vec<Claimed>> {
        let deadline = tokio::time::Instant::now() + claim.wait.min(WAIT_MAX);
        let asks_for_nothing = claim.limit == 0 || claim.kinds.is_empty();
        loop {
            // Interest is registered before the rows are looked at: a change between the two wakes us, too.
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();

            let claimed = self.change(1, |rows, now, log| rows.claim(&claim, now, log))?;
            if !claimed.is_empty() || asks_for_nothing || tokio::time::Instant::now() >= deadline {
                return Ok(claimed);
            }
            let pause = self.look(|rows, now| rows.next_chance(&claim, now).map(|due| due.since(now).min(RECHECK)))?;
            let until = pause.map_or(deadline, |pause| deadline.min(tokio::time::Instant::now() + pause));
            tokio::select! {
                () = changed => {}
                () = tokio::time::sleep_until(until) => {}
            }
        }
    }
}

/// A verb whose answer is known before it is awaited would change things at the call; this defers it to the first poll.
macro_rules! verb {
    ($verb:expr) => {
        Box::pin(async move { $verb })
    };
}

impl Store for MemoryStore {
    fn insert(&self, submissions: Vec<Submission>) -> BoxFuture<'_, Result<Vec<Inserted>>> {
        verb!(self.change(submissions.len(), |rows, now, log| rows.insert(submissions, now, log))?)
    }

    fn append(&self, submission: SubmissionId, tasks: Vec<NewTask>) -> BoxFuture<'_, Result<Option<Inserted>>> {
        verb!(self.change(1, |rows, now, log| rows.append(submission, tasks, now, log))?)
    }

    fn claim(&self, claim: Claim) -> BoxFuture<'_, Result<Vec<Claimed>>> {
        Box::pin(self.claim_or_wait(claim))
    }

    fn renew(&self, leases: Vec<Lease>, lease: Duration) -> BoxFuture<'_, Result<Vec<bool>>> {
        verb!(self.change(leases.len(), |rows, _, _| { leases.iter().map(|held| rows.renew(*held, lease)).collect() }))
    }

    fn finish(&self, finishes: Vec<Finish>) -> BoxFuture<'_, Result<Vec<Finished>>> {
        verb!(self.change(finishes.len(), |rows, now, log| {
            finishes.into_iter().map(|finish| rows.finish(finish, now, log)).collect()
        }))
    }

    fn save_step(&self, lease: Lease, name: Arc<str>, body: Bytes) -> BoxFuture<'_, Result<Saved>> {
        verb!(self.change(1, |rows, now, _| rows.save_step(lease, name, body, now)))
    }

    fn release(&self, worker: WorkerId) -> BoxFuture<'_, Result<u64>> {
        verb!(self.change(1, |rows, now, log| rows.release(&worker, now, log)))
    }

    fn reclaim_expired(&self) -> BoxFuture<'_, Result<u64>> {
        verb!(self.change(1, Rows::reclaim_expired))
    }

    fn cancel(&self, tasks: Vec<TaskId>, reason: Arc<str>) -> BoxFuture<'_, Result<Vec<TaskId>>> {
        let reason = ending::bounded(&reason);
        verb!(self.change(tasks.len(), |rows, now, log| {
            tasks.into_iter().filter(|task| rows.cancel(*task, &reason, now, log)).collect()
        }))
    }

    fn requeue(&self, tasks: Vec<TaskId>) -> BoxFuture<'_, Result<Vec<TaskId>>> {
        verb!(self.change(tasks.len(), |rows, now, log| {
            tasks.into_iter().filter(|task| rows.requeue(*task, now, log)).collect()
        }))
    }

    fn purge(&self, tasks: Vec<TaskId>) -> BoxFuture<'_, Result<Vec<TaskId>>> {
        verb!(self.change(tasks.len(), |rows, _, _| tasks.into_iter().filter(|task| rows.purge(*task)).collect()))
    }

    fn erase(&self, submissions: Vec<SubmissionId>) -> BoxFuture<'_, Result<Vec<SubmissionId>>> {
        verb!(self.change(submissions.len(), |rows, _, _| {
            submissions.into_iter().filter(|submission| rows.erase(*submission)).collect()
        }))
    }

    fn prune(&self, retention: Retention) -> BoxFuture<'_, Result<Pruned>> {
        verb!(self.change(1, |rows, now, _| rows.prune(retention, now)))
    }

    fn task(&self, task: TaskId) -> BoxFuture<'_, Result<Option<TaskDetail>>> {
        verb!(self.look(|rows, now| rows.task(task, now)))
    }

    fn steps(&self, task: TaskId) -> BoxFuture<'_, Result<Vec<Step>>> {
        verb!(self.look(|rows, _| rows.steps(task)))
    }

    fn tasks(&self, filter: TaskFilter, page: Page) -> BoxFuture<'_, Result<Listed<Task>>> {
        verb!(self.look(|rows, _| rows.tasks(&filter, page)))
    }

    fn submission(&self, submission: SubmissionId) -> BoxFuture<'_, Result<Option<SubmissionInfo>>> {
        verb!(self.look(|rows, _| rows.submission(submission)))
    }

    fn submissions(&self, filter: SubmissionFilter, page: Page) -> BoxFuture<'_, Result<Listed<SubmissionInfo>>> {
        verb!(self.look(|rows, _| rows.submissions(&filter, page)))
    }

    fn family(&self, task: TaskId) -> BoxFuture<'_, Result<Option<Family>>> {
        verb!(self.look(|rows, _| rows.family(task)))
    }

    fn set_paused(&self, scope: Scope, is_paused: bool) -> BoxFuture<'_, Result<()>> {
        verb!(self.change(1, |rows, _, log| rows.set_paused(scope, is_paused, log)))
    }

    fn paused(&self) -> BoxFuture<'_, Result<Vec<Scope>>> {
        verb!(self.look(|rows, _| rows.paused()))
    }

    fn payload(&self, submission: SubmissionId) -> BoxFuture<'_, Result<Option<Payload>>> {
        verb!(self.look(|rows, _| rows.payload(submission)))
    }

    fn counts(&self) -> BoxFuture<'_, Result<Counts>> {
        verb!(self.look(Rows::counts))
    }

    fn schedule_states(&self) -> BoxFuture<'_, Result<Vec<ScheduleState>>> {
        verb!(self.look(|rows, _| rows.schedule_states()))
    }

    fn advance_schedule(
        &self,
        name: Arc<str>,
        settled_until: Timestamp,
        fired: Option<Timestamp>,
    ) -> BoxFuture<'_, Result<()>> {
        verb!(self.change(1, |rows, _, _| rows.advance_schedule(name, settled_until, fired)))
    }

    fn mark(&self, marks: Vec<Mark>) -> BoxFuture<'_, Result<()>> {
        verb!({
            mark::check(&marks)?;
            self.change(1, |rows, _, _| rows.mark(marks))
        })
    }

    fn marks(&self) -> BoxFuture<'_, Result<Vec<Mark>>> {
        verb!(self.look(|rows, _| rows.marks.values().cloned().collect()))
    }

    fn pause_schedule(&self, name: Arc<str>, paused: bool) -> BoxFuture<'_, Result<()>> {
        verb!(self.change(1, |rows, _, _| rows.pause_schedule(name, paused)))
    }

    fn probe(&self) -> BoxFuture<'_, Result<()>> {
        verb!(self.look(|_, _| ()))
    }

    /// Forgets everything. Closing again does nothing.
    fn close(&self) -> BoxFuture<'_, Result<()>> {
        verb!({
            *self.lock() = None;
            self.wake();
            Ok(())
        })
    }

    fn events(&self) -> &Events {
        &self.events
    }

    fn clock(&self) -> &Clock {
        &self.clock
    }

    fn description(&self) -> Description {
        Description { kind: "memory", durability: Durability::Memory }
    }

    fn measures(&self) -> &CommitMeasures {
        &self.measures
    }
}
