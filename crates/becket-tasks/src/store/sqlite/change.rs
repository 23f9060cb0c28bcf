//! Changes: what the writer decided, as plain values with all times and ids inside.
//!
//! [`Rows::apply`](super::rows::Rows::apply) writes them down and decides nothing, so applying the same changes in the
//! same order always gives the same rows. That is what would let a journal of changes be put under the commit.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::keys::Sealed;
use super::schedule_states::ScheduleRow;
use crate::id::{SubmissionId, TaskId};
use crate::state::{Standing, State};
use crate::task::Outcome;
use crate::time::Timestamp;

/// The number that stands for a kind's name in the rows.
pub(super) type KindNumber = i64;
/// The number that stands for a worker's name in the rows.
pub(super) type WorkerNumber = i64;

/// One change of the rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Change {
    Kind {
        number: KindNumber,
        name: Arc<str>,
    },
    Worker {
        number: WorkerNumber,
        name: Arc<str>,
    },
    ForgetWorker {
        number: WorkerNumber,
    },
    Submission(SubmissionRow),
    Block(BlockRow),
    Task(TaskRow),
    /// Ties a task to a submission that was there before it.
    Appended {
        submission: SubmissionId,
        task: TaskId,
    },
    /// The task begins attempt `attempt`; the one before, if its row holds one, becomes history.
    Start {
        task: TaskId,
        from: State,
        attempt: u32,
        worker: WorkerNumber,
        at: Timestamp,
    },
    /// The running attempt ends, and the task stands where `to` says.
    End {
        task: TaskId,
        to: Place,
        at: Timestamp,
        attempt: AttemptEnd,
        error: Option<Arc<str>>,
    },
    /// The task moves without an attempt: a requeue, or a cancel while it waited.
    Move {
        task: TaskId,
        from: State,
        to: Place,
        at: Timestamp,
        error: Option<Arc<str>>,
    },
    Result {
        task: TaskId,
        expires_at: Timestamp,
        body: Vec<u8>,
    },
    ForgetResult {
        task: TaskId,
    },
    ForgetTask {
        task: TaskId,
        submission: SubmissionId,
        state: State,
    },
    /// Submissions of one block, or erased ones.
    ForgetSubmissions {
        submissions: Vec<SubmissionId>,
        block: Option<i64>,
    },
    /// The payloads of these submissions of one block are not wanted any more; the submissions are.
    DropPayloads {
        submissions: Vec<SubmissionId>,
        block: i64,
    },
    /// The payload is gone, and so is its block: what else it held lies in `rewritten`, at the offsets in `moved`.
    Erase {
        submission: SubmissionId,
        block: i64,
        rewritten: Option<BlockRow>,
        moved: Vec<(SubmissionId, u64)>,
    },
    /// Recent keys, written together.
    Keys(Sealed),
    /// Keys of submissions that are all gone.
    ForgetKeys {
        segment: i64,
    },
    /// What is kept of a schedule is this from now on.
    Schedule(ScheduleRow),
    Probe {
        at: Timestamp,
    },
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct AttemptEnd {
    pub(super) outcome: Outcome,
    pub(super) error: Option<Arc<str>>,
}

/// Where a task stands, without what never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Place {
    pub(super) state: State,
    pub(super) spared: u32,
    pub(super) run_at: i64,
}

impl From<Standing> for Place {
    fn from(standing: Standing) -> Self {
        Self { state: standing.state, spared: standing.spared, run_at: standing.run_at.as_millis() }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SubmissionRow {
    pub(super) id: SubmissionId,
    pub(super) source: Arc<str>,
    pub(super) event: Arc<str>,
    pub(super) action: Option<Arc<str>>,
    pub(super) key: Option<Arc<str>>,
    pub(super) received_at: Timestamp,
    pub(super) block: Option<i64>,
    pub(super) block_offset: u64,
    pub(super) meta_bytes: u64,
    pub(super) payload_bytes: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct BlockRow {
    pub(super) id: i64,
    pub(super) first: SubmissionId,
    pub(super) last: SubmissionId,
    pub(super) wanted: u64,
    pub(super) raw_bytes: u64,
    pub(super) body: Vec<u8>,
}

/// A new task; one that starts at once is already running.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct TaskRow {
    pub(super) id: TaskId,
    pub(super) submission: SubmissionId,
    pub(super) kind: KindNumber,
    pub(super) priority: i8,
    pub(super) max_attempts: u32,
    pub(super) run_at: Timestamp,
    pub(super) created_at: Timestamp,
    /// The worker that runs it from the start.
    pub(super) started_by: Option<WorkerNumber>,
}

/// The number of a state in the rows.
pub(super) const fn state_number(state: State) -> i64 {
    match state {
        State::Queued => 0,
        State::Running => 1,
        State::Retrying => 2,
        State::Completed => 3,
        State::Failed => 4,
        State::Cancelled => 5,
    }
}

/// The state with a number; `None` means that the file is damaged.
pub(super) fn state_of(number: i64) -> Option<State> {
    State::ALL.into_iter().find(|state| state_number(*state) == number)
}

/// The number of an outcome in the rows.
pub(super) const fn outcome_number(outcome: Outcome) -> i64 {
    match outcome {
        Outcome::Completed => 0,
        Outcome::Failed => 1,
        Outcome::Parked => 2,
        Outcome::Released => 3,
        Outcome::Lost => 4,
        Outcome::Cancelled => 5,
    }
}

/// The outcome with a number; `None` means that the file is damaged.
pub(super) fn outcome_of(number: i64) -> Option<Outcome> {
    [Outcome::Completed, Outcome::Failed, Outcome::Parked, Outcome::Released, Outcome::Lost, Outcome::Cancelled]
        .into_iter()
        .find(|outcome| outcome_number(*outcome) == number)
}
