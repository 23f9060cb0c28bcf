//! What must happen now and then: expired leases are reclaimed, old tasks pruned.
//!
//! Pruning goes in slices with pauses between, so that claims and ends pass by.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{sleep, timeout};
use tracing::{debug, info};

use super::outage::{Outage, no_answer};
use super::{STORE_DEADLINE, Worker};
use crate::error::Result;

/// The pause between two slices of pruning.
const SLICE_PAUSE: Duration = Duration::from_millis(20);

/// Maintains the store until the worker stops: at once, and then each [`EngineOptions::maintenance`].
///
/// [`EngineOptions::maintenance`]: crate::engine::EngineOptions::maintenance
pub(crate) async fn maintain(worker: Arc<Worker>) {
    let _ = worker.stopping.run_until_cancelled(maintain_always(&worker)).await;
}

async fn maintain_always(worker: &Worker) {
    let mut outage = Outage::new("maintain the store");
    loop {
        match maintain_once(worker).await {
            Ok(()) => outage.over(),
            Err(error) => {
                // The next turn is soon enough.
                let _pause = outage.failed(&error);
            }
        }
        // A quarter more or less, so that many processes do not come together.
        sleep(worker.options.maintenance.mul_f64(0.75 + fastrand::f64() / 2.0)).await;
    }
}

async fn maintain_once(worker: &Worker) -> Result<()> {
    let reclaimed = within_deadline(worker.store.reclaim_expired()).await?;
    if reclaimed > 0 {
        info!(reclaimed, "took back tasks whose worker went silent");
    }
    loop {
        let pruned = within_deadline(worker.store.prune(worker.options.retention)).await?;
        if pruned.tasks + pruned.submissions + pruned.results > 0 {
            debug!(tasks = pruned.tasks, submissions = pruned.submissions, results = pruned.results, "pruned");
        }
        if !pruned.more {
            return Ok(());
        }
        sleep(SLICE_PAUSE).await;
    }
}

pub(super) async fn within_deadline<T>(call: impl Future<Output = Result<T>>) -> Result<T> {
    timeout(STORE_DEADLINE, call).await.unwrap_or_else(|_| Err(no_answer(STORE_DEADLINE)))
}
