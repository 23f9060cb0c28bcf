//! The load generator: a fixed number of connections, each posting one delivery after another.
//!
//! A closed loop: a connection sends its next request when it has read the answer to the last one, so a slow server is
//! asked less often and percentiles are those of served requests. Bodies and signatures were made
//! [before](crate::payload), so that the generator, which shares the machine with the server, costs little and costs
//! every server the same. Connections are open before the clock starts.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{ACCEPT, CONTENT_TYPE, HOST, HeaderValue, USER_AGENT};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::Barrier;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::latency::Histogram;
use crate::payload::{Payload, Pool};
use crate::{server, signature};

/// How long after the end of a leg an answer may still come. A server that needs longer fails the run.
const GRACE: Duration = Duration::from_secs(15);

const REFUSAL_BYTES_MAX: usize = 300;

/// One leg's load.
#[derive(Debug, Clone)]
pub struct Load {
    /// The server.
    pub address: SocketAddr,
    /// Connections, and so requests in flight at once.
    pub connections: usize,
    /// New requests start for this long.
    pub duration: Duration,
    /// And no more than so many in all.
    pub requests_max: u64,
    /// What to send.
    pub pool: Arc<Pool>,
    /// Makes the delivery ids of this leg differ from another's.
    pub seed: u64,
}

/// What came back.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Requests answered 2xx.
    pub accepted: u64,
    /// Requests answered with anything else.
    pub refused: u64,
    /// The first of those answers, as `503 Service Unavailable: body`.
    pub first_refusal: Option<String>,
    /// From the first request to the last answer.
    pub elapsed: Duration,
    /// From sending a request to the end of its answer.
    pub latencies: Histogram,
}

/// Sends it.
///
/// # Errors
/// When a connection cannot be opened, is closed by the server, or waits longer than 15 s beyond the end for an answer.
/// Answers that are not 2xx are counted, for the caller to judge.
pub async fn run(load: &Load) -> Result<Outcome> {
    let barrier = Arc::new(Barrier::new(load.connections + 1));
    let next = Arc::new(AtomicU64::new(0));
    let mut connections = JoinSet::new();
    for _ in 0..load.connections {
        let stream = connect(load.address).await?;
        connections.spawn(converse(stream, load.clone(), Arc::clone(&barrier), Arc::clone(&next)));
    }
    barrier.wait().await;
    let start = Instant::now();
    let total = timeout(load.duration + GRACE, collect(&mut connections))
        .await
        .with_context(|| format!("an answer did not come within {GRACE:?} of the end of the leg"))??;
    Ok(Outcome { elapsed: start.elapsed(), ..total })
}

async fn collect(connections: &mut JoinSet<Result<Outcome>>) -> Result<Outcome> {
    let mut total = Outcome::default();
    while let Some(outcome) = connections.join_next().await {
        let outcome = outcome.context("a connection's task failed")??;
        total.accepted += outcome.accepted;
        total.refused += outcome.refused;
        total.first_refusal = total.first_refusal.or(outcome.first_refusal);
        total.latencies.merge(&outcome.latencies);
    }
    Ok(total)
}

async fn connect(address: SocketAddr) -> Result<TcpStream> {
    let stream = TcpStream::connect(address).await.with_context(|| format!("connect to {address}"))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// One connection's life. Requests and the connection's own work are polled in one task: a task each would add two
/// wake-ups to every request.
async fn converse(stream: TcpStream, load: Load, barrier: Arc<Barrier>, next: Arc<AtomicU64>) -> Result<Outcome> {
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.context("open an HTTP connection")?;
    barrier.wait().await;
    tokio::select! {
        outcome = post_all(sender, &load, &next) => outcome,
        closed = connection => {
            closed.context("the connection broke")?;
            bail!("the server closed a connection while it was in use")
        }
    }
}

async fn post_all(mut sender: SendRequest<Full<Bytes>>, load: &Load, next: &AtomicU64) -> Result<Outcome> {
    let host = HeaderValue::try_from(load.address.to_string()).context("write the host header")?;
    let deadline = Instant::now() + load.duration;
    let mut outcome = Outcome::default();
    while Instant::now() < deadline {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= load.requests_max {
            break;
        }
        let request = request(&host, load.pool.payload(number), &delivery_id(load.seed, number))?;
        let sent = Instant::now();
        let response = sender.send_request(request).await.context("send a delivery")?;
        let status = response.status();
        let answer = response.into_body().collect().await.context("read an answer")?.to_bytes();
        outcome.latencies.record(sent.elapsed());
        outcome.count(status, &answer);
    }
    Ok(outcome)
}

impl Outcome {
    fn count(&mut self, status: StatusCode, answer: &[u8]) {
        if status.is_success() {
            self.accepted += 1;
            return;
        }
        self.refused += 1;
        self.first_refusal.get_or_insert_with(|| {
            let text = String::from_utf8_lossy(&answer[..answer.len().min(REFUSAL_BYTES_MAX)]);
            format!("{status}: {text}")
        });
    }

    /// Passes when every answer was 2xx.
    ///
    /// # Errors
    /// When one was not, or there was none at all; the text shows the first.
    pub fn require_all_accepted(&self) -> Result<()> {
        let total = self.accepted + self.refused;
        ensure!(total > 0, "no request was answered");
        let first = self.first_refusal.as_deref().unwrap_or_default();
        ensure!(self.refused == 0, "{} of {total} answers were not 2xx; the first: {first}", self.refused);
        Ok(())
    }
}

/// The headers that GitHub sends: <https://docs.github.com/en/webhooks/webhook-events-and-payloads#delivery-headers>.
fn request(host: &HeaderValue, payload: &Payload, delivery_id: &str) -> Result<Request<Full<Bytes>>> {
    Request::post(server::PATH)
        .header(HOST, host)
        .header(USER_AGENT, HeaderValue::from_static("GitHub-Hookshot/0a1b2c3"))
        .header(ACCEPT, HeaderValue::from_static("*/*"))
        .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
        .header("x-github-event", HeaderValue::from_static(payload.event))
        .header("x-github-delivery", delivery_id)
        .header("x-github-hook-id", HeaderValue::from_static("292430182"))
        .header("x-github-hook-installation-target-id", HeaderValue::from_static("79929171"))
        .header("x-github-hook-installation-target-type", HeaderValue::from_static("repository"))
        .header(signature::HEADER, &payload.signature)
        .body(Full::new(payload.body.clone()))
        .context("build a request")
}

/// A GUID for request `number` of the leg with this seed.
///
/// Drawn as if at random, since GitHub's are: ids in rising order would be cheaper to index than real ones.
fn delivery_id(seed: u64, number: u64) -> String {
    let (high, low) = (mix(seed ^ number), mix(seed.wrapping_add(number)));
    format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        high >> 32,
        (high >> 16) & 0xffff,
        high & 0xffff,
        low >> 48,
        low & 0xffff_ffff_ffff
    )
}

/// The finaliser of SplitMix64 (<https://prng.di.unimi.it/splitmix64.c>): one to one, so different numbers stay different.
fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_delivery_id_is_a_guid_of_its_own() {
        let ids: HashSet<_> = (0..10_000).map(|number| delivery_id(42, number)).collect();
        assert_eq!(ids.len(), 10_000);
        for id in ids {
            let lengths: Vec<_> = id.split('-').map(str::len).collect();
            assert_eq!(lengths, [8, 4, 4, 4, 12], "{id}");
        }
    }

    #[test]
    fn one_refused_delivery_fails_the_leg_and_is_shown() {
        let mut outcome = Outcome::default();
        outcome.count(StatusCode::ACCEPTED, b"");
        assert!(outcome.require_all_accepted().is_ok());
        outcome.count(StatusCode::SERVICE_UNAVAILABLE, b"disk full");
        outcome.count(StatusCode::UNAUTHORIZED, b"later");
        let error = outcome.require_all_accepted().unwrap_err();
        assert_eq!(error.to_string(), "2 of 3 answers were not 2xx; the first: 503 Service Unavailable: disk full");
    }

    #[test]
    fn a_leg_without_answers_fails() {
        assert!(Outcome::default().require_all_accepted().is_err());
    }
}
