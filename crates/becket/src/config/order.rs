//! A route's keys about order: lanes, tenants, limits, unique tasks.

use std::time::Duration;

use becket_tasks::{Debounce, Latest, Limits, Naming, OnRetry, Rate};

use super::error::Problem;
use super::layers::Value;
use super::read::Section;
use super::values::{self, Parsed};

/// What a route's tasks belong to, how many of them run, and which are as good as one.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Order {
    /// The template of the lane's name, known to parse. `None`: no lane, or the default one where `latest` or `debounce`
    /// needs it.
    pub lane: Option<String>,
    /// Whether tasks behind one that waits for its retry wait as well.
    pub on_retry: OnRetry,
    /// Which older tasks a newer one of the lane replaces.
    pub latest: Option<Latest>,
    /// Wait for quiet; `max` is at least `quiet`.
    pub debounce: Option<Debounce>,
    /// The template of the tenant's name, known to parse.
    pub tenant: Option<String>,
    /// The template of the limit's key, known to parse. Always there with a limit for each key.
    pub limit_key: Option<String>,
    /// How many run at once and start in a time.
    pub limits: Limits,
    /// The template of the key of tasks that are as good as one, known to parse.
    pub unique: Option<String>,
    /// How long the result of a unique task is as good as new; zero: not at all.
    pub fresh_for: Duration,
}

/// How many times as long as `debounce` its `debounce_max` is where that is not given.
pub(crate) const DEBOUNCES: u32 = 6;
/// The longest `debounce`.
pub(crate) const DEBOUNCE_MAX: Duration = Duration::from_secs(24 * 3_600);
/// The longest `debounce_max`.
pub(crate) const DEBOUNCE_MAX_MAX: Duration = Duration::from_secs(7 * 24 * 3_600);

pub(super) fn read(section: &mut Section<'_>) -> Option<Order> {
    let (names_lane, has_debounce, has_key) = (section.has("lane"), section.has("debounce"), section.has("limit_key"));
    let lane = section.optional("lane", template);
    let latest = section.or("latest", (None, false), latest);
    let has_lane = names_lane || has_debounce || latest != Some(None);
    let on_retry = section.or("on_retry", (OnRetry::Hold, "hold"), on_retry);
    if on_retry == Some(OnRetry::Pass) && !has_lane {
        section
            .problem("on_retry", Problem::new("lets a lane pass, and there is none", "add lane = \"…\", or remove it"));
    }
    let debounce = debounce(section);
    let tenant = section.optional("tenant", template);
    let limit_key = section.optional("limit_key", template);
    let concurrency = section.optional("concurrency", |v| values::integer(v, 1..=100_000));
    let key_concurrency = section.optional("concurrency_per_key", |v| values::integer(v, 1..=100_000));
    let rate = section.optional("rate", rate);
    let key_rate = section.optional("rate_per_key", self::rate);
    for (key, is_given) in [("concurrency_per_key", key_concurrency.is_some()), ("rate_per_key", key_rate.is_some())] {
        if is_given && !has_key {
            let mend = "add limit_key = \"{repository.full_name}\", or whatever it is to count";
            section.problem(key, Problem::new("limits each key, and there is no key", mend));
        }
    }
    let limits = Limits { concurrency, rate, key_concurrency, key_rate };
    let (unique, fresh_for) = unique(section);
    let (on_retry, latest, fresh_for) = (on_retry?, latest?, fresh_for?);
    Some(Order { lane, on_retry, latest, debounce, tenant, limit_key, limits, unique, fresh_for })
}

fn unique(section: &mut Section<'_>) -> (Option<String>, Option<Duration>) {
    let (is_given, is_fresh) = (section.has("unique"), section.has("fresh_for"));
    let unique = section.optional("unique", template);
    let fresh_for = section.or("fresh_for", (Duration::ZERO, "0s"), |v| values::duration(v, "0s", "365days"));
    if is_fresh && !is_given {
        let mend = "add unique = \"{repository.full_name}\", or whatever tells tasks apart";
        section.problem("fresh_for", Problem::new("lets results stand for tasks that are not unique", mend));
    }
    (unique, fresh_for)
}

fn debounce(section: &mut Section<'_>) -> Option<Debounce> {
    let is_given = section.has("debounce");
    let quiet = section.optional("debounce", |v| values::duration(v, "1ms", "1day"));
    if !is_given {
        let max = section.optional("debounce_max", maximum);
        if max.is_some() {
            let mend = "add debounce = \"10s\", or remove it";
            section.problem("debounce_max", Problem::new("bounds a wait for quiet, and there is none", mend));
        }
        return None;
    }
    let default = quiet.unwrap_or_default().saturating_mul(DEBOUNCES);
    let max = section.or("debounce_max", (default, humantime::format_duration(default)), maximum)?;
    let quiet = quiet?;
    if max < quiet {
        section.problem("debounce_max", Problem::new("is shorter than debounce", "raise it, or lower debounce"));
    }
    Some(Debounce { quiet, max })
}

fn maximum(value: &Value) -> Parsed<Duration> {
    values::duration(value, "1ms", "7days")
}

/// A template of a name; the text itself is kept.
fn template(value: &Value) -> Parsed<String> {
    let text = values::text(value, "a template such as \"{repository.full_name}#{issue.number}\"")?;
    match Naming::template(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => {
            let what =
                format!("`{}` is not a template: {} at column {}", error.template(), error.what(), error.column());
            Err(Problem::new(what, error.mend()))
        }
    }
}

fn on_retry(value: &Value) -> Parsed<OnRetry> {
    values::word(value, &[("hold", OnRetry::Hold), ("pass", OnRetry::Pass)])
}

/// `true`, `false` or `stop_running`.
fn latest(value: &Value) -> Parsed<Option<Latest>> {
    const RULE: &str = "write true, false or \"stop_running\"";
    match value {
        Value::Boolean(yes) => Ok(yes.then_some(Latest::Waiting)),
        Value::String(text) | Value::Untyped(text) => match text.as_str() {
            "true" => Ok(Some(Latest::Waiting)),
            "false" => Ok(None),
            "stop_running" => Ok(Some(Latest::Running)),
            other => Err(Problem::new(format!("`{other}` is not known here"), RULE)),
        },
        other => Err(Problem::new(format!("is {}", values::kind_of(other)), RULE)),
    }
}

/// `30/1m`: so many starts within such a time. The time's number may be left out where it is 1: `100/s`.
pub(super) fn rate(value: &Value) -> Parsed<Rate> {
    const RULE: &str = "write a number from 1 to 10000, `/` and a duration up to a day, such as \"30/1m\" or \"100/s\"";
    let text = values::text(value, "a rate such as \"30/1m\"")?;
    let parsed = text.split_once('/').and_then(|(starts, period)| {
        let period = period.trim();
        let one = if period.starts_with(|first: char| first.is_ascii_digit()) { "" } else { "1" };
        let (starts, period) =
            (starts.trim().parse().ok()?, humantime::parse_duration(&format!("{one}{period}")).ok()?);
        Some(Rate { starts, period })
    });
    let rate = parsed.ok_or_else(|| Problem::new(format!("`{text}` is not a rate"), RULE))?;
    let is_within =
        (1..=Rate::STARTS_MAX).contains(&rate.starts) && !rate.period.is_zero() && rate.period <= Rate::PERIOD_MAX;
    if is_within { Ok(rate) } else { Err(Problem::new(format!("`{text}` is out of range"), RULE)) }
}

#[cfg(test)]
#[path = "order_tests.rs"]
mod tests;
