//! What answers requests under one configuration, and what outlives each.
//!
//! A configuration becomes a [`Router`] of its own, made anew at each reload; requests that came before go on with the one
//! they came to. What must not be forgotten with it is in [`Lasting`]: the engine and its store, what was counted and
//! refused, what came lately and from where it may come, and the room that bodies take.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use axum::Router;
use becket_tasks::{Engine, NewTask, Registry};
use tokio_util::sync::CancellationToken;

use super::plan::Plan;
use super::replay::Replayer;
use super::store::Opened;
use crate::config::Config;
use crate::http::allow_list::AllowLists;
use crate::http::api::{self, ApiContext, LastingApi};
use crate::http::ingest::{self, Auto, BodyMemory, Ingest, Meters, Outage, Proxies, Received};
use crate::http::metrics::Metrics;
use crate::http::rejections::RejectionLog;
use crate::http::reload::{Reload, Standing};
use crate::http::secrets::SecretUses;
use crate::notify::Notifier;
use crate::route::routes::Routes;
use crate::target::Targets;

/// What is the same under all configurations of one application. Cloning is cheap.
#[derive(Clone)]
pub(super) struct Lasting {
    pub(super) engine: Engine,
    pub(super) opened: Opened,
    pub(super) stopping: CancellationToken,
    pub(super) metrics: Arc<Metrics>,
    pub(super) standing: Arc<Standing>,
    pub(super) secrets: Arc<SecretUses>,
    rejections: Arc<RejectionLog>,
    outage: Arc<Outage>,
    meters: Arc<Meters>,
    allow_lists: Arc<AllowLists>,
    memory: Arc<Mutex<BodyMemory>>,
    api: LastingApi,
}

/// What a configuration asks of the router.
pub(super) struct Serving {
    config: Config,
    kinds: Arc<[Arc<str>]>,
    scheduled: HashMap<Arc<str>, NewTask>,
    sources: Vec<Received>,
    autos: Vec<Auto>,
    routes: Routes,
    notifier: Option<Notifier>,
    targets: Targets,
}

impl Serving {
    /// Splits a plan into what serves and what the engine is to know.
    pub(super) fn of(plan: Plan) -> (Self, Registry) {
        let Plan { config, sources, autos, registry, routes, notifier, targets, .. } = plan;
        let scheduled = registry.schedules().filter_map(|schedule| {
            let task = registry.policy(schedule.kind())?.new_task(Arc::clone(schedule.kind()));
            Some((Arc::clone(schedule.name()), task))
        });
        let (kinds, scheduled) = (registry.kinds(), scheduled.collect());
        (Self { config, kinds, scheduled, sources, autos, routes, notifier, targets }, registry)
    }

    pub(super) fn kinds(&self) -> &Arc<[Arc<str>]> {
        &self.kinds
    }

    pub(super) fn source_names(&self) -> Vec<String> {
        self.sources.iter().map(|received| received.source.name().to_owned()).collect()
    }

    pub(super) const fn config(&self) -> &Config {
        &self.config
    }

    pub(super) const fn targets(&self) -> &Targets {
        &self.targets
    }

    /// The largest body must be able to pass alone.
    fn body_memory(&self) -> usize {
        let largest = self.sources.iter().map(|one| one.source.body_limit()).max().unwrap_or_default();
        self.config.server.body_memory.max(largest)
    }
}

impl Lasting {
    pub(super) fn new(
        engine: Engine,
        opened: Opened,
        serving: &Serving,
        secrets: SecretUses,
        standing: Standing,
    ) -> Self {
        let stopping = CancellationToken::new();
        Self {
            engine,
            opened,
            api: LastingApi::new(stopping.clone()),
            allow_lists: Arc::new(AllowLists::new(stopping.clone())),
            stopping,
            metrics: Arc::new(Metrics::new()),
            standing: Arc::new(standing),
            secrets: Arc::new(secrets),
            rejections: Arc::new(RejectionLog::new()),
            outage: Arc::default(),
            meters: Arc::default(),
            memory: Arc::new(Mutex::new(BodyMemory::new(serving.body_memory()))),
        }
    }

    /// The room for bodies; those that are being received keep theirs when it becomes another.
    fn memory(&self, bytes: usize) -> BodyMemory {
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        if memory.bytes() != bytes {
            *memory = BodyMemory::new(bytes);
        }
        memory.clone()
    }

    /// Makes what answers requests under a configuration.
    pub(super) fn router(&self, serving: Serving, reload: Option<Weak<dyn Reload>>) -> Router {
        let memory = self.memory(serving.body_memory());
        let Serving { config, kinds, scheduled, sources, autos, mut routes, notifier, targets } = serving;
        routes.count_in(&self.metrics);
        let routes = Arc::new(routes);
        let limits =
            ingest::Limits { body_timeout: config.server.body_timeout, inline_deadline: config.server.inline_deadline };
        let (engine, client) = (self.engine.clone(), self.engine.client().clone());
        let api = ApiContext {
            store: Arc::clone(&self.opened.store),
            engine: engine.clone(),
            kinds,
            sources: sources.iter().map(|received| received.source.name().into()).collect(),
            replay: Arc::new(Replayer { client, routes: Arc::clone(&routes), scheduled }),
            admin_token: config.admin.token.clone(),
            metrics: Arc::clone(&self.metrics),
            rejections: Arc::clone(&self.rejections),
            notifier,
            targets,
            senders: sources.iter().map(|received| received.source.clone()).collect(),
            secrets: Arc::clone(&self.secrets),
            allow_lists: Arc::clone(&self.allow_lists),
            config: Arc::clone(&self.standing),
            reload,
            shutdown: self.stopping.clone(),
        };
        let rejections = Arc::clone(&self.rejections);
        let (outage, secrets) = (Arc::clone(&self.outage), Arc::clone(&self.secrets));
        let (meters, allow_lists) = (Arc::clone(&self.meters), Arc::clone(&self.allow_lists));
        let proxies = Proxies::new(config.server.trusted_proxies.clone());
        let ingest =
            Ingest { engine, routes, rejections, limits, memory, outage, secrets, proxies, allow_lists, meters };
        ingest::router(ingest, sources, autos, &self.metrics).merge(api::router_beside(api, &self.api))
    }
}
