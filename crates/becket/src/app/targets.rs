//! Routes, targets with a name and the targets of schedules in the configuration, as handlers.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use becket_tasks::client::Address;
use becket_tasks::{Backoff, Naming, OnRetry, TaskError};
use futures_util::FutureExt as _;
use secrecy::ExposeSecret as _;
use sha2::{Digest as _, Sha256};

use super::Mistake;
use super::plan::Named;
use crate::config::{self, Config, Route, Schedule, ScheduledWork};
use crate::handler::{Choice, Configured, Order, RunTask};
use crate::route::filter::Filter;
use crate::route::table::Wanted;
use crate::route::{Pattern, PatternError};
use crate::target::{self, Attempt, BuildError, Target, Targets, UrlTemplate};

/// The targets that have a name. One that was there before, with the same limits and the same place to go to, keeps what is
/// known of that: what runs there, and whether its breaker is open.
pub(super) fn named(config: &Config, before: &Targets, mistakes: &mut Vec<Mistake>) -> Targets {
    let built = config.targets.iter().filter_map(|(name, target)| match target::Named::new(name.as_str(), target) {
        Ok(named) => Some(match before.get(name) {
            Some(before) => named.following(before),
            None => named,
        }),
        Err(error) => {
            let what = format!("the target `{name}` cannot be used: {}", told(&error));
            mistakes.push(Mistake::new(what, "see `targets` in the configuration reference"));
            None
        }
    });
    Targets::new(built)
}

/// A handler for each target that has a name: for tasks that are enqueued by hand, as `[tasks]` says.
pub(super) fn from_targets(config: &Config, targets: &Targets) -> Vec<Named> {
    let tasks = &config.tasks;
    let backoff = config::Backoff::Exponential { delay: tasks.retry_delay, max_delay: tasks.retry_max_delay };
    let handler = |target: &Arc<target::Named>| {
        let target: Arc<dyn Target> = Arc::clone(target) as _;
        configured(target, tasks.timeout, tasks.retries, &backoff)
    };
    targets.iter().map(|target| Named::by_hand(target.kind(), handler(target))).collect()
}

/// An error with its causes.
fn told(error: &BuildError) -> String {
    let (mut text, mut cause) = (error.to_string(), std::error::Error::source(error));
    while let Some(error) = cause {
        let shown = error.to_string();
        if !text.ends_with(&shown) {
            text = format!("{text}: {shown}");
        }
        cause = error.source();
    }
    text
}

/// The target of a route or a schedule; `None` for one whose target cannot be used, which was told already.
fn found(target: &config::Target, targets: &Targets) -> Result<Option<Arc<dyn Target>>, BuildError> {
    match target {
        config::Target::Named(name) => Ok(targets.get(name).map(|named| Arc::clone(named) as _)),
        target => target::build(target).map(Some),
    }
}

/// A handler for each route.
pub(super) fn from_routes(routes: &[Route], targets: &Targets, mistakes: &mut Vec<Mistake>) -> Vec<Named> {
    let mut seen: HashMap<String, u32> = HashMap::new();
    let mut named = Vec::with_capacity(routes.len());
    for route in routes {
        let kind = route.name.clone().unwrap_or_else(|| nth(&mut seen, own_name(&route.to)));
        match (found(&route.to, targets), choice(route, &kind)) {
            (Ok(None), Ok(_)) => {}
            (Ok(Some(target)), Ok((wanted, filter))) => {
                let handler = Configured {
                    mode: Some(route.mode),
                    priority: route.priority,
                    notify: route.notify.as_ref().map(|url| Address::new(url.expose_secret())),
                    choice: Choice { stop: route.stop, ..Choice::default() },
                    order: order(&route.order),
                    ..configured(target, route.timeout, route.retries, &route.backoff)
                };
                let target = Some(own_name(&route.to));
                named.push(Named { kind, wanted: Some(wanted), filter, target, handler });
            }
            (Err(error), _) => mistakes.push(Mistake::new(
                format!("the route `{kind}` has no usable target: {}", told(&error)),
                "see `routes.to` in the configuration reference",
            )),
            (_, Err(mistake)) => mistakes.push(mistake),
        }
    }
    named
}

/// A handler for each schedule that has a target of its own.
pub(super) fn from_schedules(schedules: &[Schedule], targets: &Targets, mistakes: &mut Vec<Mistake>) -> Vec<Named> {
    let mut named = Vec::new();
    for Schedule { name, work, .. } in schedules {
        let ScheduledWork::Target { to, timeout, retries, backoff, priority } = work else { continue };
        match found(to, targets) {
            Ok(None) => {}
            Ok(Some(target)) => {
                let handler = Configured { priority: *priority, ..configured(target, *timeout, *retries, backoff) };
                named.push(Named::by_hand(kind_of_schedule(name), handler));
            }
            Err(error) => mistakes.push(Mistake::new(
                format!("the schedule `{name}` has no usable target: {}", told(&error)),
                "see `schedules.to` in the configuration reference",
            )),
        }
    }
    named
}

/// The kind of the tasks that a schedule's own target takes. No route and no function can have such a name.
pub(super) fn kind_of_schedule(name: &str) -> String {
    format!("schedule:{name}")
}

/// The name of a route that was given none: that of its target. It must not depend on the route's place in the file,
/// since a task finds its handler by it, also after a restart with other routes.
fn own_name(target: &config::Target) -> String {
    match target {
        config::Target::Log => "log".to_owned(),
        config::Target::Named(name) => name.clone(),
        config::Target::Http(http) => http_name(&http.url),
        // These have names of their own.
        config::Target::Command(_) | config::Target::File(_) => "target".to_owned(),
    }
}

/// `http:example.org#1a2b3c`. Paths and queries of webhook URLs often hold a token, and kinds are logged and listed: a
/// piece of their hash stands for them.
fn http_name(template: &UrlTemplate) -> String {
    let url = template.sample();
    let host = url.authority().rsplit('@').next().unwrap_or_default();
    if url.path() == "/" && url.query().is_none() {
        return format!("http:{host}");
    }
    let hash = if template.is_plain() {
        Sha256::new().chain_update(url.path()).chain_update("?").chain_update(url.query().unwrap_or_default())
    } else {
        Sha256::new().chain_update(template.text())
    };
    let [a, b, c, ..] = <[u8; 32]>::from(hash.finalize());
    format!("http:{host}#{a:02x}{b:02x}{c:02x}")
}

/// The second route of a name is `name#2`. Of those with a target over HTTP that is the second of one URL.
fn nth(seen: &mut HashMap<String, u32>, name: String) -> String {
    let count = seen.entry(name.clone()).or_default();
    *count += 1;
    if *count == 1 { name } else { format!("{name}#{count}") }
}

/// Which deliveries a route gets.
fn choice(route: &Route, kind: &str) -> Result<(Wanted, Option<Filter>), Mistake> {
    let sources = route.sources.iter().map(|source| source.as_str().into()).collect();
    let filter = route.when.as_deref().map(Filter::parse).transpose().map_err(|error| {
        let what = format!("the filter of the route `{kind}` cannot be used: {}", error.what());
        Mistake::new(what, error.mend())
    })?;
    Ok((Wanted { patterns: patterns(&route.on)?, sources }, filter))
}

fn patterns(texts: &[String]) -> Result<Vec<Pattern>, Mistake> {
    let parsed = texts.iter().map(|text| text.parse::<Pattern>()).collect::<Result<_, PatternError>>();
    parsed.map_err(|error| {
        Mistake::new(format!("a route is on `{}`, which is not a pattern", error.pattern()), error.why())
    })
}

fn configured(target: Arc<dyn Target>, timeout: Duration, retries: u32, backoff: &config::Backoff) -> Configured {
    // The engine ends an attempt at once; a target that has to clean up gets the time for it on top.
    let clean_up = target.clean_up();
    let run: RunTask = Arc::new(move |input| {
        let context = input.context().clone();
        let deadline = context.deadline().checked_sub(clean_up);
        let attempt = Attempt { task: input.shared_task(), deadline, context: Some(context) };
        let delivered = target.deliver(attempt);
        async move { delivered.await.map_err(TaskError::from) }.boxed()
    });
    let backoff = match backoff {
        config::Backoff::Exponential { delay, max_delay } => Backoff::Exponential { first: *delay, max: *max_delay },
        config::Backoff::Fixed { delay } => Backoff::Fixed(*delay),
        config::Backoff::Delays(delays) => Backoff::List(delays.clone()),
    };
    Configured {
        timeout: Some(timeout + clean_up),
        retries: Some(retries),
        backoff: Some(backoff),
        ..Configured::erased(run)
    }
}

fn order(order: &config::Order) -> Order {
    let naming = |template: &Option<String>| template.as_deref().map(Naming::template);
    Order {
        lane: naming(&order.lane),
        passes: order.on_retry == OnRetry::Pass,
        latest: order.latest,
        debounce: order.debounce,
        tenant: naming(&order.tenant),
        limit_key: naming(&order.limit_key),
        limits: order.limits,
        unique: order.unique.as_deref().map(|template| (Naming::template(template), order.fresh_for)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(url: &str) -> String {
        http_name(&UrlTemplate::parse(url).unwrap())
    }

    #[test]
    fn name_of_a_target_tells_its_host_and_neither_path_nor_query() {
        assert_eq!(name("https://example.org"), "http:example.org");
        assert_eq!(name("http://127.0.0.1:3000/"), "http:127.0.0.1:3000");
        let names = ["/hook/t0ken", "/hook/t0ken?", "/?key=t0ken", "/?key=0ther"]
            .map(|rest| name(&format!("https://user:t0ken@example.org{rest}")));
        assert_eq!(names[0], "http:example.org#6db756", "the name outlives a release: tasks find their handler by it");
        for name in &names {
            assert!(name.len() == "http:example.org#".len() + 6 && !name.contains("t0ken"), "{name}");
        }
        assert!(names[0] != names[2] && names[2] != names[3], "{names:?}");
        let templates = ["/t0ken/{a}", "/t0ken/{b}"].map(|rest| name(&format!("https://example.org{rest}")));
        assert!(templates[0] != templates[1] && !templates.concat().contains("t0ken"), "{templates:?}");
    }
}
