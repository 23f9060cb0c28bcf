//! The engine: a store, a registry and one worker, started together and stopped together.
//!
//! This is the door to the private module `worker`: it holds what a program sets, calls and reads. How tasks are claimed,
//! run and ended is said there.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;

use crate::client::Client;
use crate::error::{Error, Result};
use crate::id::TaskId;
use crate::query::Retention;
use crate::registry::Registry;
use crate::schedule::Schedules;
use crate::state::State;
use crate::store::Store;
use crate::submission::{Inserted, NewTask, Submission};
use crate::task::WorkerId;
pub use crate::worker::measures::EngineMeasures;
use crate::worker::{self, Worker};

/// Runs the tasks of one store in this process. Cloning gives a handle to the same engine.
///
/// It works until [`shutdown`](Self::shutdown) or the end of its runtime; dropping the handles stops nothing.
#[derive(Clone)]
pub struct Engine(Arc<Worker>);

/// How an [`Engine`] works.
#[derive(Clone, Debug)]
pub struct EngineOptions {
    /// How many claimed tasks run at once; 0 claims none. Default: 16.
    pub concurrency: usize,
    /// Up to how many may run at once when the load asks for it: the pool then moves between `concurrency` and this, by
    /// how long attempts take and how busy the processors are. `None` keeps it at `concurrency`. Default: `None`.
    pub concurrency_max: Option<usize>,
    /// How many tasks may be claimed ahead of free slots. So many are taken only while handlers are quick enough that
    /// all of them start within about 10 ms; slow handlers are never claimed ahead. Default: 512.
    pub prefetch: usize,
    /// How many tasks may run at once through [`Engine::run_here`], beside the others. Default: 256.
    pub inline_max: usize,
    /// How long a lease lasts; it is renewed each third of it. A task of a worker that crashed runs again after this.
    /// Default: 30 s.
    pub lease: Duration,
    /// How long a handler may still run after its cancellation before it is dropped. Default: 1 s.
    pub cancel_grace: Duration,
    /// How often expired leases are reclaimed and old tasks pruned. Default: 10 s.
    pub maintenance: Duration,
    /// How many turns a tenant gets where others get one. Default: one each.
    pub weights: HashMap<Arc<str>, u32>,
    /// How long what is over is kept. Default: 7 days, and 1,000,000 finished tasks.
    pub retention: Retention,
    /// A handler that returns more bytes than this fails, and so does one with a step that does. Default: 1 MiB.
    pub result_bytes_max: usize,
    /// The worker's name; `None` makes one. Two workers that live at the same time must not share it.
    pub worker: Option<WorkerId>,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self {
            concurrency: 16,
            concurrency_max: None,
            prefetch: 512,
            inline_max: 256,
            lease: Duration::from_secs(30),
            cancel_grace: Duration::from_secs(1),
            maintenance: Duration::from_secs(10),
            weights: HashMap::new(),
            retention: Retention { age: Duration::from_secs(7 * 24 * 3_600), finished_max: 1_000_000 },
            result_bytes_max: 1 << 20,
            worker: None,
        }
    }
}

/// How many tasks an engine runs at once; see [`EngineOptions::concurrency_max`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolSize {
    /// Now. After the pool has shrunk, more may run until those that are too many have ended.
    pub now: usize,
    /// The least.
    pub min: usize,
    /// The most.
    pub max: usize,
}

/// What became of the tasks that a shutdown met.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShutdownReport {
    /// Attempts that ended by themselves, well or badly, while the shutdown waited.
    pub completed: u64,
    /// Attempts that were given back, to run again elsewhere or later; they do not count.
    pub released: u64,
}

impl Engine {
    /// Starts to run the tasks of `store`. Must be called within a tokio runtime with time enabled.
    ///
    /// A store that cannot be reached does not keep the engine from starting; it tries until it can.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the options make no sense, or a schedule wants a kind that has no handler; [`Error::Unavailable`] when the system gives no thread.
    pub async fn start(store: Arc<dyn Store>, registry: Registry, options: EngineOptions) -> Result<Self> {
        check(&options)?;
        worker::start(store, registry, options).map(Self)
    }

    /// As [`start`](Self::start), but leases are renewed on the caller's runtime instead of a thread of their own. For
    /// simulations, whose time is paused: a handler that blocks the runtime loses its lease here.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the options make no sense.
    #[cfg(any(test, feature = "conformance"))]
    #[doc(hidden)]
    pub async fn start_in_virtual_time(
        store: Arc<dyn Store>,
        registry: Registry,
        options: EngineOptions,
    ) -> Result<Self> {
        check(&options)?;
        worker::start_in_virtual_time(store, registry, options).map(Self)
    }

    /// Replaces all kinds, policies and schedules while the engine works: from now on it claims, runs and fires by these,
    /// and so does every [`client`](Self::client) of it that there is.
    ///
    /// Attempts that run end under the handler and the policy with which they began. Tasks whose kind has no handler any
    /// more stay queued, for a worker that has one or for another replacement.
    ///
    /// # Errors
    /// [`Error::Invalid`] when a schedule wants a kind that has no handler; then all stays as it is.
    pub fn replace_registry(&self, registry: Registry) -> Result<()> {
        worker::known::replace(&self.0, registry)
    }

    /// Sets how long a handler may still run after its cancellation, instead of [`EngineOptions::cancel_grace`]:
    /// for attempts that begin from now on, and for a shutdown.
    pub fn set_cancel_grace(&self, grace: Duration) {
        self.0.set_cancel_grace(grace);
    }

    /// A client of the engine's store that knows its kinds.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.0.client
    }

    /// The name under which this engine holds leases.
    #[must_use]
    pub fn worker_id(&self) -> &WorkerId {
        &self.0.id
    }

    /// The schedules of its registry: to list, pause, resume and fire them.
    #[must_use]
    pub fn schedules(&self) -> &Schedules {
        &self.0.schedules
    }

    /// What has been measured since the start.
    #[must_use]
    pub fn measures(&self) -> &EngineMeasures {
        &self.0.measures
    }

    /// How large the pool is, and may be.
    #[must_use]
    pub fn pool(&self) -> PoolSize {
        let EngineOptions { concurrency: min, concurrency_max, .. } = self.0.options;
        PoolSize { now: self.0.slots.size(), min, max: concurrency_max.unwrap_or(min) }
    }

    /// How many slots would work off `due` tasks, and those that run here, within a minute: the work divided by the
    /// time, with attempts as long as the latest were on average. It may exceed what this pool may have; then more
    /// processes are wanted, or a larger pool. `due` is [`Counts::due`](crate::query::Counts::due).
    #[must_use]
    pub fn slots_wanted(&self, due: u64) -> u64 {
        worker::wanted::slots_wanted(due, self.0.measures.running(), self.0.pace.mean())
    }

    /// Commits the submission with its tasks already running here, and begins them: [`run_some_here`] for all tasks.
    ///
    /// [`run_some_here`]: Self::run_some_here
    ///
    /// # Errors
    /// As [`Store::insert`]; nothing was accepted.
    pub async fn run_here(&self, submission: Submission) -> Result<(Inserted, Vec<Running>)> {
        self.run_some_here(submission, |_| true).await
    }

    /// Commits the submission and begins at once, in this process, those tasks that `here` chooses.
    ///
    /// They run beside the pool, at most [`EngineOptions::inline_max`] at a time. A chosen task is queued instead, and
    /// has no [`Running`], when that many run already, when it is not due at once, is debounced, or waits (for parents,
    /// in its lane, for the end of a pause), when its kind has limits or no handler here, or when the engine is shutting
    /// down. A duplicate begins nothing. A failed attempt is retried by the pool.
    ///
    /// Dropping the future, or a [`Running`], stops nothing.
    ///
    /// # Errors
    /// As [`Store::insert`]; nothing was accepted.
    pub async fn run_some_here(
        &self,
        submission: Submission,
        here: impl Fn(&NewTask) -> bool,
    ) -> Result<(Inserted, Vec<Running>)> {
        let chosen = submission.tasks.iter().map(here).collect();
        worker::inline::run(&self.0, submission, chosen).await
    }

    /// Stops claiming, lets running attempts end within `grace`, then cancels them and gives the rest back, so that
    /// nothing is lost and no attempt counted. Tasks that were claimed and not begun are given back at once.
    ///
    /// Takes at most `grace`, [`EngineOptions::cancel_grace`] and a few seconds for the last commit. The store stays
    /// open. Calling it again answers the same report; dropping the future leaves the engine stopping, and a further
    /// call goes on.
    pub async fn shutdown(&self, grace: Duration) -> ShutdownReport {
        worker::shutdown::shut_down(&self.0, grace).await
    }
}

/// Whether the options make sense.
fn check(options: &EngineOptions) -> Result<()> {
    for (name, duration) in [("lease", options.lease), ("maintenance", options.maintenance)] {
        if duration.is_zero() {
            return Err(Error::Invalid(format!("`{name}` must be longer than zero")));
        }
    }
    if options.concurrency_max.is_some_and(|max| options.concurrency == 0 || max < options.concurrency) {
        let rule = "`concurrency` must be at least 1, and `concurrency_max` no less than that";
        return Err(Error::Invalid(rule.to_owned()));
    }
    Ok(())
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("worker", &self.0.id).field("store", &self.0.store.description()).finish()
    }
}

/// An attempt that [`Engine::run_here`] began. Dropping it does not stop the task.
#[derive(Debug)]
pub struct Running {
    /// The task.
    pub id: TaskId,
    /// Its kind.
    pub kind: Arc<str>,
    pub(crate) end: oneshot::Receiver<Ended>,
}

impl Running {
    /// Waits for the attempt's end. Does not wait until the store has committed it: after a crash between the two the
    /// task runs again.
    pub async fn ended(self) -> Ended {
        // Without an answer the attempt was dropped with its runtime.
        self.end.await.unwrap_or_else(|_| Ended {
            state: State::Queued,
            result: None,
            error: Some("the worker stopped before the task ended".into()),
        })
    }
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// The task's state after this attempt: `completed`, `retrying`, `failed`, or `queued` when it was parked or given
    /// back. `cancelled` when the attempt was stopped because it no longer held the task.
    pub state: State,
    /// What the handler returned.
    pub result: Option<Bytes>,
    /// What went wrong.
    pub error: Option<Arc<str>>,
}
