//! The application: handlers, sources, states and a store, put together and started.
//!
//! An [`App`] only collects. Whether it makes sense is checked when it starts, all at once and before anything listens;
//! `plan` is that check, and has no effects. [`Running`] is a started server, [`Mounted`] the same without sockets.

mod cron;
mod error;
#[cfg(feature = "testing")]
pub(crate) mod in_process;
mod notify;
mod order;
mod plan;
mod reload;
mod replay;
mod running;
mod schedules;
mod serving;
mod sources;
mod store;
mod targets;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use becket_tasks::ShutdownReport;
use becket_webhooks::{Secret, Secrets, Source};
use secrecy::SecretString;

pub use self::cron::{Cron, cron};
pub use self::error::{Mistake, StartError};
pub use self::running::{Mounted, Running};
pub use self::store::IntoStore;

use self::plan::Plan;
use self::schedules::Given;
use self::store::StoreChoice;
use crate::config::{self, Config, Loader};
use crate::extract::States;
use crate::handler::{Configured, IntoHandler};
use crate::http::ingest::Received;
use crate::http::networks::Networks;
use crate::http::reload::Trigger;
use crate::route::IntoPatterns;
use crate::route::explain::Routing;

/// An application: what it listens to and what it does.
///
/// ```no_run
/// use becket::event::IssuesEvent;
/// use becket::{App, Event, TaskError, background};
///
/// async fn triage(Event(event): Event<IssuesEvent>) -> Result<String, TaskError> {
///     Ok(format!("#{} looks fine", event.issue.number))
/// }
///
/// # async fn run() -> Result<(), becket::StartError> {
/// App::new()
///     .github("the webhook's secret")
///     .on("issues.opened", background(triage).retries(3))
///     .on("ping", || async { "pong" })
///     .serve()
///     .await
/// # }
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "an application does nothing until it is started"]
pub struct App {
    config: Option<Config>,
    listen: Option<SocketAddr>,
    store: Option<StoreChoice>,
    sources: Vec<Received>,
    trusted_proxies: Option<Networks>,
    handlers: Vec<Registration>,
    tasks: Vec<(String, Configured)>,
    notify_secret: Option<SecretString>,
    schedules: Vec<Given>,
    states: States,
    reload_from: Option<Loader>,
    on_reload: OnReload,
    mistakes: Vec<Mistake>,
}

/// Who is told of a configuration that came into force.
#[derive(Clone, Default)]
struct OnReload(Vec<Told>);

type Told = Arc<dyn Fn(&Config) + Send + Sync>;

impl fmt::Debug for OnReload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OnReload({})", self.0.len())
    }
}

/// A handler and what it wants, as it was given.
#[derive(Clone, Debug)]
struct Registration {
    patterns: Vec<String>,
    handler: Configured,
}

impl App {
    /// An application with the default configuration, which reads no file and no environment variable.
    pub fn new() -> Self {
        Self::default()
    }

    /// An application configured by `becket.toml` in the working directory, if there is one, and by the environment.
    ///
    /// # Errors
    /// All that is wrong with them, each with its place.
    pub fn from_env() -> Result<Self, config::Errors> {
        let loader = Loader { env: config::environment(std::env::vars_os()), ..Loader::default() };
        let loaded = Config::load(loader.clone())?;
        for name in &loaded.ignored {
            tracing::warn!("the environment variable {name} is set, and this version does not read it");
        }
        Ok(Self::new().config(loaded.config).reload_from(loader))
    }

    /// Lets the configuration be read again from here while the application runs: when the file changes (unless
    /// `server.watch_config` is false), over the API, and by [`Running::reload`].
    ///
    /// What is given in code stays as it is: handlers, sources, schedules, states. An address, a store and other things that are
    /// made once cannot change; a configuration in which they do is refused, and the one before goes on.
    pub fn reload_from(mut self, loader: Loader) -> Self {
        self.reload_from = Some(loader);
        self
    }

    /// Calls `then` with each configuration that a reload has brought into force, for what the application itself took from
    /// the first one.
    pub fn on_reload(mut self, then: impl Fn(&Config) + Send + Sync + 'static) -> Self {
        self.on_reload.0.push(Arc::new(then));
        self
    }

    /// Takes a configuration: its sources and routes come beside those given here; a store or an address given here
    /// comes before its.
    pub fn config(mut self, config: Config) -> Self {
        self.config = Some(config);
        self
    }

    /// Calls `handler` for each delivery that matches `patterns`: `event`, `event.action`, `*`, or a list of them; `*`
    /// stands for any text within each part, too ([`Pattern`](crate::Pattern)).
    ///
    /// Every handler that matches gets the delivery, each as a task of its own;
    /// [`source`](crate::Configured::source), [`when`](crate::Configured::when) and [`stop`](crate::Configured::stop)
    /// narrow that. A plain function runs as
    /// `handlers.mode` says, which is inline unless configured; [`background`](crate::background) and
    /// [`inline`](crate::inline) say it here.
    ///
    /// What is no handler is told by its type:
    ///
    /// ```compile_fail
    /// # use becket::App;
    /// async fn wants_a_number(_: u32) {}
    /// App::new().on("push", wants_a_number); // `u32` is not something that a handler can take as an argument
    /// ```
    pub fn on<M>(mut self, patterns: impl IntoPatterns, handler: impl IntoHandler<M>) -> Self {
        let (patterns, handler) = (patterns.into_patterns(), handler.into_handler());
        self.handlers.push(Registration { patterns, handler });
        self
    }

    /// Calls `handler` for tasks that are enqueued under the name `kind`, by a [`Client`](crate::Client), the API or a
    /// [`schedule`](Self::schedule).
    pub fn task<M>(mut self, kind: impl Into<String>, handler: impl IntoHandler<M>) -> Self {
        self.tasks.push((kind.into(), handler.into_handler()));
        self
    }

    /// Signs completion webhooks with this secret (`whsec_` and base64 of 24 to 64 bytes), instead of `notify.secret`.
    pub fn notify_secret(mut self, secret: impl Into<SecretString>) -> Self {
        self.notify_secret = Some(secret.into());
        self
    }

    /// Enqueues a task of `kind` by the clock, under the name `name`: `when` is a cron pattern in UTC, such as `0 3 * * *`,
    /// or what [`cron`] makes of one with a time zone, a jitter and a payload.
    ///
    /// Each tick is fired once, by however many processes share the store. The task's payload is
    /// `{"schedule": name, "tick": time}`, with what [`Cron::payload`] adds.
    pub fn schedule(mut self, name: impl Into<String>, when: impl Into<Cron>, kind: impl Into<String>) -> Self {
        self.schedules.push(Given { name: name.into(), when: when.into(), kind: kind.into() });
        self
    }

    /// Lets handlers take [`State<S>`](crate::State), a clone of `state`. One value for each type.
    pub fn state<S: Clone + Send + Sync + 'static>(mut self, state: S) -> Self {
        if !self.states.insert(state) {
            let name = std::any::type_name::<S>();
            self.mistakes.push(Mistake::new(
                format!("there are two states of the type {name}"),
                "wrap one of them in a type of its own",
            ));
        }
        self
    }

    /// Receives webhooks from `source` at `/webhooks/{its name}`: from everywhere, or as [`received`](crate::received) says.
    pub fn source(mut self, source: impl Into<Received>) -> Self {
        self.sources.push(source.into());
        self
    }

    /// Takes the address of a client from `X-Forwarded-For` (or `Forwarded`) where the peer is in one of these networks, instead of
    /// `server.trusted_proxies`. It is what refusals show and what [`Received::allow`] asks for; who may call the API is asked of
    /// the peer alone.
    pub fn trusted_proxies<T: AsRef<str>>(mut self, networks: impl IntoIterator<Item = T>) -> Self {
        match Networks::parse(networks) {
            Ok(networks) => self.trusted_proxies = Some(networks),
            Err(error) => self.mistakes.push(Mistake::new(format!("trusted proxies: {}", error.what()), error.mend())),
        }
        self
    }

    /// Receives GitHub's webhooks, signed with `secret`, at `/webhooks/github`. The secret is text, or a
    /// [`Secret`] with a time in which it counts; for several there is [`source`](Self::source).
    ///
    /// ```
    /// use becket::{App, Secret, Secrets, Source};
    ///
    /// let december = 1_796_083_200_000;
    /// let app = App::new().github(Secret::new("only in this year").not_after(december));
    ///
    /// let secrets = Secrets::new([Secret::new("new").named("2027"), Secret::new("old").not_after(december)])?;
    /// let app = App::new().source(Source::github("github", secrets));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn github(mut self, secret: impl Into<Secret>) -> Self {
        match Secrets::new([secret]) {
            Ok(secrets) => self.source(Source::github("github", secrets)),
            Err(error) => {
                let mend = "give the secret that was entered on GitHub's webhook page";
                self.mistakes.push(Mistake::new(format!("the secret of `github`: {error}"), mend));
                self
            }
        }
    }

    /// Receives webhooks of a sender that follows Standard Webhooks, signed with `secret`, at `/webhooks/{name}`.
    pub fn standard_webhooks(mut self, name: impl Into<Arc<str>>, secret: impl Into<Secret>) -> Self {
        let name = name.into();
        let source = Secrets::new([secret]).and_then(|secrets| Source::standard_webhooks(Arc::clone(&name), secrets));
        match source {
            Ok(source) => self.source(source),
            Err(error) => {
                let mend = "give the secret as its sender shows it, beginning with `whsec_`";
                self.mistakes.push(Mistake::new(format!("the secret of `{name}`: {error}"), mend));
                self
            }
        }
    }

    /// Keeps submissions and tasks here: a URL (`sqlite:becket.db`, `memory:`) or a store that is open already.
    ///
    /// A store that was given open stays open at the end.
    pub fn store(mut self, store: impl IntoStore) -> Self {
        self.store = Some(store.into_store());
        self
    }

    /// Listens on this address; port 0 takes a free one. Default: `server.listen`, 127.0.0.1:8080.
    pub fn listen(mut self, address: impl Into<SocketAddr>) -> Self {
        self.listen = Some(address.into());
        self
    }

    /// The routes, as they would be asked for each delivery: to look at them, and to test which get what. Starts nothing.
    ///
    /// ```
    /// use becket::route::{Sought, explain::Why};
    /// use becket::{App, background};
    ///
    /// async fn greet() {}
    /// async fn log() {}
    ///
    /// # fn main() -> Result<(), becket::StartError> {
    /// let app = App::new()
    ///     .github("the webhook's secret")
    ///     .on("issues.*", background(greet).when("payload.sender.type != 'Bot'").stop())
    ///     .on("*", background(log));
    /// let routing = app.routes()?;
    ///
    /// let mut opened = Sought::new("github", "issues", Some("opened"));
    /// opened.json = Some(r#"{"sender": {"type": "User"}}"#.into());
    /// let explained = routing.explain(&opened);
    /// assert_eq!(explained[0].why, Why::Matches);
    /// assert_eq!(explained[1].why, Why::StoppedBy(explained[0].route.name.clone()));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`StartError::Mistakes`], as [`start`](Self::start).
    pub fn routes(self) -> Result<Routing, StartError> {
        let Plan { routes, sources, .. } = plan::plan(self).map_err(StartError::Mistakes)?;
        Ok(Routing { routes: Arc::new(routes), sources: sources.into_iter().map(|one| one.source).collect() })
    }

    /// Starts to work and to listen; the returned handle stops it.
    ///
    /// # Errors
    /// [`StartError::Mistakes`] names everything that is wrong with the application; the others say what of the outside
    /// world was not to be had. Nothing is left running.
    pub async fn start(self) -> Result<Running, StartError> {
        running::start(self).await
    }

    /// Serves until SIGTERM or SIGINT, and [reloads](Self::reload_from) at SIGHUP; then stops accepting, lets work in progress end within `server.shutdown_grace`
    /// and gives the rest back to the store.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub async fn serve(self) -> Result<(), StartError> {
        let mut signals = crate::http::server::Signals::listen().map_err(StartError::Signals)?;
        let mut hangups = crate::http::server::Hangups::listen().map_err(StartError::Signals)?;
        let running = self.start().await?;
        let signal = loop {
            tokio::select! {
                signal = signals.next() => break signal,
                // It is logged how it went.
                () = hangups.next() => drop(running.reload(Trigger::Signal).await),
            }
        };
        tracing::info!(signal, "stopping");
        let ShutdownReport { completed, released } = running.shutdown().await;
        tracing::info!(completed, released, "stopped");
        Ok(())
    }

    /// Starts to work and returns what to mount in an axum application of your own: webhooks, API, health and metrics.
    ///
    /// Connections, time limits for headers and the end are yours then: keep the [`Mounted`], and call its
    /// [`shutdown`](Mounted::shutdown) when your server has stopped. Serve with
    /// [`into_make_service_with_connect_info::<SocketAddr>`](Router::into_make_service_with_connect_info) if the API is
    /// to answer to loopback peers without a token.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub async fn into_router(self) -> Result<(Router, Mounted), StartError> {
        running::mount(self).await
    }
}
