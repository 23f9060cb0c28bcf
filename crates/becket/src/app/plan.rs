//! The check before the start: an application becomes a plan, or a list of all its mistakes.
//!
//! Pure: opens nothing and starts nothing.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use becket_tasks::{Backoff, Policy, Registry, RetryPolicy, Run};

use super::order::{Ordered, ordered};
use super::store::StoreChoice;
use super::{App, Mistake, Registration, notify, schedules, sources, targets};
use crate::config::{Config, Mode};
use crate::extract::{States, TaskInput};
use crate::handler::{Around, Batch, Configured};
use crate::http::ingest::{Auto, Received};
use crate::http::kept;
use crate::notify::{KIND, Notifier, is_reserved};
use crate::route::filter::Filter;
use crate::route::routes::{Route, Routes};
use crate::route::table::Wanted;
use crate::route::{Pattern, names_source};
use crate::target::Targets;

/// An application that makes sense.
pub(super) struct Plan {
    pub(super) config: Config,
    pub(super) listen: SocketAddr,
    pub(super) store: StoreChoice,
    pub(super) sources: Vec<Received>,
    pub(super) autos: Vec<Auto>,
    pub(super) registry: Registry,
    pub(super) routes: Routes,
    pub(super) notifier: Option<Notifier>,
    pub(super) targets: Targets,
}

/// A handler with its name and what it wants; `None` for one whose tasks are enqueued by hand or by the clock.
pub(super) struct Named {
    pub(super) kind: String,
    pub(super) wanted: Option<Wanted>,
    /// What is true of the deliveries that it gets.
    pub(super) filter: Option<Filter>,
    /// What it is called where it is no handler in Rust.
    pub(super) target: Option<String>,
    pub(super) handler: Configured,
}

impl Named {
    /// A handler for tasks that are enqueued by hand or by the clock.
    pub(super) fn by_hand(kind: String, handler: Configured) -> Self {
        Self { kind, wanted: None, filter: None, target: None, handler }
    }
}

/// Checks an application.
///
/// # Errors
/// Every mistake in it.
pub(super) fn plan(app: App) -> Result<Plan, Vec<Mistake>> {
    plan_around(app, &(), &Targets::default())
}

/// Checks an application that is to go on where one with these targets was.
///
/// # Errors
/// Every mistake in it.
pub(super) fn plan_after(app: App, before: &Targets) -> Result<Plan, Vec<Mistake>> {
    plan_around(app, &(), before)
}

/// The same, with `around` standing around each handler.
///
/// # Errors
/// Every mistake in the application.
pub(super) fn plan_around(app: App, around: &dyn Around, before: &Targets) -> Result<Plan, Vec<Mistake>> {
    let App { config, listen, store, sources, handlers, tasks, notify_secret, schedules, states, mut mistakes, .. } =
        app;
    let mut config = match config.map_or_else(|| Config::from_toml(""), Ok) {
        Ok(config) => config,
        Err(errors) => return Err(errors.iter().map(|e| Mistake::new(e.what(), e.mend())).collect()),
    };
    if let Some(networks) = app.trusted_proxies {
        config.server.trusted_proxies = networks;
    }
    let store = store.map_or_else(|| Ok(StoreChoice::of_config(&config.store)), StoreChoice::checked);
    let store = store.map_err(|mistake| mistakes.push(mistake));

    let mut named: Vec<Named> = handlers.into_iter().map(|given| from_registration(given, &mut mistakes)).collect();
    let by_name = targets::named(&config, before, &mut mistakes);
    named.extend(targets::from_routes(&config.routes, &by_name, &mut mistakes));
    named.extend(targets::from_schedules(&config.schedules, &by_name, &mut mistakes));
    named.extend(targets::from_targets(&config, &by_name));
    named.extend(tasks.into_iter().map(|(kind, handler)| Named::by_hand(kind, handler)));
    check_names(&named, &mut mistakes);
    check_states(&named, &states, &mut mistakes);
    check_choices(&named, &mut mistakes);
    let notifier = notify::notifier(&named, &config, notify_secret, &mut mistakes);
    let ordered = named.iter().map(|one| ordered(one, &mut mistakes)).collect();
    let mut registry = Registry::new();
    schedules::register(&mut registry, schedules, &config.schedules, &named, &mut mistakes);

    let (sources, autos) = sources::all(&config, sources, &mut mistakes);
    if sources.is_empty() && named.iter().any(|one| one.wanted.is_some()) {
        let mend = "add `.github(secret)`, or `[sources.github]` to the configuration";
        mistakes.push(Mistake::new("handlers wait for deliveries, and there is no source that could send any", mend));
    }
    check_source_names(&named, &sources, &mut mistakes);
    let (Ok(store), true) = (store, mistakes.is_empty()) else { return Err(mistakes) };
    for one in &mut named {
        one.handler.run = around.task(Arc::clone(&one.handler.run));
        if let Some(batch) = &mut one.handler.batch {
            batch.run = around.batch(Arc::clone(&batch.run));
        }
    }
    let listen = listen.unwrap_or(config.server.listen);
    let routes = register(&mut registry, named, ordered, states, &config, notifier.clone());
    Ok(Plan { listen, store, sources, autos, registry, routes, notifier, targets: by_name, config })
}

fn from_registration(given: Registration, mistakes: &mut Vec<Mistake>) -> Named {
    let Registration { patterns: texts, mut handler } = given;
    // A closure has no name of its own.
    let kind = handler.name.take().unwrap_or_else(|| texts.join("+"));
    if texts.is_empty() {
        let what = format!("the handler `{kind}` has an empty list of patterns");
        mistakes.push(Mistake::new(what, "name the events that it wants"));
    }
    let mut patterns = Vec::with_capacity(texts.len());
    for text in &texts {
        match text.parse::<Pattern>() {
            Ok(pattern) => patterns.push(pattern),
            Err(error) => {
                let what = format!("the handler `{kind}` is for `{}`, which is not a pattern", error.pattern());
                mistakes.push(Mistake::new(what, error.why()));
            }
        }
    }
    let sources = handler.choice.sources.iter().map(|source| source.as_str().into()).collect();
    let filter = handler.choice.when.as_deref().and_then(|text| match Filter::parse(text) {
        Ok(filter) => Some(filter),
        Err(error) => {
            let what = format!("the filter of the handler `{kind}` cannot be used: {}", error.what());
            mistakes.push(Mistake::new(what, error.mend()));
            None
        }
    });
    Named { kind, wanted: Some(Wanted { patterns, sources }), filter, target: None, handler }
}

fn check_choices(named: &[Named], mistakes: &mut Vec<Mistake>) {
    for one in named.iter().filter(|one| one.wanted.is_none() && !one.handler.choice.is_empty()) {
        let what = format!("the handler `{}` chooses among deliveries, and gets none", one.kind);
        mistakes
            .push(Mistake::new(what, "leave out `.source(…)`, `.when(…)` and `.stop()`, or register it with `.on(…)`"));
    }
}

/// What handlers say of sources must be true of one.
fn check_source_names(named: &[Named], sources: &[Received], mistakes: &mut Vec<Mistake>) {
    if sources.is_empty() {
        return;
    }
    for one in named {
        let wanted = one.wanted.iter().flat_map(|wanted| &wanted.sources);
        for pattern in wanted.filter(|pattern| !sources.iter().any(|one| names_source(pattern, one.source.name()))) {
            let names: Vec<&str> = sources.iter().map(|one| one.source.name()).collect();
            let what = format!("the handler `{}` is for the source `{pattern}`, and there is none", one.kind);
            mistakes.push(Mistake::new(what, format!("there are {}", names.join(", "))));
        }
    }
}

fn check_names(named: &[Named], mistakes: &mut Vec<Mistake>) {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for one in named {
        *counts.entry(&one.kind).or_default() += 1;
        if one.wanted.is_none() && one.kind.is_empty() {
            mistakes.push(Mistake::new("a task's kind is empty", "name it"));
        }
        if is_reserved(&one.kind) {
            let what = format!("a handler has the name `{}`, and names that begin with `becket.` are taken", one.kind);
            mistakes.push(Mistake::new(what, "name it otherwise"));
        }
    }
    for (kind, count) in counts.into_iter().filter(|(_, count)| *count > 1) {
        mistakes.push(Mistake::new(
            format!("{count} handlers have the name `{kind}`"),
            "give one handler a list of patterns, or name them apart with `background(handler).named(\"…\")`",
        ));
    }
}

fn check_states(named: &[Named], states: &States, mistakes: &mut Vec<Mistake>) {
    for one in named {
        for state in one.handler.needs.missing(states) {
            mistakes.push(Mistake::new(
                format!("the handler `{}` takes `State<{state}>`, and the application has no such state", one.kind),
                "add it with `.state(…)`",
            ));
        }
    }
}

fn register(
    registry: &mut Registry,
    named: Vec<Named>,
    ordered: Vec<Ordered>,
    states: States,
    config: &Config,
    notifier: Option<Notifier>,
) -> Routes {
    let states = Arc::new(states);
    registry.read_payloads_with(|meta, payload| kept::json(meta, payload).unwrap_or_default());
    let mut routes = Vec::new();
    let tells = notify::policy(config);
    if let Some(notifier) = notifier {
        let inserted = registry.insert(KIND, tells.clone(), move |run: Run| notifier.clone().tell(run));
        debug_assert!(inserted.is_ok(), "it is the first");
    }
    for (Named { kind, wanted, filter, target, handler }, ordered) in named.into_iter().zip(ordered) {
        let kind: Arc<str> = kind.into();
        let mode = handler.mode.unwrap_or(config.handlers.mode);
        let policy = policy(&handler, ordered, if wanted.is_some() { mode } else { Mode::Background }, config);
        if let Some(wanted) = wanted {
            let (task, tell) = (policy.new_task(Arc::clone(&kind)), policy.notify.then(|| tells.clone()));
            let stop = handler.choice.stop;
            routes.push(Route { wanted, filter, stop, target, mode, task, tell });
        }
        let (run, states) = (handler.run, Arc::clone(&states));
        let inserted = match handler.batch {
            Some(Batch { max, run }) => registry.insert_batch(kind, policy, max, move |tasks: Vec<Run>| {
                run(tasks.into_iter().map(|task| TaskInput::new(task, Arc::clone(&states))).collect())
            }),
            None => registry.insert(kind, policy, move |task: Run| run(TaskInput::new(task, Arc::clone(&states)))),
        };
        debug_assert!(inserted.is_ok(), "names were checked");
    }
    Routes::new(routes)
}

fn policy(handler: &Configured, ordered: Ordered, mode: Mode, config: &Config) -> Policy {
    let retries = handler.retries.unwrap_or(match mode {
        Mode::Inline => 0,
        Mode::Background => config.tasks.retries,
    });
    let default = || Backoff::Exponential { first: config.tasks.retry_delay, max: config.tasks.retry_max_delay };
    let backoff = handler.backoff.clone().unwrap_or_else(default);
    Policy {
        timeout: handler.timeout.unwrap_or(config.tasks.timeout),
        retry: RetryPolicy { max_attempts: retries.saturating_add(1), backoff },
        priority: handler.priority,
        result_ttl: config.tasks.result_ttl,
        notify: handler.notify.is_some(),
        limits: ordered.limits,
        lane: ordered.lane,
        tenant: ordered.tenant,
        limit_key: ordered.limit_key,
        unique: ordered.unique,
    }
}
