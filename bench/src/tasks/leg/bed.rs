//! The bed of every leg: an open store, and a clock that also reads CPU, memory and bytes written.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use becket_tasks::registry::Handler;
use becket_tasks::store::sqlite::{SqliteOptions, SqliteStore};
use becket_tasks::{Engine, EngineOptions, Outcome, Policy, Registry, Store};

use super::{CONCURRENCY, Measured, Order};
use crate::process::{self, Usage};
use crate::tasks::shape::{KIND, Tasks};

/// The thread whose CPU time is told apart.
const WRITER: &str = "becket-store";
const SHUTDOWN_GRACE: Duration = Duration::from_secs(10);

/// An open store and the tasks for it.
pub(super) struct Bed {
    pub(super) store: Arc<dyn Store>,
    pub(super) tasks: Tasks,
    /// The folder of the store.
    pub(super) folder: PathBuf,
    unfinished: u64,
    opening: Measured,
}

impl Bed {
    pub(super) async fn open(order: &Order) -> Result<Self> {
        let (tasks, path) = (Tasks::new(order.shape), &order.store);
        let clock = Clock::start()?;
        let store = SqliteStore::open(SqliteOptions::new(path)).await;
        let store = store.with_context(|| format!("open the store at {}", path.display()))?;
        let mut opening = clock.stop()?;
        opening.p50 = Some(opening.elapsed);
        let folder = path.parent().context("find the store's folder")?.to_owned();
        let unfinished = store.counts().await?.unfinished();
        Ok(Self { store: Arc::new(store), tasks, folder, unfinished, opening })
    }

    /// What it cost to open the store.
    pub(super) fn opened(&self) -> Result<Measured> {
        Ok(self.opening.clone())
    }

    /// How many tasks were unfinished when the store was opened.
    pub(super) const fn unfinished(&self) -> u64 {
        self.unfinished
    }

    /// An engine with ten slots, whose one handler this is.
    pub(super) async fn engine(&self, handler: impl Handler) -> Result<Engine> {
        let mut registry = Registry::new();
        let policy = Policy { limits: self.tasks.limits(), ..Policy::default() };
        registry.insert(KIND, policy, handler)?;
        let options = EngineOptions { concurrency: CONCURRENCY, ..EngineOptions::default() };
        Ok(Engine::start(Arc::clone(&self.store), registry, options).await?)
    }

    /// Adds what is left to `measured`, and closes the store.
    pub(super) async fn close(self, measured: Measured) -> Result<Measured> {
        let measured = self.counted(measured).await?;
        self.store.close().await.context("close the store")?;
        Ok(measured)
    }

    /// Adds to `measured` what was in the store at the beginning and is in it now.
    pub(super) async fn counted(&self, measured: Measured) -> Result<Measured> {
        let unfinished_after = self.store.counts().await?.unfinished();
        Ok(Measured { unfinished_before: self.unfinished, unfinished_after, ..measured })
    }
}

/// Stops the engine; every attempt must have ended well.
pub(super) async fn stop(engine: &Engine) -> Result<()> {
    engine.shutdown(SHUTDOWN_GRACE).await;
    let [failed, lost] = [Outcome::Failed, Outcome::Lost].map(|outcome| engine.measures().attempts(outcome));
    ensure!((failed, lost) == (0, 0), "{failed} attempts failed and {lost} were lost");
    Ok(())
}

/// How many tasks the engine has run; their ends are committed.
pub(super) fn ended(engine: &Engine) -> u64 {
    engine.measures().attempts(Outcome::Completed)
}

/// Measures time, CPU and bytes written from its start.
pub(super) struct Clock {
    start: Instant,
    usage: Usage,
    writer: Duration,
}

impl Clock {
    pub(super) fn start() -> Result<Self> {
        Ok(Self { usage: Usage::of_self()?, writer: process::thread_cpu(WRITER)?, start: Instant::now() })
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    pub(super) fn stop(self) -> Result<Measured> {
        let elapsed = self.start.elapsed();
        let (usage, writer) = (Usage::of_self()?, process::thread_cpu(WRITER)?);
        Ok(Measured {
            elapsed,
            cpu: usage.cpu.saturating_sub(self.usage.cpu),
            writer_cpu: writer.saturating_sub(self.writer),
            written_bytes: usage.written_bytes.saturating_sub(self.usage.written_bytes),
            rss_bytes: usage.rss_bytes,
            rss_peak_bytes: usage.rss_peak_bytes,
            ..Measured::default()
        })
    }
}
