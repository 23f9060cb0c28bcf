//! Values with rules: each parser takes what a layer gave and returns the value, or the rule that it breaks.
//!
//! Parsers know neither keys nor layers. Those of secrets never quote their input; the others do, since that helps.
//! Limits of numbers, durations and sizes are arguments, so that the section that uses them shows them.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use becket_tasks::schedule::Missed;
use becket_webhooks::Kind;

use super::error::Problem;
use super::layers::{Value, parse_untyped};
use super::origin::Origin;
use super::suggest::nearest;
use super::{Durability, LogFormat, Mode, StoreUrl};
use crate::http::networks::{Network, NetworkError};
use crate::route::Pattern;

/// What a parser returns.
pub(super) type Parsed<T> = Result<T, Problem>;

/// Text, as written in quotes or in an environment variable. `wanted` completes "expected …".
pub(super) fn text<'v>(value: &'v Value, wanted: &str) -> Parsed<&'v str> {
    match value {
        Value::String(text) | Value::Untyped(text) => Ok(text),
        Value::Integer(_)
        | Value::Boolean(_)
        | Value::List(_)
        | Value::Table(_)
        | Value::Datetime(_)
        | Value::Other(_) => Err(Problem::new(format!("is {}", kind_of(value)), format!("write {wanted}, in quotes"))),
    }
}

/// What a value is, with its article, for a message.
pub(super) fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::String(_) | Value::Untyped(_) => "text",
        Value::Integer(_) => "a whole number",
        Value::Boolean(_) => "true or false",
        Value::List(_) => "a list",
        Value::Table(_) => "a table",
        Value::Datetime(_) => "a date or time",
        Value::Other(name) => name,
    }
}

/// A whole number within limits.
pub(super) fn integer<T: TryFrom<i64>>(value: &Value, limits: RangeInclusive<i64>) -> Parsed<T> {
    let rule = || match limits.end() {
        &i64::MAX => format!("write a whole number of at least {}", limits.start()),
        end => format!("write a whole number from {} to {end}", limits.start()),
    };
    let number = match value {
        Value::Integer(number) => *number,
        Value::Untyped(text) => {
            text.trim().parse().map_err(|_| Problem::new(format!("`{text}` is not a whole number"), rule()))?
        }
        other => return Err(Problem::new(format!("is {}", kind_of(other)), rule())),
    };
    let within = Some(number).filter(|n| limits.contains(n)).and_then(|n| T::try_from(n).ok());
    within.ok_or_else(|| Problem::new(format!("{number} is out of range"), rule()))
}

/// How many at once: a number, or a table with `min` and `max`, which makes the second of the pair.
pub(super) fn concurrency(value: &Value) -> Parsed<(usize, Option<usize>)> {
    const LIMITS: RangeInclusive<i64> = 1..=1024;
    let written;
    let table = match value {
        Value::Table(table) => table,
        Value::Untyped(text) if text.trim_start().starts_with('{') => match parse_untyped(text, &Origin::Default) {
            Some(Value::Table(table)) => {
                written = table;
                &written
            }
            _ => return Err(Problem::new(format!("`{text}` cannot be read"), "write { min = 4, max = 64 }")),
        },
        other => return integer(other, LIMITS).map(|number| (number, None)),
    };
    const RULE: &str = "write a number, or { min = 4, max = 64 }";
    if let Some(unknown) = table.keys().find(|key| *key != "min" && *key != "max") {
        return Err(Problem::new(format!("has a key `{unknown}`, which is unknown here"), RULE));
    }
    let (Some(min), Some(max)) = (table.get("min"), table.get("max")) else {
        return Err(Problem::new("is a table without `min` or without `max`", RULE));
    };
    let (min, max) = (integer(&min.value, LIMITS)?, integer(&max.value, LIMITS)?);
    if min > max {
        return Err(Problem::new(format!("has a min of {min} above its max of {max}"), RULE));
    }
    Ok((min, Some(max)))
}

/// `true` or `false`.
pub(super) fn boolean(value: &Value) -> Parsed<bool> {
    const RULE: &str = "write true or false";
    match value {
        Value::Boolean(yes) => Ok(*yes),
        Value::Untyped(text) if text == "true" => Ok(true),
        Value::Untyped(text) if text == "false" => Ok(false),
        Value::Untyped(text) => Err(Problem::new(format!("`{text}` is neither true nor false"), RULE)),
        other => Err(Problem::new(format!("is {}", kind_of(other)), format!("{RULE}, without quotes"))),
    }
}

/// A duration such as `30s`; the limits are written the same way.
pub(super) fn duration(value: &Value, least: &str, most: &str) -> Parsed<Duration> {
    let rule = format!("a duration with its unit from \"{least}\" to \"{most}\", such as \"30s\"");
    let text = text(value, &rule)?;
    let parse = |text: &str| humantime::parse_duration(text).ok();
    let given =
        parse(text).ok_or_else(|| Problem::new(format!("`{text}` is not a duration"), format!("write {rule}")))?;
    if parse(least).is_some_and(|least| given < least) || parse(most).is_none_or(|most| given > most) {
        return Err(Problem::new(format!("`{text}` is out of range"), format!("write {rule}")));
    }
    Ok(given)
}

/// A moment with its date, time and offset, as TOML and RFC 3339 write it; in milliseconds of Unix time.
pub(super) fn moment(value: &Value) -> Parsed<i64> {
    const RULE: &str =
        "write a date with time and offset, such as 2026-12-01T00:00:00Z or \"2026-12-01T08:00:00+01:00\"";
    let text = match value {
        Value::Datetime(text) | Value::String(text) | Value::Untyped(text) => text.trim(),
        other => return Err(Problem::new(format!("is {}", kind_of(other)), RULE)),
    };
    let moment: jiff::Timestamp = text.parse().map_err(|_| Problem::new(format!("`{text}` is not a moment"), RULE))?;
    Ok(moment.as_millisecond())
}

/// A size such as `25MiB`, in bytes; the limits are written the same way.
pub(super) fn size(value: &Value, least: &str, most: &str) -> Parsed<usize> {
    let rule = format!("a size with its unit from \"{least}\" to \"{most}\", such as \"25MiB\"");
    let text = text(value, &rule)?;
    let bytes =
        parse_size(text).ok_or_else(|| Problem::new(format!("`{text}` is not a size"), format!("write {rule}")))?;
    if parse_size(least).is_some_and(|least| bytes < least) || parse_size(most).is_none_or(|most| bytes > most) {
        return Err(Problem::new(format!("`{text}` is out of range"), format!("write {rule}")));
    }
    Ok(bytes)
}

/// A whole number and a unit: `B`, powers of 1024 (`KiB`, `MiB`, `GiB`) or of 1000 (`KB`, `MB`, `GB`).
fn parse_size(text: &str) -> Option<usize> {
    let text = text.trim();
    let (digits, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
    let factor: usize = match unit.trim_start().to_ascii_lowercase().as_str() {
        "b" => 1,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        _ => return None,
    };
    digits.parse::<usize>().ok()?.checked_mul(factor)
}

/// An IP address and a port.
pub(super) fn listen(value: &Value) -> Parsed<SocketAddr> {
    const RULE: &str = "an IP address and a port, such as \"127.0.0.1:8080\" or \"[::]:8080\"";
    let text = text(value, RULE)?;
    SocketAddr::from_str(text)
        .map_err(|_| Problem::new(format!("`{text}` cannot be listened on"), format!("write {RULE}")))
}

/// A network, or a single address.
pub(super) fn network(value: &Value) -> Parsed<Network> {
    let text = text(value, "a network such as \"10.0.0.0/8\", or a single address")?;
    text.parse().map_err(|error: NetworkError| Problem::new(error.what(), error.mend()))
}

/// `sqlite:PATH` or `memory:`.
pub(super) fn store_url(value: &Value) -> Parsed<StoreUrl> {
    const RULE: &str = "write \"sqlite:PATH\", such as \"sqlite:becket.db\", or \"memory:\"";
    let text = text(value, "\"sqlite:PATH\" or \"memory:\"")?;
    if text == "memory:" {
        return Ok(StoreUrl::Memory);
    }
    // The password of a server's URL must not be repeated, so only the scheme is.
    let (scheme, rest) = text.split_once(':').unwrap_or((text, ""));
    match scheme {
        "sqlite" => {
            let path = rest.strip_prefix("//").unwrap_or(rest);
            if path.is_empty() || path == ":memory:" {
                return Err(Problem::new("`sqlite:` names no file", RULE));
            }
            Ok(StoreUrl::Sqlite(PathBuf::from(path)))
        }
        "redis" | "rediss" | "postgres" | "postgresql" => {
            Err(Problem::new(format!("`{scheme}:` stores are not built yet"), RULE))
        }
        _ if text.contains(':') => Err(Problem::new(format!("there is no `{scheme}:` store"), RULE)),
        _ => Err(Problem::new("names no kind of store", RULE)),
    }
}

/// One of a few words.
pub(super) fn word<T: Copy>(value: &Value, words: &[(&'static str, T)]) -> Parsed<T> {
    let quoted: Vec<String> = words.iter().map(|(word, _)| format!("\"{word}\"")).collect();
    let rule = match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => quoted.concat(),
    };
    let text = text(value, &rule)?;
    if let Some((_, meant)) = words.iter().find(|(word, _)| *word == text) {
        return Ok(*meant);
    }
    let mend = match nearest(text, words.iter().map(|(word, _)| *word)) {
        Some(near) => format!("did you mean \"{near}\"? Write {rule}"),
        None => format!("write {rule}"),
    };
    Err(Problem::new(format!("`{text}` is not known here"), mend))
}

pub(super) fn mode(value: &Value) -> Parsed<Mode> {
    word(value, &[("inline", Mode::Inline), ("background", Mode::Background)])
}

pub(super) fn missed(value: &Value) -> Parsed<Missed> {
    word(value, &[("skip", Missed::Skip), ("catch_up", Missed::catch_up())])
}

pub(super) fn durability(value: &Value) -> Parsed<Durability> {
    use Durability::{Memory, PowerLoss, ProcessCrash};
    word(value, &[("power_loss", PowerLoss), ("process_crash", ProcessCrash), ("memory", Memory)])
}

pub(super) fn log_format(value: &Value) -> Parsed<LogFormat> {
    word(value, &[("text", LogFormat::Text), ("json", LogFormat::Json)])
}

/// A kind of sender; `None` for `auto`.
pub(super) fn source_kind(value: &Value) -> Parsed<Option<Kind>> {
    let mut words: Vec<_> = Kind::ALL.into_iter().map(|kind| (kind.as_str(), Some(kind))).collect();
    words.push(("auto", None));
    word(value, &words)
}

/// Directives of a [`tracing_subscriber::EnvFilter`].
pub(super) fn log_filter(value: &Value) -> Parsed<String> {
    const RULE: &str = "a level (error, warn, info, debug, trace) or directives such as \"info,becket=debug\"";
    let text = text(value, RULE)?;
    let valid = !text.trim().is_empty() && tracing_subscriber::EnvFilter::builder().parse(text).is_ok();
    if valid {
        return Ok(text.to_owned());
    }
    Err(Problem::new(format!("`{text}` is not a filter of log lines"), format!("write {RULE}")))
}

/// The name of a source or a route: it becomes part of a path, of environment variables and of metrics.
pub(super) fn name(text: &str) -> Parsed<String> {
    let allowed = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-');
    if text.len() <= 64 && text.starts_with(|c: char| c.is_ascii_lowercase()) && text.bytes().all(allowed) {
        return Ok(text.to_owned());
    }
    let rule = "use lower-case letters, digits, \"_\" and \"-\", beginning with a letter, at most 64";
    Err(Problem::new(format!("`{text}` cannot be a name"), rule))
}

/// An event pattern: `event`, `event.action` or `*`, which also stands for any text within each.
pub(super) fn pattern(value: &Value) -> Parsed<String> {
    let text = text(value, "a pattern such as \"issues.opened\"")?;
    match text.parse::<Pattern>() {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(Problem::new(format!("`{text}` is not a pattern"), error.why())),
    }
}

#[cfg(test)]
#[path = "values_tests.rs"]
mod tests;
