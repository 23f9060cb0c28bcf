//! The worker: claims tasks, runs their handlers, and reports their ends.
//!
//! ```text
//! dispatch ──claim──▶ ready ──a free slot──▶ attempt ──its end──▶ finish ──one commit for many──▶ store
//!                       │                      │
//!                       └──── lease: renewed from a thread of its own until the end is committed
//! aside: maintenance (reclaim, prune), schedules (submit what is wanted by the clock), inline (tasks that begin here as
//!        they are submitted), pool (how many slots), shutdown
//! ```
//!
//! Each part is a file and talks to the others only through [`Worker`]. None of them decides what an end makes of a task:
//! that is [`state::transition`](crate::state::transition), in the store.

pub(crate) mod attempt;
mod batch;
mod cpu;
mod dispatch;
mod end;
mod finish;
mod gradient;
pub(crate) mod inline;
pub(crate) mod known;
mod lease;
mod maintenance;
pub(crate) mod measures;
pub(crate) mod outage;
mod pace;
mod pool;
mod schedules;
pub(crate) mod shutdown;
mod slots;
pub(crate) mod wanted;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::{Notify, OnceCell, mpsc};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use self::known::Known;
use self::lease::Leases;
use self::measures::EngineMeasures;
use self::pace::Pace;
use self::pool::Load;
use self::slots::Slots;
use crate::client::Client;
use crate::engine::{EngineOptions, ShutdownReport};
use crate::error::Result;
use crate::registry::Registry;
use crate::schedule::Schedules;
use crate::store::Store;
use crate::task::{Finish, WorkerId};

/// A store that has not answered by then is treated as one that cannot be reached.
pub(crate) const STORE_DEADLINE: Duration = Duration::from_secs(30);

/// What the parts of one engine share.
pub(crate) struct Worker {
    pub(crate) id: WorkerId,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) client: Client,
    pub(crate) measures: EngineMeasures,
    pub(crate) schedules: Schedules,
    known: ArcSwap<Known>,
    /// Told when that is another.
    replaced: Notify,
    pub(crate) options: EngineOptions,
    /// In nanoseconds; may change while the worker works.
    cancel_grace: AtomicU64,
    leases: Arc<Leases>,
    pub(crate) pace: Pace,
    /// The places in the pool.
    pub(crate) slots: Arc<Slots>,
    /// What steers the size of the pool; `None` where it is fixed.
    load: Option<Arc<Load>>,
    /// The places beside the pool.
    inline_slots: Arc<Slots>,
    /// Ends on their way to the store. Bounded: while it is full, no slot becomes free.
    ends: mpsc::Sender<Finish>,
    /// Cancelled when nothing new may begin.
    stopping: CancellationToken,
    /// Attempts, and whatever makes them.
    attempts: TaskTracker,
    /// Cancelled when no end will follow.
    last_end_sent: CancellationToken,
    finisher: TaskTracker,
    report: OnceCell<ShutdownReport>,
    /// Ends the thread that renews, also when the runtime is dropped without a shutdown.
    renewal: CancellationToken,
    _renewal_guard: DropGuard,
}

/// Starts all parts.
///
/// # Errors
/// [`Error::Invalid`](crate::Error::Invalid) when a schedule wants a kind that has no handler,
/// [`Error::Unavailable`](crate::Error::Unavailable) when the system gives no thread for the renewal of leases.
pub(crate) fn start(store: Arc<dyn Store>, registry: Registry, options: EngineOptions) -> Result<Arc<Worker>> {
    let (worker, to_finish) = build(store, registry, options)?;
    let (store, leases) = (Arc::clone(&worker.store), Arc::clone(&worker.leases));
    lease::start_renewal(store, leases, worker.options.lease, worker.renewal.clone())?;
    Ok(spawn(worker, to_finish))
}

/// As [`start`], but leases are renewed on the caller's runtime and in its time.
#[cfg(any(test, feature = "conformance"))]
pub(crate) fn start_in_virtual_time(
    store: Arc<dyn Store>,
    registry: Registry,
    options: EngineOptions,
) -> Result<Arc<Worker>> {
    let (worker, to_finish) = build(store, registry, options)?;
    let (store, leases) = (Arc::clone(&worker.store), Arc::clone(&worker.leases));
    let cancelled = store.events().cancellations();
    tokio::spawn(lease::renew_until(store, leases, worker.options.lease, cancelled, worker.renewal.clone()));
    Ok(spawn(worker, to_finish))
}

fn build(
    store: Arc<dyn Store>,
    registry: Registry,
    options: EngineOptions,
) -> Result<(Arc<Worker>, mpsc::Receiver<Finish>)> {
    let known = Known::new(registry, options.weights.clone())?;
    let client = Client::new(Arc::clone(&store), &known.registry);
    let (ends, to_finish) = mpsc::channel(finish::BACKLOG_MAX);
    let renewal = CancellationToken::new();
    let worker = Arc::new(Worker {
        id: options.worker.clone().unwrap_or_else(WorkerId::for_this_process),
        schedules: Schedules::new(client.clone(), known.registry.schedules().cloned().collect()),
        client,
        measures: EngineMeasures::default(),
        known: ArcSwap::from_pointee(known),
        replaced: Notify::new(),
        leases: Arc::default(),
        pace: Pace::default(),
        slots: Slots::new(options.concurrency),
        load: options.concurrency_max.map(|_| Arc::default()),
        inline_slots: Slots::new(options.inline_max),
        ends,
        stopping: CancellationToken::new(),
        attempts: TaskTracker::new(),
        last_end_sent: CancellationToken::new(),
        finisher: TaskTracker::new(),
        report: OnceCell::new(),
        renewal: renewal.clone(),
        _renewal_guard: renewal.clone().drop_guard(),
        store,
        cancel_grace: AtomicU64::new(nanos(options.cancel_grace)),
        options,
    });
    Ok((worker, to_finish))
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

impl Worker {
    /// How long a handler may still run after its cancellation.
    pub(crate) fn cancel_grace(&self) -> Duration {
        Duration::from_nanos(self.cancel_grace.load(Ordering::Relaxed))
    }

    /// From the next cancellation on.
    pub(crate) fn set_cancel_grace(&self, grace: Duration) {
        self.cancel_grace.store(nanos(grace), Ordering::Relaxed);
    }
}

fn spawn(worker: Arc<Worker>, to_finish: mpsc::Receiver<Finish>) -> Arc<Worker> {
    worker.finisher.spawn(finish::finish(Arc::clone(&worker), to_finish));
    worker.finisher.close();
    worker.attempts.spawn(maintenance::maintain(Arc::clone(&worker)));
    if let (Some(load), Some(max)) = (&worker.load, worker.options.concurrency_max) {
        let (load, min) = (Arc::clone(load), worker.options.concurrency);
        worker.attempts.spawn(pool::steer(Arc::clone(&worker), load, min, max));
    }
    schedules::start(&worker);
    worker.attempts.spawn(dispatch::dispatch(Arc::clone(&worker)));
    worker
}
