//! Ingest: `POST /webhooks/{source}`, from the first header to the answer.
//!
//! The order is the guarantee: read up to the limit, verify, route, commit, and only then answer 2xx. A request that is
//! refused says little to its sender and all to the log, the metrics and the ring of rejections. A request that only asks
//! (Slack's challenge, Bitbucket's test of a connection) is answered before all that, and becomes nothing.
//!
//! Who may not send at all, or not so often, is told before a byte of the body is read; see [`door`].
//!
//! Where one path takes the requests of all sources, the headers choose those that a request could be for, and the first
//! of them that verifies it has it.
//!
//! This path is the one that is measured: no middleware, no span and no copy of the body per request.

mod body;
mod client;
mod commit;
mod door;
mod memory;
mod pace;
mod received;
mod refuse;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{ConnectInfo, Request, State};
use axum::response::Response;
use axum::routing::{MethodRouter, any, post};
use becket_tasks::{Engine, Timestamp};
use becket_webhooks::{Delivery, Kind, Rejection, Source};
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, StatusCode};

pub(crate) use self::client::Proxies;
pub(crate) use self::door::Meters;
pub(crate) use self::memory::BodyMemory;
pub(crate) use self::pace::Outage;
pub use self::received::{Received, received as receive_source};

use self::door::{Door, Knock};
use self::pace::Refusals;
use self::refuse::Refusal;
use super::allow_list::AllowLists;
use super::answer;
use super::metrics::{self, Metrics, SourceMetrics};
use super::problem::Problem;
use super::rejections::RejectionLog;
use super::secrets::{SecretUses, Use};
use crate::route::routes::Routes;

/// Bodies larger than this are verified on a thread that may block: hashing 25 MiB takes about 15 ms.
const VERIFIED_IN_PLACE_BYTES_MAX: usize = 512 * 1024;

/// What all sources share under one configuration.
pub(crate) struct Ingest {
    pub(crate) engine: Engine,
    pub(crate) routes: Arc<Routes>,
    pub(crate) rejections: Arc<RejectionLog>,
    pub(crate) limits: Limits,
    pub(crate) memory: BodyMemory,
    pub(crate) outage: Arc<Outage>,
    pub(crate) secrets: Arc<SecretUses>,
    pub(crate) proxies: Proxies,
    pub(crate) allow_lists: Arc<AllowLists>,
    pub(crate) meters: Arc<Meters>,
}

/// How long things may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// To receive the whole body.
    pub(crate) body_timeout: Duration,
    /// From the request's headers to the answer, for inline handlers and for the commit.
    pub(crate) inline_deadline: Duration,
}

/// A path that takes what is for any source, told by its headers.
#[derive(Debug)]
pub(crate) struct Auto {
    pub(crate) name: Arc<str>,
    /// One more path, beside `/webhooks/{name}`.
    pub(crate) alias: Option<String>,
}

impl Auto {
    /// The paths, without a trailing slash.
    pub(crate) fn paths(&self) -> impl Iterator<Item = String> + '_ {
        paths(&self.name, self.alias.as_deref())
    }
}

fn paths<'n>(name: &'n str, alias: Option<&'n str>) -> impl Iterator<Item = String> + 'n {
    let alias = alias.map(|path| path.trim_end_matches('/').to_owned());
    std::iter::once(format!("/webhooks/{name}")).chain(alias)
}

/// Where requests are counted, refused and committed under a name.
struct Place {
    ingest: Arc<Ingest>,
    name: Arc<str>,
    metrics: SourceMetrics,
    /// By place.
    uses: Arc<[Arc<Use>]>,
    refusals: Refusals,
}

/// A source as requests meet it.
struct Entry {
    place: Place,
    source: Source,
    /// `None` where anyone may send as often as they like.
    door: Option<Door>,
}

/// All sources, as requests meet them that could be for any.
struct Any {
    /// For what is for none of them.
    place: Place,
    /// Forges and the like first: other sources know less about what they take.
    entries: Vec<Arc<Entry>>,
}

/// What a verified request is.
enum Verified {
    Delivery(Delivery),
    Question(becket_webhooks::Answer),
}

/// What is known of who sent a request, verified or not.
struct Arrival<'a> {
    remote: Option<IpAddr>,
    headers: &'a HeaderMap,
}

/// The routes of all sources; a trailing slash is fine.
///
/// Each path is a route of its own: to find its source costs nothing, and the name need not be cut out of the path.
pub(crate) fn router(ingest: Ingest, sources: Vec<Received>, autos: Vec<Auto>, metrics: &Metrics) -> Router {
    let ingest = Arc::new(ingest);
    let place = |name: Arc<str>, uses: Arc<[Arc<Use>]>| Place {
        ingest: Arc::clone(&ingest),
        metrics: metrics.source(&name, uses.len()),
        uses,
        name,
        refusals: Refusals::default(),
    };
    let mut router = Router::new().route("/webhooks/{*path}", any(unknown));
    let mut entries = Vec::with_capacity(sources.len());
    for received in sources {
        let paths: Vec<String> = received.paths().collect();
        let place = place(received.source.name().into(), ingest.secrets.of(&received.source));
        let door = door(&ingest, &received);
        let entry = Arc::new(Entry { place, source: received.source, door });
        router = at(router, paths, &post(receive).with_state(Arc::clone(&entry)));
        entries.push(entry);
    }
    // A header that any sender may use says less than one that only one uses; and one that takes what nobody signed takes all.
    entries.sort_by_key(|entry| match entry.source.kind() {
        _ if entry.source.accepts_unsigned() => 3,
        Kind::AzureDevops => 2,
        Kind::Custom => 1,
        _ => 0,
    });
    for auto in autos {
        let paths: Vec<String> = auto.paths().collect();
        let any = Any { place: place(auto.name, Arc::default()), entries: entries.clone() };
        router = at(router, paths, &post(receive_any).with_state(Arc::new(any)));
    }
    router.method_not_allowed_fallback(method_not_allowed)
}

fn door(ingest: &Ingest, received: &Received) -> Option<Door> {
    if received.allow.is_none() && received.rate.is_none() {
        return None;
    }
    let (name, kind) = (received.source.name(), received.source.kind());
    let allow = received.allow.as_ref().map(|allow| ingest.allow_lists.of(name, allow));
    let rate = received.rate.map(|rate| (rate, ingest.meters.of(name)));
    Some(Door { allow, rate, kind })
}

fn at(mut router: Router, paths: Vec<String>, method: &MethodRouter) -> Router {
    for path in paths {
        if !path.is_empty() {
            router = router.route(&path, method.clone());
        }
        router = router.route(&format!("{path}/"), method.clone());
    }
    router
}

async fn unknown() -> Problem {
    Problem::not_found("no source is received at this path")
}

async fn method_not_allowed() -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "webhooks are sent here with POST")
}

async fn receive(State(entry): State<Arc<Entry>>, request: Request) -> Response {
    received(&[&*entry], &entry.place, request).await
}

async fn receive_any(State(any): State<Arc<Any>>, request: Request) -> Response {
    let could_be = any.entries.iter().filter(|entry| entry.source.recognises(request.headers()));
    let entries: Vec<&Entry> = could_be.map(|entry| &**entry).collect();
    let place = entries.first().map_or(&any.place, |entry| &entry.place);
    received(&entries, place, request).await
}

/// Receives a request that is for one of these; one that is for none is refused at `place`.
async fn received(entries: &[&Entry], place: &Place, request: Request) -> Response {
    let started = Instant::now();
    let (Parts { headers, extensions, version, .. }, body) = request.into_parts();
    let peer = extensions.get::<ConnectInfo<SocketAddr>>();
    let remote = peer.map(|ConnectInfo(peer)| place.ingest.proxies.client(peer.ip(), &headers));
    let arrival = Arrival { remote, headers: &headers };

    let let_in: Vec<&Entry>;
    let mut put_off = None;
    let (entries, place) = if entries.iter().all(|entry| entry.door.is_none()) {
        (entries, place)
    } else {
        let knock = Knock { address: remote, is_forwarded: client::is_forwarded(&headers), now: place.now() };
        match door::admitted(entries, &knock) {
            Ok(admitted) => (let_in, put_off) = (admitted.let_in, admitted.put_off),
            Err((entry, refusal)) => return refuse::refuse(&entry.place, &arrival, &refusal),
        }
        (&*let_in, let_in.first().map_or(place, |entry| &entry.place))
    };
    let Some(limit) = entries.iter().map(|entry| entry.source.body_limit()).max() else {
        let rejection = Rejection::unknown_sender();
        return refuse::refuse(place, &arrival, &Refusal::Rejected { rejection, size: 0 });
    };
    if refuse::is_compressed(&headers) {
        return refuse::refuse(place, &arrival, &Refusal::Compressed);
    }
    let (timeout, memory) = (place.ingest.limits.body_timeout, &place.ingest.memory);
    let (body, _room) = match body::read(body, limit, timeout, memory.room(version)).await {
        // The body's room is its own until the answer.
        Ok(read) => read,
        Err(refusal) => return refuse::refuse(place, &arrival, &refusal),
    };
    let mut first = None;
    for entry in entries {
        match entry.verify(&headers, &body).await {
            Ok(Verified::Delivery(delivery)) => return commit::commit(&entry.place, started, &delivery).await,
            Ok(Verified::Question(question)) => {
                entry.place.metrics.answered(metrics::Answer::Asked, started.elapsed());
                return answer::asked(&question);
            }
            // One that knew the secret and could not read the body says more than one that did not.
            Err(refusal) if first.is_none() || !refusal.is_unauthorized() => first = Some((&entry.place, refusal)),
            Err(_) => {}
        }
    }
    let (place, refusal) = match (first, put_off) {
        // It may be for the one that would have it later; told that it is unauthorized, its sender would not come again.
        (Some((_, refusal)), Some((entry, later))) if refusal.is_unauthorized() => (&entry.place, later),
        (first, _) => first.unwrap_or((place, Refusal::Broken)),
    };
    refuse::refuse(place, &arrival, &refusal)
}

impl Place {
    /// Counts which secret a request was signed with.
    fn signed_with(&self, place: usize, at_ms: i64) {
        self.metrics.secret_matched(place);
        if let Some(one) = self.uses.get(place) {
            one.note(at_ms);
        }
    }

    fn now(&self) -> Timestamp {
        self.ingest.engine.client().store().clock().now()
    }
}

impl Entry {
    async fn verify(&self, headers: &HeaderMap, body: &Bytes) -> Result<Verified, Refusal> {
        let (now_ms, size, limit) = (self.place.now().as_millis(), body.len(), self.source.body_limit());
        if size > limit {
            // Another source of the same path takes more.
            return Err(Refusal::TooLarge { limit, size: size.try_into().unwrap_or(u64::MAX) });
        }
        let verified = if size <= VERIFIED_IN_PLACE_BYTES_MAX {
            verify(&self.source, headers, body, now_ms)
        } else {
            let (source, headers, body) = (self.source.clone(), headers.clone(), body.clone());
            let joined = tokio::task::spawn_blocking(move || verify(&source, &headers, &body, now_ms)).await;
            // The thread's work ends badly only when the runtime is being torn down.
            joined.map_err(|_| Refusal::Broken)?
        };
        verified.map_err(|rejection| Refusal::Rejected { rejection, size })
    }
}

fn verify(source: &Source, headers: &HeaderMap, body: &Bytes, now_ms: i64) -> Result<Verified, Rejection> {
    match source.answer(headers, body, now_ms) {
        Some(answer) => Ok(Verified::Question(answer)),
        None => source.receive(headers, body.clone(), now_ms).map(Verified::Delivery),
    }
}
