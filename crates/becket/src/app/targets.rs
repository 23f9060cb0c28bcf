//! Routes and the targets of schedules in the configuration, as handlers.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use becket_tasks::client::Address;
use becket_tasks::{Backoff, Naming, OnRetry};
use reqwest::Url;
use secrecy::ExposeSecret as _;
use sha2::{Digest as _, Sha256};

use super::Mistake;
use super::plan::Named;
use crate::config::{self, Route, Schedule, ScheduledWork};
use crate::handler::{Configured, Order, RunTask};
use crate::route::table::Wanted;
use crate::route::{Pattern, PatternError};
use crate::target::{self, Target};

/// A handler for each route.
pub(super) fn from_routes(routes: &[Route], mistakes: &mut Vec<Mistake>) -> Vec<Named> {
    let mut seen: HashMap<String, u32> = HashMap::new();
    let mut named = Vec::with_capacity(routes.len());
    for route in routes {
        let kind = route.name.clone().unwrap_or_else(|| nth(&mut seen, own_name(&route.to)));
        match (target::build(&route.to), patterns(&route.on)) {
            (Ok(target), Ok(patterns)) => {
                let wanted = Wanted { patterns, source: route.source.as_deref().map(Into::into) };
                let handler = Configured {
                    mode: Some(route.mode),
                    priority: route.priority,
                    notify: route.notify.as_ref().map(|url| Address::new(url.expose_secret())),
                    order: order(&route.order),
                    ..configured(target, route.timeout, route.retries, &route.backoff)
                };
                named.push(Named { kind, wanted: Some(wanted), handler });
            }
            (Err(error), _) => mistakes.push(Mistake::new(
                format!("the route `{kind}` has no usable target: {error}"),
                "see `routes.to` in the configuration reference",
            )),
            (_, Err(mistake)) => mistakes.push(mistake),
        }
    }
    named
}

/// A handler for each schedule that has a target of its own.
pub(super) fn from_schedules(schedules: &[Schedule], mistakes: &mut Vec<Mistake>) -> Vec<Named> {
    let mut named = Vec::new();
    for Schedule { name, work, .. } in schedules {
        let ScheduledWork::Target { to, timeout, retries, backoff, priority } = work else { continue };
        match target::build(to) {
            Ok(target) => {
                let handler = Configured { priority: *priority, ..configured(target, *timeout, *retries, backoff) };
                named.push(Named { kind: kind_of_schedule(name), wanted: None, handler });
            }
            Err(error) => mistakes.push(Mistake::new(
                format!("the schedule `{name}` has no usable target: {error}"),
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
        config::Target::Http { url, .. } => http_name(url),
    }
}

/// `http:example.org#1a2b3c`. Paths and queries of webhook URLs often hold a token, and kinds are logged and listed: a
/// piece of their hash stands for them.
fn http_name(url: &Url) -> String {
    let host = url.authority().rsplit('@').next().unwrap_or_default();
    if url.path() == "/" && url.query().is_none() {
        return format!("http:{host}");
    }
    let hash = Sha256::new().chain_update(url.path()).chain_update("?").chain_update(url.query().unwrap_or_default());
    let [a, b, c, ..] = <[u8; 32]>::from(hash.finalize());
    format!("http:{host}#{a:02x}{b:02x}{c:02x}")
}

/// The second route of a name is `name#2`. Of those with a target over HTTP that is the second of one URL.
fn nth(seen: &mut HashMap<String, u32>, name: String) -> String {
    let count = seen.entry(name.clone()).or_default();
    *count += 1;
    if *count == 1 { name } else { format!("{name}#{count}") }
}

fn patterns(texts: &[String]) -> Result<Vec<Pattern>, Mistake> {
    let parsed = texts.iter().map(|text| text.parse::<Pattern>()).collect::<Result<_, PatternError>>();
    parsed.map_err(|error| {
        Mistake::new(format!("a route is on `{}`, which is not a pattern", error.pattern()), error.why())
    })
}

fn configured(target: Arc<dyn Target>, timeout: Duration, retries: u32, backoff: &config::Backoff) -> Configured {
    let run: RunTask = Arc::new(move |input| target.deliver(input.shared_task()));
    let backoff = match backoff {
        config::Backoff::Exponential { delay, max_delay } => Backoff::Exponential { first: *delay, max: *max_delay },
        config::Backoff::Fixed { delay } => Backoff::Fixed(*delay),
        config::Backoff::Delays(delays) => Backoff::List(delays.clone()),
    };
    Configured { timeout: Some(timeout), retries: Some(retries), backoff: Some(backoff), ..Configured::erased(run) }
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
        http_name(&url.parse().unwrap())
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
    }
}
