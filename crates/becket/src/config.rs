//! The configuration: what can be set, its checked types, and where each value came from.
//!
//! Layers, lowest first: the compiled-in defaults ([`default_toml`], which is also the documentation), `becket.toml`,
//! `GITHUBAPP_*` environment variables, `BECKET_SECTION__KEY` environment variables, flags. [`Config::load`] merges
//! them into one tree and reads it into the types below. A value that got here keeps its rules: durations and sizes
//! are within their limits, a source has a secret or says that it needs none, a route's source exists.
//!
//! All errors are reported at once, each with its place, key, cause and remedy. Secrets are [`SecretString`]s:
//! neither `Debug`, nor an error, nor [`Origins`] shows them.
//!
//! The types are plain data. Nothing here opens a store, listens, or knows how tasks and sources work; the parts of
//! Becket that do take their settings from here.

mod environment;
mod error;
mod json;
mod layers;
mod load;
mod order;
mod origin;
mod read;
mod restart;
mod routes;
mod schedules;
mod secrets;
mod sections;
mod sources;
mod suggest;
pub mod targets;
mod values;

#[cfg(test)]
mod default_tests;
#[cfg(test)]
mod test_layers;

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use becket_tasks::Rate;
use becket_tasks::schedule::{Missed, Pattern, Zone};
use becket_webhooks::{Dialect, Secret};
use secrecy::SecretString;

pub use crate::http::allow_list::Allow;
pub use crate::http::networks::Networks;

pub use environment::environment;
pub use error::{Error, Errors};
pub use load::{Loaded, Loader, NAMED_FLAGS};
pub use order::Order;
pub(crate) use order::{DEBOUNCE_MAX, DEBOUNCE_MAX_MAX, DEBOUNCES};
pub use origin::{MASK, Origin, Origins, Row};
pub(crate) use suggest::nearest;
pub use targets::Target;

/// The commented defaults: every key with its meaning, range, default and environment variable.
pub fn default_toml() -> &'static str {
    include_str!("config/default.toml")
}

/// A complete, checked configuration.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Config {
    /// The HTTP server.
    pub server: Server,
    /// Where submissions and tasks are kept.
    pub store: Store,
    /// The pool that runs tasks.
    pub worker: Worker,
    /// What background handlers and routes do where they do not say otherwise.
    pub tasks: Tasks,
    /// How long finished tasks and their deliveries are kept.
    pub retention: Retention,
    /// The admin API and the dashboard.
    pub admin: Admin,
    /// Handlers written in Rust.
    pub handlers: Handlers,
    /// Who sends webhooks, by the name in the path `/webhooks/{name}`.
    pub sources: BTreeMap<String, Source>,
    /// Targets that have a name, by it.
    pub targets: BTreeMap<String, Target>,
    /// Events to targets, in the order of the file.
    pub routes: Vec<Route>,
    /// Tasks by the clock, in the order of the file.
    pub schedules: Vec<Schedule>,
    /// The GitHub App's identity, where one is configured.
    pub github_app: Option<GithubApp>,
    /// Completion webhooks.
    pub notify: Notify,
    /// What is logged.
    pub log: Log,
}

/// `[server]`: listening, and the limits of a request.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Server {
    /// The address to listen on. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// Connections open at once.
    pub max_connections: usize,
    /// How long a sender may take over the headers.
    pub header_timeout: Duration,
    /// How long a sender may take over the body.
    pub body_timeout: Duration,
    /// The largest body, in bytes, for sources that set no limit of their own.
    pub body_limit: usize,
    /// What the bodies of all requests being received may take together, in bytes. Bodies up to 64 KiB over HTTP/1 are
    /// not counted, and the largest body that a source takes always passes alone.
    pub body_memory: usize,
    /// How long running tasks may go on after a request to stop.
    pub shutdown_grace: Duration,
    /// How long the answer waits for inline handlers.
    pub inline_deadline: Duration,
    /// Whether a change of the configuration file is applied by itself.
    pub watch_config: bool,
    /// The proxies that are trusted to say who their peer was.
    pub trusted_proxies: Networks,
}

/// `[store]`: where submissions and tasks are kept.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Store {
    /// Which store.
    pub url: StoreUrl,
    /// What an acknowledged delivery survives. Always [`Durability::Memory`] with [`StoreUrl::Memory`].
    pub durability: Durability,
}

/// Which store: `memory:` or `sqlite:PATH`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreUrl {
    /// Kept in memory, lost at exit.
    Memory,
    /// One SQLite file. A relative path starts at the working directory.
    Sqlite(PathBuf),
}

/// What an acknowledged delivery survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// A power cut: synced to disk before it is acknowledged.
    PowerLoss,
    /// A crash of the process, but not of the machine: written before it is acknowledged, synced later.
    ProcessCrash,
    /// Nothing.
    Memory,
}

/// `[worker]`: the pool that runs tasks.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Worker {
    /// Tasks run at once in this process; with `concurrency_max` the least.
    pub concurrency: usize,
    /// The most tasks run at once, where the pool follows the load; at least `concurrency`. `None`: it does not.
    pub concurrency_max: Option<usize>,
    /// Tasks claimed ahead of a free place. 0 claims none ahead.
    pub prefetch: usize,
    /// How long a running task stays ours without a renewal.
    pub lease: Duration,
    /// How many turns some tenants get where others get one; 1 to 1,000.
    pub weights: BTreeMap<String, u32>,
}

/// `[tasks]`: what background handlers and routes do where they do not say otherwise.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Tasks {
    /// How long one attempt may take.
    pub timeout: Duration,
    /// Attempts after the first.
    pub retries: u32,
    /// The wait before the first retry; it doubles with each.
    pub retry_delay: Duration,
    /// The longest wait before a retry; at least `retry_delay`.
    pub retry_max_delay: Duration,
    /// How long a completed task's result can be read.
    pub result_ttl: Duration,
}

/// `[retention]`: how long finished tasks are kept; whichever limit is reached first.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Retention {
    /// The age at which a finished task is removed, and the window within which a delivery id is accepted once.
    pub age: Duration,
    /// Finished tasks kept.
    pub count: u64,
}

/// `[admin]`: the admin API and the dashboard.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Admin {
    /// The bearer token, of at least 16 visible ASCII characters. `None`: only loopback peers without a forwarding
    /// header are answered.
    pub token: Option<SecretString>,
}

/// `[handlers]`: handlers written in Rust.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Handlers {
    /// How a handler runs that does not say.
    pub mode: Mode,
}

/// How a delivery's work and its answer go together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The answer waits for the work, up to the inline deadline.
    Inline,
    /// The answer leaves once the work is committed.
    Background,
}

/// `[sources.<name>]`: one sender of webhooks, or a path for those of all others.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Source {
    /// How it signs and shapes its requests.
    pub kind: SourceKind,
    /// The secrets shared with it, any of which may sign. Empty with `insecure_accept_unsigned` and for
    /// [`SourceKind::Auto`], and never otherwise.
    pub secrets: Vec<Secret>,
    /// Whether requests that nobody signed are accepted. Never together with secrets.
    pub insecure_accept_unsigned: bool,
    /// One more path that it is received at, beside `/webhooks/{name}`: no trailing slash, no other source's path,
    /// none of Becket's own.
    pub path: Option<String>,
    /// The largest body, in bytes. `None`: [`Server::body_limit`].
    pub body_limit: Option<usize>,
    /// How far a signed timestamp may be from our clock. Means nothing where none is signed.
    pub tolerance: Duration,
    /// From which addresses it is received. `None`: from all.
    pub allow: Option<Allow>,
    /// How many requests are taken in a time, verified or not.
    pub rate: Option<Rate>,
}

/// The kinds of sources.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SourceKind {
    /// A sender of this dialect.
    Sender(Dialect),
    /// No sender of its own: takes the requests of all other sources, each told by its headers.
    Auto,
}

impl SourceKind {
    /// The kind as it is written in the configuration.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Sender(dialect) => dialect.kind().as_str(),
            Self::Auto => "auto",
        }
    }
}

/// One of `[[routes]]`: events to a target.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Route {
    /// The name, unique among routes.
    pub name: Option<String>,
    /// The patterns of events wanted, at least one: `event`, `event.action` or `*`.
    pub on: Vec<String>,
    /// Only from these sources, `*` standing for any text; each is like one that exists. Empty: from any.
    pub sources: Vec<String>,
    /// What must be true of a delivery; known to parse.
    pub when: Option<String>,
    /// Whether routes behind it do not get what it gets.
    pub stop: bool,
    /// What is done with them.
    pub to: Target,
    /// Whether the sender waits.
    pub mode: Mode,
    /// How long one attempt may take.
    pub timeout: Duration,
    /// Attempts after the first.
    pub retries: u32,
    /// The wait before each retry.
    pub backoff: Backoff,
    /// Higher runs first among tasks that are due.
    pub priority: i8,
    /// The URL that is told how its tasks ended; `http` or `https`. It often holds a token.
    pub notify: Option<SecretString>,
    /// What its tasks belong to, and how many of them run.
    pub order: Order,
}

/// One of `[[schedules]]`: tasks by the clock.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Schedule {
    /// The name, unique among schedules.
    pub name: String,
    /// When it fires.
    pub cron: Pattern,
    /// The time zone that `cron` is read in.
    pub zone: Zone,
    /// The longest delay of a task after its tick.
    pub jitter: Duration,
    /// What becomes of ticks that were missed.
    pub missed: Missed,
    /// What is done at each tick.
    pub work: ScheduledWork,
    /// What the payload holds besides `schedule` and `tick`.
    pub payload: serde_json::Map<String, serde_json::Value>,
}

/// What a schedule does at each tick.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum ScheduledWork {
    /// Enqueues a task of a kind that has a handler elsewhere.
    Task(String),
    /// Hands the payload to a target.
    Target {
        /// Which.
        to: Target,
        /// How long one attempt may take.
        timeout: Duration,
        /// Attempts after the first.
        retries: u32,
        /// The wait before each retry.
        backoff: Backoff,
        /// Higher runs first among tasks that are due.
        priority: i8,
    },
}

/// The wait before each retry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Backoff {
    /// Doubles with each retry; a random part of it is waited ("full jitter").
    Exponential {
        /// Before the first retry.
        delay: Duration,
        /// The longest; at least `delay`.
        max_delay: Duration,
    },
    /// The same before each.
    Fixed {
        /// Before each retry.
        delay: Duration,
    },
    /// One for each retry; the last is used for the rest. Never empty.
    Delays(Vec<Duration>),
}

/// `[github_app]`: the GitHub App's identity.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct GithubApp {
    /// The App id; at least 1.
    pub id: u64,
    /// The private key: PEM text, with real line ends.
    pub private_key: SecretString,
}

/// `[notify]`: completion webhooks, which tell how tasks ended.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Notify {
    /// Signs them, as Standard Webhooks: `whsec_` and base64. `None`: there are none.
    pub secret: Option<SecretString>,
    /// Whether their URLs may lead to private, loopback or link-local addresses.
    pub allow_private: bool,
    /// How long one attempt may take.
    pub timeout: Duration,
    /// Attempts after the first.
    pub retries: u32,
}

/// `[log]`: what is written to the standard error stream.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Log {
    /// Directives of a `tracing_subscriber::EnvFilter`, known to parse.
    pub filter: String,
    /// For people or for machines.
    pub format: LogFormat,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// Text for people.
    Text,
    /// One JSON object a line.
    Json,
}

impl fmt::Display for Durability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PowerLoss => "power_loss",
            Self::ProcessCrash => "process_crash",
            Self::Memory => "memory",
        })
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Inline => "inline",
            Self::Background => "background",
        })
    }
}

impl fmt::Display for SourceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => f.write_str("memory:"),
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
        }
    }
}
