//! Passes the ends of attempts to the store, many in one commit.
//!
//! Ends that arrive while one commit is under way form the next one; nobody waits for a timer, and no attempt waits for
//! its commit. An end is lost only with the process, and then its task runs again.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tracing::{error, info};

use super::outage::{Outage, no_answer};
use super::{STORE_DEADLINE, Worker};
use crate::error::{Error, Result};
use crate::state::State;
use crate::store::ending::Ending;
use crate::task::{Finish, Finished, Lease, Outcome};

/// How many ends may be on their way; while there are that many, no slot becomes free.
pub(crate) const BACKLOG_MAX: usize = 4_096;
/// How many ends one commit takes.
const COMMIT_MAX: usize = 1_024;

/// Commits ends until the last one was sent.
pub(crate) async fn finish(worker: Arc<Worker>, mut ends: mpsc::Receiver<Finish>) {
    let mut outage = Outage::new("store the ends of attempts");
    loop {
        let mut batch = Vec::new();
        tokio::select! {
            biased;
            received = ends.recv_many(&mut batch, COMMIT_MAX) => {
                if received == 0 {
                    return;
                }
            }
            // What is in the channel is still received; then it is empty and closed.
            () = worker.last_end_sent.cancelled(), if !ends.is_closed() => ends.close(),
        }
        if !batch.is_empty() {
            commit(&worker, batch, &mut outage).await;
        }
    }
}

/// Commits a batch, however long the store cannot be reached. When the store refuses it for good, each end is tried
/// alone, so that one bad end does not take the others with it.
async fn commit(worker: &Worker, batch: Vec<Finish>, outage: &mut Outage) {
    match commit_or_refuse(worker, &batch, outage).await {
        Ok(()) => {}
        Err(_) if batch.len() > 1 => {
            for finish in batch {
                if let Err(error) = commit_or_refuse(worker, std::slice::from_ref(&finish), outage).await {
                    give_up(worker, finish.lease, &error);
                }
            }
        }
        Err(error) => batch.iter().for_each(|finish| give_up(worker, finish.lease, &error)),
    }
}

/// # Errors
/// Only those that trying again cannot help.
async fn commit_or_refuse(worker: &Worker, batch: &[Finish], outage: &mut Outage) -> Result<()> {
    loop {
        let call = worker.store.finish(batch.to_vec());
        match timeout(STORE_DEADLINE, call).await.unwrap_or_else(|_| Err(no_answer(STORE_DEADLINE))) {
            Ok(answers) => {
                outage.over();
                settle(worker, batch, &answers);
                return Ok(());
            }
            Err(error) if error.is_temporary() => sleep(outage.failed(&error)).await,
            Err(error) => return Err(error),
        }
    }
}

fn settle(worker: &Worker, batch: &[Finish], answers: &[Finished]) {
    worker.leases.forget(batch.iter().map(|finish| finish.lease));
    let now = worker.store.clock().now();
    for (finish, answer) in batch.iter().zip(answers) {
        match answer {
            Finished::Now(state) => {
                let ending = Ending::reported(&finish.end, finish.lease.attempt, now);
                worker.measures.attempt_ended(ending.outcome);
                if *state == State::Retrying {
                    worker.measures.retried();
                }
            }
            Finished::LeaseLost | Finished::Unknown => {
                worker.measures.attempt_ended(Outcome::Lost);
                let Lease { task, attempt } = finish.lease;
                info!(%task, attempt, "the attempt no longer held its task; its end changes nothing");
            }
        }
    }
}

fn give_up(worker: &Worker, lease: Lease, error: &Error) {
    let Lease { task, attempt } = lease;
    error!(%task, attempt, %error, "cannot store the end of an attempt; it will run again when its lease is over");
    worker.leases.forget([lease]);
    worker.measures.attempt_ended(Outcome::Lost);
}
