//! Leases: a worker's time-limited right to a running task.
//!
//! Every lease of the process is renewed in one call, from a thread of its own with its own runtime: a handler that
//! blocks all threads of the main runtime cannot make the worker lose its tasks. A lease is held from the claim until
//! the attempt's end is committed. A renewal that is refused stops the attempt: the task was cancelled, or reclaimed
//! after the store could not be reached for too long. Of a task that is cancelled in this process the store
//! [tells at once](crate::events), and the same thread stops its attempt.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::STORE_DEADLINE;
use super::outage::{Outage, no_answer};
use crate::error::{Error, Result};
use crate::events::Cancellations;
use crate::store::Store;
use crate::task::{Claimed, Lease};

/// How many leases one call renews.
const SLICE: usize = 1_000;
/// Leases are renewed at least so often, so that a task that another process cancels is stopped soon.
const INTERVAL_MAX: Duration = Duration::from_secs(2);

/// The leases that this process holds. In order, so that a simulation meets the same one each time.
#[derive(Debug, Default)]
pub(crate) struct Leases(Mutex<BTreeMap<Lease, Arc<Stop>>>);

/// A task that this process holds.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) task: Arc<Claimed>,
    pub(crate) stop: Arc<Stop>,
}

impl Held {
    pub(crate) fn lease(&self) -> Lease {
        lease_of(&self.task)
    }
}

fn lease_of(task: &Claimed) -> Lease {
    Lease { task: task.id, attempt: task.attempt }
}

/// Tells one attempt to stop, and why.
#[derive(Debug, Default)]
pub(crate) struct Stop {
    token: CancellationToken,
    why: OnceLock<StopReason>,
}

/// Why an attempt should stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StopReason {
    /// The attempt does not hold its task any more.
    LeaseLost,
    /// The worker shuts down.
    Shutdown,
    /// The attempt's time is up.
    TimedOut,
}

impl Stop {
    /// Tells it; the first reason stays.
    pub(crate) fn now(&self, why: StopReason) {
        let _ = self.why.set(why);
        self.token.cancel();
    }

    pub(crate) fn reason(&self) -> Option<StopReason> {
        self.why.get().copied()
    }

    pub(crate) fn token(&self) -> &CancellationToken {
        &self.token
    }
}

impl Leases {
    /// Holds what was claimed, so that it is renewed.
    pub(crate) fn hold(&self, claimed: Vec<Claimed>) -> Vec<Held> {
        let mut leases = self.lock();
        claimed
            .into_iter()
            .map(|task| {
                let stop = Arc::<Stop>::default();
                leases.insert(lease_of(&task), Arc::clone(&stop));
                Held { task: Arc::new(task), stop }
            })
            .collect()
    }

    /// Lets go of leases whose attempts have ended.
    pub(crate) fn forget(&self, ended: impl IntoIterator<Item = Lease>) {
        let mut leases = self.lock();
        for lease in ended {
            leases.remove(&lease);
        }
    }

    /// Stops all attempts.
    pub(crate) fn stop_all(&self, why: StopReason) {
        // The tokens wake others; not while the lock is held.
        let stops: Vec<_> = self.lock().values().cloned().collect();
        stops.iter().for_each(|stop| stop.now(why));
    }

    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }

    fn all(&self) -> Vec<Lease> {
        self.lock().keys().copied().collect()
    }

    fn lose(&self, lease: Lease) {
        let stop = self.lock().get(&lease).cloned();
        if let Some(stop) = stop {
            stop.now(StopReason::LeaseLost);
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Lease, Arc<Stop>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Renews `leases` on a thread of its own until `stop` is cancelled.
///
/// # Errors
/// [`Error::Unavailable`] when the system gives no thread.
pub(crate) fn start_renewal(
    store: Arc<dyn Store>,
    leases: Arc<Leases>,
    lease: Duration,
    stop: CancellationToken,
) -> Result<()> {
    let no_thread = |error| Error::Unavailable("no thread for the renewal of leases".to_owned(), Some(Box::new(error)));
    // From before the first claim.
    let cancelled = store.events().cancellations();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(no_thread)?;
    thread::Builder::new()
        .name("becket-leases".to_owned())
        .spawn(move || runtime.block_on(renew_until(store, leases, lease, cancelled, stop)))
        .map_err(no_thread)?;
    Ok(())
}

/// Renews `leases`, and stops those of `cancelled` attempts, until `stop` is cancelled.
pub(crate) async fn renew_until(
    store: Arc<dyn Store>,
    leases: Arc<Leases>,
    lease: Duration,
    cancelled: Cancellations,
    stop: CancellationToken,
) {
    // Side by side: a store that does not answer a renewal must not keep attempts from being stopped.
    let both = async { tokio::join!(renew_always(&*store, &leases, lease), stop_cancelled(cancelled, &leases)) };
    let _ = stop.run_until_cancelled(both).await;
}

async fn stop_cancelled(mut cancelled: Cancellations, leases: &Leases) {
    while let Some(lease) = cancelled.next().await {
        leases.lose(lease);
    }
}

async fn renew_always(store: &dyn Store, leases: &Leases, lease: Duration) {
    let mut outage = Outage::new("renew leases");
    let interval = (lease / 3).min(INTERVAL_MAX);
    loop {
        tokio::time::sleep(interval).await;
        for slice in leases.all().chunks(SLICE) {
            match renew(store, leases, slice.to_vec(), lease).await {
                Ok(()) => outage.over(),
                Err(error) => {
                    // The next turn is soon enough.
                    let _pause = outage.failed(&error);
                }
            }
        }
    }
}

async fn renew(store: &dyn Store, leases: &Leases, slice: Vec<Lease>, lease: Duration) -> Result<()> {
    let deadline = STORE_DEADLINE.min(lease);
    let call = store.renew(slice.clone(), lease);
    let held = timeout(deadline, call).await.unwrap_or_else(|_| Err(no_answer(deadline)))?;
    let lost = slice.into_iter().zip(held).filter(|(_, held)| !held);
    lost.for_each(|(lease, _)| leases.lose(lease));
    Ok(())
}
