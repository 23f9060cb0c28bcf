//! Claims tasks and begins them as slots become free.
//!
//! One loop a process. It asks for as many tasks as there are free slots, and some ahead when handlers are quick
//! ([`pace`](super::pace)); the store answers as soon as one is due, so nothing is polled. Claiming and beginning go on
//! side by side.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, OptionFuture};
use tokio::time::{sleep, timeout};

use super::attempt::{begin, begin_batch};
use super::lease::Held;
use super::outage::{Outage, no_answer};
use super::slots::Slot;
use super::{STORE_DEADLINE, Worker};
use crate::error::{Error, Result};
use crate::store::Claim;
use crate::task::{Claimed, End, Finish};

/// How long one claim waits for something to become due before it is asked anew.
const CLAIM_WAIT: Duration = Duration::from_secs(30);

/// Claims and begins tasks until the worker stops; then gives back what has not begun.
pub(crate) async fn dispatch(worker: Arc<Worker>) {
    let mut ready = VecDeque::new();
    if worker.options.concurrency > 0 {
        claim_and_begin(&worker, &mut ready).await;
    }
    for held in ready {
        give_back(&worker, &held).await;
    }
    worker.measures.set_ready(0);
}

async fn give_back(worker: &Worker, held: &Held) {
    let finish = Finish { lease: held.lease(), end: End::Release };
    // The finisher outlives the dispatcher.
    let _ = worker.ends.send(finish).await;
}

async fn claim_and_begin(worker: &Arc<Worker>, ready: &mut VecDeque<Held>) {
    let mut outage = Outage::new("claim tasks");
    let mut claiming: OptionFuture<BoxFuture<'_, Result<Vec<Claimed>>>> = None.into();
    let mut is_claiming = false;
    let (mut limit, mut size) = (0, 0);
    loop {
        begin_ready(worker, ready);
        let knows_none = worker.known.load().kinds.is_empty();
        if let Some(room) = room(worker, ready.len()).filter(|_| !is_claiming && !knows_none) {
            (limit, size) = (room, worker.slots.size());
            claiming = Some(claim(worker, limit, Duration::ZERO)).into();
            is_claiming = true;
        }
        tokio::select! {
            biased;
            () = worker.stopping.cancelled() => return,
            () = worker.replaced.notified() => {
                // What is claimed meanwhile would be by the old kinds and rules. A store takes back what a claim that is
                // dropped was about to bring.
                claiming = None.into();
                is_claiming = false;
                give_back_unknown(worker, ready).await;
            }
            Some(claimed) = &mut claiming, if is_claiming => match claimed {
                Ok(claimed) => {
                    is_claiming = false;
                    outage.over();
                    ready.extend(worker.leases.hold(claimed));
                    give_back_excess(worker, ready, size).await;
                }
                Err(Error::Closed) => {
                    outage.failed(&Error::Closed);
                    claiming = Some(never()).into();
                }
                Err(error) => {
                    let pause = outage.failed(&error);
                    claiming = Some(claim(worker, limit, pause)).into();
                }
            },
            Some(slot) = worker.slots.take(), if !ready.is_empty() || !(is_claiming || knows_none) => {
                begin_next(worker, ready, slot);
            }
        }
    }
}

/// Gives back what was claimed for slots that the pool has lost since: the claim was made when it had `size`. Without
/// this, a burst that ends a quiet hour would wait here, out of reach of others, for a pool that has shrunk meanwhile.
async fn give_back_excess(worker: &Arc<Worker>, ready: &mut VecDeque<Held>, size: usize) {
    let lost = size.saturating_sub(worker.slots.size());
    let waiting = ready.len().saturating_sub(worker.slots.free());
    // The last are the least urgent.
    for held in ready.drain(ready.len() - lost.min(waiting)..).collect::<Vec<_>>() {
        give_back(worker, &held).await;
    }
}

/// Gives back what was claimed of kinds that have no handler any more.
async fn give_back_unknown(worker: &Arc<Worker>, ready: &mut VecDeque<Held>) {
    let known = worker.known.load_full();
    let is_known = |held: &Held| known.registry.entry(&held.task.kind).is_some();
    let (kept, unknown) = std::mem::take(ready).into_iter().partition::<VecDeque<_>, _>(is_known);
    *ready = kept;
    for held in unknown {
        give_back(worker, &held).await;
    }
}

/// Begins as many as there are free slots.
fn begin_ready(worker: &Arc<Worker>, ready: &mut VecDeque<Held>) {
    while !ready.is_empty() {
        let Some(slot) = worker.slots.try_take() else { break };
        begin_next(worker, ready, slot);
    }
    worker.measures.set_ready(ready.len());
}

/// Begins the next task, with those that it may share a call of its handler with.
fn begin_next(worker: &Arc<Worker>, ready: &mut VecDeque<Held>, slot: Slot) {
    let Some(first) = ready.pop_front() else { return };
    let known = worker.known.load();
    let batch = known.registry.entry(&first.task.kind).and_then(|entry| entry.batch.as_ref());
    let Some((max, handler)) = batch.filter(|_| !ready.is_empty()) else { return begin(worker, first, slot, None) };
    let kind = Arc::clone(&first.task.kind);
    let mut batch = vec![first];
    // The claim brought those of a batch one after the other.
    while batch.len() < *max as usize
        && let Some(next) = ready.pop_front_if(|next| next.task.kind == kind)
    {
        batch.push(next);
    }
    begin_batch(worker, batch, slot, handler);
}

/// How many tasks to ask for; `None` while it is better to wait. Half of what may be claimed ahead must have begun, so
/// that a busy worker asks for many at a time.
fn room(worker: &Worker, ready: usize) -> Option<usize> {
    let ahead = worker.pace.ahead(worker.slots.size(), worker.options.prefetch);
    let limit = (worker.slots.free() + ahead).saturating_sub(ready);
    (limit > 0 && ready <= ahead / 2).then_some(limit)
}

fn claim(worker: &Worker, limit: usize, pause: Duration) -> BoxFuture<'_, Result<Vec<Claimed>>> {
    let known = worker.known.load();
    let claim = Claim {
        worker: worker.id.clone(),
        kinds: Arc::clone(&known.kinds),
        limit,
        lease: worker.options.lease,
        wait: CLAIM_WAIT,
        rules: Arc::clone(&known.rules),
    };
    Box::pin(async move {
        sleep(pause).await;
        let deadline = CLAIM_WAIT + STORE_DEADLINE;
        timeout(deadline, worker.store.claim(claim)).await.unwrap_or_else(|_| Err(no_answer(deadline)))
    })
}

/// A closed store has nothing more to give; what runs may still end.
fn never<'a>() -> BoxFuture<'a, Result<Vec<Claimed>>> {
    Box::pin(std::future::pending())
}
