//! Ingest: `POST /webhooks/{source}`, from the first header to the answer.
//!
//! The order is the guarantee: read up to the limit, verify, route, commit, and only then answer 2xx. A request that is
//! refused says little to its sender and all to the log, the metrics and the ring of rejections.
//!
//! This path is the one that is measured: no middleware, no span and no copy of the body per request.

mod body;
mod commit;
mod memory;
mod pace;
mod refuse;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{ConnectInfo, Request, State};
use axum::response::Response;
use axum::routing::{any, post};
use becket_tasks::{Engine, Timestamp};
use becket_webhooks::{Delivery, Source};
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, StatusCode};

pub(crate) use self::memory::BodyMemory;
pub(crate) use self::pace::Outage;

use self::pace::Refusals;
use self::refuse::Refusal;
use super::metrics::{Metrics, SourceMetrics};
use super::problem::Problem;
use super::rejections::RejectionLog;
use crate::route::routes::Routes;

/// Bodies larger than this are verified on a thread that may block: hashing 25 MiB takes about 15 ms.
const VERIFIED_IN_PLACE_BYTES_MAX: usize = 512 * 1024;

/// What all sources share; made once at the start.
pub(crate) struct Ingest {
    pub(crate) engine: Engine,
    pub(crate) routes: Arc<Routes>,
    pub(crate) rejections: Arc<RejectionLog>,
    pub(crate) limits: Limits,
    pub(crate) memory: BodyMemory,
    pub(crate) outage: Outage,
}

/// How long things may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// To receive the whole body.
    pub(crate) body_timeout: Duration,
    /// From the request's headers to the answer, for inline handlers and for the commit.
    pub(crate) inline_deadline: Duration,
}

/// A source and the paths that it is received at.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) source: Source,
    /// One more path, beside `/webhooks/{name}`.
    pub(crate) alias: Option<String>,
}

impl Received {
    /// The paths, without a trailing slash; no two sources may share one.
    pub(crate) fn paths(&self) -> impl Iterator<Item = String> + '_ {
        let alias = self.alias.iter().map(|path| path.trim_end_matches('/').to_owned());
        std::iter::once(format!("/webhooks/{}", self.source.name())).chain(alias)
    }
}

/// A source as requests meet it.
struct Entry {
    ingest: Arc<Ingest>,
    source: Source,
    name: Arc<str>,
    metrics: SourceMetrics,
    refusals: Refusals,
}

/// What is known of who sent a request, verified or not.
struct Arrival<'a> {
    remote: Option<IpAddr>,
    headers: &'a HeaderMap,
}

/// The routes of all sources; a trailing slash is fine.
///
/// Each path is a route of its own: to find its source costs nothing, and the name need not be cut out of the path.
pub(crate) fn router(ingest: Ingest, sources: Vec<Received>, metrics: &Metrics) -> Router {
    let ingest = Arc::new(ingest);
    let mut router = Router::new().route("/webhooks/{*path}", any(unknown));
    for received in sources {
        let paths: Vec<String> = received.paths().collect();
        let name: Arc<str> = received.source.name().into();
        let metrics = metrics.source(&name, received.source.secret_count());
        let (ingest, refusals) = (Arc::clone(&ingest), Refusals::default());
        let entry = Arc::new(Entry { ingest, source: received.source, name, metrics, refusals });
        let method = post(receive).with_state(entry);
        for path in paths {
            if !path.is_empty() {
                router = router.route(&path, method.clone());
            }
            router = router.route(&format!("{path}/"), method.clone());
        }
    }
    router.method_not_allowed_fallback(method_not_allowed)
}

async fn unknown() -> Problem {
    Problem::not_found("no source is received at this path")
}

async fn method_not_allowed() -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "webhooks are sent here with POST")
}

async fn receive(State(entry): State<Arc<Entry>>, request: Request) -> Response {
    let started = Instant::now();
    let (Parts { headers, extensions, version, .. }, body) = request.into_parts();
    let remote = extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| peer.ip());
    let arrival = Arrival { remote, headers: &headers };

    let (limit, timeout) = (entry.source.body_limit(), entry.ingest.limits.body_timeout);
    let verified = match body::read(body, limit, timeout, entry.ingest.memory.room(version)).await {
        Ok((body, room)) => entry.verify(&headers, body).await.map(|delivery| (delivery, room)),
        Err(refusal) => Err(refusal),
    };
    match verified {
        // The body's room is its own until the answer.
        Ok((delivery, _room)) => commit::commit(&entry, started, &delivery).await,
        Err(refusal) => refuse::refuse(&entry, &arrival, &refusal),
    }
}

impl Entry {
    fn now(&self) -> Timestamp {
        self.ingest.engine.client().store().clock().now()
    }

    async fn verify(&self, headers: &HeaderMap, body: Bytes) -> Result<Delivery, Refusal> {
        let (now_ms, size) = (self.now().as_millis(), body.len());
        let received = if size <= VERIFIED_IN_PLACE_BYTES_MAX {
            self.source.receive(headers, body, now_ms)
        } else {
            let (source, headers) = (self.source.clone(), headers.clone());
            let joined = tokio::task::spawn_blocking(move || source.receive(&headers, body, now_ms)).await;
            // The thread's work ends badly only when the runtime is being torn down.
            joined.map_err(|_| Refusal::Broken)?
        };
        received.map_err(|rejection| Refusal::Rejected { rejection, size })
    }
}
