//! Steers the size of the pool: looks at each window, asks [`gradient`](super::gradient), resizes the slots.
//!
//! This is the edge: the time, the processor time and the slots are here, the decision is not. A pool whose size is fixed
//! has none of this and pays nothing for it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};
use tracing::debug;

use super::gradient::{Gradient, Took, Window};
use super::{Worker, cpu};

/// How long a window is.
pub(crate) const WINDOW: Duration = Duration::from_millis(250);

/// What is noted of the attempts of one window.
#[derive(Debug, Default)]
pub(crate) struct Load {
    /// Bounded: by the kinds that have a handler.
    took: Mutex<HashMap<Arc<str>, Took>>,
    ended: AtomicU64,
}

impl Load {
    /// An attempt ended; `telling` when how long it took says something of the load.
    pub(crate) fn record(&self, kind: &Arc<str>, took: Duration, telling: bool) {
        self.ended.fetch_add(1, Ordering::Relaxed);
        if telling {
            let mut all = self.took.lock().unwrap_or_else(PoisonError::into_inner);
            let sum = all.entry(Arc::clone(kind)).or_default();
            sum.attempts += 1;
            sum.seconds += took.as_secs_f64();
        }
    }

    /// What was noted since the last call, as a window.
    fn take(&self, taken_max: usize, cpu: Option<f64>) -> Window {
        let took = std::mem::take(&mut *self.took.lock().unwrap_or_else(PoisonError::into_inner));
        Window { took, ended: self.ended.swap(0, Ordering::Relaxed), taken_max, cpu }
    }
}

/// Steers the pool between `min` and `max` until the worker stops.
pub(crate) async fn steer(worker: Arc<Worker>, load: Arc<Load>, min: usize, max: usize) {
    let _ = worker.stopping.run_until_cancelled(steer_always(&worker, &load, min, max)).await;
}

async fn steer_always(worker: &Worker, load: &Load, min: usize, max: usize) {
    let processors = cpu::processors();
    let mut pool = Gradient::new(min, max, processors);
    let mut turns = interval(WINDOW);
    // A turn that comes late makes a longer window, not several empty ones.
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    turns.tick().await;
    let (mut since, mut used_before) = (Instant::now(), cpu::time_used());
    loop {
        turns.tick().await;
        let (now, used) = (Instant::now(), cpu::time_used());
        let share = used_before
            .zip(used)
            .map(|(before, used)| cpu::share(used.saturating_sub(before), now.duration_since(since), processors));
        (since, used_before) = (now, used);
        let before = worker.slots.size();
        let size = pool.next(&load.take(worker.slots.taken_max(), share));
        if size != before {
            worker.slots.resize(size);
            debug!(before, size, cpu = share, "resized the pool");
        }
    }
}
