//! Which handlers run, and in which order they began and ended: what a test needs to know and no store tells.
//!
//! It stands around each handler, and is also what ends them all at once in a crash.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use becket_tasks::{TaskError, TaskId};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::extract::TaskInput;
use crate::handler::RunTask;

/// Something that happened to a handler.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Moment {
    /// The task that it ran for.
    pub task: TaskId,
    /// Its kind: the handler's name.
    pub kind: Arc<str>,
    /// Whether it began; else it ended, well or badly.
    pub began: bool,
}

/// All handlers of one test.
#[derive(Debug, Default)]
pub(super) struct Flights {
    known: Mutex<Known>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Known {
    running: BTreeMap<(TaskId, u32), Arc<str>>,
    moments: Vec<Moment>,
}

/// A handler that runs, until it is dropped.
struct Flight {
    flights: Arc<Flights>,
    task: TaskId,
    attempt: u32,
    kind: Arc<str>,
}

impl Flights {
    /// The handler under observation; `crash` ends it where it stands.
    pub(super) fn around(self: &Arc<Self>, run: RunTask, crash: &CancellationToken) -> RunTask {
        let (flights, crash) = (Arc::clone(self), crash.clone());
        Arc::new(move |input| {
            let (flights, crash, run) = (Arc::clone(&flights), crash.clone(), Arc::clone(&run));
            Box::pin(async move {
                let context = input.context().clone();
                let observed = async {
                    let _flight = flights.begin(&input);
                    run(input).await
                };
                tokio::select! {
                    biased;
                    () = crash.cancelled() => {}
                    result = observed => return result,
                }
                // A dead process reports nothing: by the time this one's engine stops, the store has taken the task back.
                context.cancelled().await;
                Err(TaskError::retry("the process crashed"))
            })
        })
    }

    fn begin(self: &Arc<Self>, input: &TaskInput) -> Flight {
        let task = input.task();
        let flight =
            Flight { flights: Arc::clone(self), task: task.id, attempt: task.attempt, kind: Arc::clone(&task.kind) };
        let mut known = self.lock();
        known.running.insert((flight.task, flight.attempt), Arc::clone(&flight.kind));
        known.moments.push(flight.moment(true));
        drop(known);
        self.changed.notify_waiters();
        flight
    }

    /// What has happened so far, oldest first.
    pub(super) fn moments(&self) -> Vec<Moment> {
        self.lock().moments.clone()
    }

    /// Waits until what runs is as wanted.
    async fn until(&self, is: impl Fn(&Known) -> bool) {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            if is(&self.lock()) {
                return;
            }
            changed.await;
        }
    }

    /// Waits until a handler of `kind` runs.
    pub(super) async fn running(&self, kind: &str) {
        self.until(|known| known.running.values().any(|one| **one == *kind)).await;
    }

    /// Waits until no handler runs.
    pub(super) async fn none(&self) {
        self.until(|known| known.running.is_empty()).await;
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Flight {
    fn moment(&self, began: bool) -> Moment {
        Moment { task: self.task, kind: Arc::clone(&self.kind), began }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        let mut known = self.flights.lock();
        known.running.remove(&(self.task, self.attempt));
        known.moments.push(self.moment(false));
        drop(known);
        self.flights.changed.notify_waiters();
    }
}
