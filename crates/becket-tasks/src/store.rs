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
pub mod memory;
#[cfg(feature = "sqlite")]
pub mod sqlite;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::error::Result;
use crate::events::Events;
use crate::id::{SubmissionId, TaskId};
use crate::measure::CommitMeasures;
use crate::query::{Counts, Listed, Page, Payload, Pruned, Retention, SubmissionFilter, SubmissionInfo, TaskFilter};
use crate::schedule::ScheduleState;
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
    /// How many at the most.
    pub limit: usize,
    /// How long the leases last unless they are renewed.
    pub lease: Duration,
    /// How long to wait for something to become due; [`Duration::ZERO`] asks once.
    pub wait: Duration,
}

/// Keeps submissions and tasks durable, and hands tasks out.
///
/// Object-safe: programs hold an `Arc<dyn Store>`.
pub trait Store: fmt::Debug + Send + Sync + 'static {
    /// Accepts submissions, each wholly or not at all: new tasks are `queued`, or `running` where [`NewTask::start`]
    /// asks for it. Answers in the order given, once the commit is durable.
    ///
    /// A submission whose source and key are known is a duplicate: it changes nothing and is answered with the ids of
    /// the first (of its tasks, those that are still kept), also when both come in one call.
    ///
    /// # Errors
    /// [`Error::Busy`](crate::Error::Busy) or [`Error::Unavailable`](crate::Error::Unavailable): nothing was accepted.
    fn insert(&self, submissions: Vec<Submission>) -> BoxFuture<'_, Result<Vec<Inserted>>>;

    /// Adds tasks to a submission that is there already (a replay): `None` if it is not.
    ///
    /// # Errors
    /// As [`insert`](Self::insert).
    fn append(&self, submission: SubmissionId, tasks: Vec<NewTask>) -> BoxFuture<'_, Result<Option<Inserted>>>;

    /// Claims due tasks: `queued`, `retrying` → `running`, each under a new attempt and a lease.
    ///
    /// The best come first: highest priority, then longest due, then oldest. Concurrent callers never receive the same
    /// attempt. When nothing is due it waits up to [`Claim::wait`], and answers as soon as something is. The claim
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

    /// Gives back all that `worker` still holds: `running` → `queued`, without counting the attempts. Answers how many.
    fn release(&self, worker: WorkerId) -> BoxFuture<'_, Result<u64>>;

    /// Reclaims tasks whose lease has ended: `running` → `retrying`, due at once; or `failed`, if their attempts are used
    /// up and at least [`CRASHES_MIN`](crate::state::CRASHES_MIN) count. Answers how many. A lease ends when so much time
    /// has [passed](Clock::elapsed), not when the clock is set.
    ///
    /// A store that outlives its process does the same when it finds after a crash what ran before it.
    fn reclaim_expired(&self) -> BoxFuture<'_, Result<u64>>;

    /// Cancels tasks: any unfinished state → `cancelled`. Answers which were.
    fn cancel(&self, tasks: Vec<TaskId>, reason: Arc<str>) -> BoxFuture<'_, Result<Vec<TaskId>>>;

    /// Runs tasks again from the start: any state but `running` → `queued`, due at once, earlier attempts forgiven,
    /// error and result dropped. Answers which were.
    fn requeue(&self, tasks: Vec<TaskId>) -> BoxFuture<'_, Result<Vec<TaskId>>>;

    /// Deletes finished tasks with their attempts and results. Answers which were.
    fn purge(&self, tasks: Vec<TaskId>) -> BoxFuture<'_, Result<Vec<TaskId>>>;

    /// Erases the payload of submissions for good, and what was kept beside it; their tasks stay, and see an empty
    /// payload. Answers those that there are, so that it is safe to call again.
    fn erase(&self, submissions: Vec<SubmissionId>) -> BoxFuture<'_, Result<Vec<SubmissionId>>>;

    /// Removes a bounded slice of what is more or older than `retention` allows; call again while there is more. A task's
    /// age counts from its end, a submission's from when it was accepted. With the last task of a younger submission its
    /// payload goes, as if it were erased.
    fn prune(&self, retention: Retention) -> BoxFuture<'_, Result<Pruned>>;

    /// One task with its attempts, and its result while that may be kept.
    fn task(&self, task: TaskId) -> BoxFuture<'_, Result<Option<TaskDetail>>>;

    /// Tasks, newest first.
    fn tasks(&self, filter: TaskFilter, page: Page) -> BoxFuture<'_, Result<Listed<Task>>>;

    /// One submission.
    fn submission(&self, submission: SubmissionId) -> BoxFuture<'_, Result<Option<SubmissionInfo>>>;

    /// Submissions, newest first.
    fn submissions(&self, filter: SubmissionFilter, page: Page) -> BoxFuture<'_, Result<Listed<SubmissionInfo>>>;

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
