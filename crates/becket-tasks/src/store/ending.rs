//! What every store writes when an attempt ends, decided in one place so that no two stores differ.
//!
//! A worker reports an [`End`]; the store itself reports attempts that went silent. Both become an [`Ending`]: the event
//! for [`transition`](crate::state::transition), the outcome and error of the attempt, and, once the next state is
//! known, the error of the task. Pure: time comes in as an argument.

use std::sync::Arc;
use std::time::Duration;

use crate::state::{Event, State};
use crate::task::{End, Outcome};
use crate::time::Timestamp;

/// The error of an attempt whose worker crashed or lost its lease.
pub const WENT_SILENT: &str = "its worker went silent";

/// The error of a task that is cancelled because a parent failed.
pub const PARENT_FAILED: &str = "a task that it waited for failed";

/// The error of a task that is cancelled because a parent was.
pub const PARENT_CANCELLED: &str = "a task that it waited for was cancelled";

/// Why a task does not survive a parent that ended in this state; `None` when there is no reason.
#[must_use]
pub const fn parent_ended_badly(state: State) -> Option<&'static str> {
    match state {
        State::Failed => Some(PARENT_FAILED),
        State::Cancelled => Some(PARENT_CANCELLED),
        State::Waiting | State::Queued | State::Running | State::Retrying | State::Completed => None,
    }
}

/// Whether a task in `state`, which it has had since `since`, stands for a new one with the same key.
#[must_use]
pub fn stands_for_another(state: State, since: Timestamp, fresh: Duration, now: Timestamp) -> bool {
    match state {
        State::Completed => now < since.after(fresh),
        State::Failed | State::Cancelled => false,
        State::Waiting | State::Queued | State::Running | State::Retrying => true,
    }
}

/// How many bytes of an error's text are kept at the most. Handlers may report megabytes.
pub const ERROR_BYTES_MAX: usize = 8 * 1024;

/// An error, or another person's reason, as every store keeps it: one that is too long loses its end.
#[must_use]
pub fn bounded(text: &Arc<str>) -> Arc<str> {
    if text.len() <= ERROR_BYTES_MAX {
        return Arc::clone(text);
    }
    let end = text.floor_char_boundary(ERROR_BYTES_MAX - '…'.len_utf8());
    format!("{}…", &text[..end]).into()
}

/// The end of one attempt, in the store's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// What to ask [`transition`](crate::state::transition).
    pub event: Event,
    /// How the attempt is kept.
    pub outcome: Outcome,
    /// The attempt's error, of at most [`ERROR_BYTES_MAX`].
    pub error: Option<Arc<str>>,
}

impl Ending {
    /// What a worker's report on attempt number `attempt` means at `now`.
    #[must_use]
    pub fn reported(end: &End, attempt: u32, now: Timestamp) -> Self {
        let (event, outcome, error) = match end {
            End::Completed { .. } => (Event::Succeeded { attempt }, Outcome::Completed, None),
            End::Retry { due, error } => {
                (Event::Erred { attempt, retry_at: due.resolve(now) }, Outcome::Failed, Some(error))
            }
            End::GiveUp { error } => (Event::GaveUp { attempt }, Outcome::Failed, Some(error)),
            End::Park { due, reason } => {
                (Event::Parked { attempt, until: due.resolve(now) }, Outcome::Parked, Some(reason))
            }
            End::Release => (Event::Released { attempt }, Outcome::Released, None),
        };
        Self { event, outcome, error: error.map(bounded) }
    }

    /// Attempt number `attempt` went silent.
    #[must_use]
    pub fn lost(attempt: u32) -> Self {
        Self { event: Event::LeaseLost { attempt }, outcome: Outcome::Lost, error: Some(WENT_SILENT.into()) }
    }

    /// The task's error once it stands at `next`.
    ///
    /// Success clears it, and a release leaves the `previous` one: it says nothing about the work. A task that fails
    /// because its worker went silent says how often that happened: `lost` counts its attempts with
    /// [`Outcome::Lost`], this one and those before a requeue included.
    #[must_use]
    pub fn task_error(&self, next: State, previous: Option<Arc<str>>, lost: u64) -> Option<Arc<str>> {
        match self.outcome {
            Outcome::Completed => None,
            Outcome::Released => previous,
            Outcome::Lost if next == State::Failed => Some(crashed(lost)),
            Outcome::Failed | Outcome::Parked | Outcome::Lost | Outcome::Cancelled => self.error.clone(),
        }
    }
}

fn crashed(times: u64) -> Arc<str> {
    match times {
        0 | 1 => "crashed its worker once".into(),
        times => format!("crashed its worker {times} times").into(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::submission::Due;

    const NOW: Timestamp = Timestamp::from_millis(1_000);

    #[test]
    fn due_times_are_resolved_with_the_time_of_the_store() {
        let due = Due::After(Duration::from_secs(1));
        let later = Timestamp::from_millis(2_000);
        let retry = Ending::reported(&End::Retry { due, error: "x".into() }, 3, NOW);
        assert_eq!(retry.event, Event::Erred { attempt: 3, retry_at: later });
        let park = Ending::reported(&End::Park { due, reason: "x".into() }, 3, NOW);
        assert_eq!(park.event, Event::Parked { attempt: 3, until: later });
    }

    #[test]
    fn success_clears_the_error_and_a_release_keeps_it() {
        let before: Option<Arc<str>> = Some("before".into());
        let completed = End::Completed { result: None, result_ttl: Duration::ZERO };
        assert_eq!(Ending::reported(&completed, 1, NOW).task_error(State::Completed, before.clone(), 0), None);
        assert_eq!(Ending::reported(&End::Release, 1, NOW).task_error(State::Queued, before.clone(), 0), before);
        let gave_up = End::GiveUp { error: "now".into() };
        assert_eq!(Ending::reported(&gave_up, 1, NOW).task_error(State::Failed, before, 0).as_deref(), Some("now"));
    }

    #[test]
    fn long_errors_lose_their_end_at_a_whole_character() {
        for (text, kept) in [("a", ERROR_BYTES_MAX), ("ä", ERROR_BYTES_MAX - 1), ("🦀", ERROR_BYTES_MAX - 1)] {
            let error: Arc<str> = text.repeat(1_000_000).into();
            let ending = Ending::reported(&End::GiveUp { error }, 1, NOW);
            let error = ending.task_error(State::Failed, None, 0).unwrap();
            assert_eq!(error.len(), kept);
            assert!(error.starts_with(text) && error.ends_with('…'));
        }
        let fits: Arc<str> = "a".repeat(ERROR_BYTES_MAX).into();
        assert_eq!(bounded(&fits), fits);
    }

    #[test]
    fn failure_by_silence_says_how_often() {
        let lost = Ending::lost(4);
        let text = |next, times| lost.task_error(next, None, times).unwrap().to_string();
        assert_eq!(text(State::Retrying, 1), "its worker went silent");
        assert_eq!(text(State::Failed, 1), "crashed its worker once");
        assert_eq!(text(State::Failed, 3), "crashed its worker 3 times");
    }
}
