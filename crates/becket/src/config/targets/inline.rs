//! The value of `to`: a target's name, or its short form.

use std::collections::BTreeSet;

use super::super::error::Problem;
use super::super::layers::Value;
use super::super::read::Section;
use super::super::suggest::nearest;
use super::super::{secrets, values};
use super::http::Http;
use super::url::{shown, template};
use super::{LOG, Target};

const RULE: &str = "write to = \"log\", to = { http = \"https://…\" } or to = \"NAME\" for [targets.NAME]";

/// `"log"`, the name of one of `targets`, or a table that names the kind of target by its key.
pub(in super::super) fn target(section: &mut Section<'_>, targets: &BTreeSet<String>) -> Option<Target> {
    if section.is_table("to") {
        return http(section.section("to"));
    }
    section.wanted("to", "to = \"log\" or to = { http = \"https://…\" }", |value| match value {
        Value::String(text) | Value::Untyped(text) if text == LOG => Ok(Target::Log),
        Value::String(text) | Value::Untyped(text) if targets.contains(text) => Ok(Target::Named(text.clone())),
        Value::String(text) | Value::Untyped(text) => Err(unknown(text, targets)),
        other => Err(Problem::new(format!("is {}", values::kind_of(other)), RULE)),
    })
}

fn unknown(text: &str, targets: &BTreeSet<String>) -> Problem {
    // What cannot be a name is most likely a URL, which may hold a password: not repeated.
    if values::name(text).is_err() {
        return Problem::new("is not a target", RULE);
    }
    let mend = match nearest(text, targets.iter().map(String::as_str).chain([LOG])) {
        Some(near) => format!("did you mean \"{near}\"?"),
        None => RULE.to_owned(),
    };
    Problem::new(format!("there is no target `{text}`"), mend)
}

fn http(mut section: Section<'_>) -> Option<Target> {
    let url = section.wanted_as("http", "http = \"https://…\"", template, |_, url| shown(url));
    let allow_private = section.or("allow_private", (false, false), values::boolean);
    let secret = section.secret("secret", secrets::whsec);
    section.finish();
    Some(Target::Http(Box::new(Http { allow_private: allow_private?, secret, ..Http::new(url?) })))
}
