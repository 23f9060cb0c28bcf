//! What a handler's verdict means: pure, so that every case is a line in a table.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::lease::StopReason;
use crate::engine::Ended;
use crate::registry::Policy;
use crate::retry::{Follow, TaskError};
use crate::state::{self, Standing, State};
use crate::store::ending::Ending;
use crate::task::{Claimed, End};

/// The longest error text that is kept, in bytes.
const ERROR_BYTES_MAX: usize = 4_096;

/// How running a handler came out.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// It returned.
    Returned(Result<Option<Bytes>, TaskError>),
    /// It panicked with this message.
    Panicked(String),
    /// It was dropped after being told to stop for this reason.
    Dropped(StopReason),
}

/// What the store is told of an attempt; `None` when there is nothing to tell, because the task is no longer held.
///
/// `stop` is the reason for which the handler was told to stop, if it was. An error that follows a shutdown is most
/// likely caused by it, so the attempt is given back; success, and giving up, are believed. After a lost lease nothing
/// is: the task may run elsewhere.
pub(crate) fn end_of(
    verdict: Verdict,
    stop: Option<StopReason>,
    task: &Claimed,
    policy: &Policy,
    result_bytes_max: usize,
    random: f64,
) -> Option<End> {
    let fail = |error: TaskError| Some(shorten(error.into_end(&policy.retry, task.attempts_counted, random)));
    if stop == Some(StopReason::LeaseLost) {
        return None;
    }
    match verdict {
        Verdict::Dropped(StopReason::LeaseLost) => None,
        Verdict::Dropped(StopReason::Shutdown) => Some(End::Release),
        Verdict::Dropped(StopReason::TimedOut) => fail(timed_out(policy.timeout)),
        Verdict::Panicked(message) => fail(TaskError::retry(format!("panicked: {message}"))),
        Verdict::Returned(Err(error)) => match (stop, error.follow()) {
            (Some(StopReason::Shutdown), Follow::Retry | Follow::RetryAt(_)) => Some(End::Release),
            _ => fail(error),
        },
        Verdict::Returned(Ok(Some(result))) if result.len() > result_bytes_max => {
            fail(too_long(result.len(), result_bytes_max))
        }
        Verdict::Returned(Ok(result)) => Some(End::Completed { result, result_ttl: policy.result_ttl }),
    }
}

fn timed_out(timeout: Duration) -> TaskError {
    TaskError::retry(format!("timed out after {}", humantime::format_duration(timeout)))
}

fn too_long(bytes: usize, bytes_max: usize) -> TaskError {
    TaskError::give_up(format!("the result has {bytes} bytes, and at most {bytes_max} are kept"))
}

fn shorten(end: End) -> End {
    let short = |text: Arc<str>| match text.char_indices().find(|(at, _)| *at >= ERROR_BYTES_MAX) {
        Some((at, _)) => format!("{}…", &text[..at]).into(),
        None => text,
    };
    match end {
        End::Retry { due, error } => End::Retry { due, error: short(error) },
        End::GiveUp { error } => End::GiveUp { error: short(error) },
        End::Park { due, reason } => End::Park { due, reason: short(reason) },
        other @ (End::Completed { .. } | End::Release) => other,
    }
}

/// What will become of the task, before the store has committed it: it asks the same function as the store.
pub(crate) fn ended(task: &Claimed, end: Option<&End>) -> Ended {
    let Some(end) = end else {
        let error = Some("the attempt no longer held the task".into());
        return Ended { state: State::Cancelled, result: None, error };
    };
    // When the next attempt is due makes no difference to the state.
    let ending = Ending::reported(end, task.attempt, task.started_at);
    let standing = Standing {
        state: State::Running,
        attempt: task.attempt,
        spared: task.attempt.saturating_sub(task.attempts_counted),
        max_attempts: task.max_attempts,
        run_at: task.run_at,
    };
    let after = state::transition(standing, ending.event, task.started_at);
    let result = if let End::Completed { result, .. } = end { result.clone() } else { None };
    Ended { state: after.map_or(State::Cancelled, |after| after.state), result, error: ending.error }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{SubmissionId, TaskId};

    fn task(attempt: u32, attempts_counted: u32, max_attempts: u32) -> Claimed {
        let (created_at, run_at, started_at) = Default::default();
        Claimed {
            id: TaskId::from_u64(1),
            submission: SubmissionId::from_u64(1),
            kind: "k".into(),
            attempt,
            attempts_counted,
            max_attempts,
            created_at,
            run_at,
            started_at,
            source: "s".into(),
            event: "e".into(),
            action: None,
            key: None,
            meta: Bytes::new(),
            payload: Bytes::new(),
        }
    }

    fn end(verdict: Verdict, stop: Option<StopReason>) -> Option<End> {
        let policy = Policy { timeout: Duration::from_secs(90), ..Policy::default() };
        end_of(verdict, stop, &task(1, 1, 3), &policy, 10, 0.5)
    }

    fn text(verdict: Verdict) -> String {
        match end(verdict, None) {
            Some(End::Retry { error, .. } | End::GiveUp { error }) => error.to_string(),
            other => panic!("not a failure: {other:?}"),
        }
    }

    #[test]
    fn failures_say_what_happened() {
        assert_eq!(text(Verdict::Panicked("index out of bounds".into())), "panicked: index out of bounds");
        assert_eq!(text(Verdict::Dropped(StopReason::TimedOut)), "timed out after 1m 30s");
        assert_eq!(
            text(Verdict::Returned(Ok(Some(Bytes::from_static(&[0; 11]))))),
            "the result has 11 bytes, and at most 10 are kept"
        );
        let long = text(Verdict::Returned(Err(TaskError::retry("é".repeat(5_000)))));
        assert!(long.len() < ERROR_BYTES_MAX + 8 && long.ends_with('…'), "{}", long.len());
    }

    #[test]
    fn shutdown_gives_interrupted_attempts_back_and_believes_decisions() {
        let stop = Some(StopReason::Shutdown);
        let returned = |result| end(Verdict::Returned(result), stop);
        assert!(matches!(end(Verdict::Dropped(StopReason::Shutdown), stop), Some(End::Release)));
        assert!(matches!(returned(Err(TaskError::retry("interrupted"))), Some(End::Release)));
        assert!(matches!(returned(Err(TaskError::give_up("useless"))), Some(End::GiveUp { .. })));
        assert!(matches!(returned(Err(TaskError::park_for("later", Duration::ZERO))), Some(End::Park { .. })));
        assert!(matches!(returned(Ok(None)), Some(End::Completed { .. })));
    }

    #[test]
    fn lost_attempt_has_nothing_to_tell() {
        assert!(end(Verdict::Dropped(StopReason::LeaseLost), Some(StopReason::LeaseLost)).is_none());
        assert_eq!(ended(&task(1, 1, 1), None).state, State::Cancelled);
    }

    #[test]
    fn end_tells_the_state_that_the_store_will_commit() {
        let retry = TaskError::retry("x").into_end(&Policy::default().retry, 1, 0.0);
        let park = TaskError::park_for("x", Duration::ZERO).into_end(&Policy::default().retry, 1, 0.0);
        for (attempt, counted, max, end, state) in [
            (1, 1, 2, retry.clone(), State::Retrying),
            (2, 2, 2, retry.clone(), State::Failed),
            (2, 2, 1, retry.clone(), State::Failed),
            (2, 1, 2, retry, State::Retrying),
            (2, 2, 2, park, State::Queued),
            (2, 2, 2, End::Release, State::Queued),
            (1, 1, 2, End::GiveUp { error: "x".into() }, State::Failed),
            (1, 1, 2, End::Completed { result: None, result_ttl: Duration::ZERO }, State::Completed),
        ] {
            assert_eq!(ended(&task(attempt, counted, max), Some(&end)).state, state, "{end:?}");
        }
    }
}
