//! Changes: what the writer decided, as plain values with all times and ids inside.
//!
//! [`Rows::apply`](super::rows::Rows::apply) writes them down and decides nothing, so applying the same changes in the
//! same order always gives the same rows. That is what would let a journal of changes be put under the commit.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::keys::Sealed;
use super::schedule_states::ScheduleRow;
use crate::id::{SubmissionId, TaskId};
use crate::mark::Mark;
use crate::state::{Standing, State};
use crate::task::Outcome;
use crate::time::Timestamp;

/// The number that stands for a kind's name in the rows.
pub(super) type KindNumber = i64;
/// The number that stands for a source's name in the rows.
pub(super) type SourceNumber = i64;
/// The number under which the ready rows of one kind, priority, source and tenant lie together; 0 without a tenant.
pub(super) type StreamNumber = i64;
/// The number that stands for a worker's name in the rows.
pub(super) type WorkerNumber = i64;

/// One change of the rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Change {
    Kind {
        number: KindNumber,
        name: Arc<str>,
    },
    Source {
        number: SourceNumber,
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
    /// Ties a task to a submission that it stands for; it may do so already.
    StandIn {
        submission: SubmissionId,
        task: TaskId,
    },
    /// The task begins attempt `attempt`; the one before, if its row holds one, becomes history.
    Start {
        task: TaskId,
        from: State,
        /// What held it until then.
        hold: Hold,
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
    /// The task is held back by others, or no longer.
    Hold {
        task: TaskId,
        hold: Hold,
    },
    /// The task, which may be claimed, belongs to the stream with this number.
    Stream {
        task: TaskId,
        number: StreamNumber,
    },
    /// The task's lane, to which it returns, has this number now.
    LaneNumber {
        task: TaskId,
        number: i64,
    },
    /// The first task with a lane is about to come.
    HasLanes,
    /// The task was cancelled while it ran, and keeps its lane.
    Linger {
        task: TaskId,
        lane: Arc<str>,
    },
    /// It has stopped.
    LingerOver {
        task: TaskId,
    },
    /// The task waits for another, or would if that had not ended.
    Family {
        child: TaskId,
        parent: TaskId,
        is_over: bool,
    },
    /// The task is the latest of its kind with this key.
    Unique {
        kind: KindNumber,
        key: Arc<str>,
        task: TaskId,
    },
    /// The child need not wait for this parent any more.
    ParentOver {
        child: TaskId,
        parent: TaskId,
    },
    /// Something whose rate is limited started; of the starts before, the latest `kept` are enough.
    Started {
        kind: KindNumber,
        limit_key: Option<Arc<str>>,
        at: Timestamp,
        kept: usize,
    },
    /// Starts before this time do not matter any more.
    ForgetStarts {
        before: Timestamp,
    },
    Pause {
        scope: String,
        name: Arc<str>,
        is_paused: bool,
    },
    Result {
        task: TaskId,
        expires_at: Timestamp,
        body: Vec<u8>,
    },
    ForgetResult {
        task: TaskId,
    },
    /// What the running attempt of a task has done.
    Step {
        task: TaskId,
        name: Arc<str>,
        at: Timestamp,
        body: Vec<u8>,
    },
    /// All that the attempts of a task have done.
    ForgetSteps {
        task: TaskId,
    },
    ForgetTask {
        task: TaskId,
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
    Mark(Mark),
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
    pub(super) hold: Hold,
}

impl Place {
    pub(super) fn new(standing: Standing, hold: Hold) -> Self {
        Self { state: standing.state, spared: standing.spared, run_at: standing.run_at.as_millis(), hold }
    }
}

/// What keeps a task from being claimed though it is queued or retrying.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Hold {
    /// Nothing.
    #[default]
    Open,
    /// Others are before it in its lane.
    Lane,
    /// So many with its limit's key are open that it would not be among the next.
    Key,
    /// Nothing but its time: its lane passes it until it is ready, and then looks who comes first.
    Adrift,
}

/// The number of a hold in the rows.
pub(super) const fn hold_number(hold: Hold) -> i64 {
    match hold {
        Hold::Open => 0,
        Hold::Lane => 1,
        Hold::Key => 2,
        Hold::Adrift => 3,
    }
}

/// The hold with a number; `None` means that the file is damaged.
pub(super) fn hold_of(number: i64) -> Option<Hold> {
    [Hold::Open, Hold::Lane, Hold::Key, Hold::Adrift].into_iter().find(|hold| hold_number(*hold) == number)
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
    pub(super) source: SourceNumber,
    pub(super) hold: Hold,
    pub(super) stream: StreamNumber,
    pub(super) lane: Option<Arc<str>>,
    pub(super) lane_number: Option<i64>,
    pub(super) lane_hash: Option<i64>,
    pub(super) passes: bool,
    /// Of a debounced task: when its burst began.
    pub(super) since: Option<Timestamp>,
    pub(super) tenant: Option<Arc<str>>,
    pub(super) limit_key: Option<Arc<str>>,
    /// How many parents it waits for.
    pub(super) parents: u32,
    pub(super) survives: bool,
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
        State::Waiting => 6,
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
