//! The store that is put to the test, and its crashes.
//!
//! Verbs are driven to their end where they are called: a store that answers from a thread of its own, as the SQLite
//! one does, then has one order of commits, too, and no time passes while it works. What such a store's threads do
//! meanwhile is still not part of the seed.

use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;

use becket_tasks::store::conformance::{Factory, Reopen};
use becket_tasks::store::memory::{Limits, MemoryStore};
use becket_tasks::{Clock, Store};
use futures_util::future::BoxFuture;

/// A store, and whoever can bring it back after a crash.
pub(crate) struct Disk {
    factory: Box<dyn Reopen>,
    pub(crate) first: Arc<dyn Store>,
    store: Mutex<Arc<dyn Store>>,
    /// Whether a claim that waits may be left to the store itself.
    pub(crate) can_park: bool,
}

impl std::fmt::Debug for Disk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Disk").field("store", &self.first).finish_non_exhaustive()
    }
}

impl Disk {
    pub(crate) fn new(factory: Box<dyn Reopen>, clock: Clock) -> Self {
        let first = done(factory.open(clock));
        let can_park = first.description().kind == "memory";
        Self { factory, store: Mutex::new(Arc::clone(&first)), first, can_park }
    }

    pub(crate) fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.store.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Kills the store's process, and starts it again.
    pub(crate) fn crash(&self, clock: Clock) {
        let after = done(self.factory.crash(self.store(), clock));
        *self.store.lock().unwrap_or_else(PoisonError::into_inner) = after;
    }
}

/// Drives a verb to its end.
pub(crate) fn done<T>(verb: impl Future<Output = T>) -> T {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    // Tokio's channels make a task that has done much wait for its next turn, which would not come.
    let mut verb = std::pin::pin!(tokio::task::coop::unconstrained(verb));
    loop {
        match verb.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(answer) => return answer,
            Poll::Pending => std::thread::park(),
        }
    }
}

/// Memory stores whose crash is that of a store that outlives its process.
#[derive(Default)]
pub(crate) struct Memory(Mutex<Option<Arc<MemoryStore>>>);

impl Factory for Memory {
    fn open(&self, clock: Clock) -> BoxFuture<'_, Arc<dyn Store>> {
        let store = Arc::new(MemoryStore::new(clock, 0, Limits::default()));
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&store));
        Box::pin(async move { store as Arc<dyn Store> })
    }
}

impl Reopen for Memory {
    fn crash(&self, store: Arc<dyn Store>, _: Clock) -> BoxFuture<'_, Arc<dyn Store>> {
        if let Some(store) = &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            store.crash();
        }
        Box::pin(async move { store })
    }

    fn reopen(&self, _: Clock) -> BoxFuture<'_, Arc<dyn Store>> {
        unreachable!("no world closes its store")
    }
}
