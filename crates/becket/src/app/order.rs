//! The check of what handlers say about order: lanes, tenants, limits and unique tasks, or the mistakes in them.

use std::time::Duration;

use becket_tasks::{LanePolicy, Limits, Naming, OnRetry, Rate, UniquePolicy};

use super::Mistake;
use super::plan::Named;
use crate::handler::{Given, Order};

/// The lane of those that are `latest` or debounced and name none: GitHub's pull request, issue or branch.
const DEFAULT_LANE: &str = "{@kind} {repository.full_name}#{pull_request.number|issue.number|number|ref}";

/// What a handler's policy takes over.
#[derive(Debug, Default)]
pub(super) struct Ordered {
    pub(super) lane: Option<LanePolicy>,
    pub(super) tenant: Option<Naming>,
    pub(super) limit_key: Option<Naming>,
    pub(super) limits: Limits,
    pub(super) unique: Option<UniquePolicy>,
}

/// Checks one handler; what is wrong is left out.
pub(super) fn ordered(named: &Named, mistakes: &mut Vec<Mistake>) -> Ordered {
    let mut check = Check { kind: &named.kind, mistakes };
    let order = &named.handler.order;
    check.limits(order, named.wanted.is_some());
    check.debounce(order);
    Ordered {
        lane: check.lane(order, named.wanted.is_some()),
        tenant: check.naming("tenant", order.tenant.as_ref()),
        limit_key: check.naming("limit key", order.limit_key.as_ref()),
        limits: order.limits,
        unique: check.unique(order),
    }
}

struct Check<'a> {
    kind: &'a str,
    mistakes: &'a mut Vec<Mistake>,
}

impl Check<'_> {
    fn mistake(&mut self, what: &str, mend: &str) {
        self.mistakes.push(Mistake::new(format!("the handler `{}` {what}", self.kind), mend));
    }

    fn naming(&mut self, of: &str, given: Option<&Given>) -> Option<Naming> {
        match given? {
            Ok(naming) => Some(naming.clone()),
            Err(error) => {
                let (template, what, column) = (error.template(), error.what(), error.column());
                self.mistake(&format!("has the {of} `{template}`: {what} at column {column}"), error.mend());
                None
            }
        }
    }

    /// A lane; also for what needs one and names none.
    fn lane(&mut self, order: &Order, takes_deliveries: bool) -> Option<LanePolicy> {
        let replaces = order.latest.is_some() || order.debounce.is_some();
        let name = match &order.lane {
            Some(_) => self.naming("lane", order.lane.as_ref())?,
            None if replaces && takes_deliveries => Naming::template(DEFAULT_LANE).ok()?,
            None if replaces => {
                self.mistake("replaces older tasks of its lane, and has none", "name it with `.lane(…)`");
                return None;
            }
            None if order.passes => {
                self.mistake(
                    "lets its lane pass, and has none",
                    "name it with `.lane(…)`, or leave out `.pass_on_retry()`",
                );
                return None;
            }
            None => return None,
        };
        let on_retry = if order.passes { OnRetry::Pass } else { OnRetry::Hold };
        Some(LanePolicy { name, on_retry, latest: order.latest, debounce: order.debounce })
    }

    fn unique(&mut self, order: &Order) -> Option<UniquePolicy> {
        let (name, fresh) = order.unique.as_ref()?;
        Some(UniquePolicy { name: self.naming("unique key", Some(name))?, fresh: *fresh })
    }

    fn debounce(&mut self, order: &Order) {
        let Some(debounce) = order.debounce else { return };
        if debounce.quiet.is_zero() {
            self.mistake("waits for a quiet of no length", "give `.debounce(quiet, max)` a time, or leave it out");
        } else if debounce.max < debounce.quiet {
            self.mistake(
                "waits for quiet longer than at the most",
                "give `.debounce(quiet, max)` a `max` of at least `quiet`",
            );
        }
    }

    fn limits(&mut self, order: &Order, takes_deliveries: bool) {
        let Limits { concurrency, rate, key_concurrency, key_rate } = order.limits;
        for (limit, of) in [(concurrency, "in all"), (key_concurrency, "for each key")] {
            if limit == Some(0) {
                self.mistake(&format!("may run 0 tasks at once {of}"), "allow at least 1; `becket pause` stops a kind");
            }
        }
        for (rate, of) in [(rate, "in all"), (key_rate, "for each key")] {
            if let Some(wrong) = rate.and_then(|rate| wrong_rate(&rate, "tasks")) {
                self.mistake(
                    &format!("may start {wrong} {of}"),
                    "allow 1 to 10000 starts in more than no time and at most a day",
                );
            }
        }
        // What is enqueued by hand may bring its key along.
        let needs_key = key_concurrency.is_some() || key_rate.is_some();
        if needs_key && order.limit_key.is_none() && takes_deliveries {
            self.mistake("has a limit for each key, and no key", "say with `.limit_key(…)` what it counts");
        }
    }
}

/// A rate that cannot be kept, in words.
pub(super) fn wrong_rate(rate: &Rate, of: &str) -> Option<String> {
    let period = humantime::format_duration(rate.period);
    let fits = (1..=Rate::STARTS_MAX).contains(&rate.starts)
        && rate.period > Duration::ZERO
        && rate.period <= Rate::PERIOD_MAX;
    (!fits).then(|| format!("{} {of} in {period}", rate.starts))
}
