//! Makes SQLite stores for the suites, in a folder that goes with the factory.
#![expect(clippy::expect_used, reason = "a test that cannot make its world fails")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use becket_tasks::store::Durability;
use becket_tasks::store::conformance::{Factory, Reopen};
use becket_tasks::store::sqlite::{SqliteOptions, SqliteStore};
use becket_tasks::{Clock, Store};
use futures_util::future::BoxFuture;
use tempfile::TempDir;

/// Makes one file after the other.
#[derive(Debug)]
pub(crate) struct SqliteFactory {
    folder: TempDir,
    latest: AtomicU32,
    durability: Durability,
}

impl SqliteFactory {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        Self { folder, latest: AtomicU32::new(0), durability: Durability::PowerLoss }
    }

    /// Waits for no disk: for what no power cut is part of.
    #[allow(dead_code, reason = "not every suite has thousands of stores")]
    pub(crate) fn quick() -> Self {
        Self { durability: Durability::ProcessCrash, ..Self::new() }
    }

    fn path(&self, number: u32) -> PathBuf {
        self.folder.path().join(format!("{number}.db"))
    }

    fn next(&self) -> u32 {
        self.latest.fetch_add(1, Ordering::SeqCst) + 1
    }
}

async fn open(path: &Path, clock: Clock, durability: Durability) -> Arc<dyn Store> {
    let store = SqliteStore::open(SqliteOptions { clock, durability, ..SqliteOptions::new(path) }).await;
    Arc::new(store.expect("the store opens"))
}

impl Factory for SqliteFactory {
    fn open(&self, clock: Clock) -> BoxFuture<'_, Arc<dyn Store>> {
        let path = self.path(self.next());
        Box::pin(async move { open(&path, clock, self.durability).await })
    }
}

impl Reopen for SqliteFactory {
    /// A copy of the files, made while the store is open, is what a killed process leaves behind.
    fn crash(&self, store: Arc<dyn Store>, clock: Clock) -> BoxFuture<'_, Arc<dyn Store>> {
        let killed = self.path(self.latest.load(Ordering::SeqCst));
        let left = self.path(self.next());
        Box::pin(async move {
            for suffix in ["", "-wal"] {
                let with_suffix = |path: &Path| PathBuf::from(format!("{}{suffix}", path.display()));
                std::fs::copy(with_suffix(&killed), with_suffix(&left)).expect("the files can be copied");
            }
            drop(store);
            open(&left, clock, self.durability).await
        })
    }

    fn reopen(&self, clock: Clock) -> BoxFuture<'_, Arc<dyn Store>> {
        let path = self.path(self.latest.load(Ordering::SeqCst));
        Box::pin(async move { open(&path, clock, self.durability).await })
    }
}
