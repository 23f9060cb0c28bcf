//! Questions that people ask of a store: filters, pages, counts.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::id::{SubmissionId, TaskId};
use crate::state::State;
use crate::time::Timestamp;

/// Which tasks to list. Every given condition must hold; an empty filter means all.
#[derive(Clone, Debug, Default)]
pub struct TaskFilter {
    /// In one of these states; empty means any.
    pub states: Vec<State>,
    /// From this source.
    pub source: Option<Arc<str>>,
    /// With this event.
    pub event: Option<Arc<str>>,
    /// With this action.
    pub action: Option<Arc<str>>,
    /// For this handler.
    pub kind: Option<Arc<str>>,
    /// In this lane.
    pub lane: Option<Arc<str>>,
    /// Of this tenant.
    pub tenant: Option<Arc<str>>,
    /// Accepted at this time or later.
    pub since: Option<Timestamp>,
    /// Accepted before this time.
    pub until: Option<Timestamp>,
}

/// Which submissions to list. Every given condition must hold; an empty filter means all.
#[derive(Clone, Debug, Default)]
pub struct SubmissionFilter {
    /// From this source.
    pub source: Option<Arc<str>>,
    /// With this event.
    pub event: Option<Arc<str>>,
    /// With this action.
    pub action: Option<Arc<str>>,
    /// With this key (the sender's id); not unique over sources.
    pub key: Option<Arc<str>>,
    /// Accepted at this time or later.
    pub since: Option<Timestamp>,
    /// Accepted before this time.
    pub until: Option<Timestamp>,
}

/// Which part of a list, newest first.
#[derive(Clone, Copy, Debug)]
pub struct Page {
    /// Only items older than the one with this number; `None` starts at the newest.
    pub after: Option<u64>,
    /// How many items at the most; stores answer at most [`Page::LIMIT_MAX`].
    pub limit: usize,
}

impl Page {
    /// The largest page.
    pub const LIMIT_MAX: usize = 1_000;

    /// The first page.
    #[must_use]
    pub const fn first(limit: usize) -> Self {
        Self { after: None, limit }
    }

    /// The page's limit, held to 1 ..= [`Page::LIMIT_MAX`].
    #[must_use]
    pub fn limit(&self) -> usize {
        self.limit.clamp(1, Self::LIMIT_MAX)
    }
}

/// One page of a list, newest first.
#[derive(Clone, Debug)]
pub struct Listed<T> {
    /// The items.
    pub items: Vec<T>,
    /// [`Page::after`] of the next page; `None` when this is the last.
    pub next: Option<u64>,
}

/// A submission as it is stored, without its payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubmissionInfo {
    /// Its id.
    pub id: SubmissionId,
    /// Who sent it.
    pub source: Arc<str>,
    /// What it says.
    pub event: Arc<str>,
    /// What it says more closely.
    pub action: Option<Arc<str>>,
    /// The sender's id of it.
    pub key: Option<Arc<str>>,
    /// When it was accepted.
    pub received_at: Timestamp,
    /// Size of the payload in bytes; stays when the payload is erased.
    pub payload_bytes: u64,
    /// Its tasks that are still kept, and those that stand for one of its own ([`NewTask::unique`](crate::NewTask::unique)),
    /// in the order of their ids.
    pub tasks: Vec<TaskId>,
}

/// What a task waits for, and what waits for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Family {
    /// The tasks that had to end before it, those that are not kept any more included, in the order of their ids.
    pub parents: Vec<TaskId>,
    /// The tasks that wait or waited for it and are still kept, in the order of their ids; at most
    /// [`Family::CHILDREN_MAX`].
    pub children: Vec<TaskId>,
}

impl Family {
    /// How many children are told.
    pub const CHILDREN_MAX: usize = 1_000;
}

/// What a submission carried.
#[derive(Clone, PartialEq, Eq)]
pub struct Payload {
    /// What the submitter kept beside the payload.
    pub meta: Bytes,
    /// The payload.
    pub payload: Bytes,
}

impl std::fmt::Debug for Payload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Payload").field("payload_bytes", &self.payload.len()).finish_non_exhaustive()
    }
}

/// How many tasks there are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// By state, in the order of [`State::ALL`].
    pub by_state: [u64; State::ALL.len()],
    /// The due time of the task that has been waiting longest among those that are due.
    pub oldest_due: Option<Timestamp>,
    /// How many tasks are due and not running. Beyond [`Counts::DUE_MAX`] a store need not count.
    pub due: u64,
}

impl Counts {
    /// Where counting what is due stops: enough to know that there is too much.
    pub const DUE_MAX: u64 = 100_000;

    /// How many tasks are in `state`.
    #[must_use]
    pub fn of(&self, state: State) -> u64 {
        State::ALL.iter().position(|one| *one == state).map_or(0, |place| self.by_state[place])
    }

    /// How many tasks are not finished.
    #[must_use]
    pub fn unfinished(&self) -> u64 {
        State::ALL.iter().filter(|state| !state.is_finished()).map(|state| self.of(*state)).sum()
    }
}

/// How long what is over is kept.
///
/// When a submission's last task goes, its payload and what was kept beside it go, too. What else is known of it stays
/// until it is older than [`age`](Self::age): that is how a redelivery is recognised. A submission that never had a
/// task counts as no finished task, and neither does one whose tasks were purged: they keep their payloads until then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Finished tasks older than this go, and so do submissions whose tasks are all gone. A sender's id is
    /// recognised at least this long.
    pub age: Duration,
    /// Of the finished tasks, only so many of the newest are kept, with the payloads that they came with.
    pub finished_max: u64,
}

/// What one slice of pruning removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Tasks removed.
    pub tasks: u64,
    /// Submissions removed.
    pub submissions: u64,
    /// Results removed because their time to live had ended.
    pub results: u64,
    /// Whether another slice has work to do.
    pub more: bool,
}
