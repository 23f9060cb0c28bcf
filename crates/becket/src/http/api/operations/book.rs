//! The operations that run, and the last that ended: begun here, worked off here, and bounded in number.
//!
//! An operation gives way: after each slice it pauses for as long as the slice took, so that it has the store for half of
//! the time at the most, and ingest the rest. A store that is busy or away is asked again for a while.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use becket_tasks::{Clock, Error, Timestamp};
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::work::{Verb, Work};
use crate::http::problem::Problem;

/// How many run at once; each gives way to everything else, but not to the others.
const RUNNING_MAX: usize = 2;
/// How many are remembered, those that run included.
const REMEMBERED_MAX: usize = 64;
/// The longest pause after a slice.
const PAUSE_MAX: Duration = Duration::from_millis(250);
/// The pause after the first failure; it doubles with each further one.
const RETRY_FIRST: Duration = Duration::from_millis(250);
/// The longest pause after a failure.
const RETRY_MAX: Duration = Duration::from_secs(10);
/// How often in a row the store may fail before the operation does: with the pauses, for more than a minute.
const FAILURES_MAX: u32 = 12;

/// How an operation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
    Running,
    Completed,
    Failed,
    Cancelled,
}

/// One change to all that matches.
#[derive(Debug)]
pub(in crate::http::api) struct Operation {
    pub(super) id: String,
    pub(super) verb: Verb,
    pub(super) started_at: Timestamp,
    stop: CancellationToken,
    progress: Mutex<Progress>,
}

/// How far an operation has come.
#[derive(Clone, Debug)]
pub(super) struct Progress {
    pub(super) state: State,
    pub(super) matching: Option<u64>,
    pub(super) done: u64,
    pub(super) error: Option<String>,
    pub(super) ended_at: Option<Timestamp>,
}

impl Operation {
    pub(super) fn progress(&self) -> Progress {
        self.lock().clone()
    }

    /// Tells it to stop; `false` when it has ended already.
    pub(super) fn stop(&self) -> bool {
        let is_running = self.lock().state == State::Running;
        self.stop.cancel();
        is_running
    }

    fn lock(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self, end: Result<State, Error>, at: Timestamp) {
        let mut progress = self.lock();
        progress.ended_at = Some(at);
        match end {
            Ok(state) => progress.state = state,
            Err(error) => {
                progress.state = State::Failed;
                // The log hears the cause, which may name files; the answer does not.
                progress.error = Some(Problem::from(error).detail().to_owned());
            }
        }
    }
}

/// The operations of one server.
#[derive(Debug)]
pub(in crate::http::api) struct Book {
    /// Oldest first.
    operations: Mutex<VecDeque<Arc<Operation>>>,
    places: Arc<Semaphore>,
    shutdown: CancellationToken,
}

impl Book {
    /// An empty book, whose operations stop when `shutdown` is cancelled.
    pub(in crate::http::api) fn new(shutdown: CancellationToken) -> Self {
        Self { operations: Mutex::default(), places: Arc::new(Semaphore::new(RUNNING_MAX)), shutdown }
    }

    /// Begins an operation, which goes on when nobody waits for it.
    ///
    /// # Errors
    /// 503 when as many run as may.
    pub(in crate::http::api) fn start(&self, verb: Verb, work: Work, clock: Clock) -> Result<Arc<Operation>, Problem> {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            let detail = format!("{RUNNING_MAX} operations run already; wait for one of them, or stop it");
            return Err(Problem::unavailable(detail));
        };
        let operation = Arc::new(Operation {
            // Not a counter: an id must not mean another operation after a restart.
            id: format!("{:016x}", fastrand::u64(..)),
            verb,
            started_at: clock.now(),
            stop: self.shutdown.child_token(),
            progress: Mutex::new(Progress {
                state: State::Running,
                matching: None,
                done: 0,
                error: None,
                ended_at: None,
            }),
        });
        self.remember(Arc::clone(&operation));
        tokio::spawn(run(Arc::clone(&operation), work, clock, place));
        Ok(operation)
    }

    /// The operation with this id, while it is remembered.
    pub(super) fn find(&self, id: &str) -> Option<Arc<Operation>> {
        self.lock().iter().find(|operation| operation.id == id).cloned()
    }

    /// All that are remembered, newest first.
    pub(super) fn all(&self) -> Vec<Arc<Operation>> {
        self.lock().iter().rev().cloned().collect()
    }

    /// Forgets the oldest that has ended, if there are too many.
    fn remember(&self, operation: Arc<Operation>) {
        let mut operations = self.lock();
        operations.push_back(operation);
        if operations.len() > REMEMBERED_MAX
            && let Some(oldest) = operations.iter().position(|one| one.progress().state != State::Running)
        {
            operations.remove(oldest);
        }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Arc<Operation>>> {
        self.operations.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn run(operation: Arc<Operation>, mut work: Work, clock: Clock, _place: OwnedSemaphorePermit) {
    tracing::info!(operation = operation.id, verb = operation.verb.as_str(), "an operation begins");
    let end = work_off(&operation, &mut work).await;
    operation.end(end, clock.now());
    let Progress { state, matching, done, .. } = operation.progress();
    tracing::info!(operation = operation.id, ?state, matching, done, "an operation has ended");
}

async fn work_off(operation: &Operation, work: &mut Work) -> Result<State, Error> {
    let mut failures = 0;
    loop {
        if operation.stop.is_cancelled() {
            return Ok(State::Cancelled);
        }
        let began = Instant::now();
        let step = step(operation, work).await;
        operation.lock().done = work.done();
        let pause = match step {
            Ok(true) => {
                failures = 0;
                began.elapsed().min(PAUSE_MAX)
            }
            Ok(false) => return Ok(State::Completed),
            Err(error) => match pause_after(&error, failures) {
                Some(pause) => {
                    failures += 1;
                    pause
                }
                None => return Err(error),
            },
        };
        // Told to stop, it need not sleep to its end.
        let _ = operation.stop.run_until_cancelled(sleep(pause)).await;
    }
}

/// How long to wait before the next try, after so many failures in a row before this one; `None` to give up.
fn pause_after(error: &Error, failures: u32) -> Option<Duration> {
    let pause = RETRY_FIRST.saturating_mul(1 << failures.min(16)).min(RETRY_MAX);
    (error.is_temporary() && failures < FAILURES_MAX).then_some(pause)
}

/// Counts, the first time, and then takes one slice; `false` after the last.
async fn step(operation: &Operation, work: &mut Work) -> Result<bool, Error> {
    if operation.progress().matching.is_some() {
        return work.slice().await;
    }
    if let Some(matching) = operation.stop.run_until_cancelled(work.count(u64::MAX)).await {
        operation.lock().matching = Some(matching?);
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use becket_tasks::query::TaskFilter;
    use becket_tasks::store::memory::MemoryStore;
    use becket_tasks::{BulkChange, Client, Registry, Store as _};

    use super::*;

    #[test]
    fn store_that_is_away_is_asked_again_for_more_than_a_minute_and_a_broken_one_is_not() {
        let pauses: Vec<Duration> = (0..).map_while(|failures| pause_after(&Error::Busy, failures)).collect();
        assert_eq!((pauses.len(), pauses[0]), (12, RETRY_FIRST));
        assert!(pauses.is_sorted() && pauses.iter().sum::<Duration>() > Duration::from_secs(60), "{pauses:?}");
        assert_eq!(pause_after(&Error::Corrupt("torn".to_owned()), 0), None);
        assert_eq!(pause_after(&Error::Closed, 0), None);
    }

    #[tokio::test]
    async fn no_more_operations_are_remembered_than_may_and_the_last_are() {
        let store = Arc::new(MemoryStore::default());
        let client = Client::new(Arc::clone(&store) as _, &Registry::new());
        let book = Book::new(CancellationToken::new());
        let mut last = None;
        for _ in 0..REMEMBERED_MAX + 10 {
            let work = Work::tasks(&client, TaskFilter::default(), BulkChange::Purge);
            let operation = book.start(Verb::Purge, work, store.clock().clone()).unwrap();
            while operation.progress().state == State::Running || book.places.available_permits() < RUNNING_MAX {
                tokio::task::yield_now().await;
            }
            assert!(!operation.stop(), "it has ended");
            last = Some(operation);
        }
        let (all, last) = (book.all(), last.unwrap());
        assert_eq!((all.len(), &all[0].id), (REMEMBERED_MAX, &last.id));
        assert_eq!(book.find(&last.id).unwrap().progress().matching, Some(0));
    }
}
