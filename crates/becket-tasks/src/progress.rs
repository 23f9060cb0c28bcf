//! Progress: how far a running attempt says that it has come.
//!
//! It is for people who watch, and not durable: a report lives in the memory of the process that runs the attempt, in the
//! [`Events`](crate::Events) of its store, and is gone when the attempt ends. What must not be forgotten is a
//! [`step`](crate::TaskContext::step).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::id::{SubmissionId, TaskId};
use crate::time::Timestamp;

/// Reports of one attempt go out no more often than this.
pub const INTERVAL: Duration = Duration::from_millis(250);
/// How long a message may be, in bytes; a longer one loses its end.
pub const MESSAGE_BYTES_MAX: usize = 256;
/// Of how many tasks the latest report is kept. Those of further ones are announced only.
pub const KEPT_MAX: usize = 10_000;

/// How far a running attempt has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The task.
    pub task: TaskId,
    /// Its submission.
    pub submission: SubmissionId,
    /// Its handler.
    pub kind: Arc<str>,
    /// The attempt that says so.
    pub attempt: u32,
    /// How much is done.
    pub done: u64,
    /// Of how much; 0 where that is not known.
    pub total: u64,
    /// What is being done; may be empty.
    pub message: Arc<str>,
    /// When it was reported.
    pub at: Timestamp,
}

/// The latest report of each running attempt.
#[derive(Debug, Default)]
pub(crate) struct Latest(Mutex<HashMap<TaskId, Arc<Progress>>>);

impl Latest {
    /// Keeps a report, unless a later attempt has made one already, or there are too many.
    pub(crate) fn keep(&self, progress: &Arc<Progress>) {
        let mut kept = self.lock();
        let has_room = kept.len() < KEPT_MAX;
        match kept.get_mut(&progress.task) {
            Some(earlier) if earlier.attempt <= progress.attempt => *earlier = Arc::clone(progress),
            None if has_room => drop(kept.insert(progress.task, Arc::clone(progress))),
            Some(_) | None => {}
        }
    }

    pub(crate) fn of(&self, task: TaskId) -> Option<Arc<Progress>> {
        self.lock().get(&task).cloned()
    }

    /// Forgets what an attempt has reported.
    pub(crate) fn forget(&self, task: TaskId, attempt: u32) {
        let mut kept = self.lock();
        if kept.get(&task).is_some_and(|progress| progress.attempt == attempt) {
            kept.remove(&task);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TaskId, Arc<Progress>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(task: u64, attempt: u32) -> Arc<Progress> {
        Arc::new(Progress {
            task: TaskId::from_u64(task),
            submission: SubmissionId::from_u64(1),
            kind: "k".into(),
            attempt,
            done: 1,
            total: 2,
            message: "".into(),
            at: Timestamp::default(),
        })
    }

    #[test]
    fn late_report_of_an_earlier_attempt_replaces_nothing() {
        let latest = Latest::default();
        for attempt in [1, 3, 2] {
            latest.keep(&progress(1, attempt));
        }
        latest.forget(TaskId::from_u64(1), 2);
        assert_eq!(latest.of(TaskId::from_u64(1)), Some(progress(1, 3)));
        latest.forget(TaskId::from_u64(1), 3);
        assert_eq!(latest.of(TaskId::from_u64(1)), None);
    }

    #[test]
    fn no_more_reports_are_kept_than_the_limit() {
        let latest = Latest::default();
        for task in 0..KEPT_MAX as u64 + 5 {
            latest.keep(&progress(task, 1));
        }
        assert_eq!(latest.lock().len(), KEPT_MAX);
        latest.keep(&progress(0, 2));
        assert_eq!(latest.of(TaskId::from_u64(0)), Some(progress(0, 2)), "known tasks go on");
    }
}
