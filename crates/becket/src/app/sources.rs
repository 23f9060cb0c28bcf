//! Sources, from the configuration and from code.

use std::collections::BTreeSet;
use std::time::SystemTime;

use becket_tasks::Timestamp;
use becket_webhooks::{Dialect, SecretError, Secrets, Source};

use super::Mistake;
use super::order::wrong_rate;
use crate::config::{self, Config, SourceKind};
use crate::http::ingest::{Auto, Received, receive_source};

/// All sources of an application, and the paths that take what is for any of them; two with one name or path are a mistake.
pub(super) fn all(config: &Config, given: Vec<Received>, mistakes: &mut Vec<Mistake>) -> (Vec<Received>, Vec<Auto>) {
    let mut received = given;
    received.iter().for_each(|one| check(one, mistakes));
    let mut autos = Vec::new();
    for (name, source) in &config.sources {
        let SourceKind::Sender(dialect) = &source.kind else {
            autos.push(Auto { name: name.as_str().into(), alias: source.path.clone() });
            continue;
        };
        match from_config(name, dialect, source, config.server.body_limit) {
            Ok(made) => received.push(Received {
                alias: source.path.clone(),
                allow: source.allow.clone(),
                rate: source.rate,
                ..receive_source(made)
            }),
            Err(error) => mistakes
                .push(Mistake::new(format!("the source `{name}`: {error}"), "give the secret as its sender shows it")),
        }
    }
    let mut paths = BTreeSet::new();
    let all_paths = received.iter().flat_map(Received::paths).chain(autos.iter().flat_map(Auto::paths));
    for path in all_paths.filter(|path| !paths.insert(path.clone())) {
        let what = format!("two sources are received at `{path}`");
        mistakes.push(Mistake::new(
            what,
            "configure a source in the file or in code, not in both, and each with a path of its own",
        ));
    }
    for auto in autos.iter().filter(|_| received.is_empty()) {
        let what = format!("the source `{}` takes the requests of all others, and there are none", auto.name);
        mistakes.push(Mistake::new(what, "add a source for each sender, with its secret"));
    }
    for one in &received {
        let source = &one.source;
        if !is_path_segment(source.name()) {
            let what = format!("a source cannot have the name `{}`", source.name());
            mistakes.push(Mistake::new(what, "use letters, digits, `_` and `-`; it becomes part of a path"));
        }
        if source.name() == becket_tasks::schedule::SOURCE {
            let what = format!("a source cannot have the name `{}`, which is that of schedules", source.name());
            mistakes.push(Mistake::new(what, "choose another"));
        }
        let now = Timestamp::from(SystemTime::now()).as_millis();
        if !source.accepts_unsigned() && !source.secrets().any_active(now) {
            tracing::warn!(source = source.name(), "none of its secrets is valid now: whoever sends is refused");
        }
        if source.accepts_unsigned() {
            tracing::warn!(source = source.name(), "accepts webhooks that nobody signed: anyone can post");
        }
    }
    (received, autos)
}

/// What only code can get wrong.
fn check(received: &Received, mistakes: &mut Vec<Mistake>) {
    let name = received.source.name();
    for error in &received.mistakes {
        mistakes.push(Mistake::new(
            format!("the addresses that the source `{name}` allows: {}", error.what()),
            error.mend(),
        ));
    }
    if let Some(wrong) = received.rate.as_ref().and_then(|rate| wrong_rate(rate, "requests")) {
        let what = format!("the source `{name}` may take {wrong}");
        mistakes.push(Mistake::new(what, "allow 1 to 10000 requests in more than no time and at most a day"));
    }
}

fn from_config(
    name: &str,
    dialect: &Dialect,
    source: &config::Source,
    body_limit: usize,
) -> Result<Source, SecretError> {
    let secrets = if source.insecure_accept_unsigned {
        Secrets::insecure_accept_unsigned()
    } else {
        Secrets::new(source.secrets.iter().cloned())?
    };
    let made = Source::new(name, dialect.clone(), secrets)?;
    Ok(made.with_body_limit(source.body_limit.unwrap_or(body_limit)).with_timestamp_tolerance(source.tolerance))
}

fn is_path_segment(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}
