//! `[sources.<name>]`: who sends webhooks, how they sign, and where they are received.
//!
//! Verification fails closed: a source has a secret, or says `insecure_accept_unsigned = true`, and never both. An `auto`
//! source has none of its own: it is a path for what the others take.

mod allow;
mod dated;
mod dialect;

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::time::Duration;

use becket_webhooks::{AzureAuth, Dialect, Kind, Secret};

use super::error::Problem;
use super::layers::Value;
use super::read::Section;
use super::values::{self, Parsed};
use super::{Source, SourceKind, order, secrets, sections};

/// Five minutes, as the Standard Webhooks specification recommends.
const TOLERANCE: (Duration, &str) = (Duration::from_secs(300), "5m");

/// The keys that only a sender can have.
const OF_A_SENDER: [&str; 8] =
    ["secret", "secrets", "insecure_accept_unsigned", "body_limit", "tolerance", "allow", "meta_url", "rate"];

/// Paths that Becket answers itself, with everything below them. Others under /api may be aliases: PR-Agent's
/// webhooks are received at /api/v1/github_webhooks.
const OWN_PATHS: [&str; 17] = [
    "/healthz",
    "/readyz",
    "/metrics",
    "/openapi.json",
    "/api/v1/tasks",
    "/api/v1/deliveries",
    "/api/v1/events",
    "/api/v1/rejections",
    "/api/v1/webhook_status",
    "/api/v1/webhook_statuses",
    "/api/v1/config",
    "/api/v1/graphs",
    "/api/v1/operations",
    "/api/v1/pauses",
    "/api/v1/schedules",
    "/api/v1/secrets",
    "/api/v1/targets",
];

pub(super) fn read_all(root: &mut Section<'_>) -> BTreeMap<String, Source> {
    let read = root.named("sources", |name, section| read(name, section).map(|source| (name.to_owned(), source)));
    let sources: BTreeMap<String, Source> = read.into_iter().flatten().collect();
    for (name, source) in &sources {
        if let Some(problem) = clash(name, source, &sources) {
            let key = format!("sources.{name}.path");
            let origin = root.report.origin_of(&key);
            root.report.error(problem.at(key, origin));
        }
    }
    sources
}

fn read(name: &str, mut section: Section<'_>) -> Option<Source> {
    if let Err(problem) = values::name(name) {
        section.problem_here(problem);
    }
    let kind = kind(name, &mut section);
    let path = section.optional("path", path).filter(|path| *path != canonical_path(name));
    if kind == Some(None) {
        return Some(auto(path, section));
    }
    let kind = kind.flatten();
    let dialect = dialect::read(kind, &mut section);
    let insecure_accept_unsigned = section.or("insecure_accept_unsigned", (false, false), values::boolean);
    let secrets = signing(kind, dialect.as_ref(), insecure_accept_unsigned, &mut section);
    let body_limit = section.optional("body_limit", sections::body_limit);
    let tolerance = tolerance(kind, dialect.as_ref(), &mut section);
    let allow = allow::read(kind, &mut section);
    let rate = section.optional("rate", order::rate);
    section.finish();
    Some(Source {
        kind: SourceKind::Sender(dialect?),
        secrets: secrets?,
        insecure_accept_unsigned: insecure_accept_unsigned?,
        path,
        body_limit,
        tolerance: tolerance?,
        allow: allow?,
        rate,
    })
}

/// A path for the requests of all senders.
fn auto(path: Option<String>, mut section: Section<'_>) -> Source {
    dialect::foreign(&mut section, "an `auto` source takes the requests of all others");
    for key in OF_A_SENDER {
        if section.take(key).is_some() {
            let what = "belongs to one sender, and an `auto` source takes the requests of all others";
            section.problem(key, Problem::new(what, "set it at the source of that sender"));
        }
    }
    section.finish();
    Source {
        kind: SourceKind::Auto,
        secrets: Vec::new(),
        insecure_accept_unsigned: false,
        path,
        body_limit: None,
        tolerance: TOLERANCE.0,
        allow: None,
        rate: None,
    }
}

/// The kind as written, or the source's own name where that is one. `Some(None)` is `auto`.
fn kind(name: &str, section: &mut Section<'_>) -> Option<Option<Kind>> {
    let own = if name == "auto" { Some(None) } else { name.parse().ok().map(Some) };
    match own {
        Some(own) => section.or("kind", (own, name), values::source_kind),
        None => section.wanted("kind", "kind = \"github\", or another of the kinds", values::source_kind),
    }
}

/// The secrets, none only where that is allowed in so many words.
fn signing(
    kind: Option<Kind>,
    dialect: Option<&Dialect>,
    insecure: Option<bool>,
    section: &mut Section<'_>,
) -> Option<Vec<Secret>> {
    let has_secret = section.has("secret") || section.has("secrets");
    if !has_secret && insecure == Some(false) {
        let what = "has no secret, so anyone could post to it";
        let mend = "set `secret`, or write insecure_accept_unsigned = true to accept unsigned requests";
        section.problem_here(Problem::new(what, mend));
    }
    if has_secret && insecure == Some(true) {
        let what = "contradicts the secret that is set for this source";
        section.problem("insecure_accept_unsigned", Problem::new(what, "remove one of the two"));
    }
    let parse = match (kind, dialect) {
        (Some(Kind::StandardWebhooks), _) => secrets::whsec,
        (Some(Kind::Gitlab), _) => secrets::gitlab,
        (_, Some(Dialect::AzureDevops(AzureAuth::Basic))) => secrets::basic,
        _ => secrets::shared,
    };
    drop_overridden(section);
    let one = section.has("secret").then(|| dated::one(section, parse));
    let several = section.has("secrets").then(|| dated::several(section, parse));
    if !has_secret {
        section.take("secret");
        section.take("secrets");
    }
    one.or(several).unwrap_or(Some(Vec::new()))
}

/// `secret` and `secrets` say the same thing: a higher layer's one overrides a lower layer's other.
fn drop_overridden(section: &mut Section<'_>) {
    let (Some(one), Some(several)) = (section.peek_origin("secret"), section.peek_origin("secrets")) else { return };
    match one.rank().cmp(&several.rank()) {
        Ordering::Less => _ = section.take("secret"),
        Ordering::Greater => _ = section.take("secrets"),
        Ordering::Equal => {
            let problem = Problem::new("is set beside `secrets`", "keep one of the two; `secrets` takes several");
            section.take("secrets");
            section.problem_beside("secret", "secrets", problem);
        }
    }
}

/// Only for those that sign a timestamp.
fn tolerance(kind: Option<Kind>, dialect: Option<&Dialect>, section: &mut Section<'_>) -> Option<Duration> {
    let signs_time = match (kind, dialect) {
        (_, Some(Dialect::Custom(custom))) => custom.signs_time(),
        (kind, _) => kind.is_none_or(Kind::may_sign_time),
    };
    if signs_time {
        return section.or("tolerance", TOLERANCE, |v| values::duration(v, "1s", "1day"));
    }
    if section.take("tolerance").is_some() {
        let what = match kind {
            Some(Kind::Custom) => "this source names no `timestamp` to compare".to_owned(),
            kind => format!("{} signs no timestamp to compare", kind.map_or("it", Kind::as_str)),
        };
        section.problem("tolerance", Problem::new(what, "remove this key"));
    }
    Some(TOLERANCE.0)
}

fn canonical_path(name: &str) -> String {
    format!("/webhooks/{name}")
}

/// A further path: plain segments, so that it means itself to every router, and none of Becket's own.
fn path(value: &Value) -> Parsed<String> {
    const RULE: &str = "write a path such as \"/hooks/github\", of letters, digits, \"-\", \"_\", \".\" and \"~\"";
    let text = values::text(value, "a path such as \"/hooks/github\"")?;
    let trimmed = text.strip_suffix('/').unwrap_or(text);
    if text == "/" {
        return Ok(text.to_owned());
    }
    let plain = |s: &str| s.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'~'));
    let good = |s: &str| !matches!(s, "" | "." | "..") && plain(s);
    if !trimmed.strip_prefix('/').is_some_and(|rest| rest.split('/').all(good)) {
        return Err(Problem::new(format!("`{text}` is not a path"), RULE));
    }
    if OWN_PATHS.iter().any(|own| trimmed == *own || trimmed.strip_prefix(own).is_some_and(|r| r.starts_with('/'))) {
        return Err(Problem::new(format!("`{text}` is one of Becket's own paths"), "choose another"));
    }
    Ok(trimmed.to_owned())
}

/// Two sources cannot be received at one path.
fn clash(name: &str, source: &Source, all: &BTreeMap<String, Source>) -> Option<Problem> {
    let path = source.path.as_deref()?;
    let other = all.iter().find(|(other, theirs)| {
        other.as_str() != name && (canonical_path(other) == path || theirs.path.as_deref() == Some(path))
    });
    let (other, _) = other?;
    Some(Problem::new(format!("`{path}` leads to the source `{other}` as well"), "choose another path"))
}

#[cfg(test)]
#[path = "sources_tests.rs"]
mod tests;
