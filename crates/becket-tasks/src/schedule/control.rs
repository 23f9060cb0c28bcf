//! What people ask of schedules: list, pause, resume, fire.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::{Notify, watch};

use super::{Missed, Schedule, ScheduleState};
use crate::client::Client;
use crate::error::{Error, Result};
use crate::submission::Inserted;
use crate::time::Timestamp;

/// A handle to the schedules of one engine. Cloning is cheap.
///
/// Pausing and resuming is kept in the store: it holds over a restart, and for every process that shares the store, the
/// others within five seconds.
#[derive(Clone)]
pub struct Schedules {
    client: Client,
    all: Arc<ArcSwap<Vec<Schedule>>>,
    /// Told when the loop should look again.
    changed: Arc<Notify>,
    /// Until when the loop has dealt with all ticks.
    settled: watch::Sender<Option<Timestamp>>,
}

/// A schedule, and how it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct ScheduleInfo {
    /// The schedule.
    pub schedule: Schedule,
    /// Its next tick; `None` while it is paused.
    pub next_at: Option<Timestamp>,
    /// The latest tick that was fired, on time or later. Firing by hand does not count.
    pub last_at: Option<Timestamp>,
    /// Whether it is paused.
    pub paused: bool,
}

impl Schedules {
    pub(crate) fn new(client: Client, all: Vec<Schedule>) -> Self {
        let all = Arc::new(ArcSwap::from_pointee(all));
        Self { client, all, changed: Arc::default(), settled: watch::Sender::new(None) }
    }

    pub(crate) fn all(&self) -> Arc<Vec<Schedule>> {
        self.all.load_full()
    }

    /// Lets other schedules fire from now on.
    pub(crate) fn replace(&self, all: Vec<Schedule>) {
        self.all.store(Arc::new(all));
        self.changed.notify_waiters();
    }

    pub(crate) const fn changed(&self) -> &Arc<Notify> {
        &self.changed
    }

    pub(crate) fn has_settled(&self, until: Timestamp) {
        self.settled.send_replace(Some(until));
    }

    /// Waits until the engine has dealt with all ticks up to this time of the store's clock: each is fired, or has passed
    /// by. For whoever moves a manual clock. Without schedules it does not wait; when the engine has stopped it waits for
    /// ever.
    pub async fn settled(&self, until: Timestamp) {
        if self.all().is_empty() {
            return;
        }
        // Fails when nobody can tell any more, and it is told by this very handle.
        let _ = self.settled.subscribe().wait_for(|settled| settled.is_some_and(|settled| settled >= until)).await;
    }

    /// All schedules, by name.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn list(&self) -> Result<Vec<ScheduleInfo>> {
        let (states, now) = (self.client.store().schedule_states().await?, self.now());
        Ok(self.all().iter().map(|schedule| info(schedule, &states, now)).collect())
    }

    /// One schedule; `None` when there is none of this name.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn get(&self, name: &str) -> Result<Option<ScheduleInfo>> {
        let Some(schedule) = self.named(name) else { return Ok(None) };
        let states = self.client.store().schedule_states().await?;
        Ok(Some(info(&schedule, &states, self.now())))
    }

    /// Lets a schedule fire nothing until it is resumed; what it has fired goes on. `None` when there is none of this name.
    ///
    /// # Errors
    /// As [`Store::pause_schedule`](crate::Store::pause_schedule); nothing was changed.
    pub async fn pause(&self, name: &str) -> Result<Option<ScheduleInfo>> {
        let Some(schedule) = self.named(name) else { return Ok(None) };
        self.client.store().pause_schedule(Arc::clone(&schedule.name), true).await?;
        self.get(name).await
    }

    /// Lets a schedule fire again. Ticks that passed meanwhile are fired only if it catches up. `None` when there is none
    /// of this name; resuming one that is not paused changes nothing.
    ///
    /// # Errors
    /// As [`Store::pause_schedule`](crate::Store::pause_schedule); it is still paused.
    pub async fn resume(&self, name: &str) -> Result<Option<ScheduleInfo>> {
        let Some(schedule) = self.named(name) else { return Ok(None) };
        let store = self.client.store();
        if self.get(name).await?.is_some_and(|info| info.paused) {
            if schedule.missed == Missed::Skip {
                // In the store, since another process may be the first to look.
                store.advance_schedule(Arc::clone(&schedule.name), self.now(), None).await?;
            }
            store.pause_schedule(Arc::clone(&schedule.name), false).await?;
            self.changed.notify_waiters();
        }
        self.get(name).await
    }

    /// Fires a schedule now, besides its ticks and also while it is paused: a task that is due at once, whose payload has
    /// the present time as its `tick`. `None` when there is none of this name. Each call fires.
    ///
    /// # Errors
    /// As [`Store::insert`](crate::Store::insert); nothing was fired.
    pub async fn fire(&self, name: &str) -> Result<Option<Inserted>> {
        let Some(schedule) = self.named(name) else { return Ok(None) };
        let policy = self.client.policy(&schedule.kind).ok_or_else(|| unknown_kind(&schedule))?;
        let submission = schedule.firing_by_hand(self.now(), fastrand::u32(..), &policy);
        self.client.submit(submission).await.map(Some)
    }

    fn named(&self, name: &str) -> Option<Schedule> {
        self.all().iter().find(|schedule| *schedule.name == *name).cloned()
    }

    fn now(&self) -> Timestamp {
        self.client.store().clock().now()
    }
}

fn info(schedule: &Schedule, states: &[ScheduleState], now: Timestamp) -> ScheduleInfo {
    let state = states.iter().find(|state| state.name == schedule.name);
    let paused = state.is_some_and(|state| state.paused);
    ScheduleInfo {
        schedule: schedule.clone(),
        next_at: if paused { None } else { schedule.next_after(now) },
        last_at: state.and_then(|state| state.last_tick),
        paused,
    }
}

/// What to say of a schedule whose kind has no handler.
pub(crate) fn unknown_kind(schedule: &Schedule) -> Error {
    Error::Invalid(format!(
        "the schedule `{}` wants tasks of kind `{}`, for which no handler is registered; register one, or correct the kind",
        schedule.name, schedule.kind
    ))
}

impl fmt::Debug for Schedules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = self.all();
        f.debug_struct("Schedules")
            .field("names", &all.iter().map(Schedule::name).collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}
