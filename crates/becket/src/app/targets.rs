//! Routes of the configuration, as handlers.

use std::collections::HashMap;
use std::sync::Arc;

use becket_tasks::Backoff;

use super::Mistake;
use super::plan::Named;
use crate::config::{self, Route, Target};
use crate::handler::{Configured, RunTask};
use crate::route::table::Wanted;
use crate::route::{Pattern, PatternError};
use crate::target;

/// A handler for each route.
pub(super) fn from_routes(routes: &[Route], mistakes: &mut Vec<Mistake>) -> Vec<Named> {
    let mut seen: HashMap<String, u32> = HashMap::new();
    let mut named = Vec::with_capacity(routes.len());
    for route in routes {
        let kind = route.name.clone().unwrap_or_else(|| nth(&mut seen, own_name(&route.to)));
        match (target::build(&route.to), patterns(&route.on)) {
            (Ok(target), Ok(patterns)) => {
                let wanted = Wanted { patterns, source: route.source.as_deref().map(Into::into) };
                let run: RunTask = Arc::new(move |input| target.deliver(input.shared_task()));
                named.push(Named { kind, wanted: Some(wanted), handler: configured(route, run) });
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

/// The name of a route that was given none: that of its target. It must not depend on the route's place in the file,
/// since a task finds its handler by it, also after a restart with other routes.
fn own_name(target: &Target) -> String {
    match target {
        Target::Log => "log".to_owned(),
        // A query may hold a secret.
        Target::Http { url, .. } => format!("http:{}{}", url.authority(), url.path()),
    }
}

/// The second route of a name is `name#2`.
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

fn configured(route: &Route, run: RunTask) -> Configured {
    let backoff = match &route.backoff {
        config::Backoff::Exponential { delay, max_delay } => Backoff::Exponential { first: *delay, max: *max_delay },
        config::Backoff::Fixed { delay } => Backoff::Fixed(*delay),
        config::Backoff::Delays(delays) => Backoff::List(delays.clone()),
    };
    Configured {
        mode: Some(route.mode),
        timeout: Some(route.timeout),
        retries: Some(route.retries),
        backoff: Some(backoff),
        priority: route.priority,
        ..Configured::erased(run)
    }
}
