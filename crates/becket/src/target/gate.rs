//! What a target lets in: so many attempts at once, so many in a time, and none for a while after failures in a row.
//!
//! It counts over all routes, schedules and tasks that use the target, in this process; the engine's own limits are for
//! one kind of task each. An attempt that is not let in does not wait here, where it would hold a worker that others
//! need: after a moment it is parked, which does not count as an attempt, and comes back when its turn may be. `turns`
//! spreads those that come back, `breaker` is when nobody is let in. Both are pure; time is read here.

mod breaker;
mod turns;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use becket_tasks::store::rate::Starts;
use becket_tasks::{TaskError, Timestamp};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};

pub use self::breaker::BreakerState;

use self::breaker::{Breaker, Entry};
use self::turns::Turns;
use crate::config::targets::Limits;

/// How long an attempt may wait for a place and hold its worker meanwhile: quick targets need no turns.
const WAIT: Duration = Duration::from_millis(50);
/// How far apart those come back that found the target left alone.
const SPREAD: Duration = Duration::from_millis(50);

/// What a target lets in. Cloning gives a handle to the same gate.
#[derive(Clone, Debug)]
pub(super) struct Gate(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    limits: Limits,
    places: Option<Arc<Semaphore>>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    running: u32,
    starts: Starts,
    turns: Turns,
    breaker: Option<Breaker>,
}

/// How a target is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Condition {
    /// How many attempts run now.
    pub running: u32,
    /// Whether it lets attempts in; `None` without a breaker.
    pub breaker: Option<BreakerState>,
    /// How many failures in a row there were.
    pub failures: u32,
}

/// An attempt that was let in. Dropping it means that nobody knows how it ended.
#[derive(Debug)]
pub(super) struct Pass {
    gate: Gate,
    _place: Option<OwnedSemaphorePermit>,
    began: Instant,
    is_trial: bool,
    /// When an attempt that is dropped has used up its time.
    deadline: Option<Instant>,
    is_told: bool,
}

impl Gate {
    pub(super) fn new(limits: Limits) -> Self {
        let places = limits.concurrency.map(|places| Arc::new(Semaphore::new(usize::try_from(places).unwrap_or(1))));
        let state = State {
            running: 0,
            starts: Starts::default(),
            turns: Turns::default(),
            breaker: limits.breaker.map(Breaker::new),
        };
        Self(Arc::new(Inner { limits, places, state: Mutex::new(state) }))
    }

    pub(super) fn limits(&self) -> Limits {
        self.0.limits
    }

    /// Lets an attempt in.
    ///
    /// # Errors
    /// Parks it until its turn may be.
    pub(super) async fn enter(&self, deadline: Option<Instant>) -> Result<Pass, TaskError> {
        let place = match &self.0.places {
            None => None,
            Some(places) => match timeout(WAIT, Arc::clone(places).acquire_owned()).await {
                // It is never closed.
                Ok(permit) => permit.ok(),
                Err(_) => return Err(self.no_place()),
            },
        };
        let mut state = self.lock();
        let now = now();
        // Asked first: it does not change anything.
        if let Some(rate) = self.0.limits.rate {
            let allowed_at = state.starts.allowed_at(rate, now);
            if allowed_at > now {
                let apart = rate.period / rate.starts.max(1);
                let turn = state.turns.next(now, allowed_at, apart);
                return Err(parked("the target's rate is used up", turn));
            }
        }
        let is_trial = match state.breaker.as_mut().map(|breaker| breaker.enter(now)) {
            None | Some(Entry::Closed) => false,
            Some(Entry::Trial) => true,
            Some(Entry::Refused(until)) => {
                let turn = state.turns.next(now, until, SPREAD);
                return Err(parked("the target has failed again and again, and is left alone for a while", turn));
            }
        };
        if let Some(rate) = self.0.limits.rate {
            state.starts.note(rate, now);
        }
        state.running += 1;
        let gate = self.clone();
        Ok(Pass { gate, _place: place, began: Instant::now(), is_trial, deadline, is_told: false })
    }

    fn no_place(&self) -> TaskError {
        let mut state = self.lock();
        let apart = state.turns.usual() / self.0.limits.concurrency.unwrap_or(1).max(1);
        let now = now();
        parked("as many attempts run as the target takes at once", state.turns.next(now, now, apart))
    }

    pub(super) fn condition(&self) -> Condition {
        let state = self.lock();
        let now = now();
        Condition {
            running: state.running,
            breaker: state.breaker.as_ref().map(|breaker| breaker.state(now)),
            failures: state.breaker.as_ref().map_or(0, Breaker::failures),
        }
    }

    /// Lets attempts in again at once.
    pub(super) fn reset(&self) {
        if let Some(breaker) = &mut self.lock().breaker {
            breaker.reset();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pass {
    /// The attempt has ended; whether the target was in order.
    pub(super) fn ended(mut self, is_well: bool) {
        self.is_told = true;
        self.tell(Some(is_well));
    }

    fn tell(&self, is_well: Option<bool>) {
        let mut state = self.gate.lock();
        state.running = state.running.saturating_sub(1);
        state.turns.took(self.began.elapsed());
        if let Some(breaker) = &mut state.breaker {
            breaker.ended(is_well, self.is_trial, now());
        }
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        if !self.is_told {
            // Out of time is a failure; cancelled or given back at a shutdown says nothing.
            let is_late = self.deadline.is_some_and(|deadline| Instant::now() >= deadline);
            self.tell(is_late.then_some(false));
        }
    }
}

fn parked(why: &str, turn: Duration) -> TaskError {
    TaskError::park_for(why, turn)
}

fn now() -> Timestamp {
    SystemTime::now().into()
}

#[cfg(test)]
mod tests {
    use becket_tasks::retry::Follow;
    use becket_tasks::{Due, Rate};

    use super::*;

    fn park(result: Result<Pass, TaskError>) -> Duration {
        let error = result.unwrap_err();
        let Follow::Park(Due::After(delay)) = error.follow() else { panic!("{error:?}") };
        delay
    }

    fn limits() -> Limits {
        Limits::default()
    }

    #[tokio::test]
    async fn attempt_that_finds_no_place_is_parked_and_the_place_is_free_again_afterwards() {
        let gate = Gate::new(Limits { concurrency: Some(2), ..limits() });
        let (one, other) = (gate.enter(None).await.unwrap(), gate.enter(None).await.unwrap());
        assert_eq!(gate.condition().running, 2);
        assert!(park(gate.enter(None).await) > Duration::ZERO);
        one.ended(true);
        let third = gate.enter(None).await.unwrap();
        drop((other, third));
        assert_eq!(gate.condition().running, 0);
    }

    #[tokio::test]
    async fn rate_is_exact_and_those_beyond_it_come_back_one_after_the_other() {
        let rate = Rate { starts: 2, period: Duration::from_secs(60) };
        let gate = Gate::new(Limits { rate: Some(rate), ..limits() });
        for _ in 0..2 {
            gate.enter(None).await.unwrap().ended(true);
        }
        let (first, second) = (park(gate.enter(None).await), park(gate.enter(None).await));
        assert!(first > Duration::from_secs(58), "{first:?}");
        assert!(second >= first + Duration::from_secs(29), "{first:?} {second:?}");
    }

    #[tokio::test]
    async fn breaker_parks_after_failures_in_a_row_until_it_is_reset() {
        let breaker = crate::config::targets::Breaker::new(2, Duration::from_secs(600));
        let gate = Gate::new(Limits { breaker: Some(breaker), ..limits() });
        for well in [false, true, false, false] {
            gate.enter(None).await.unwrap().ended(well);
        }
        assert!(park(gate.enter(None).await) > Duration::from_secs(590));
        assert!(matches!(gate.condition().breaker, Some(BreakerState::Open { .. })));
        gate.reset();
        gate.enter(None).await.unwrap().ended(true);
        assert_eq!(gate.condition().breaker, Some(BreakerState::Closed));
    }

    #[tokio::test]
    async fn attempt_that_was_dropped_counts_as_a_failure_only_when_its_time_was_up() {
        let breaker = crate::config::targets::Breaker::new(1, Duration::from_secs(600));
        let gate = Gate::new(Limits { breaker: Some(breaker), ..limits() });
        drop(gate.enter(Some(Instant::now() + Duration::from_secs(60))).await.unwrap());
        assert_eq!(gate.condition().failures, 0);
        drop(gate.enter(Some(Instant::now())).await.unwrap());
        assert_eq!(gate.condition().failures, 1);
    }
}
