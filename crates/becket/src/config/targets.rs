//! `[targets.<name>]` and `to`: what is done with events, without writing Rust.
//!
//! A target with a name may be used by several routes and schedules, and what limits it counts over all of them. What is
//! written in `to` itself is the short form: a target of that route alone, with little to say.

mod command;
mod http;
pub(super) mod inline;
mod limits;
mod log;
pub(super) mod url;

use std::collections::BTreeMap;

use super::error::Problem;
use super::read::Section;
use super::values;

pub use self::command::{Command, Exit};
pub use self::http::{Body, Http, HttpVersion, Method};
pub use self::limits::{Breaker, Limits};
pub use self::log::File;

/// The name that stands for the target that needs none.
const LOG: &str = "log";

/// What is done with an event.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Target {
    /// The one of this name in [`Config::targets`](super::Config::targets), where it exists.
    Named(String),
    /// Writes a log line.
    Log,
    /// Appends a line of JSON to a file.
    File(File),
    /// Sends a request.
    Http(Box<Http>),
    /// Runs a program.
    Command(Box<Command>),
}

impl Target {
    /// What it lets in at once and in a time.
    #[must_use]
    pub fn limits(&self) -> Limits {
        match self {
            Self::Http(http) => http.limits,
            Self::Command(command) => command.limits,
            Self::Named(_) | Self::Log | Self::File(_) => Limits::default(),
        }
    }
}

pub(super) fn read_all(root: &mut Section<'_>) -> BTreeMap<String, Target> {
    let read = root.named("targets", |name, section| read(name, section).map(|target| (name.to_owned(), target)));
    read.into_iter().flatten().collect()
}

fn read(name: &str, mut section: Section<'_>) -> Option<Target> {
    const RULE: &str = "write one of http = \"https://…\", command = [\"./program\"] and log = \"file.jsonl\"";
    if let Err(problem) = values::name(name) {
        section.problem_here(problem);
    }
    if name == LOG {
        section.problem_here(Problem::new("`log` is the target that needs no table", "choose another name"));
    }
    let given: Vec<&str> = ["http", "command", "log"].into_iter().filter(|key| section.has(key)).collect();
    match given.as_slice() {
        ["http"] => http::read(section).map(|http| Target::Http(Box::new(http))),
        ["command"] => command::read(section).map(|command| Target::Command(Box::new(command))),
        ["log"] => log::read(section).map(Target::File),
        [] => {
            section.problem_here(Problem::new("says nothing of what is done", RULE));
            None
        }
        several => {
            section.problem_here(Problem::new(format!("says {} at once", several.join(" and ")), RULE));
            None
        }
    }
}

#[cfg(test)]
#[path = "targets_tests.rs"]
mod tests;
