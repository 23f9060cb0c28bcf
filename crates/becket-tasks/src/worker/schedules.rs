//! Fires schedules: submits what is wanted by the clock.
//!
//! Every process that has a schedule fires it; the store accepts each tick once, since the key of a firing names its
//! tick. What is submitted first and noted as settled afterwards is, after a crash between the two, submitted again and
//! known as a duplicate. Which ticks to fire is decided by [`due`]; here is the loop that acts on it.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;
use tracing::{debug, warn};

use super::Worker;
use super::maintenance::within_deadline;
use super::outage::Outage;
use crate::error::Result;
use crate::schedule::{Due, Schedule, due};
use crate::submission::Inserted;
use crate::time::Timestamp;

/// The loop looks at least so often, in case that the clock was set or another process paused a schedule.
const RECHECK: Duration = Duration::from_secs(5);
/// So many ticks are submitted in one call when many are caught up with.
const BATCH: usize = 100;

/// Starts the loop. Without schedules it only waits for some.
pub(crate) fn start(worker: &Arc<Worker>) {
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

/// One look at the clock.
#[derive(Clone, Copy)]
struct Look {
    /// When this process looked before; at its first look, its start.
    before: Timestamp,
    is_first: bool,
    now: Timestamp,
}

async fn fire_always(worker: &Worker, started: Timestamp) {
    let mut outage = Outage::new("fire schedules");
    let mut look = Look { before: started, is_first: true, now: started };
    loop {
        // Interest is registered before the look: what changes between the two wakes us, too.
        let mut changed = std::pin::pin!(worker.schedules.changed().notified());
        changed.as_mut().enable();

        look.now = worker.store.clock().now();
        if worker.schedules.all().is_empty() {
            changed.await;
            let now = worker.store.clock().now();
            look = Look { before: now, is_first: true, now };
            continue;
        }
        let pause = match fire_due(worker, look).await {
            Ok(()) => {
                outage.over();
                worker.schedules.has_settled(look.now);
                look = Look { before: look.now, is_first: false, now: look.now };
                until_next(worker, look.now)
            }
            Err(error) => outage.failed(&error),
        };
        tokio::select! {
            () = changed => {}
            () = sleep(pause) => {}
        }
    }
}

/// Fires whatever is due.
async fn fire_due(worker: &Worker, look: Look) -> Result<()> {
    let states = within_deadline(worker.store.schedule_states()).await?;
    for schedule in worker.schedules.all().iter() {
        let state = states.iter().find(|state| state.name == *schedule.name());
        match state.filter(|state| state.settled_until.is_some()) {
            Some(state) => {
                let Due { fire, passed_by } = due(schedule, state, look.before, look.now);
                submit(worker, schedule, &fire).await?;
                // Said once: what was fired settles them, too, and at a later look they are known.
                if let Some(latest) = passed_by.filter(|_| look.is_first || !fire.is_empty()) {
                    warn!(schedule = %schedule.name(), %latest, "ticks were missed and pass by");
                }
            }
            // From here on it is known what was missed.
            None => settle(worker, schedule, look.now, None).await?,
        }
    }
    Ok(())
}

async fn submit(worker: &Worker, schedule: &Schedule, ticks: &[Timestamp]) -> Result<()> {
    let known = worker.known.load_full();
    let Some(policy) = known.registry.policy(schedule.kind()) else { return Ok(()) };
    for ticks in ticks.chunks(BATCH) {
        let firings = ticks.iter().map(|tick| schedule.firing(*tick, policy)).collect();
        let inserted = within_deadline(worker.client.submit_all(firings)).await?;
        for (tick, Inserted { submission, duplicate, .. }) in ticks.iter().zip(inserted) {
            debug!(schedule = %schedule.name(), %tick, %submission, duplicate, "fired");
        }
        if let Some(last) = ticks.last() {
            settle(worker, schedule, *last, Some(*last)).await?;
        }
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
