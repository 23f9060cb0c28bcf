//! The contract of a store: it keeps submissions and tasks durable, and hands tasks out.
//!
//! The lifecycle verbs take slices, so that a store can do many things in one commit. What a verb makes of a task is
//! decided by [`state::transition`](crate::state::transition); the store persists it. Each store reads the time at its
//! own edge (a [`Clock`], or its server's), so that all processes that share it agree.
//!
//! Every store passes the suite in `conformance`; the doc of a verb here is what that suite checks. A verb that fails
//! has changed nothing, unless its doc says otherwise. Dropping a verb's future does not undo what it began.

#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
pub mod ending;
pub mod fair;
pub mod memory;
pub mod parents;
pub mod rate;
#[cfg(feature = "sqlite")]
pub mod sqlite;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;

use crate::error::Result;
use crate::events::Events;
use crate::id::{SubmissionId, TaskId};
use crate::mark::Mark;
use crate::measure::CommitMeasures;
use crate::order::{Rules, Scope};
use crate::query::{
    Counts, Family, Listed, Page, Payload, Pruned, Retention, SubmissionFilter, SubmissionInfo, TaskFilter,
};
use crate::schedule::ScheduleState;
use crate::step::{Saved, Step};
use crate::submission::{Inserted, NewTask, Submission};
use crate::task::{Claimed, Finish, Finished, Lease, Task, TaskDetail, WorkerId};
use crate::time::{Clock, Timestamp};

/// What a worker asks for.
#[derive(Clone, Debug)]
pub struct Claim {
    /// Who claims. Tasks that it holds already are not given again.
    pub worker: WorkerId,
    /// For which handlers; the others' tasks are left alone.
    pub kinds: Arc<[Arc<str>]>,
    /// How many at the most; those of one [batch](Rules::batch) count as one.
    pub limit: usize,
    /// How long the leases last unless they are renewed.
    pub lease: Duration,
    /// How long to wait for something to become due; [`Duration::ZERO`] asks once.
    pub wait: Duration,
    /// Limits and weights. Processes that share a store should have the same.
    pub rules: Arc<Rules>,
}

/// Keeps submissions and tasks durable, and hands tasks out.
///
/// Object-safe: programs hold an `Arc<dyn Store>`.
pub trait Store: fmt::Debug + Send + Sync + 'static {
    /// Accepts submissions, each wholly or not at all: new tasks are `queued`, `waiting` where [`NewTask::after`] names
    /// unfinished tasks, or `running` where [`NewTask::start`] asks for it. Answers in the order given, once the commit is
    /// durable.
    ///
    /// A task with [`Lane::latest`](crate::Lane::latest) cancels those that it replaces. One with [`NewTask::unique`] may
    /// not be accepted, and another is answered in its place; a submission without a key all of whose tasks that befalls
    /// is not kept.
    ///
    /// A submission whose source and key are known is a duplicate: it changes nothing and is answered with the ids of
    /// the first (of its tasks, those that are still kept), also when both come in one call.
    ///
    /// # Errors
    /// [`Error::Busy`](crate::Error::Busy) or [`Error::Unavailable`](crate::Error::Unavailable): nothing was accepted.
    /// [`Error::Invalid`](crate::Error::Invalid): a parent is named that is not there, or too many; nothing was accepted.
    fn insert(&self, submissions: Vec<Submission>) -> BoxFuture<'_, Result<Vec<Inserted>>>;

    /// Adds tasks to a submission that is there already (a replay): `None` if it is not.
    ///
    /// # Errors
    /// As [`insert`](Self::insert).
    fn append(&self, submission: SubmissionId, tasks: Vec<NewTask>) -> BoxFuture<'_, Result<Option<Inserted>>>;

    /// Claims due tasks: `queued`, `retrying` → `running`, each under a new attempt and a lease.
    ///
    /// The best come first: highest priority, then the tenant whose [turn](fair) it is, then longest due, then oldest. Of a
    /// lane one task runs at a time, in the order of acceptance; what is paused, or past the limits of [`Claim::rules`], is
    /// left alone. Concurrent callers never receive the same attempt. When nothing is due it waits up to [`Claim::wait`], and answers as soon as something is. The claim
    /// survives a crash of this process; an attempt that a crash cuts off counts.
    ///
    /// Dropping the future claims nothing, or tasks whose lease runs out.
    fn claim(&self, claim: Claim) -> BoxFuture<'_, Result<Vec<Claimed>>>;

    /// Renews leases; answers for each whether the attempt still holds its task. `false` means that it was reclaimed,
    /// cancelled or finished: the worker should stop working on it.
    fn renew(&self, leases: Vec<Lease>, lease: Duration) -> BoxFuture<'_, Result<Vec<bool>>>;

    /// Ends attempts: `running` → `completed`, `retrying`, `failed` or `queued`. Fenced: an attempt that lost its lease
    /// changes nothing. Answers in the order given, after the commit; a crash of the process cannot undo it then, a
    /// power cut may (the task would run again).
    fn finish(&self, finishes: Vec<Finish>) -> BoxFuture<'_, Result<Vec<Finished>>>;

    /// Keeps what the running attempt `lease` has done under `name`, so that later attempts need not do it again. The task
    /// does not move. Fenced: an attempt that lost its lease saves nothing. A step that the task has already stays as it
    /// is. Answers once the commit is durable, as [`insert`](Self::insert) does.
    ///
    /// Steps stay however attempts end, and over a [`requeue`](Self::requeue) of all but `completed` tasks; they go with
    /// their task. How many and how large they may be is for the caller to see to: see [`step`](crate::step).
    fn save_step(&self, lease: Lease, name: Arc<str>, body: Bytes) -> BoxFuture<'_, Result<Saved>>;

    /// Gives back all that `worker` still holds: `running` → `queued`, without counting the attempts. Answers how many.
    fn release(&self, worker: WorkerId) -> BoxFuture<'_, Result<u64>>;

    /// Reclaims tasks whose lease has ended: `running` → `retrying`, due at once; or `failed`, if their attempts are used
    /// up and at least [`CRASHES_MIN`](crate::state::CRASHES_MIN) count. Answers how many. A lease ends when so much time
    /// has [passed](Clock::elapsed), not when the clock is set.
    ///
    /// A store that outlives its process does the same when it finds after a crash what ran before it.
    fn reclaim_expired(&self) -> BoxFuture<'_, Result<u64>>;

    /// Cancels tasks: any unfinished state → `cancelled`. Answers which were. Children that do not survive it are cancelled
    /// with it, and not answered.
    ///
    /// The attempt of a running one is fenced at once, and told to stop. It keeps its place in lane and limits until its
    /// worker has reported an end, whichever, or its lease is over.
    fn cancel(&self, tasks: Vec<TaskId>, reason: Arc<str>) -> BoxFuture<'_, Result<Vec<TaskId>>>;

    /// Runs tasks again from the start: any state but `waiting` and `running` → `queued`, due at once, earlier attempts forgiven,
    /// error and result dropped. A `completed` task forgets its steps as well, and does everything again; in any other
    /// state what its steps have done stays done. Answers which were.
    fn requeue(&self, tasks: Vec<TaskId>) -> BoxFuture<'_, Result<Vec<TaskId>>>;

    /// Deletes finished tasks with their attempts, steps and results, but for those that unfinished children may still ask for.
    /// Answers which were.
    fn purge(&self, tasks: Vec<TaskId>) -> BoxFuture<'_, Result<Vec<TaskId>>>;

    /// Erases the payload of submissions for good, and what was kept beside it; their tasks stay with their steps and
    /// results, and see an empty payload. Answers those that there are, so that it is safe to call again.
    fn erase(&self, submissions: Vec<SubmissionId>) -> BoxFuture<'_, Result<Vec<SubmissionId>>>;

    /// Removes a bounded slice of what is more or older than `retention` allows; call again while there is more. A task's
    /// age counts from its end, a submission's from when it was accepted. With the last task of a younger submission its
    /// payload goes, as if it were erased.
    fn prune(&self, retention: Retention) -> BoxFuture<'_, Result<Pruned>>;

    /// One task with its attempts, and its result while that may be kept.
    fn task(&self, task: TaskId) -> BoxFuture<'_, Result<Option<TaskDetail>>>;

    /// What a task's attempts have done, oldest first, and by name where the time is the same; empty if there is no such
    /// task (any more).
    fn steps(&self, task: TaskId) -> BoxFuture<'_, Result<Vec<Step>>>;

    /// Tasks, newest first.
    fn tasks(&self, filter: TaskFilter, page: Page) -> BoxFuture<'_, Result<Listed<Task>>>;

    /// One submission.
    fn submission(&self, submission: SubmissionId) -> BoxFuture<'_, Result<Option<SubmissionInfo>>>;

    /// Submissions, newest first.
    fn submissions(&self, filter: SubmissionFilter, page: Page) -> BoxFuture<'_, Result<Listed<SubmissionInfo>>>;

    /// What a task waits for and what waits for it; `None` when there is no such task.
    fn family(&self, task: TaskId) -> BoxFuture<'_, Result<Option<Family>>>;

    /// Pauses or resumes a kind or a source: while it is paused nothing of it is claimed or started. Kept over restarts.
    /// Pausing what is paused changes nothing.
    fn set_paused(&self, scope: Scope, is_paused: bool) -> BoxFuture<'_, Result<()>>;

    /// All that is paused, in order.
    fn paused(&self) -> BoxFuture<'_, Result<Vec<Scope>>>;

    /// What a submission carried; empty once erased.
    fn payload(&self, submission: SubmissionId) -> BoxFuture<'_, Result<Option<Payload>>>;

    /// How many tasks there are in each state. Cheap enough to ask each second.
    fn counts(&self) -> BoxFuture<'_, Result<Counts>>;

    /// What is kept of all schedules, by name.
    fn schedule_states(&self) -> BoxFuture<'_, Result<Vec<ScheduleState>>>;

    /// Notes how far a schedule has come, and which tick was the last that fired, if one did. Both only ever move
    /// forwards. A power cut may undo it: the same ticks are then fired again, and known as duplicates.
    fn advance_schedule(
        &self,
        name: Arc<str>,
        settled_until: Timestamp,
        fired: Option<Timestamp>,
    ) -> BoxFuture<'_, Result<()>>;

    /// Pauses a schedule, or resumes it, also one that is not known yet. Durable once it is answered.
    fn pause_schedule(&self, name: Arc<str>, paused: bool) -> BoxFuture<'_, Result<()>>;

    /// Adds to marks, those of names that are not known yet included. A power cut may undo it.
    ///
    /// # Errors
    /// [`Error::Invalid`](crate::Error::Invalid) for a name longer than [`NAME_BYTES_MAX`](crate::mark::NAME_BYTES_MAX);
    /// nothing was changed.
    fn mark(&self, marks: Vec<Mark>) -> BoxFuture<'_, Result<()>>;

    /// All marks, by name.
    fn marks(&self) -> BoxFuture<'_, Result<Vec<Mark>>>;

    /// Writes something durable and forgets it: whether an insert would succeed now.
    fn probe(&self) -> BoxFuture<'_, Result<()>>;

    /// Finishes what was begun, and releases the store's files or connections. Later calls fail with
    /// [`Error::Closed`](crate::Error::Closed).
    fn close(&self) -> BoxFuture<'_, Result<()>>;

    /// Where the store announces transitions, after their commit.
    fn events(&self) -> &Events;

    /// The clock at the store's edge.
    fn clock(&self) -> &Clock;

    /// Which kind of store it is and what an acknowledgement survives.
    fn description(&self) -> Description;

    /// How its commits went since it was opened.
    fn measures(&self) -> &CommitMeasures;
}

/// Which kind of store it is and what it promises.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// `memory`, `sqlite`, …
    pub kind: &'static str,
    /// What an acknowledged submission survives.
    pub durability: Durability,
}

/// What an acknowledged submission survives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// A power cut: the disk has confirmed it.
    #[default]
    PowerLoss,
    /// The end of the process, however sudden: the operating system has it.
    ProcessCrash,
    /// Nothing.
    Memory,
}

impl Durability {
    /// The word that is used in configuration, metrics and the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PowerLoss => "power_loss",
            Self::ProcessCrash => "process_crash",
            Self::Memory => "memory",
        }
    }
}
