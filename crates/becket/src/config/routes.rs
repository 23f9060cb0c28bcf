//! `[[routes]]`: events to targets, without writing Rust.

use std::collections::BTreeSet;
use std::time::Duration;

use super::error::Problem;
use super::layers::Value;
use super::read::Section;
use super::sections::delay_above_maximum;
use super::suggest::nearest;
use super::targets::inline::target;
use super::targets::url::{masked, plain_url};
use super::values::{self, Parsed};
use super::{Backoff, Mode, Route, Tasks, order};
use crate::route::filter::Filter;
use crate::route::names_source;

/// Reads all routes. `sources` and `targets` are the names that exist; `defaults` is `None` when `[tasks]` itself has
/// errors.
pub(super) fn read_all(
    root: &mut Section<'_>,
    sources: &BTreeSet<String>,
    targets: &BTreeSet<String>,
    defaults: Option<&Tasks>,
) -> Vec<Route> {
    let mut names = BTreeSet::new();
    let routes = root.numbered("routes", |section| read(section, sources, targets, &mut names, defaults));
    routes.into_iter().flatten().collect()
}

fn read(
    mut section: Section<'_>,
    sources: &BTreeSet<String>,
    targets: &BTreeSet<String>,
    names: &mut BTreeSet<String>,
    defaults: Option<&Tasks>,
) -> Option<Route> {
    let name = section.optional("name", |v| values::name(values::text(v, "a name")?));
    if name.as_ref().is_some_and(|name| !names.insert(name.clone())) {
        section.problem("name", Problem::new("another route has this name", "choose another"));
    }
    let on = patterns(&mut section);
    let of = self::sources(&mut section, sources);
    let when = section.optional("when", filter);
    let stop = section.or("stop", (false, false), values::boolean);
    let to = target(&mut section, targets);
    let mode = section.or("mode", (Mode::Background, Mode::Background), values::mode);
    let retry = Retry::read(&mut section, defaults);
    let priority = priority(&mut section);
    let notify = section.optional_as("notify", plain_url, |_, url| masked(url)).map(|url| String::from(url).into());
    let order = order::read(&mut section);
    section.finish();
    let Retry { timeout, retries, backoff } = retry?;
    let (on, sources, stop, to, mode, priority, order) = (on?, of?, stop?, to?, mode?, priority?, order?);
    Some(Route { name, on, sources, when, stop, to, mode, timeout, retries, backoff, priority, notify, order })
}

pub(super) fn priority(section: &mut Section<'_>) -> Option<i8> {
    section.or("priority", (0, 0), |v| values::integer(v, -128..=127))
}

fn patterns(section: &mut Section<'_>) -> Option<Vec<String>> {
    if !section.has("on") {
        return section.wanted("on", "on = \"issues.opened\", or on = \"*\"", |_| Ok(Vec::new()));
    }
    section.list("on", values::pattern)
}

/// Which sources it is for; `None` after an error.
fn sources(section: &mut Section<'_>, known: &BTreeSet<String>) -> Option<Vec<String>> {
    if section.is_list("source") {
        return section.list("source", |v| known_source(v, known));
    }
    let is_given = section.has("source");
    match section.optional("source", |v| known_source(v, known)) {
        Some(source) => Some(vec![source]),
        None if is_given => None,
        None => Some(Vec::new()),
    }
}

fn known_source(value: &Value, sources: &BTreeSet<String>) -> Parsed<String> {
    let text = values::text(value, "the name of a source")?;
    if sources.iter().any(|source| names_source(text, source)) {
        return Ok(text.to_owned());
    }
    let mend = match nearest(text, sources.iter().map(String::as_str)) {
        Some(near) => format!("did you mean \"{near}\"?"),
        None if text.contains('*') => "write the beginning of a source's name and `*`, or leave the key out".to_owned(),
        None => format!("add [sources.{text}], or leave the key out for any source"),
    };
    Err(Problem::new(format!("there is no source `{text}`"), mend))
}

/// A filter; the text itself is kept.
fn filter(value: &Value) -> Parsed<String> {
    let text = values::text(value, "a condition such as \"payload.sender.type != 'Bot'\"")?;
    match Filter::parse(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(Problem::new(format!("is not a filter: {}", error.what()), error.mend())),
    }
}

/// What a route or a schedule says about attempts, with what `[tasks]` says where it is silent.
pub(super) struct Retry {
    pub(super) timeout: Duration,
    pub(super) retries: u32,
    pub(super) backoff: Backoff,
}

/// The key `backoff`, as written.
#[derive(Clone)]
enum Growth {
    Exponential,
    Fixed,
    Delays(Vec<Duration>),
}

impl Retry {
    pub(super) fn read(section: &mut Section<'_>, defaults: Option<&Tasks>) -> Option<Self> {
        let default = |of: fn(&Tasks) -> Duration| {
            let value = defaults.map(of).unwrap_or_default();
            (value, humantime::format_duration(value))
        };
        let timeout = section.or("timeout", default(|t| t.timeout), |v| values::duration(v, "1ms", "7days"));
        let growth = growth(section);
        let retries = match &growth {
            Some(Growth::Delays(delays)) => u32::try_from(delays.len()).unwrap_or(u32::MAX),
            _ => defaults.map_or(0, |tasks| tasks.retries),
        };
        let retries = section.or("retries", (retries, retries), |v| values::integer(v, 0..=100));
        let delay = section.or("retry_delay", default(|t| t.retry_delay), |v| values::duration(v, "1ms", "1day"));
        let maximum = default(|t| t.retry_max_delay);
        let max_delay = section.or("retry_max_delay", maximum, |v| values::duration(v, "1ms", "7days"));
        if delay > max_delay && max_delay.is_some() && defaults.is_some() && matches!(growth, Some(Growth::Exponential))
        {
            section.problem("retry_delay", delay_above_maximum("retry_max_delay"));
        }
        let backoff = match growth? {
            Growth::Exponential => Backoff::Exponential { delay: delay?, max_delay: max_delay? },
            Growth::Fixed => Backoff::Fixed { delay: delay? },
            Growth::Delays(delays) => Backoff::Delays(delays),
        };
        Some(Self { timeout: timeout?, retries: retries?, backoff })
    }
}

fn growth(section: &mut Section<'_>) -> Option<Growth> {
    const RULE: &str = "write \"exponential\", \"fixed\" or a list of durations such as [\"10s\", \"1m\"]";
    let is_list = section.is_list("backoff");
    if is_list {
        return section.list("backoff", |v| values::duration(v, "1ms", "7days")).map(Growth::Delays);
    }
    section.or("backoff", (Growth::Exponential, "exponential"), |v| {
        match values::text(v, "\"exponential\" or \"fixed\"")? {
            "exponential" => Ok(Growth::Exponential),
            "fixed" => Ok(Growth::Fixed),
            other => Err(Problem::new(format!("`{other}` is not known here"), RULE)),
        }
    })
}

#[cfg(test)]
#[path = "routes_tests.rs"]
mod tests;
