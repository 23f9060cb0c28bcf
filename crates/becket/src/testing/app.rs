//! An application under test.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use becket_tasks::store::Claim;
use becket_tasks::store::memory::{Limits, MemoryStore};
use becket_tasks::{Client, Clock, Engine, Store as _, Timestamp};
use becket_webhooks::{AzureAuth, Dialect, Source};
use secrecy::SecretString;
use tokio_util::sync::CancellationToken;

use super::flights::{Flights, Observed};
use super::patience::{PATIENCE, within};
use crate::app::{App, Mounted, StartError, in_process};

/// When a test begins: 2026-01-01T00:00:00Z, on every machine.
const BEGINNING: Timestamp = Timestamp::from_millis(1_767_225_600_000);

const BASIC_SECRET: &str = "becket:a password for tests";
const GITHUB_SECRET: &str = "a secret for tests";
/// The base64 of `a secret for tests of 32 bytes..`.
const STANDARD_SECRET: &str = "whsec_YSBzZWNyZXQgZm9yIHRlc3RzIG9mIDMyIGJ5dGVzLi4=";

/// An application that runs in the process of its test, with a store in memory and a clock that only the test moves.
///
/// See [the module](crate::testing) for what it does and an example. Its methods panic where a test should fail.
pub struct TestApp {
    app: App,
    pub(super) store: Arc<MemoryStore>,
    pub(super) flights: Arc<Flights>,
    live: Mutex<Live>,
    deliveries: AtomicU64,
    pub(super) patience: Duration,
}

/// The process that runs it now; another one after a crash.
struct Live {
    router: Router,
    mounted: Mounted,
    sources: Vec<Source>,
    claim: Claim,
    crash: CancellationToken,
}

impl TestApp {
    /// Starts an application. Its store is one in memory, whatever it says itself, and its sources get secrets that the
    /// test signs with; if it has none, it gets `github`.
    ///
    /// # Panics
    /// When the application does not start: the message lists what is wrong with it.
    pub async fn start(app: App) -> Self {
        Self::try_start(app).await.unwrap_or_else(|error| panic!("{error}"))
    }

    /// As [`start`](Self::start), for tests of what is wrong with an application.
    ///
    /// # Errors
    /// As [`App::start`].
    pub async fn try_start(app: App) -> Result<Self, StartError> {
        let store = Arc::new(MemoryStore::new(Clock::manual(BEGINNING), 0, Limits::default()));
        let flights = Arc::<Flights>::default();
        let live = Mutex::new(launch(&app, &store, &flights).await?);
        Ok(Self { app, store, flights, live, deliveries: AtomicU64::new(0), patience: PATIENCE })
    }

    /// How long the test waits for what should happen at once before it fails, in real time. Default: 10 s.
    #[must_use]
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// A client of the application's store: to enqueue, cancel and requeue tasks.
    #[must_use]
    pub fn client(&self) -> Client {
        self.engine().client().clone()
    }

    /// What a process that dies does: running handlers are dropped where they stand and report nothing, and another
    /// process starts on what the store has kept. Their attempts count as lost, and the tasks run again.
    ///
    /// Two things are not as in a real crash: the destructors of what the handlers held run, and what they have spawned
    /// goes on. A handler that blocks its thread is waited for.
    ///
    /// # Panics
    /// When a handler does not stop within the test's [patience](Self::with_patience).
    pub async fn crash(&self) {
        let (crash, engine) = {
            let live = self.live();
            (live.crash.clone(), live.mounted.engine().clone())
        };
        crash.cancel();
        if within(self.patience, self.flights.none()).await.is_none() {
            panic!("a handler blocks its thread and cannot be dropped{}", self.shown());
        }
        // At its first step the engine stops to claim. It must not come to giving attempts back, on another thread, before
        // they are lost: what they say later the store does not believe any more.
        {
            let mut stopping = std::pin::pin!(engine.shutdown(Duration::MAX));
            let _ = futures_util::poll!(&mut stopping);
        }
        self.store.crash();
        engine.shutdown(Duration::ZERO).await;
        match launch(&self.app, &self.store, &self.flights).await {
            Ok(live) => *self.live() = live,
            Err(error) => panic!("the application does not start again: {error}"),
        }
    }

    /// What a deployment does: running handlers get the grace period of the configuration to end, the rest is given back,
    /// and another process starts on the same store.
    pub async fn restart(&self) {
        let (engine, grace) = {
            let live = self.live();
            (live.mounted.engine().clone(), live.mounted.grace())
        };
        engine.shutdown(grace).await;
        match launch(&self.app, &self.store, &self.flights).await {
            Ok(live) => *self.live() = live,
            Err(error) => panic!("the application does not start again: {error}"),
        }
    }

    pub(super) fn router(&self) -> Router {
        self.live().router.clone()
    }

    pub(super) fn sources(&self) -> Vec<Source> {
        self.live().sources.clone()
    }

    pub(super) fn claim(&self) -> Claim {
        self.live().claim.clone()
    }

    /// Counts the deliveries of the test, from 1.
    pub(super) fn next_delivery(&self) -> u64 {
        self.deliveries.fetch_add(1, Ordering::Relaxed) + 1
    }

    pub(super) fn engine(&self) -> Engine {
        self.live().mounted.engine().clone()
    }

    fn live(&self) -> MutexGuard<'_, Live> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn launch(app: &App, store: &Arc<MemoryStore>, flights: &Arc<Flights>) -> Result<Live, StartError> {
    let crash = CancellationToken::new();
    let around = Observed { flights, crash: &crash };
    let started = in_process::start(app.clone(), Arc::clone(store), secret, &around).await?;
    let in_process::InProcess { router, mounted, sources, claim } = started;
    // From here on it is known which ticks are missed, before the test can move the clock.
    mounted.engine().schedules().settled(store.clock().now()).await;
    Ok(Live { router, mounted, sources, claim, crash })
}

/// What a source of this kind is signed with.
pub(super) fn secret(dialect: &Dialect) -> SecretString {
    match dialect {
        Dialect::StandardWebhooks => STANDARD_SECRET.into(),
        Dialect::AzureDevops(AzureAuth::Basic) => BASIC_SECRET.into(),
        _ => GITHUB_SECRET.into(),
    }
}

impl Drop for TestApp {
    /// Ends the handlers that still run.
    fn drop(&mut self) {
        self.live().crash.cancel();
    }
}

impl fmt::Debug for TestApp {
    /// The time and all tasks; the same in each run of a test.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TestApp at {}{}", self.now(), self.shown())
    }
}
