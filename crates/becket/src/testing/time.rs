//! Time in a test: it stands still until the test moves it.

use std::time::{Duration, Instant};

use becket_tasks::query::{Page, TaskFilter};
use becket_tasks::schedule::SOURCE;
use becket_tasks::{State, Store as _, Timestamp};

use super::TestApp;
use super::patience::within;
use super::tasks::at_once;

/// How often [`TestApp::drain_all`] moves the clock before it takes the work for endless.
const JUMPS_MAX: usize = 1_000;

impl TestApp {
    /// The time in the test. It begins with 2026-01-01T00:00:00Z.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.store.clock().now()
    }

    /// Runs all that is due, and what comes of it, until nothing is due and nothing runs. What is due is also what
    /// [schedules](crate::App::schedule) fire by now. Moves no clock: retries and sleeps whose time has not come stay.
    ///
    /// # Panics
    /// When that takes longer than the test's [patience](Self::with_patience), in real time; the message shows what runs.
    pub async fn drain(&self) {
        let (claim, engine) = (self.claim(), self.engine());
        let rest = async {
            engine.schedules().settled(self.now()).await;
            self.store.idle(&claim).await;
        };
        if within(self.patience, rest).await.is_none() {
            panic!("something still runs, or is due and does not run, after {:?}{}", self.patience, self.shown());
        }
    }

    /// Lets time pass: retries, delays, sleeps, parks, debounces and ticks of schedules come due. Runs nothing by itself;
    /// call [`drain`](Self::drain) after it.
    ///
    /// A schedule sees the clock move in one go: of several ticks in between it fires the latest, or all of them if it
    /// [catches up](crate::Cron::catch_up). To see each tick of one that does not, move the clock by one at a time.
    ///
    /// In a test with `start_paused = true` tokio's time passes with it, so that handlers' timeouts and
    /// `tokio::time::sleep` follow. In others those keep to real time.
    pub async fn advance(&self, duration: Duration) {
        self.store.clock().advance(duration);
        if is_tokio_paused() {
            tokio::time::advance(duration).await;
        }
    }

    /// Runs what is due, as [`drain`](Self::drain) does, then moves the time to when the next task is due, and answers how
    /// far that was; `None` if nothing waits for a time.
    ///
    /// # Panics
    /// As [`drain`](Self::drain).
    pub async fn advance_to_next(&self) -> Option<Duration> {
        self.drain().await;
        let distance = self.store.next_start(&self.claim())?.since(self.now());
        self.advance(distance).await;
        Some(distance)
    }

    /// Runs everything to its end: [`advance_to_next`](Self::advance_to_next) until nothing waits for a time any more.
    /// Answers how much time has passed.
    ///
    /// Schedules have no end, so they do not keep it going: it does not wait for ticks, and does not move the time for
    /// tasks that were fired by ticks on its way, which may still wait for their time afterwards. Those that are due on the
    /// way run.
    ///
    /// # Panics
    /// As [`drain`](Self::drain), and when there is still something to wait for after 1,000 turns.
    pub async fn drain_all(&self) -> Duration {
        self.drain().await;
        let begun = self.now();
        for _ in 0..JUMPS_MAX {
            if !self.has_work_since(begun) || self.advance_to_next().await.is_none() {
                return self.now().since(begun);
            }
            self.drain().await;
        }
        panic!("the work does not end: something waits for a time again after {JUMPS_MAX} turns{}", self.shown());
    }

    /// Whether there are tasks that have not ended, but for those that schedules have fired after `begun`.
    fn has_work_since(&self, begun: Timestamp) -> bool {
        let states = vec![State::Waiting, State::Queued, State::Running, State::Retrying];
        let filter = TaskFilter { states, ..TaskFilter::default() };
        let mut page = Page::first(Page::LIMIT_MAX);
        loop {
            let listed = at_once(self.store.tasks(filter.clone(), page));
            if listed.items.iter().any(|task| *task.source != *SOURCE || task.created_at <= begun) {
                return true;
            }
            page.after = listed.next;
            if page.after.is_none() {
                return false;
            }
        }
    }

    /// Waits until a handler of this kind runs: for tests of what happens meanwhile, such as a [crash](Self::crash).
    ///
    /// # Panics
    /// When that takes longer than the test's [patience](Self::with_patience), in real time.
    pub async fn until_running(&self, kind: &str) {
        if within(self.patience, self.flights.running(kind)).await.is_none() {
            panic!("no handler `{kind}` runs after {:?}{}", self.patience, self.shown());
        }
    }
}

/// Whether tokio's clock stands still while the machine's goes on. Tokio does not tell, and panics when it is told to move
/// a clock that is not paused.
fn is_tokio_paused() -> bool {
    let (tokio_before, before) = (tokio::time::Instant::now(), Instant::now());
    while Instant::now() <= before {
        std::hint::spin_loop();
    }
    tokio::time::Instant::now() == tokio_before
}
