//! A started application.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use becket_tasks::query::Retention;
use becket_tasks::{Client, Engine, EngineOptions, ShutdownReport};
use http::Uri;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::plan::{self, Plan};
use super::replay::Replayer;
use super::store::Opened;
use super::{App, StartError};
use crate::config::Config;
use crate::http::api::{self, ApiContext};
use crate::http::ingest::{self, BodyMemory, Ingest, Outage};
use crate::http::metrics::Metrics;
use crate::http::problem::Problem;
use crate::http::rejections::RejectionLog;
use crate::http::server::{self, Stop};

/// How long after the grace period the last answers may take to leave.
const FLUSH: Duration = Duration::from_secs(1);

/// A server that works. Dropping it leaves it working until the runtime ends.
pub struct Running {
    address: SocketAddr,
    mounted: Mounted,
    stop: Stop,
    server: JoinHandle<()>,
}

/// An application without sockets of its own, mounted in an axum application. Dropping it leaves it working until the
/// runtime ends.
pub struct Mounted {
    engine: Engine,
    opened: Opened,
    grace: Duration,
    stopping: CancellationToken,
}

pub(super) async fn mount(app: App) -> Result<(Router, Mounted), StartError> {
    let plan = plan::plan(app).map_err(StartError::Mistakes)?;
    launch(plan).await
}

pub(super) async fn start(app: App) -> Result<Running, StartError> {
    let plan = plan::plan(app).map_err(StartError::Mistakes)?;
    let server = &plan.config.server;
    let limits = server::Limits { max_connections: server.max_connections, header_timeout: server.header_timeout };
    let address = plan.listen;
    let cannot_listen = |source| StartError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(cannot_listen)?;
    let address = listener.local_addr().map_err(cannot_listen)?;

    let (router, mounted) = launch(plan).await?;
    // Mounted in another application, what is not found is for that to say.
    let router = router.fallback(not_found);
    let stop = Stop { drain: mounted.stopping.clone(), abort: CancellationToken::new() };
    let server = tokio::spawn(server::serve(listener, router, limits, stop.clone()));
    let store = mounted.opened.store.description();
    tracing::info!(%address, store = store.kind, durability = store.durability.as_str(), "listening");
    Ok(Running { address, mounted, stop, server })
}

async fn not_found(uri: Uri) -> Problem {
    Problem::not_found("nothing is served at this path").at(uri.path())
}

pub(super) async fn launch(plan: Plan) -> Result<(Router, Mounted), StartError> {
    let Plan { config, store, sources, autos, registry, mut routes, notifier, targets, .. } = plan;
    let opened = store.open().await?;
    let kinds = registry.kinds();
    let scheduled = registry.schedules().filter_map(|schedule| {
        let task = registry.policy(schedule.kind())?.new_task(Arc::clone(schedule.kind()));
        Some((Arc::clone(schedule.name()), task))
    });
    let scheduled = scheduled.collect();
    let started = Engine::start(Arc::clone(&opened.store), registry, engine_options(&config)).await;
    let engine = started.map_err(StartError::Engine)?;
    let metrics = Arc::new(Metrics::new());
    routes.count_in(&metrics);
    let routes = Arc::new(routes);
    let rejections = Arc::new(RejectionLog::new());
    let limits =
        ingest::Limits { body_timeout: config.server.body_timeout, inline_deadline: config.server.inline_deadline };
    let stopping = CancellationToken::new();
    let api = ApiContext {
        store: Arc::clone(&opened.store),
        engine: engine.clone(),
        kinds,
        sources: sources.iter().map(|received| received.source.name().into()).collect(),
        replay: Arc::new(Replayer { client: engine.client().clone(), routes: Arc::clone(&routes), scheduled }),
        admin_token: config.admin.token.clone(),
        metrics: Arc::clone(&metrics),
        rejections: Arc::clone(&rejections),
        notifier,
        targets,
        shutdown: stopping.clone(),
    };
    // The largest body must be able to pass alone.
    let largest = sources.iter().map(|one| one.source.body_limit()).max().unwrap_or_default();
    let memory = BodyMemory::new(config.server.body_memory.max(largest));
    let ingest = Ingest { engine: engine.clone(), routes, rejections, limits, memory, outage: Outage::default() };
    let router = ingest::router(ingest, sources, autos, &metrics).merge(api::router(api));
    Ok((router, Mounted { engine, opened, grace: config.server.shutdown_grace, stopping }))
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
fn cancel_grace(config: &Config) -> Duration {
    let usual = EngineOptions::default().cancel_grace;
    #[cfg(unix)]
    return crate::target::command::longest_grace(config.targets.values()).map_or(usual, |grace| grace.max(usual));
    #[cfg(not(unix))]
    return usual;
}

impl Mounted {
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
