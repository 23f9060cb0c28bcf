//! One leg: what its process is ordered to do, does, and answers.
//!
//! Each piece of [`Work`] is a file. All of them work on the system that a program would embed: a SQLite store that survives
//! a power cut, and, where handlers run, an engine with ten slots whose handlers do nothing.

mod bed;
mod claim;
mod crash;
mod drain;
mod enqueue;
mod start;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use self::bed::Bed;
use super::shape::Shape;
use crate::latency::Histogram;
use crate::server;

/// How many handlers run at once.
pub const CONCURRENCY: usize = 10;
/// How many tasks one claim takes where claims are made directly at the store.
pub const CLAIM_LIMIT: usize = 256;
/// How many tasks are enqueued before a process dies, and how many run at that moment.
pub const CRASH_ENQUEUES: u64 = 5_000;
pub(super) const CRASH_RUNNING: usize = 1_000;

/// What to do, with which tasks, on which store.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Order {
    /// What to do.
    pub work: Work,
    /// With which tasks.
    pub shape: Shape,
    /// The store's file; made where it is not there.
    pub store: PathBuf,
}

/// What to do.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    /// Callers enqueue for so long, each its next slice when the last one is acknowledged; nothing is run.
    Enqueue {
        /// How many.
        callers: usize,
        /// Tasks in a call.
        slice: usize,
        /// For how long.
        duration: Duration,
    },
    /// The same, one task a call, while an engine runs what is queued.
    Both {
        /// How many callers.
        callers: usize,
        /// For how long.
        duration: Duration,
    },
    /// Large slices are enqueued until so many tasks are unfinished.
    Fill {
        /// How many.
        unfinished: u64,
    },
    /// An engine runs so many of the tasks that are queued.
    Drain {
        /// How many.
        tasks: u64,
        /// But not for longer than this.
        within: Duration,
    },
    /// So many tasks are claimed and ended directly at the store, one claim after the other.
    Claim {
        /// How many.
        tasks: u64,
    },
    /// So many tasks are given to an idle engine, each when the last one has ended.
    Start {
        /// How many.
        tasks: u64,
    },
    /// The store is opened.
    Open,
    /// The process ends without closing the store, in the middle of running and enqueuing.
    Crash {
        /// After so many enqueued tasks.
        enqueues: u64,
    },
}

/// What came of it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// Tasks acknowledged while the clock ran.
    pub enqueued: u64,
    /// Tasks ended while the clock ran: their ends were committed.
    pub ended: u64,
    /// How long the clock ran.
    pub elapsed: Duration,
    /// Of what is told in [`What`](super::report::What): from a call to its answer, or from a call to the handler's begin.
    pub p50: Option<Duration>,
    /// The same, for 99 of 100.
    pub p99: Option<Duration>,
    /// CPU time of the whole process while the clock ran, callers and handlers included.
    pub cpu: Duration,
    /// Of the store's writer alone.
    pub writer_cpu: Duration,
    /// Bytes that it made the kernel send to the disk while the clock ran.
    pub written_bytes: u64,
    /// Resident memory when the clock stopped.
    pub rss_bytes: u64,
    /// The most that there was since the process began.
    pub rss_peak_bytes: u64,
    /// Unfinished tasks in the store when it was opened.
    pub unfinished_before: u64,
    /// And at the end.
    pub unfinished_after: u64,
    /// fdatasync of 16 KB appended: the shortest of the probes between the tasks, each a median. A disk that others keep
    /// busy for a while must not make the engine look quick.
    pub fdatasync: Option<Duration>,
}

impl Measured {
    fn with_times(self, times: &Histogram) -> Self {
        let percentile = |quantile| (times.total() > 0).then(|| times.percentile(quantile));
        Self { p50: percentile(0.5), p99: percentile(0.99), ..self }
    }
}

/// Carries out an order in this process, and prints what it measured as JSON.
///
/// # Errors
/// When the store cannot be opened or the engine fails.
pub fn carry_out(order: &str) -> Result<()> {
    let order: Order = serde_json::from_str(order).context("read the order")?;
    let measured = server::runtime()?.block_on(work(&order))?;
    answer(&measured)
}

async fn work(order: &Order) -> Result<Measured> {
    let bed = Bed::open(order).await?;
    let measured = match order.work {
        Work::Enqueue { callers, slice, duration } => enqueue::enqueue(&bed, callers, slice, duration).await?,
        Work::Both { callers, duration } => enqueue::while_draining(&bed, callers, duration).await?,
        Work::Fill { unfinished } => enqueue::fill(&bed, unfinished).await?,
        Work::Drain { tasks, within } => drain::drain(&bed, tasks, within).await?,
        Work::Claim { tasks } => claim::claim(&bed, tasks).await?,
        Work::Start { tasks } => start::start(&bed, tasks).await?,
        Work::Open => bed.opened()?,
        Work::Crash { enqueues } => crash::crash(&bed, enqueues).await?,
    };
    bed.close(measured).await
}

#[expect(clippy::print_stdout, reason = "the process that ordered it reads it there")]
fn answer(measured: &Measured) -> Result<()> {
    println!("{}", serde_json::to_string(measured).context("write what was measured as JSON")?);
    Ok(())
}
