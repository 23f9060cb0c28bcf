//! How the suite gets its stores.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::store::Store;
use crate::store::memory::{Limits, MemoryStore};
use crate::time::Clock;

/// Makes stores of one kind; each test makes a factory of its own, and keeps it until it ends.
pub trait Factory: Send + Sync {
    /// Opens a new, empty store with `clock` at its edge. Called again, it opens another one.
    fn open(&self, clock: Clock) -> BoxFuture<'_, Arc<dyn Store>>;
}

/// A factory whose stores outlive their process.
pub trait Reopen: Factory {
    /// Opens what the latest store would leave behind if its process were killed at this moment: nothing is closed,
    /// nothing flushed. The old handle must not be used any more.
    fn crash(&self, store: Arc<dyn Store>, clock: Clock) -> BoxFuture<'_, Arc<dyn Store>>;

    /// Opens the latest store again, after it was closed in order.
    fn reopen(&self, clock: Clock) -> BoxFuture<'_, Arc<dyn Store>>;
}

/// Makes [`MemoryStore`]s.
#[derive(Clone, Copy, Debug, Default)]
pub struct MemoryFactory;

impl Factory for MemoryFactory {
    fn open(&self, clock: Clock) -> BoxFuture<'_, Arc<dyn Store>> {
        Box::pin(async move { Arc::new(MemoryStore::new(clock, 0, Limits::default())) as Arc<dyn Store> })
    }
}
