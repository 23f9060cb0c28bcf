//! The admin API under `/api/v1`, and what machines ask: `/healthz`, `/readyz`, `/metrics`, `/openapi.json`.
//!
//! [`router`] takes all that it needs in an [`ApiContext`] and knows nothing of how webhooks come in; it only describes
//! where, for `/openapi.json` is to be whole. Each endpoint and
//! its documentation are declared once, beside its function; `/openapi.json` is made of that, and a test holds
//! `docs/reference/api.md` to it. [`access`](super::access) decides who may call; errors are
//! [problems](super::problem).

mod body;
mod bulk;
mod cancel;
mod config;
mod deliveries;
mod detail;
mod enqueue;
mod events;
mod find;
mod graph;
mod graphs;
mod health;
mod openapi;
mod operations;
mod page;
mod params;
mod pauses;
mod rejections;
mod schedules;
mod secrets;
mod selection;
mod status;
mod targets;
mod tasks;
pub(crate) mod views;
mod watch;
mod webhooks;

use std::fmt;
use std::sync::{Arc, Weak};

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use axum::routing::any;
use becket_tasks::submission::Inserted;
use becket_tasks::{Client, Engine, Store, SubmissionId};
use becket_webhooks::Source;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{StatusCode, Uri};
use secrecy::SecretString;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::health::Probe;
use self::operations::Book;
use super::access::{Access, guard};
use super::allow_list::AllowLists;
use super::metrics::Metrics;
use super::problem::Problem;
use super::rejections::RejectionLog;
use super::reload::{Reload, Standing};
use super::secrets::SecretUses;
use crate::notify::Notifier;
use crate::target::Targets;

/// The largest body of a call, in bytes: the arguments of an enqueued task are most of it.
const BODY_BYTES_MAX: usize = 2 * 1_024 * 1_024;
/// How many listeners `/api/v1/events` and the events of single tasks have at the most.
const LISTENERS_MAX: usize = 64;

/// What the API works on.
#[derive(Clone)]
pub struct ApiContext {
    /// Tasks and deliveries.
    pub store: Arc<dyn Store>,
    /// Runs the tasks; knows which kinds there are, and measures itself.
    pub engine: Engine,
    /// The kinds that have a handler, for the error that names them.
    pub kinds: Arc<[Arc<str>]>,
    /// The sources that deliveries come from.
    pub sources: Arc<[Arc<str>]>,
    /// Routes a delivery again.
    pub replay: Arc<dyn Replay>,
    /// Opens `/api` and `/metrics`; without one only programs on this machine may call.
    pub admin_token: Option<SecretString>,
    /// What the server counts.
    pub metrics: Arc<Metrics>,
    /// The last refused requests.
    pub rejections: Arc<RejectionLog>,
    /// Checks and tells the URLs that tasks name; without one no task may name any.
    pub notifier: Option<Notifier>,
    /// The targets that have a name.
    pub targets: Targets,
    /// The sources whose secrets are told of.
    pub senders: Arc<[Source]>,
    /// When they were used.
    pub secrets: Arc<SecretUses>,
    /// The lists of addresses that are fetched.
    pub allow_lists: Arc<AllowLists>,
    /// How the configuration stands.
    pub config: Arc<Standing>,
    /// Reads it again, as long as there is somebody who can; `None` where nobody ever can.
    pub reload: Option<Weak<dyn Reload>>,
    /// Cancelled when the server begins to stop: it is no longer ready then, and streams end.
    pub shutdown: CancellationToken,
}

impl fmt::Debug for ApiContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiContext").field("engine", &self.engine).field("kinds", &self.kinds).finish_non_exhaustive()
    }
}

/// Routes a delivery again, as if it had just come in, whatever became of its earlier tasks.
pub trait Replay: Send + Sync + 'static {
    /// Adds the tasks that today's handlers give rise to; `None` when there is no such delivery (any more).
    ///
    /// # Errors
    /// As [`Store::append`].
    fn replay(&self, delivery: SubmissionId) -> BoxFuture<'_, becket_tasks::Result<Option<Inserted>>>;
}

/// The state of all handlers.
struct Api {
    context: ApiContext,
    lasting: LastingApi,
}

/// What the API keeps while the configuration changes: operations that run, and listeners that are counted.
#[derive(Clone)]
pub(crate) struct LastingApi {
    probe: Arc<Probe>,
    listeners: Arc<Semaphore>,
    operations: Arc<Book>,
    document: Bytes,
}

impl LastingApi {
    pub(crate) fn new(shutdown: CancellationToken) -> Self {
        Self {
            probe: Arc::default(),
            listeners: Arc::new(Semaphore::new(LISTENERS_MAX)),
            operations: Arc::new(Book::new(shutdown)),
            // Plain data can be written as JSON; the tests read it.
            document: document().to_json().unwrap_or_default().into(),
        }
    }
}

type Shared = Arc<Api>;

impl Api {
    fn store(&self) -> &dyn Store {
        &*self.context.store
    }

    fn client(&self) -> &Client {
        self.context.engine.client()
    }
}

/// Makes the routes of the API. The peer's address must be in the request's extensions, as
/// [`ConnectInfo<SocketAddr>`](axum::extract::ConnectInfo), or nobody may call `/api` without a token.
pub fn router(context: ApiContext) -> Router {
    let lasting = LastingApi::new(context.shutdown.clone());
    router_beside(context, &lasting)
}

/// The same beside others that keep the same.
pub(crate) fn router_beside(context: ApiContext, lasting: &LastingApi) -> Router {
    let access = Access::new(context.admin_token.clone());
    let state: Shared = Arc::new(Api { lasting: lasting.clone(), context });
    let guarded = Router::from(guarded())
        .route("/api/{*path}", any(not_found))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .route_layer(from_fn_with_state(access, guard));
    guarded.merge(open()).method_not_allowed_fallback(method_not_allowed).with_state(state)
}

/// The description of the API that is served at `/openapi.json`.
#[must_use]
pub fn document() -> utoipa::openapi::OpenApi {
    let mut complete = open().into_openapi();
    complete.merge(guarded().into_openapi());
    complete.merge(webhooks::described());
    openapi::complete(complete)
}

/// What [`Access`] guards.
fn guarded() -> OpenApiRouter<Shared> {
    OpenApiRouter::with_openapi(openapi::empty())
        .routes(routes!(tasks::list, enqueue::enqueue))
        .routes(routes!(tasks::show, tasks::purge_one))
        .routes(routes!(tasks::requeue_one))
        .routes(routes!(cancel::cancel))
        .routes(routes!(graph::show))
        .routes(routes!(graphs::enqueue))
        .routes(routes!(bulk::requeue))
        .routes(routes!(bulk::purge))
        .routes(routes!(bulk::cancel))
        .routes(routes!(pauses::list))
        .routes(routes!(pauses::pause, pauses::resume))
        .routes(routes!(deliveries::list))
        .routes(routes!(deliveries::show))
        .routes(routes!(deliveries::body))
        .routes(routes!(deliveries::replay))
        .routes(routes!(bulk::replay))
        .routes(routes!(operations::list))
        .routes(routes!(operations::show, operations::stop))
        .routes(routes!(events::listen))
        .routes(routes!(watch::watch))
        .routes(routes!(rejections::list))
        .routes(routes!(schedules::list))
        .routes(routes!(schedules::pause))
        .routes(routes!(schedules::resume))
        .routes(routes!(schedules::fire))
        .routes(routes!(secrets::list))
        .routes(routes!(config::show))
        .routes(routes!(config::reload))
        .routes(routes!(targets::list))
        .routes(routes!(targets::reset))
        .routes(routes!(status::one))
        .routes(routes!(status::list))
        .routes(routes!(health::metrics))
}

/// What everybody may ask: it says nothing of deliveries, and load balancers send no token.
fn open() -> OpenApiRouter<Shared> {
    OpenApiRouter::with_openapi(openapi::empty())
        .routes(routes!(health::healthz))
        .routes(routes!(health::readyz))
        .routes(routes!(openapi::serve))
}

async fn not_found(uri: Uri) -> Problem {
    Problem::not_found("there is no such endpoint; /openapi.json lists them").at(uri.path())
}

async fn method_not_allowed(uri: Uri) -> Problem {
    let detail = "this path does not take this method; the header `Allow` says which it takes";
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail).at(uri.path())
}
