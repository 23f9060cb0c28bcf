//! Why a delivery goes where it goes: for people, before anything is started.
//!
//! Asks the very same patterns and filters as the server does, and says for each route what came of it.

use std::sync::Arc;

use becket_webhooks::Source;

use super::Sought;
use super::filter::{Cause, Filter, View};
use super::routes::{Entry, Routes};
use super::table::Wanted;
use crate::config::{Mode, nearest};

/// All routes of an application, in the order in which they are asked, made by [`App::routes`](crate::App::routes).
#[derive(Debug)]
pub struct Routing {
    pub(crate) routes: Arc<Routes>,
    pub(crate) sources: Vec<Source>,
}

/// A route, as it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Shown {
    /// The name: the kind of its tasks.
    pub name: String,
    /// The patterns of events, any of which may match.
    pub on: Vec<String>,
    /// The patterns of sources; empty for any source.
    pub sources: Vec<String>,
    /// The filter.
    pub when: Option<String>,
    /// Whether routes behind it do not get what it gets.
    pub stop: bool,
    /// Whether the sender waits.
    pub mode: Mode,
    /// The target; `None` for a handler in Rust.
    pub target: Option<String>,
}

/// What becomes of a delivery at a route.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Why {
    /// It gets the delivery.
    Matches,
    /// None of its patterns matches; the nearest of them, if one is near.
    OtherEvent(Option<String>),
    /// It is for other sources.
    OtherSource,
    /// Its filter is not true.
    Filter,
    /// Its filter needs the payload, which is not known.
    NoPayload,
    /// An earlier route, of this name, got the delivery and ends there.
    StoppedBy(String),
}

/// A part of a filter: what stands between `&&`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Part {
    /// As it is written.
    pub text: String,
    /// Whether it is true; `None` where the payload is not known.
    pub is_true: Option<bool>,
    /// Why it is not, where it is not just false.
    pub why: Option<String>,
    /// The paths in it, with the JSON that is there, cut after 60 characters.
    pub values: Vec<(String, Option<String>)>,
}

/// What becomes of a delivery at a route, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Explained {
    /// The route.
    pub route: Shown,
    /// What becomes of it.
    pub why: Why,
    /// The parts of the filter; empty where it was not asked, and without one.
    pub parts: Vec<Part>,
}

impl Routing {
    /// The routes, in the order in which they are asked.
    #[must_use]
    pub fn all(&self) -> Vec<Shown> {
        self.routes.entries().map(|(wanted, entry)| shown(wanted, entry)).collect()
    }

    /// The source of a name.
    #[must_use]
    pub fn source(&self, name: &str) -> Option<&Source> {
        self.sources.iter().find(|source| source.name() == name)
    }

    /// What becomes of a delivery, route by route.
    #[must_use]
    pub fn explain(&self, sought: &Sought<'_>) -> Vec<Explained> {
        let view = View::new(sought, self.routes.needs());
        let mut stopped = None;
        let mut all = Vec::new();
        for (wanted, entry) in self.routes.entries() {
            let filter = entry.guard.as_ref().map(|guard| &guard.filter);
            let (why, parts) = if !wanted.matches_event(sought) {
                (Why::OtherEvent(near(wanted, sought)), Vec::new())
            } else if !wanted.matches_source(sought.source) {
                (Why::OtherSource, Vec::new())
            } else {
                let parts = filter.map(|filter| parts(filter, sought, &view)).unwrap_or_default();
                (outcome(&parts, stopped.as_ref()), parts)
            };
            let route = shown(wanted, entry);
            if entry.stop && why == Why::Matches {
                stopped = Some(route.name.clone());
            }
            all.push(Explained { route, why, parts });
        }
        all
    }
}

/// As the server decides it: a part that is false decides, and what cannot be said is no yes.
fn outcome(parts: &[Part], stopped: Option<&String>) -> Why {
    if let Some(by) = stopped {
        return Why::StoppedBy(by.clone());
    }
    if parts.iter().any(|part| part.is_true == Some(false)) {
        return Why::Filter;
    }
    if parts.iter().any(|part| part.is_true.is_none()) { Why::NoPayload } else { Why::Matches }
}

fn parts(filter: &Filter, sought: &Sought<'_>, view: &View<'_>) -> Vec<Part> {
    let part = |(place, text): (usize, &str)| {
        if sought.json.is_none() && filter.needs_payload(place) {
            return Part { text: text.to_owned(), is_true: None, why: None, values: Vec::new() };
        }
        let (is_true, why) = match filter.part(place, view) {
            Ok(()) => (true, None),
            Err(Cause::False) => (false, None),
            Err(Cause::Missing(why) | Cause::Failed(why)) => (false, Some(why)),
        };
        Part { text: text.to_owned(), is_true: Some(is_true), why, values: filter.values(place, view) }
    };
    filter.parts().enumerate().map(part).collect()
}

/// The pattern that may have been meant.
fn near(wanted: &Wanted, sought: &Sought<'_>) -> Option<String> {
    let name = match sought.action {
        Some(action) => format!("{}.{action}", sought.event),
        None => sought.event.to_owned(),
    };
    let texts: Vec<String> = wanted.patterns.iter().map(ToString::to_string).collect();
    let same_event = || {
        let of_event = wanted.patterns.iter().filter(|pattern| pattern.concerns(sought.event));
        of_event.map(ToString::to_string).next()
    };
    same_event().or_else(|| nearest(&name, texts.iter().map(String::as_str)).map(str::to_owned))
}

fn shown(wanted: &Wanted, entry: &Entry) -> Shown {
    Shown {
        name: entry.task.kind.to_string(),
        on: wanted.patterns.iter().map(ToString::to_string).collect(),
        sources: wanted.sources.iter().map(ToString::to_string).collect(),
        when: entry.guard.as_ref().map(|guard| guard.filter.text().to_owned()),
        stop: entry.stop,
        mode: entry.mode,
        target: entry.target.clone(),
    }
}
