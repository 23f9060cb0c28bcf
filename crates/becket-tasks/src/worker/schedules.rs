//! Fires schedules: submits what is wanted by the clock.
//!
//! Every process that has a schedule fires it; the store accepts each tick once, since the key of a firing names its
//! tick. What is submitted first and noted as settled afterwards is, after a crash between the two, submitted again and
//! known as a duplicate. Which ticks to fire is decided by [`due`]; here is the loop that acts on it.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;
use tracing::{debug, info};

use super::Worker;
use super::maintenance::within_deadline;
use super::outage::Outage;
use crate::error::Result;
use crate::schedule::{Schedule, ScheduleState, due};
use crate::time::Timestamp;

/// The loop looks at least so often, in case that the clock was set or another process paused a schedule.
const RECHECK: Duration = Duration::from_secs(5);
/// So many ticks are submitted in one call when many are caught up with.
const BATCH: usize = 100;

/// Starts the loop, if there are schedules.
pub(crate) fn start(worker: &Arc<Worker>) {
    if worker.schedules.all().is_empty() {
        return;
    }
    let changed = Arc::downgrade(worker.schedules.changed());
    worker.store.clock().on_set(move || {
        changed.upgrade().is_some_and(|changed| {
            changed.notify_waiters();
            true
        })
    });
    let worker = Arc::clone(worker);
    let started = worker.store.clock().now();
    worker.attempts.clone().spawn(async move {
        let _ = worker.stopping.run_until_cancelled(fire_always(&worker, started)).await;
    });
}

async fn fire_always(worker: &Worker, mut looked: Timestamp) {
    let mut outage = Outage::new("fire schedules");
    loop {
        // Interest is registered before the look: what changes between the two wakes us, too.
        let mut changed = std::pin::pin!(worker.schedules.changed().notified());
        changed.as_mut().enable();

        let now = worker.store.clock().now();
        let pause = match look(worker, looked, now).await {
            Ok(()) => {
                outage.over();
                looked = now;
                until_next(worker, now)
            }
            Err(error) => outage.failed(&error),
        };
        tokio::select! {
            () = changed => {}
            () = sleep(pause) => {}
        }
    }
}

/// Fires whatever is due at `now`.
async fn look(worker: &Worker, looked: Timestamp, now: Timestamp) -> Result<()> {
    let states = within_deadline(worker.store.schedule_states()).await?;
    for schedule in worker.schedules.all() {
        let state = states.iter().find(|state| state.name == *schedule.name());
        match state.filter(|state| state.settled_until.is_some()) {
            Some(state) => fire(worker, schedule, state, looked, now).await?,
            // From here on it is known what was missed.
            None => settle(worker, schedule, now, None).await?,
        }
    }
    Ok(())
}

async fn fire(
    worker: &Worker,
    schedule: &Schedule,
    state: &ScheduleState,
    looked: Timestamp,
    now: Timestamp,
) -> Result<()> {
    let Some(policy) = worker.registry.policy(schedule.kind()) else { return Ok(()) };
    for ticks in due(schedule, state, looked, now).chunks(BATCH) {
        let firings = ticks.iter().map(|tick| schedule.firing(*tick, policy)).collect();
        let inserted = within_deadline(worker.store.insert(firings)).await?;
        for (tick, inserted) in ticks.iter().zip(inserted) {
            if inserted.duplicate {
                debug!(schedule = %schedule.name(), %tick, "another process fired it");
            } else {
                info!(schedule = %schedule.name(), %tick, submission = %inserted.submission, "fired");
            }
        }
        let last = ticks.last().copied();
        settle(worker, schedule, last.unwrap_or(now), last).await?;
    }
    Ok(())
}

async fn settle(worker: &Worker, schedule: &Schedule, until: Timestamp, fired: Option<Timestamp>) -> Result<()> {
    within_deadline(worker.store.advance_schedule(Arc::clone(schedule.name()), until, fired)).await
}

fn until_next(worker: &Worker, now: Timestamp) -> Duration {
    // A manual clock does not come nearer by waiting; it says so when it is set.
    if worker.store.clock().is_manual() {
        return RECHECK;
    }
    let next = worker.schedules.all().iter().filter_map(|schedule| schedule.next_after(now)).min();
    next.map_or(RECHECK, |next| next.since(now).min(RECHECK))
}
