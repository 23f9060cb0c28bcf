//! A process that dies in the middle of its work, as far as its files are concerned: it ends without closing the store
//! while tasks run and callers enqueue.

use anyhow::{Result, ensure};

use super::bed::{Bed, Clock};
use super::claim::claim_of;
use super::enqueue::{Callers, Until};
use super::{CRASH_RUNNING, Measured, answer};

const CALLERS: usize = 8;
const SLICE: usize = 10;

/// Answers what was acknowledged, and ends the process.
pub(super) async fn crash(bed: &Bed, enqueues: u64) -> Result<Measured> {
    let clock = Clock::start()?;
    let running = bed.store.claim(claim_of(CRASH_RUNNING)).await?;
    let (enqueued, _) = Callers::new(bed, SLICE, Until::Tasks(enqueues)).call(CALLERS).await?;
    ensure!(enqueued == enqueues, "{enqueued} of {enqueues} tasks were acknowledged");
    let measured = bed.counted(Measured { enqueued, ..clock.stop()? }).await?;
    // From here on nothing is acknowledged any more, and the end comes in the middle of it.
    let more = Callers::new(bed, SLICE, Until::Tasks(u64::MAX));
    tokio::spawn(async move { more.call(CALLERS).await });
    answer(&measured)?;
    drop(running);
    std::process::exit(0);
}
