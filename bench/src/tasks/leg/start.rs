//! How soon a task starts on an idle engine: from the call that enqueues it to the first line of its handler.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use becket_tasks::registry::Run;
use tokio::sync::mpsc;

use super::Measured;
use super::bed::{Bed, Clock, ended, stop};
use crate::disk::Probe;
use crate::latency::Histogram;

/// How long the engine has been idle when the next task comes.
const IDLE: Duration = Duration::from_millis(1);
/// The disk is probed so often between the tasks.
const PROBES: u64 = 10;

pub(super) async fn start(bed: &Bed, tasks: u64) -> Result<Measured> {
    let (tell, mut started) = mpsc::unbounded_channel();
    let handler = move |_: Run| {
        // Nobody listens any more when the leg has failed.
        let _ = tell.send(Instant::now());
        std::future::ready(Ok(None))
    };
    let engine = bed.engine(handler).await?;
    let clock = Clock::start()?;
    let (mut latencies, mut probes) = (Histogram::default(), Vec::new());
    for number in 0..tasks {
        if number % tasks.div_ceil(PROBES) == 0 {
            probes.push(Probe::measure(&bed.folder)?);
        }
        let submission = bed.tasks.submission(number);
        tokio::time::sleep(IDLE).await;
        let start = Instant::now();
        bed.store.insert(vec![submission]).await.context("enqueue")?;
        let begin = started.recv().await.context("the engine stopped")?;
        latencies.record(begin.saturating_duration_since(start));
        while ended(&engine) <= number {
            tokio::time::sleep(IDLE).await;
        }
    }
    let measured = Measured {
        enqueued: tasks,
        ended: tasks,
        fdatasync: probes.iter().map(|probe| probe.appended).min(),
        ..clock.stop()?
    };
    stop(&engine).await?;
    Ok(measured.with_times(&latencies))
}
