//! Enqueuing by many callers, with and without an engine that drains meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use becket_tasks::Store;
use tokio::task::JoinSet;

use super::Measured;
use super::bed::{Bed, Clock, ended, stop};
use super::drain::nothing;
use crate::latency::Histogram;
use crate::tasks::shape::Tasks;

/// How a backlog is filled.
const FILL_SLICE: usize = 1_000;
const FILL_CALLERS: usize = 4;

pub(super) async fn enqueue(bed: &Bed, callers: usize, slice: usize, duration: Duration) -> Result<Measured> {
    let clock = Clock::start()?;
    let (enqueued, latencies) = Callers::new(bed, slice, Until::Time(duration)).call(callers).await?;
    Ok(Measured { enqueued, ..clock.stop()? }.with_times(&latencies))
}

pub(super) async fn while_draining(bed: &Bed, callers: usize, duration: Duration) -> Result<Measured> {
    let engine = bed.engine(nothing).await?;
    let clock = Clock::start()?;
    let (enqueued, latencies) = Callers::new(bed, 1, Until::Time(duration)).call(callers).await?;
    let ended = ended(&engine);
    let measured = Measured { enqueued, ended, ..clock.stop()? };
    stop(&engine).await?;
    Ok(measured.with_times(&latencies))
}

/// Fills the store until so many tasks are unfinished.
pub(super) async fn fill(bed: &Bed, unfinished: u64) -> Result<Measured> {
    let missing = unfinished.saturating_sub(bed.unfinished());
    let clock = Clock::start()?;
    let (enqueued, latencies) = Callers::new(bed, FILL_SLICE, Until::Tasks(missing)).call(FILL_CALLERS).await?;
    Ok(Measured { enqueued, ..clock.stop()? }.with_times(&latencies))
}

/// When callers stop.
#[derive(Clone, Copy)]
pub(super) enum Until {
    Time(Duration),
    Tasks(u64),
}

/// Callers who each enqueue their next slice when the last one is acknowledged.
#[derive(Clone)]
pub(super) struct Callers {
    store: Arc<dyn Store>,
    tasks: Tasks,
    slice: usize,
    until: Until,
    start: Instant,
    next: Arc<AtomicU64>,
}

impl Callers {
    pub(super) fn new(bed: &Bed, slice: usize, until: Until) -> Self {
        let (store, tasks) = (Arc::clone(&bed.store), bed.tasks.clone());
        Self { store, tasks, slice, until, start: Instant::now(), next: Arc::default() }
    }

    /// Lets so many call until all have stopped; answers how many tasks were acknowledged, and after what times.
    pub(super) async fn call(&self, callers: usize) -> Result<(u64, Histogram)> {
        let mut calling: JoinSet<_> = (0..callers).map(|_| self.clone().enqueue_always()).collect();
        let (mut enqueued, mut latencies) = (0, Histogram::default());
        while let Some(caller) = calling.join_next().await {
            let (of_one, times) = caller.context("a caller panicked")??;
            enqueued += of_one;
            latencies.merge(&times);
        }
        Ok((enqueued, latencies))
    }

    async fn enqueue_always(self) -> Result<(u64, Histogram)> {
        let (mut enqueued, mut latencies) = (0, Histogram::default());
        while let Some((first, tasks)) = self.next() {
            let submissions = self.tasks.slice(first, tasks);
            let start = Instant::now();
            enqueued += self.store.insert(submissions).await.context("enqueue")?.len() as u64;
            latencies.record(start.elapsed());
        }
        Ok((enqueued, latencies))
    }

    /// The number of the next task, and how many to enqueue from it on.
    fn next(&self) -> Option<(u64, usize)> {
        let first = self.next.fetch_add(self.slice as u64, Ordering::Relaxed);
        match self.until {
            Until::Time(duration) => (self.start.elapsed() < duration).then_some((first, self.slice)),
            Until::Tasks(all) => {
                let left = usize::try_from(all.saturating_sub(first)).unwrap_or(usize::MAX);
                (left > 0).then_some((first, left.min(self.slice)))
            }
        }
    }
}
