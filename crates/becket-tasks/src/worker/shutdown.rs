//! The end of a worker: nothing is lost, and no interrupted attempt counts.
//!
//! Every step may be repeated, so a caller that was dropped half-way leaves nothing undone for the next.

use std::time::Duration;

use tokio::time::timeout;
use tracing::{info, warn};

use super::Worker;
use super::lease::StopReason;
use crate::engine::ShutdownReport;
use crate::task::Outcome;

/// How much later than its grace a cancelled attempt may be dropped on a busy machine.
const SLACK: Duration = Duration::from_millis(250);
/// How long the last commit may take.
const LAST_COMMIT: Duration = Duration::from_secs(5);

/// Stops `worker`; see [`Engine::shutdown`](crate::engine::Engine::shutdown).
pub(crate) async fn shut_down(worker: &Worker, grace: Duration) -> ShutdownReport {
    *worker.report.get_or_init(|| stop(worker, grace)).await
}

async fn stop(worker: &Worker, grace: Duration) -> ShutdownReport {
    let completed_before = worker.measures.ended_by_themselves();
    let released_before = worker.measures.attempts(Outcome::Released);
    // The dispatcher gives back what has not begun.
    worker.stopping.cancel();
    worker.attempts.close();
    if timeout(grace, worker.attempts.wait()).await.is_err() {
        worker.leases.stop_all(StopReason::Shutdown);
        let _ = timeout(worker.cancel_grace() + SLACK, worker.attempts.wait()).await;
    }
    worker.last_end_sent.cancel();
    if timeout(LAST_COMMIT, worker.finisher.wait()).await.is_err() {
        warn!(attempts = worker.leases.len(), "the store does not take the last ends; their tasks will run again");
    }
    worker.renewal.cancel();
    let left = release_rest(worker).await;
    let report = ShutdownReport {
        completed: worker.measures.ended_by_themselves() - completed_before,
        released: worker.measures.attempts(Outcome::Released) - released_before + left,
    };
    info!(completed = report.completed, released = report.released, "stopped");
    report
}

/// Gives back what a claim brought too late, and what handlers hold that block their thread and cannot be dropped.
async fn release_rest(worker: &Worker) -> u64 {
    match timeout(LAST_COMMIT, worker.store.release(worker.id.clone())).await {
        Ok(Ok(released)) => released,
        Ok(Err(error)) => {
            warn!(%error, "cannot give tasks back; they run again when their leases are over");
            0
        }
        Err(_) => {
            warn!("cannot give tasks back in time; they run again when their leases are over");
            0
        }
    }
}
