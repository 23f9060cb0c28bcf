//! The server that is attacked, and how one sees that it has come to no harm.

use std::sync::atomic::{AtomicU32, Ordering};

use becket_webhooks::signature;

use crate::operator::{Delivery, Operator};
use crate::sender::SECRET;
use crate::server::{Place, Server};
use crate::wire::{Heard, Wire};

/// How much more memory it may hold after tricks that were played before: allocators keep a little.
const GROWTH_MAX: u64 = 12 * 1024 * 1024;
/// How often a trick is played before memory is looked at first, and then again.
const ROUNDS: usize = 12;

/// All senders, a path for any of them, and small limits so that they are reached.
const CONFIG: &str = "\
    server.header_timeout = '3s'\n\
    server.body_timeout = '3s'\n\
    server.body_limit = '1MiB'\n\
    log.format = 'json'\n\
    sources.gitlab.secret = 'a secret for tests'\n\
    sources.bitbucket_server.secret = 'a secret for tests'\n\
    sources.bitbucket_cloud.secret = 'a secret for tests'\n\
    sources.azure_devops.secret = 'user:pass'\n\
    sources.gitea.secret = 'a secret for tests'\n\
    sources.slack.secret = 'a secret for tests'\n\
    sources.stripe.secret = 'a secret for tests'\n\
    sources.standard_webhooks.secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'\n\
    sources.any.kind = 'auto'\n\
    [sources.shop]\n\
    kind = 'custom'\n\
    secret = 'a secret for tests'\n\
    signature = 'x-shop-signature'\n\
    id = 'x-shop-id'\n\
    event = 'x-shop-event'\n\
    [[routes]]\n\
    name = 'note'\n\
    on = '*'\n\
    to = 'log'\n";

/// A server with all sources.
pub(crate) struct Victim {
    place: Place,
    server: Server,
    pub(crate) operator: Operator,
    good: AtomicU32,
}

impl Victim {
    pub(crate) async fn new() -> Self {
        Self::with("").await
    }

    /// With further configuration: tables.
    pub(crate) async fn with(toml: &str) -> Self {
        Self::configured(&format!("{CONFIG}{toml}")).await
    }

    /// One that trusts those who connect as its proxies, with further configuration: tables.
    pub(crate) async fn behind_proxies(toml: &str) -> Self {
        Self::configured(&format!("server.trusted_proxies = '127.0.0.1'\n{CONFIG}{toml}")).await
    }

    async fn configured(toml: &str) -> Self {
        let place = Place::new(toml);
        let server = place.start().await;
        let operator = Operator::of(&server.url);
        Self { place, server, operator, good: AtomicU32::new(0) }
    }

    pub(crate) fn url(&self) -> &str {
        &self.server.url
    }

    pub(crate) async fn wire(&self) -> Wire {
        Wire::to(self.server.address()).await
    }

    /// Says all of this on a connection of its own, and nothing more; all answers until the server ends the connection, which
    /// it does when it was asked to, was offended, or waited for another request in vain.
    pub(crate) async fn told(&self, bytes: impl AsRef<[u8]>) -> Vec<Heard> {
        let mut wire = self.wire().await;
        // It may refuse to listen before all is said.
        let _ = wire.say(bytes).await;
        wire.hear_out().await
    }

    /// The only answer to this request, which is to be the last of its connection.
    pub(crate) async fn answer(&self, bytes: impl AsRef<[u8]>) -> Heard {
        let mut heard = self.told(bytes).await;
        assert_eq!(heard.len(), 1, "{heard:?}");
        heard.remove(0)
    }

    /// Plays a trick again and again: memory does not grow with it.
    pub(crate) async fn bears(&self, mut trick: impl AsyncFnMut()) {
        for _ in 0..ROUNDS {
            trick().await;
        }
        let before = self.memory();
        for _ in 0..ROUNDS {
            trick().await;
        }
        let after = self.memory();
        assert!(after < before + GROWTH_MAX, "from {before} to {after} bytes after {ROUNDS} times");
    }

    /// It lives, is healthy, accepts a good delivery, and its log is one object a line with nothing raw in it.
    pub(crate) async fn is_unharmed(&self) {
        assert_eq!(self.operator.status("/healthz").await, 200);
        assert_eq!(self.operator.status("/readyz").await, 200);
        let id = format!("good-{}", self.good.fetch_add(1, Ordering::Relaxed));
        let heard = self.answer(github(&id, "connection: close\r\n", b"{}")).await;
        let said = String::from_utf8_lossy(&heard.body);
        assert!(
            heard.status == 202 && said.contains("task_ids") && !said.contains("duplicate"),
            "{}: {said}",
            heard.status
        );
        let log = self.place.log();
        for line in log.lines() {
            let object: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line:?}"));
            assert!(object.is_object(), "{line}");
            assert!(!line.chars().any(char::is_control), "{line:?}");
            assert!(!line.contains(SECRET), "a secret is in the log: {line}");
        }
    }

    /// The deliveries that were no good ones: those that a trick brought about.
    pub(crate) async fn taken(&self) -> Vec<Delivery> {
        let all = self.operator.deliveries().await;
        all.into_iter().filter(|delivery| !delivery.delivery_id.starts_with("good-")).collect()
    }

    /// Resident memory, in bytes.
    fn memory(&self) -> u64 {
        let pid = self.server.pid().as_raw_nonzero();
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    }
}

/// A `POST` as GitHub's, signed, with these headers in addition, each ended by a line end.
pub(crate) fn github(id: &str, more: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST /webhooks/github HTTP/1.1\r\nhost: becket\r\ncontent-type: application/json\r\nx-github-event: push\r\n\
         x-github-delivery: {id}\r\nx-hub-signature-256: {}\r\ncontent-length: {}\r\n{more}\r\n",
        signature::github(SECRET.as_bytes(), body),
        body.len()
    );
    [head.as_bytes(), body].concat()
}
