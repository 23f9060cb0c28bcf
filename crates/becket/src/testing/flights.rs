//! Which handlers run, and in which order they began and ended: what a test needs to know and no store tells.
//!
//! It stands around each handler, and is also what ends them all at once in a crash.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use becket_tasks::{TaskContext, TaskError, TaskId};
use futures_util::future::join_all;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::extract::TaskInput;
use crate::handler::{Around, RunBatch, RunTask};

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

/// Stands around handlers: sees when they run, and ends them where they stand when `crash` is cancelled.
pub(super) struct Observed<'a> {
    pub(super) flights: &'a Arc<Flights>,
    pub(super) crash: &'a CancellationToken,
}

impl Around for Observed<'_> {
    fn task(&self, run: RunTask) -> RunTask {
        let (flights, crash) = (Arc::clone(self.flights), self.crash.clone());
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
                Err(dead(&context).await)
            })
        })
    }

    fn batch(&self, run: RunBatch) -> RunBatch {
        let (flights, crash) = (Arc::clone(self.flights), self.crash.clone());
        Arc::new(move |inputs| {
            let (flights, crash, run) = (Arc::clone(&flights), crash.clone(), Arc::clone(&run));
            Box::pin(async move {
                let contexts: Vec<TaskContext> = inputs.iter().map(|input| input.context().clone()).collect();
                let observed = async {
                    let _flights: Vec<Flight> = inputs.iter().map(|input| flights.begin(input)).collect();
                    run(inputs).await
                };
                tokio::select! {
                    biased;
                    () = crash.cancelled() => {}
                    results = observed => return results,
                }
                join_all(contexts.iter().map(dead)).await.into_iter().map(Err).collect()
            })
        })
    }
}

/// A dead process reports nothing: by the time its engine stops and tells the handler, the store has taken the task back.
async fn dead(context: &TaskContext) -> TaskError {
    context.cancelled().await;
    TaskError::retry("the process crashed")
}

impl Flights {
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
