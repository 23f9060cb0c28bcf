//! Draining: an engine whose handlers do nothing runs what is queued.

use std::time::Duration;

use anyhow::Result;
use becket_tasks::TaskError;
use becket_tasks::registry::Run;
use bytes::Bytes;

use super::Measured;
use super::bed::{Bed, Clock, ended, stop};

/// How often it is looked whether the engine is through: short against the whole, long against a task.
const LOOK: Duration = Duration::from_millis(1);

/// A handler that does nothing.
pub(super) async fn nothing(_: Run) -> Result<Option<Bytes>, TaskError> {
    Ok(None)
}

pub(super) async fn drain(bed: &Bed, tasks: u64, within: Duration) -> Result<Measured> {
    let clock = Clock::start()?;
    let engine = bed.engine(nothing).await?;
    while ended(&engine) < tasks && clock.elapsed() < within {
        tokio::time::sleep(LOOK).await;
    }
    let ended = ended(&engine);
    let measured = Measured { ended, ..clock.stop()? };
    stop(&engine).await?;
    Ok(measured)
}
