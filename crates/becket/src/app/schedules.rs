//! Schedules, from the configuration and from code.

use std::collections::BTreeSet;

use becket_tasks::Registry;
use becket_tasks::schedule::{Schedule, ScheduleError};

use super::Mistake;
use super::cron::{Cron, as_json};
use super::plan::Named;
use super::targets;
use crate::config::{self, ScheduledWork};

/// A schedule as it was given in code.
#[derive(Clone, Debug)]
pub(super) struct Given {
    pub(super) name: String,
    pub(super) when: Cron,
    pub(super) kind: String,
}

/// Puts all schedules into the registry; what is wrong with one, or with its kind, is a mistake.
pub(super) fn register(
    registry: &mut Registry,
    given: Vec<Given>,
    configured: &[config::Schedule],
    named: &[Named],
    mistakes: &mut Vec<Mistake>,
) {
    let kinds: BTreeSet<&str> = named.iter().map(|one| one.kind.as_str()).collect();
    let mut add = |schedule: Schedule| {
        check_kind(&schedule, &kinds)?;
        registry.schedule(schedule)
    };
    let mut note = |error: ScheduleError| mistakes.push(Mistake::new(error.what(), error.mend()));
    for Given { name, when, kind } in given {
        let schedule = when.schedule(&name, &kind).map_err(|error| error.of(&name));
        schedule.and_then(&mut add).unwrap_or_else(&mut note);
    }
    // A schedule whose own target cannot be made has no kind, and was told already.
    let is_whole = |one: &&config::Schedule| match &one.work {
        ScheduledWork::Task(_) => true,
        ScheduledWork::Target { .. } => kinds.contains(&*targets::kind_of_schedule(&one.name)),
    };
    for one in configured.iter().filter(is_whole) {
        add(from_config(one)).unwrap_or_else(&mut note);
    }
}

fn check_kind(schedule: &Schedule, kinds: &BTreeSet<&str>) -> Result<(), ScheduleError> {
    if kinds.contains(&**schedule.kind()) {
        return Ok(());
    }
    let what = format!("it wants tasks of kind `{}`, for which there is no handler", schedule.kind());
    let mend = match kinds.iter().copied().collect::<Vec<_>>().join("`, `") {
        known if known.is_empty() => "add one with `.task(…)`, or give the schedule a target".to_owned(),
        known => format!("there are `{known}`"),
    };
    Err(ScheduleError::new(what, mend).of(schedule.name()))
}

fn from_config(one: &config::Schedule) -> Schedule {
    let kind = match &one.work {
        ScheduledWork::Task(kind) => kind.clone(),
        ScheduledWork::Target { .. } => targets::kind_of_schedule(&one.name),
    };
    let schedule = Schedule::new(one.name.as_str(), one.cron.clone(), kind).zone(one.zone.clone()).jitter(one.jitter);
    as_json(schedule.missed(one.missed).payload(one.payload.clone()))
}
