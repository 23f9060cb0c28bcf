//! Ingest: `POST /webhooks/{source}`, from the first header to the answer.
//!
//! The order is the guarantee: read up to the limit, verify, route, commit, and only then answer 2xx. A request that is
//! refused says little to its sender and all to the log, the metrics and the ring of rejections.
//!
//! This path is the one that is measured: no middleware, no span and no copy of the body per request.

mod body;
mod commit;
mod refuse;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{ConnectInfo, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use becket_tasks::{Clock, Engine};
use becket_webhooks::{Delivery, Source};
use bytes::Bytes;
use http::HeaderMap;
use http::request::Parts;

use self::refuse::Refusal;
use super::metrics::{Metrics, SourceMetrics};
use super::problem::Problem;
use super::rejections::RejectionLog;
use crate::route::routes::Routes;

/// Bodies larger than this are verified on a thread that may block: hashing 25 MiB takes about 15 ms.
const VERIFIED_IN_PLACE_BYTES_MAX: usize = 512 * 1024;

/// What ingest needs; made once at the start.
pub(crate) struct Ingest {
    pub(crate) engine: Engine,
    pub(crate) routes: Arc<Routes>,
    pub(crate) rejections: Arc<RejectionLog>,
    pub(crate) limits: Limits,
    entries: HashMap<String, Arc<Entry>>,
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

/// A source as requests meet it.
struct Entry {
    source: Source,
    name: Arc<str>,
    metrics: SourceMetrics,
}

/// One request's circumstances.
struct Arrival<'a> {
    entry: &'a Entry,
    started: Instant,
    remote: Option<IpAddr>,
    headers: &'a HeaderMap,
}

impl Ingest {
    pub(crate) fn new(
        engine: Engine,
        routes: Arc<Routes>,
        sources: Vec<Received>,
        metrics: &Metrics,
        rejections: Arc<RejectionLog>,
        limits: Limits,
    ) -> Self {
        let mut entries = HashMap::new();
        for Received { source, alias } in sources {
            let name: Arc<str> = source.name().into();
            let entry = Arc::new(Entry { metrics: metrics.source(&name), name, source });
            entries.insert(format!("/webhooks/{}", entry.name), Arc::clone(&entry));
            if let Some(path) = alias {
                entries.insert(path.trim_end_matches('/').to_owned(), entry);
            }
        }
        Self { engine, routes, rejections, limits, entries }
    }

    /// The routes of all sources; a trailing slash is fine.
    pub(crate) fn into_router(self) -> Router {
        let ingest = Arc::new(self);
        let aliases = ingest.entries.keys().filter(|path| !path.starts_with("/webhooks/"));
        let paths = aliases.map(String::as_str).chain(["/webhooks/{source}"]);
        let method = post(receive);
        let router = paths.fold(Router::new(), |router, path| {
            let router = if path.is_empty() { router } else { router.route(path, method.clone()) };
            router.route(&format!("{path}/"), method.clone())
        });
        router.with_state(ingest)
    }

    fn entry(&self, path: &str) -> Option<&Entry> {
        self.entries.get(path.strip_suffix('/').unwrap_or(path)).map(|entry| &**entry)
    }

    fn clock(&self) -> &Clock {
        self.engine.client().store().clock()
    }
}

async fn receive(State(ingest): State<Arc<Ingest>>, request: Request) -> Response {
    let started = Instant::now();
    let (Parts { uri, headers, extensions, .. }, body) = request.into_parts();
    let Some(entry) = ingest.entry(uri.path()) else {
        return Problem::not_found("no source is received at this path").into_response();
    };
    let remote = extensions.get::<ConnectInfo<std::net::SocketAddr>>().map(|ConnectInfo(peer)| peer.ip());
    let arrival = Arrival { entry, started, remote, headers: &headers };

    let read = body::read(body, entry.source.body_limit(), ingest.limits.body_timeout).await;
    let verified = match read {
        Ok(body) => verify(&ingest, entry, &headers, body).await,
        Err(refusal) => Err(refusal),
    };
    match verified {
        Ok(delivery) => commit::commit(&ingest, &arrival, &delivery).await,
        Err(refusal) => refuse::refuse(&ingest, &arrival, &refusal),
    }
}

async fn verify(ingest: &Arc<Ingest>, entry: &Entry, headers: &HeaderMap, body: Bytes) -> Result<Delivery, Refusal> {
    let now_ms = ingest.clock().now().as_millis();
    let size = body.len();
    let received = if size <= VERIFIED_IN_PLACE_BYTES_MAX {
        entry.source.receive(headers, body, now_ms)
    } else {
        let (source, headers) = (entry.source.clone(), headers.clone());
        let joined = tokio::task::spawn_blocking(move || source.receive(&headers, body, now_ms)).await;
        // The thread's work ends badly only when the runtime is being torn down.
        joined.map_err(|_| Refusal::Broken)?
    };
    received.map_err(|rejection| Refusal::Rejected { rejection, size })
}
