//! Claims and ends made directly at the store, one call after the other: what the store itself costs.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use becket_tasks::WorkerId;
use becket_tasks::store::Claim;
use becket_tasks::task::{Claimed, End, Finish, Finished, Lease};

use super::bed::{Bed, Clock};
use super::{CLAIM_LIMIT, Measured};
use crate::tasks::shape::KIND;

const LEASE: Duration = Duration::from_secs(60);

pub(super) async fn claim(bed: &Bed, tasks: u64) -> Result<Measured> {
    let rules = bed.tasks.rules();
    let clock = Clock::start()?;
    let mut ended = 0;
    while ended < tasks {
        let claimed = bed.store.claim(Claim { rules: Arc::clone(&rules), ..claim_of(CLAIM_LIMIT) }).await?;
        ensure!(!claimed.is_empty(), "the store has no more tasks after {ended} of {tasks}");
        let answers = bed.store.finish(claimed.iter().map(completed).collect()).await?;
        ensure!(answers.iter().all(|answer| matches!(answer, Finished::Now(_))), "an end was refused");
        ended += answers.len() as u64;
    }
    Ok(Measured { ended, ..clock.stop()? })
}

/// A claim of at most so many tasks, which does not wait.
pub(super) fn claim_of(limit: usize) -> Claim {
    let kinds: [Arc<str>; 1] = [KIND.into()];
    Claim {
        worker: WorkerId::new("bench"),
        kinds: kinds.into(),
        limit,
        lease: LEASE,
        wait: Duration::ZERO,
        rules: Arc::default(),
    }
}

fn completed(task: &Claimed) -> Finish {
    let lease = Lease { task: task.id, attempt: task.attempt };
    Finish { lease, end: End::Completed { result: None, result_ttl: Duration::ZERO } }
}
