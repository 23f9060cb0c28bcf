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
    /// Accepted, and to be queued once the tasks that it waits for, its parents, have ended.
    Waiting,
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
    pub const ALL: [Self; 7] =
        [Self::Waiting, Self::Queued, Self::Running, Self::Retrying, Self::Completed, Self::Failed, Self::Cancelled];

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
            Self::Waiting => "waiting",
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
#[error("`{0}` is not a state; states are waiting, queued, running, retrying, completed, failed and cancelled")]
pub struct ParseStateError(String);

impl FromStr for State {
    type Err = ParseStateError;

    /// Reads a state's word, or one of the older names `pending` (queued) and `processing` (running).
    fn from_str(word: &str) -> Result<Self, Self::Err> {
        match word {
            "waiting" => Ok(Self::Waiting),
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
    /// How many attempts may be held against it before an error makes it fail; at least 1. A crash makes it fail only
    /// if there were [`CRASHES_MIN`] as well, so more than these may come to count.
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

    /// A new task's standing that waits for its parents.
    #[must_use]
    pub fn waiting(max_attempts: u32, run_at: Timestamp) -> Self {
        Self { state: State::Waiting, ..Self::queued(max_attempts, run_at) }
    }

    /// How many attempts are held against the task, a running one included.
    #[must_use]
    pub const fn attempts_counted(&self) -> u32 {
        self.attempt.saturating_sub(self.spared)
    }

    const fn is_exhausted(&self) -> bool {
        self.attempts_counted() >= self.max_attempts
    }

    const fn is_exhausted_by_crashes(&self) -> bool {
        self.is_exhausted() && self.attempts_counted() >= CRASHES_MIN
    }
}

/// How many attempts a task has at the least before a crash of its worker makes it fail.
///
/// A process is often killed for no fault of its tasks, and some of them had been claimed but not begun. A task that is
/// at fault is found out by the third time.
pub const CRASHES_MIN: u32 = 3;

/// What happened to a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// All that it waits for has ended: `waiting` → `queued`, due at its time or now, whichever is later.
    ParentsEnded,
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
    /// The lease of attempt `attempt` ended without a word: `running` → `retrying`, or `failed` when none is left and
    /// at least [`CRASHES_MIN`] count.
    LeaseLost {
        /// The attempt that ended.
        attempt: u32,
    },
    /// Somebody cancels it: any unfinished state → `cancelled`.
    Cancelled,
    /// Somebody runs it again from the start: any state but `waiting` and `running` → `queued`; earlier attempts are
    /// forgiven.
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
        Event::ParentsEnded if from.state == State::Waiting => Ok(to(State::Queued, from.run_at.max(now))),
        Event::ParentsEnded => Err(Refused::WrongState(from.state)),
        Event::Claimed if from.state.is_claimable() => {
            Ok(Standing { attempt: from.attempt.saturating_add(1), ..to(State::Running, from.run_at) })
        }
        Event::Claimed => Err(Refused::WrongState(from.state)),
        Event::Succeeded { attempt } => held(from, attempt).map(|()| to(State::Completed, from.run_at)),
        Event::GaveUp { attempt } => held(from, attempt).map(|()| to(State::Failed, from.run_at)),
        Event::Erred { attempt, retry_at } => {
            held(from, attempt).map(|()| retry_or_fail(from, from.is_exhausted(), retry_at))
        }
        Event::LeaseLost { attempt } => {
            held(from, attempt).map(|()| retry_or_fail(from, from.is_exhausted_by_crashes(), now))
        }
        Event::Parked { attempt, until } => held(from, attempt).map(|()| spare(to(State::Queued, until))),
        Event::Released { attempt } => held(from, attempt).map(|()| spare(to(State::Queued, from.run_at))),
        Event::Cancelled if from.state.is_finished() => Err(Refused::WrongState(from.state)),
        Event::Cancelled => Ok(to(State::Cancelled, from.run_at)),
        Event::Requeued if matches!(from.state, State::Waiting | State::Running) => {
            Err(Refused::WrongState(from.state))
        }
        Event::Requeued => Ok(Standing { spared: from.attempt, ..to(State::Queued, now) }),
    }
}

/// The fence: only the attempt that runs now may say how it ended.
fn held(from: Standing, attempt: u32) -> Result<(), Refused> {
    if from.state == State::Running && from.attempt == attempt { Ok(()) } else { Err(Refused::LeaseLost { attempt }) }
}

fn retry_or_fail(from: Standing, is_exhausted: bool, retry_at: Timestamp) -> Standing {
    if is_exhausted {
        Standing { state: State::Failed, ..from }
    } else {
        Standing { state: State::Retrying, run_at: retry_at, ..from }
    }
}

fn spare(standing: Standing) -> Standing {
    Standing { spared: standing.spared.saturating_add(1), ..standing }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(5_000);
    const LATER: Timestamp = Timestamp::from_millis(9_000);
    const RUN_AT: Timestamp = Timestamp::from_millis(4_000);
    const DOC: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/states.md");

    /// Stands in `state` in its fourth attempt, of which one was spared, with one more attempt left or none.
    fn fourth_attempt(state: State, is_last: bool) -> Standing {
        Standing { state, attempt: 4, spared: 1, max_attempts: if is_last { 3 } else { 4 }, run_at: RUN_AT }
    }

    /// Runs its attempt number `counted` of those that count, having `max_attempts`.
    fn running(counted: u32, max_attempts: u32) -> Standing {
        Standing { attempt: counted + 1, max_attempts, ..fourth_attempt(State::Running, false) }
    }

    /// Every event about attempt `attempt`, with its name in the documentation.
    fn events(attempt: u32) -> [(&'static str, Event); 10] {
        [
            ("parents_ended", Event::ParentsEnded),
            ("claimed", Event::Claimed),
            ("succeeded", Event::Succeeded { attempt }),
            ("erred", Event::Erred { attempt, retry_at: LATER }),
            ("gave_up", Event::GaveUp { attempt }),
            ("parked", Event::Parked { attempt, until: LATER }),
            ("released", Event::Released { attempt }),
            ("lease_lost", Event::LeaseLost { attempt }),
            ("cancelled", Event::Cancelled),
            ("requeued", Event::Requeued),
        ]
    }

    /// All moves that the function makes: from, event, to.
    fn moves() -> BTreeSet<(State, String, State)> {
        let mut moves = BTreeSet::new();
        for (from, is_last) in State::ALL.into_iter().flat_map(|state| [(state, false), (state, true)]) {
            for (name, event) in events(4) {
                if let Ok(to) = transition(fourth_attempt(from, is_last), event, NOW) {
                    moves.insert((from, name.to_owned(), to.state));
                }
            }
        }
        moves
    }

    fn doc() -> String {
        std::fs::read_to_string(DOC).expect("docs/reference/states.md is part of the repository")
    }

    #[test]
    fn table_in_the_documentation_is_what_the_function_does() {
        let doc = doc();
        let rows: Vec<Vec<&str>> = doc
            .lines()
            .skip_while(|line| !line.starts_with("| event |"))
            .take_while(|line| line.starts_with('|'))
            .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
            .collect();
        let states: Vec<State> = rows[0][1..].iter().map(|word| word.parse().unwrap()).collect();
        assert_eq!(states, State::ALL);
        let names: Vec<&str> = rows[2..].iter().map(|row| row[0]).collect();
        assert_eq!(names, events(4).map(|(name, _)| name));

        let mut written = BTreeSet::new();
        for row in &rows[2..] {
            for (from, cell) in states.iter().zip(&row[1..]) {
                for to in cell.split(", ").filter(|to| *to != "-") {
                    written.insert((*from, row[0].to_owned(), to.parse().unwrap()));
                }
            }
        }
        assert_eq!(written, moves());
    }

    #[test]
    fn drawing_in_the_documentation_is_what_the_function_does() {
        let mut drawn = BTreeSet::new();
        for line in doc().lines().filter(|line| !line.contains("[*]")) {
            let Some((from, rest)) = line.trim().split_once(" --> ") else { continue };
            let (to, names) = rest.split_once(": ").unwrap();
            for name in names.split(", ") {
                drawn.insert((from.parse().unwrap(), name.to_owned(), to.parse().unwrap()));
            }
        }
        assert_eq!(drawn, moves());
    }

    #[test]
    fn each_move_changes_only_what_it_must() {
        let from = fourth_attempt(State::Running, false);
        let waiting = fourth_attempt(State::Retrying, false);
        let last = fourth_attempt(State::Running, true);
        let attempt = 4;
        let parents = Standing { state: State::Waiting, ..waiting };
        let later = Standing { run_at: LATER, ..parents };
        let cases = [
            (parents, Event::ParentsEnded, Standing { state: State::Queued, run_at: NOW, ..parents }),
            (later, Event::ParentsEnded, Standing { state: State::Queued, ..later }),
            (waiting, Event::Claimed, Standing { state: State::Running, attempt: 5, ..waiting }),
            (from, Event::Succeeded { attempt }, Standing { state: State::Completed, ..from }),
            (
                from,
                Event::Erred { attempt, retry_at: LATER },
                Standing { state: State::Retrying, run_at: LATER, ..from },
            ),
            (last, Event::Erred { attempt, retry_at: LATER }, Standing { state: State::Failed, ..last }),
            (from, Event::GaveUp { attempt }, Standing { state: State::Failed, ..from }),
            (
                last,
                Event::Parked { attempt, until: LATER },
                Standing { state: State::Queued, spared: 2, run_at: LATER, ..last },
            ),
            (last, Event::Released { attempt }, Standing { state: State::Queued, spared: 2, ..last }),
            (from, Event::LeaseLost { attempt }, Standing { state: State::Retrying, run_at: NOW, ..from }),
            (last, Event::LeaseLost { attempt }, Standing { state: State::Failed, ..last }),
            (from, Event::Cancelled, Standing { state: State::Cancelled, ..from }),
            (waiting, Event::Requeued, Standing { state: State::Queued, spared: 4, run_at: NOW, ..waiting }),
        ];
        for (from, event, to) in cases {
            assert_eq!(transition(from, event, NOW), Ok(to), "{event:?}");
        }
    }

    #[test]
    fn crash_fails_a_task_only_when_attempts_and_allowance_are_used_up() {
        for (counted, max_attempts, state) in [
            (1, 1, State::Retrying),
            (2, 1, State::Retrying),
            (3, 1, State::Failed),
            (2, 2, State::Retrying),
            (3, 2, State::Failed),
            (2, 3, State::Retrying),
            (3, 3, State::Failed),
            (3, 4, State::Retrying),
            (4, 4, State::Failed),
        ] {
            let from = running(counted, max_attempts);
            let to = transition(from, Event::LeaseLost { attempt: from.attempt }, NOW);
            let run_at = if state == State::Failed { RUN_AT } else { NOW };
            assert_eq!(to, Ok(Standing { state, run_at, ..from }), "crash {counted} of {max_attempts}");
        }
    }

    #[test]
    fn error_past_the_last_attempt_fails_at_once_however_few_crashes_there_were() {
        for (counted, max_attempts) in [(1, 1), (2, 1), (3, 1), (2, 2), (3, 2)] {
            let from = running(counted, max_attempts);
            let to = transition(from, Event::Erred { attempt: from.attempt, retry_at: LATER }, NOW);
            assert_eq!(to, Ok(Standing { state: State::Failed, ..from }), "error {counted} of {max_attempts}");
        }
    }

    #[test]
    fn documentation_names_the_allowance_for_crashes() {
        assert!(doc().contains(&format!("`CRASHES_MIN` = {CRASHES_MIN} ")));
    }

    #[test]
    fn refusal_says_why() {
        let running = fourth_attempt(State::Running, false);
        let stale = transition(running, Event::Succeeded { attempt: 2 }, NOW).unwrap_err();
        assert_eq!(stale, Refused::LeaseLost { attempt: 2 });
        assert_eq!(stale.to_string(), "attempt 2 no longer holds the task");
        let wrong = transition(running, Event::Requeued, NOW).unwrap_err();
        assert_eq!(wrong, Refused::WrongState(State::Running));
        assert_eq!(wrong.to_string(), "the task is running");
    }

    #[test]
    fn words_of_states_read_back_and_older_names_are_known() {
        for state in State::ALL {
            assert_eq!(state.to_string().parse(), Ok(state));
            assert_eq!(serde_json::to_string(&state).unwrap(), format!("\"{state}\""));
            let is_under_way = state.is_claimable() || matches!(state, State::Waiting | State::Running);
            assert_eq!(state.is_finished(), !is_under_way);
        }
        assert_eq!("pending".parse(), Ok(State::Queued));
        assert_eq!("processing".parse(), Ok(State::Running));
        let error = "done".parse::<State>().unwrap_err();
        assert!(error.to_string().contains("states are waiting, queued, running"), "{error}");
    }

    /// Any event, about an attempt at or near the running one.
    fn any_event() -> impl Strategy<Value = Event> {
        let time = (0..10_000_i64).prop_map(Timestamp::from_millis);
        (0..10_usize, 0..8_u32, time).prop_map(|(place, attempt, time)| match events(attempt)[place].1 {
            Event::Erred { attempt, .. } => Event::Erred { attempt, retry_at: time },
            Event::Parked { attempt, .. } => Event::Parked { attempt, until: time },
            event => event,
        })
    }

    const fn attempt_of(event: Event) -> Option<u32> {
        match event {
            Event::ParentsEnded | Event::Claimed | Event::Cancelled | Event::Requeued => None,
            Event::Succeeded { attempt }
            | Event::Erred { attempt, .. }
            | Event::GaveUp { attempt }
            | Event::Parked { attempt, .. }
            | Event::Released { attempt }
            | Event::LeaseLost { attempt } => Some(attempt),
        }
    }

    proptest! {
        #[test]
        fn a_life_keeps_its_invariants(max_attempts in 0..4_u32, life in prop::collection::vec(any_event(), 0..60)) {
            let mut standing = Standing::queued(max_attempts, RUN_AT);
            let mut has_crashed = false;
            for event in life {
                let before = standing;
                let Ok(after) = transition(before, event, NOW) else { continue };
                standing = after;
                prop_assert_eq!(after.attempt, before.attempt + u32::from(event == Event::Claimed));
                prop_assert_eq!(after.max_attempts, before.max_attempts);
                prop_assert!(after.spared >= before.spared && after.spared <= after.attempt);
                prop_assert!(!before.state.is_finished() || event == Event::Requeued);
                has_crashed = event != Event::Requeued && (has_crashed || matches!(event, Event::LeaseLost { .. }));
                // Only a crash takes a task past its attempts, and none past the allowance.
                let allowed = after.max_attempts.max(if has_crashed { CRASHES_MIN } else { 0 });
                prop_assert!(after.attempts_counted() <= allowed);
                prop_assert!(!after.state.is_claimable() || after.attempts_counted() < allowed);
                if let Some(attempt) = attempt_of(event) {
                    prop_assert_eq!((before.state, before.attempt), (State::Running, attempt));
                }
            }
        }

        #[test]
        fn every_attempt_but_the_running_one_is_fenced(
            state in prop::sample::select(State::ALL.to_vec()),
            running in 1..6_u32,
            event in any_event(),
        ) {
            let from = Standing { state, attempt: running, spared: 0, max_attempts: 9, run_at: RUN_AT };
            if let Some(attempt) = attempt_of(event)
                && (attempt != running || state != State::Running)
            {
                prop_assert_eq!(transition(from, event, NOW), Err(Refused::LeaseLost { attempt }));
            }
        }

        #[test]
        fn task_that_only_errs_or_falls_silent_fails_in_time(
            max_attempts in 1..20_u32,
            silent in prop::collection::vec(any::<bool>(), 20),
        ) {
            let mut standing = Standing::queued(max_attempts, RUN_AT);
            for attempt in 1..=max_attempts.max(CRASHES_MIN) {
                standing = transition(standing, Event::Claimed, NOW)?;
                let silent = silent[attempt as usize - 1];
                let end = if silent { Event::LeaseLost { attempt } } else { Event::Erred { attempt, retry_at: LATER } };
                standing = transition(standing, end, NOW)?;
                let attempts = if silent { max_attempts.max(CRASHES_MIN) } else { max_attempts };
                let expected = if attempt >= attempts { State::Failed } else { State::Retrying };
                prop_assert_eq!(standing.state, expected);
                if standing.state == State::Failed {
                    break;
                }
            }
            prop_assert_eq!(standing.state, State::Failed);
        }
    }
}
