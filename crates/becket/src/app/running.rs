//! A started application.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::Router;
use becket_tasks::query::Retention;
use becket_tasks::{Client, Engine, EngineOptions, ShutdownReport, Timestamp};
use http::Uri;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::plan::{self, Plan};
use super::reload::Reloader;
use super::serving::{Lasting, Serving};
use super::store::{Opened, StoreChoice};
use super::{App, StartError};
use crate::config::{Config, Loader};
use crate::http::problem::Problem;
use crate::http::reload::{Applied, Fault, Reload as _, Standing, Trigger};
use crate::http::secrets::SecretUses;
use crate::http::server::{self, Stop};

/// How long after the grace period the last answers may take to leave.
const FLUSH: Duration = Duration::from_secs(1);

/// A server that works. Dropping it leaves it working until the runtime ends.
pub struct Running {
    address: SocketAddr,
    mounted: Mounted,
    stop: Stop,
    server: JoinHandle<()>,
    /// Where it was said from what to reload.
    reloader: Option<Arc<Reloader>>,
}

/// An application without sockets of its own, mounted in an axum application. Dropping it leaves it working until the
/// runtime ends.
pub struct Mounted {
    engine: Engine,
    opened: Opened,
    grace: Duration,
    stopping: CancellationToken,
    secrets: Arc<SecretUses>,
}

pub(super) async fn mount(app: App) -> Result<(Router, Mounted), StartError> {
    let plan = plan::plan(app).map_err(StartError::Mistakes)?;
    launch(plan).await
}

pub(super) async fn start(mut app: App) -> Result<Running, StartError> {
    let loader = app.reload_from.take().map(Loader::keeping_file);
    let recipe = App { config: None, ..app.clone() };
    let plan = plan::plan(app).map_err(StartError::Mistakes)?;
    let server = &plan.config.server;
    let limits = server::Limits { max_connections: server.max_connections, header_timeout: server.header_timeout };
    let watched = server.watch_config && loader.is_some();
    let address = plan.listen;
    let cannot_listen = |source| StartError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(cannot_listen)?;
    let address = listener.local_addr().map_err(cannot_listen)?;

    let file = loader.as_ref().map(|loader| loader.path().display().to_string());
    let (lasting, serving) = begin(plan, |now| Standing::new(file, watched, now)).await?;
    let mounted = Mounted::of(&lasting, serving.config());
    // Mounted in another application, what is not found is for that to say.
    let finish = |router: Router| router.fallback(not_found);
    let (router, reloader) = match loader {
        Some(loader) => {
            let reloader = Reloader::start((recipe, loader), lasting, serving, finish);
            (Arc::clone(reloader.serving()), Some(reloader))
        }
        None => (Arc::new(ArcSwap::from_pointee(finish(lasting.router(serving, None)))), None),
    };
    if let Some(reloader) = reloader.as_ref().filter(|_| watched) {
        reloader.watch();
    }
    let stop = Stop { drain: mounted.stopping.clone(), abort: CancellationToken::new() };
    let serve = server::serve(listener, router, limits, stop.clone());
    let reloading = reloader.clone();
    let server = tokio::spawn(async move {
        serve.await;
        // Whoever dropped what was started can still ask for it over the API.
        drop(reloading);
    });
    let store = mounted.opened.store.description();
    tracing::info!(%address, store = store.kind, durability = store.durability.as_str(), "listening");
    Ok(Running { address, mounted, stop, server, reloader })
}

async fn not_found(uri: Uri) -> Problem {
    Problem::not_found("nothing is served at this path").at(uri.path())
}

/// Starts all but sockets, under a configuration that stays.
pub(super) async fn launch(plan: Plan) -> Result<(Router, Mounted), StartError> {
    let (lasting, serving) = begin(plan, |now| Standing::new(None, false, now)).await?;
    let mounted = Mounted::of(&lasting, serving.config());
    Ok((lasting.router(serving, None), mounted))
}

/// Opens the store and starts the engine.
async fn begin(mut plan: Plan, standing: impl FnOnce(Timestamp) -> Standing) -> Result<(Lasting, Serving), StartError> {
    let store = std::mem::replace(&mut plan.store, StoreChoice::Url(String::new()));
    let opened = store.open().await?;
    let (serving, registry) = Serving::of(plan);
    let options = engine_options(serving.config());
    let started = Engine::start(Arc::clone(&opened.store), registry, options).await;
    let engine = started.map_err(StartError::Engine)?;
    let standing = standing(opened.store.clock().now());
    let secrets = SecretUses::open(Arc::clone(&opened.store)).await;
    let lasting = Lasting::new(engine, opened, &serving, secrets, standing);
    tokio::spawn(Arc::clone(&lasting.secrets).keep(lasting.stopping.clone()));
    Ok((lasting, serving))
}

fn engine_options(config: &Config) -> EngineOptions {
    EngineOptions {
        concurrency: config.worker.concurrency,
        concurrency_max: config.worker.concurrency_max,
        prefetch: config.worker.prefetch,
        lease: config.worker.lease,
        weights: config.worker.weights.iter().map(|(tenant, weight)| (tenant.as_str().into(), *weight)).collect(),
        retention: Retention { age: config.retention.age, finished_max: config.retention.count },
        cancel_grace: cancel_grace(config),
        ..EngineOptions::default()
    }
}

/// Programs are given the time to end that the configuration says.
pub(super) fn cancel_grace(config: &Config) -> Duration {
    let usual = EngineOptions::default().cancel_grace;
    #[cfg(unix)]
    return crate::target::command::longest_grace(config.targets.values()).map_or(usual, |grace| grace.max(usual));
    #[cfg(not(unix))]
    return usual;
}

impl Mounted {
    fn of(lasting: &Lasting, config: &Config) -> Self {
        let Lasting { engine, opened, stopping, secrets, .. } = lasting.clone();
        Self { engine, opened, stopping, secrets, grace: config.server.shutdown_grace }
    }

    /// A client of the store, to enqueue and inspect tasks.
    #[must_use]
    pub fn client(&self) -> &Client {
        self.engine.client()
    }

    /// The engine that runs the tasks.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// How long running tasks may go on at the end.
    #[cfg(feature = "testing")]
    pub(crate) const fn grace(&self) -> Duration {
        self.grace
    }

    /// Lets running tasks end within `server.shutdown_grace`, gives the rest back, and closes the store if it was
    /// opened here.
    pub async fn shutdown(self) -> ShutdownReport {
        self.stopping.cancel();
        let report = self.engine.shutdown(self.grace).await;
        self.close().await;
        report
    }

    async fn close(&self) {
        self.secrets.end().await;
        if self.opened.owned
            && let Err(error) = self.opened.store.close().await
        {
            tracing::error!(error = &error as &dyn std::error::Error, "the store did not close well");
        }
    }
}

impl Running {
    /// The address that it listens on; with port 0 asked for, the port that it got.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// The URL of a path on this server, e.g. `/webhooks/github`.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// A client of the store, to enqueue and inspect tasks.
    #[must_use]
    pub fn client(&self) -> &Client {
        self.mounted.client()
    }

    /// The engine that runs the tasks.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        self.mounted.engine()
    }

    /// Reads the configuration again and brings it into force, wholly or not at all: sources with their secrets, routes,
    /// targets, schedules and the defaults of tasks. Open requests and running tasks end under the one before.
    ///
    /// # Errors
    /// All that is wrong with it, or that it was never said [from where](App::reload_from) to read it; then nothing has
    /// changed. Either way it is logged, and shown by `GET /api/v1/config`.
    pub async fn reload(&self, trigger: Trigger) -> Result<Applied, Vec<Fault>> {
        match &self.reloader {
            Some(reloader) => reloader.reload(trigger).await,
            None => Err(vec![Fault {
                origin: None,
                key: None,
                what: "the application does not know from where it was configured".to_owned(),
                mend: "say it with `.reload_from(…)`".to_owned(),
            }]),
        }
    }

    /// Stops: accepts nothing more, lets open requests and running tasks end within `server.shutdown_grace`, gives the
    /// rest back, and closes the store if it was opened here. Every delivery that was acknowledged is kept.
    pub async fn shutdown(self) -> ShutdownReport {
        let Self { mounted, stop, mut server, .. } = self;
        stop.drain.cancel();
        let draining = async {
            if tokio::time::timeout(mounted.grace + FLUSH, &mut server).await.is_err() {
                stop.abort.cancel();
                // A server that panicked has no connections left.
                let _ = server.await;
            }
        };
        let (report, ()) = tokio::join!(mounted.engine.shutdown(mounted.grace), draining);
        mounted.close().await;
        report
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").field("address", &self.address).finish_non_exhaustive()
    }
}

impl fmt::Debug for Mounted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mounted").field("engine", &self.engine).finish_non_exhaustive()
    }
}
