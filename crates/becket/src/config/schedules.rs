//! `[[schedules]]`: tasks by the clock.

use std::collections::BTreeSet;
use std::time::Duration;

use becket_tasks::schedule::{Missed, PAYLOAD_KEYS, ScheduleError};
use serde_json::{Map, Value as Json};

use super::error::Problem;
use super::json;
use super::layers::{Node, Value};
use super::read::Section;
use super::routes::{Retry, priority};
use super::targets::inline::target;
use super::values::{self, Parsed};
use super::{Schedule, ScheduledWork, Tasks};

/// What says how a target is tried; a task's handler says that itself.
const KEYS_OF_TARGETS: [&str; 6] = ["timeout", "retries", "backoff", "retry_delay", "retry_max_delay", "priority"];

/// Reads all schedules. `targets` are the names that exist; `defaults` is `None` when `[tasks]` itself has errors.
pub(super) fn read_all(root: &mut Section<'_>, targets: &BTreeSet<String>, defaults: Option<&Tasks>) -> Vec<Schedule> {
    let mut names = BTreeSet::new();
    let schedules = root.numbered("schedules", |section| read(section, targets, &mut names, defaults));
    schedules.into_iter().flatten().collect()
}

fn read(
    mut section: Section<'_>,
    targets: &BTreeSet<String>,
    names: &mut BTreeSet<String>,
    defaults: Option<&Tasks>,
) -> Option<Schedule> {
    let name = section.wanted("name", "name = \"nightly\"", |v| values::name(values::text(v, "a name")?));
    if name.as_ref().is_some_and(|name| !names.insert(name.clone())) {
        section.problem("name", Problem::new("another schedule has this name", "choose another"));
    }
    let cron = section.wanted("cron", "cron = \"0 3 * * *\"", |v| parsed(v, "a cron pattern such as \"0 3 * * *\""));
    let utc = (Default::default(), "UTC");
    let zone = section.or("zone", utc, |v| parsed(v, "the name of a time zone such as \"Europe/Berlin\""));
    let jitter = section.or("jitter", (Duration::ZERO, "0s"), |v| values::duration(v, "0s", "1day"));
    let missed = section.or("missed", (Missed::Skip, "skip"), values::missed);
    let work = work(&mut section, targets, defaults);
    let payload = payload(&mut section);
    section.finish();
    Some(Schedule {
        name: name?,
        cron: cron?,
        zone: zone?,
        jitter: jitter?,
        missed: missed?,
        work: work?,
        payload: payload?,
    })
}

/// Text that the scheduler reads.
fn parsed<T: std::str::FromStr<Err = ScheduleError>>(value: &Value, wanted: &str) -> Parsed<T> {
    values::text(value, wanted)?.parse().map_err(|error: ScheduleError| Problem::new(error.what(), error.mend()))
}

/// `task`, or `to` with what says how it is tried.
fn work(section: &mut Section<'_>, targets: &BTreeSet<String>, defaults: Option<&Tasks>) -> Option<ScheduledWork> {
    if !section.has("task") {
        section.optional("task", |_| Ok(()));
        if !section.has("to") {
            let mend = "add task = \"KIND\" for a handler, or to = { http = \"https://…\" } for a target";
            section.problem("to", Problem::new("is not set, nor is `task`", mend));
            return None;
        }
        let (to, retry, priority) = (target(section, targets), Retry::read(section, defaults), priority(section));
        let Retry { timeout, retries, backoff } = retry?;
        return Some(ScheduledWork::Target { to: to?, timeout, retries, backoff, priority: priority? });
    }
    let kind = section.optional("task", |v| match values::text(v, "the kind of a task")? {
        "" => Err(Problem::new("is empty", "write the kind of a task")),
        kind => Ok(kind.to_owned()),
    });
    if section.take("to").is_some() {
        section.problem("to", Problem::new("cannot be given together with `task`", "remove one of the two"));
    }
    for key in KEYS_OF_TARGETS {
        if section.take(key).is_some() {
            let mend = "say it where the task's handler is, or remove it";
            section.problem(key, Problem::new("means nothing together with `task`", mend));
        }
    }
    kind.map(ScheduledWork::Task)
}

/// A table, as JSON.
fn payload(section: &mut Section<'_>) -> Option<Map<String, Json>> {
    let Some(node) = section.take("payload") else { return Some(Map::new()) };
    let origin = node.origin.clone();
    match object(node) {
        Ok(payload) => {
            section.row("payload", "(a table)", origin);
            Some(payload)
        }
        Err(problem) => {
            section.problem("payload", problem);
            None
        }
    }
}

fn object(node: Node) -> Parsed<Map<String, Json>> {
    let object = json::object(node)?;
    match PAYLOAD_KEYS.iter().find(|key| object.contains_key(**key)) {
        Some(key) => {
            Err(Problem::new(format!("has the key `{key}`, which the schedule fills in"), "choose another key"))
        }
        None => Ok(object),
    }
}

#[cfg(test)]
#[path = "schedules_tests.rs"]
mod tests;
