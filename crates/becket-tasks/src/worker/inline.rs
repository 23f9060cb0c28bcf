//! Tasks that begin in this process as they are submitted, beside the pool.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::Worker;
use super::attempt::begin;
use super::slots::Slot;
use crate::engine::Running;
use crate::error::{Error, Result};
use crate::registry::Entry;
use crate::submission::{Due, Inserted, NewTask, Start, Submission};

/// Commits `submission` and begins those of its tasks that are `chosen` and find a free slot.
///
/// Works in a task of its own: the caller may be dropped at any moment, as when a sender hangs up, and what was
/// committed as running must then run all the same.
pub(crate) async fn run(
    worker: &Arc<Worker>,
    submission: Submission,
    chosen: Vec<bool>,
) -> Result<(Inserted, Vec<Running>)> {
    let this = Arc::clone(worker);
    let committed = worker.attempts.spawn(async move { commit_and_begin(&this, submission, &chosen).await });
    committed.await.unwrap_or_else(|error| Err(stopped(error)))
}

fn stopped(error: tokio::task::JoinError) -> Error {
    Error::Unavailable("the worker stopped".to_owned(), Some(Box::new(error)))
}

async fn commit_and_begin(
    worker: &Arc<Worker>,
    mut submission: Submission,
    chosen: &[bool],
) -> Result<(Inserted, Vec<Running>)> {
    // Who is debounced waits for quiet, and does not begin here.
    worker.client.place(&mut submission);
    let mut slots = Vec::new();
    for (task, chosen) in submission.tasks.iter_mut().zip(chosen) {
        let slot = if *chosen { slot_for(worker, task) } else { None };
        let start = || Start { worker: worker.id.clone(), lease: worker.options.lease };
        task.start = slot.is_some().then(start);
        slots.extend(slot);
    }
    let mut inserted = worker.client.submit_placed(submission).await?;
    let started = worker.leases.hold(std::mem::take(&mut inserted.started));
    let running = started.into_iter().zip(slots).map(|(held, slot)| {
        let (tell, end) = oneshot::channel();
        let running = Running { id: held.task.id, kind: Arc::clone(&held.task.kind), end };
        begin(worker, held, slot, Some(tell));
        running
    });
    let running = running.collect();
    Ok((inserted, running))
}

fn slot_for(worker: &Worker, task: &NewTask) -> Option<Slot> {
    // A start skips limits, so what has some is left to a claim.
    let has_no_limits = |entry: &Entry| entry.policy.limits.is_none();
    let is_debounced = task.lane.as_ref().is_some_and(|lane| lane.debounce.is_some());
    let is_due = task.due == Due::Now && !is_debounced;
    let runs_here = is_due && worker.known.load().registry.entry(&task.kind).is_some_and(has_no_limits);
    if !runs_here || worker.stopping.is_cancelled() {
        return None;
    }
    worker.inline_slots.try_take()
}
