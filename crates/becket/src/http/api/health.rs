//! What machines ask: is it alive, is it ready, what are the numbers.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use becket_tasks::{Outcome, Store};
use http::Uri;
use http::header::CONTENT_TYPE;
use serde::Serialize;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};
use utoipa::ToSchema;

use super::{Api, Shared};
use crate::http::metrics::{MEDIA_TYPE, Snapshot, resident_bytes};
use crate::http::problem::Problem;

/// How long the outcome of a probe is repeated, so that asking often costs the store nothing.
const PROBE_FRESH: Duration = Duration::from_secs(1);
/// A store that takes longer than this to commit is not ready.
const STORE_TIMEOUT: Duration = Duration::from_secs(5);

const OUTCOMES: [Outcome; 6] =
    [Outcome::Completed, Outcome::Failed, Outcome::Parked, Outcome::Released, Outcome::Lost, Outcome::Cancelled];

/// The process is alive.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Alive {
    /// Always `ok`.
    #[schema(value_type = String, example = "ok")]
    status: &'static str,
}

/// Says that the process is alive; asks nobody.
#[utoipa::path(get, path = "/healthz", tag = "operation", operation_id = "healthz",
    responses((status = 200, description = "It is.", body = Alive)))]
pub(super) async fn healthz() -> Json<Alive> {
    Json(Alive { status: "ok" })
}

/// The server can accept deliveries.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Ready {
    /// Always `ready`.
    #[schema(value_type = String, example = "ready")]
    status: &'static str,
    /// Which kind of store it is.
    #[schema(value_type = String, example = "sqlite")]
    store: &'static str,
    /// What an acknowledged delivery survives: `power_loss`, `process_crash` or nothing (`memory`).
    #[schema(value_type = String, example = "power_loss")]
    durability: &'static str,
}

/// Says whether deliveries can be accepted: the store commits, and the server is not stopping.
#[utoipa::path(get, path = "/readyz", tag = "operation", operation_id = "readyz", responses(
    (status = 200, description = "They can.", body = Ready),
    (status = 503, description = "They cannot.", content_type = "application/problem+json", body = Problem),
))]
pub(super) async fn readyz(State(api): State<Shared>, uri: Uri) -> Result<Json<Ready>, Problem> {
    ready(&api).await.map(Json).map_err(|problem| problem.at(uri.path()))
}

async fn ready(api: &Api) -> Result<Ready, Problem> {
    if api.context.shutdown.is_cancelled() {
        return Err(Problem::unavailable("the server is shutting down"));
    }
    if !api.lasting.probe.commits(api.store()).await {
        return Err(Problem::unavailable("the store cannot commit; the log says why"));
    }
    let description = api.store().description();
    Ok(Ready { status: "ready", store: description.kind, durability: description.durability.as_str() })
}

/// Remembers for a moment whether the store could commit. Those who ask meanwhile wait for the same probe.
#[derive(Debug, Default)]
pub(super) struct Probe(Mutex<Option<(Instant, bool)>>);

impl Probe {
    async fn commits(&self, store: &dyn Store) -> bool {
        let mut last = self.0.lock().await;
        match *last {
            Some((at, commits)) if at.elapsed() < PROBE_FRESH => commits,
            _ => {
                let commits = probe(store).await;
                *last = Some((Instant::now(), commits));
                commits
            }
        }
    }
}

async fn probe(store: &dyn Store) -> bool {
    match timeout(STORE_TIMEOUT, store.probe()).await {
        Ok(Ok(())) => true,
        Ok(Err(error)) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "the store cannot commit");
            false
        }
        Err(_) => {
            tracing::warn!(timeout_secs = STORE_TIMEOUT.as_secs(), "the store does not commit in time");
            false
        }
    }
}

/// Answers what Prometheus reads, as OpenMetrics text.
#[utoipa::path(get, path = "/metrics", tag = "operation", operation_id = "metrics", responses(
    (status = 200, description = "The numbers.", content_type = "application/openmetrics-text", body = String),
    (status = "default", response = Problem),
))]
pub(super) async fn metrics(State(api): State<Shared>) -> Response {
    let page = api.context.metrics.render(snapshot(&api).await);
    ([(CONTENT_TYPE, MEDIA_TYPE)], page).into_response()
}

async fn snapshot(api: &Api) -> Snapshot {
    let (store, engine) = (api.store(), api.context.engine.measures());
    let pool = api.context.engine.pool();
    // Without the store the other numbers are still worth having, most of all then.
    let counts = timeout(STORE_TIMEOUT, store.counts()).await.ok().and_then(Result::ok);
    let paused = timeout(STORE_TIMEOUT, store.paused()).await.ok().and_then(Result::ok).unwrap_or_default();
    let oldest_due = counts.as_ref().and_then(|counts| counts.oldest_due);
    let description = store.description();
    Snapshot {
        workers: Some((pool.now, pool.max)),
        workers_wanted: counts.as_ref().map(|counts| api.context.engine.slots_wanted(counts.due)),
        oldest_due_age: oldest_due.map(|due| store.clock().now().since(due)),
        counts,
        reused: api.client().reused(),
        paused,
        store: Some((description.kind, description.durability.as_str())),
        commit_size: Some(store.measures().size.snapshot()),
        commit_seconds: Some(store.measures().seconds.snapshot()),
        processing_seconds: Some(engine.processing.snapshot()),
        waiting_seconds: Some(engine.waiting.snapshot()),
        attempts: OUTCOMES.map(|outcome| (outcome, engine.attempts(outcome))).to_vec(),
        retries: engine.retries(),
        panics: engine.panics(),
        timeouts: engine.timeouts(),
        handlers_running: engine.running(),
        targets: api.context.targets.iter().map(|one| (one.name().to_owned(), one.condition())).collect(),
        allow_lists: api.context.allow_lists.status(),
        resident_bytes: resident_bytes(),
    }
}
