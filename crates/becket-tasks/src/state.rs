//! States of a task, and the one pure function that moves between them.
//!
//! Stores persist what [`transition`] decides and decide nothing themselves. Time comes in as an argument.
//! The drawing in `docs/reference/states.md` is held to this file by a test.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// Where a task stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Accepted, and to be run when its time has come.
    Queued,
    /// Claimed by a worker that holds a lease.
    Running,
    /// An attempt ended without success; another follows at `run_at`.
    Retrying,
    /// A handler ended with success.
    Completed,
    /// Attempts are used up, or the handler gave up: the dead-letter queue.
    Failed,
    /// Ended by a person or by the system; the reason is stored.
    Cancelled,
}

impl State {
    /// All states, in the order in which a task usually meets them.
    pub const ALL: [Self; 6] =
        [Self::Queued, Self::Running, Self::Retrying, Self::Completed, Self::Failed, Self::Cancelled];

    /// Whether work is over: nothing but a requeue leaves this state.
    #[must_use]
    pub const fn is_finished(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }

    /// Whether a worker may claim the task once it is due.
    #[must_use]
    pub const fn is_claimable(self) -> bool {
        matches!(self, Self::Queued | Self::Retrying)
    }

    /// The word that is used in JSON, columns, metrics and flags.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Retrying => "retrying",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A word names no state.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a state; states are queued, running, retrying, completed, failed and cancelled")]
pub struct ParseStateError(String);

impl FromStr for State {
    type Err = ParseStateError;

    /// Reads a state's word, or one of the older names `pending` (queued) and `processing` (running).
    fn from_str(word: &str) -> Result<Self, Self::Err> {
        match word {
            "queued" | "pending" => Ok(Self::Queued),
            "running" | "processing" => Ok(Self::Running),
            "retrying" => Ok(Self::Retrying),
            "completed" => Ok(Self::Completed),
            "failed" => Ok(Self::Failed),
            "cancelled" => Ok(Self::Cancelled),
            _ => Err(ParseStateError(word.to_owned())),
        }
    }
}

/// The part of a task that [`transition`] reads and writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The task's state.
    pub state: State,
    /// How often the task was claimed; the number of its running or latest attempt, and the fence of its lease.
    /// Only ever grows.
    pub attempt: u32,
    /// How many of those attempts are not held against it: parked, released at a shutdown, or before a requeue.
    pub spared: u32,
    /// How many attempts may be held against it before it fails; at least 1.
    pub max_attempts: u32,
    /// Not to be run before this time.
    pub run_at: Timestamp,
}

impl Standing {
    /// A new task's standing.
    #[must_use]
    pub fn queued(max_attempts: u32, run_at: Timestamp) -> Self {
        Self { state: State::Queued, attempt: 0, spared: 0, max_attempts: max_attempts.max(1), run_at }
    }

    /// How many attempts are held against the task, a running one included.
    #[must_use]
    pub const fn attempts_counted(&self) -> u32 {
        self.attempt.saturating_sub(self.spared)
    }

    const fn is_exhausted(&self) -> bool {
        self.attempts_counted() >= self.max_attempts
    }
}

/// What happened to a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A worker claims it: `queued`, `retrying` → `running`. The attempt counts from here.
    Claimed,
    /// Attempt `attempt` ended well: `running` → `completed`.
    Succeeded {
        /// The attempt that ended.
        attempt: u32,
    },
    /// Attempt `attempt` ended badly and may be repeated: `running` → `retrying`, or `failed` when none is left.
    Erred {
        /// The attempt that ended.
        attempt: u32,
        /// When the next attempt may start.
        retry_at: Timestamp,
    },
    /// Attempt `attempt` ended badly and repeating is useless: `running` → `failed`.
    GaveUp {
        /// The attempt that ended.
        attempt: u32,
    },
    /// Attempt `attempt` wants to be continued later and is not held against the task: `running` → `queued`.
    Parked {
        /// The attempt that ended.
        attempt: u32,
        /// When to continue.
        until: Timestamp,
    },
    /// The worker gives attempt `attempt` back, as at a shutdown; not held against the task: `running` → `queued`.
    Released {
        /// The attempt that ended.
        attempt: u32,
    },
    /// The lease of attempt `attempt` ended without a word: `running` → `retrying`, or `failed` when none is left.
    LeaseLost {
        /// The attempt that ended.
        attempt: u32,
    },
    /// Somebody cancels it: any unfinished state → `cancelled`.
    Cancelled,
    /// Somebody runs it again from the start: any state but `running` → `queued`; earlier attempts are forgiven.
    Requeued,
}

/// Why an event changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The attempt does not hold the task any more: its lease was lost, or the task was cancelled.
    #[error("attempt {attempt} no longer holds the task")]
    LeaseLost {
        /// The attempt that came too late.
        attempt: u32,
    },
    /// The event makes no sense in this state.
    #[error("the task is {0}")]
    WrongState(State),
}

/// Decides what `event` makes of a task that stands at `from`. Pure: equal arguments give equal answers.
///
/// # Errors
/// [`Refused`] when the event changes nothing: a fenced attempt, or a state that the event cannot leave.
pub fn transition(from: Standing, event: Event, now: Timestamp) -> Result<Standing, Refused> {
    let to = |state: State, run_at: Timestamp| Standing { state, run_at, ..from };
    match event {
        Event::Claimed if from.state.is_claimable() => {
            Ok(Standing { attempt: from.attempt.saturating_add(1), ..to(State::Running, from.run_at) })
        }
        Event::Claimed => Err(Refused::WrongState(from.state)),
        Event::Succeeded { attempt } => held(from, attempt).map(|()| to(State::Completed, from.run_at)),
        Event::GaveUp { attempt } => held(from, attempt).map(|()| to(State::Failed, from.run_at)),
        Event::Erred { attempt, retry_at } => held(from, attempt).map(|()| retry_or_fail(from, retry_at)),
        Event::LeaseLost { attempt } => held(from, attempt).map(|()| retry_or_fail(from, now)),
        Event::Parked { attempt, until } => held(from, attempt).map(|()| spare(to(State::Queued, until))),
        Event::Released { attempt } => held(from, attempt).map(|()| spare(to(State::Queued, from.run_at))),
        Event::Cancelled if from.state.is_finished() => Err(Refused::WrongState(from.state)),
        Event::Cancelled => Ok(to(State::Cancelled, from.run_at)),
        Event::Requeued if from.state == State::Running => Err(Refused::WrongState(from.state)),
        Event::Requeued => Ok(Standing { spared: from.attempt, ..to(State::Queued, now) }),
    }
}

/// The fence: only the attempt that runs now may say how it ended.
fn held(from: Standing, attempt: u32) -> Result<(), Refused> {
    if from.state == State::Running && from.attempt == attempt { Ok(()) } else { Err(Refused::LeaseLost { attempt }) }
}

fn retry_or_fail(from: Standing, retry_at: Timestamp) -> Standing {
    if from.is_exhausted() {
        Standing { state: State::Failed, ..from }
    } else {
        Standing { state: State::Retrying, run_at: retry_at, ..from }
    }
}

fn spare(standing: Standing) -> Standing {
    Standing { spared: standing.spared.saturating_add(1), ..standing }
}
