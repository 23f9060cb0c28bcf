//! Filters and pages as arguments, and as what the API takes.

use std::time::SystemTime;

use clap::{Args, ValueEnum};
use serde::Serialize;

/// The states of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[value(rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub(crate) enum TaskState {
    /// Waits for its turn or its time.
    #[value(alias = "pending")]
    Queued,
    /// Is being worked on.
    #[value(alias = "processing")]
    Running,
    /// Failed, and will be tried again.
    Retrying,
    /// Ended well.
    Completed,
    /// Ended badly: a dead letter.
    Failed,
    /// Was ended before its time.
    Cancelled,
}

impl TaskState {
    /// The word that the API uses.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Retrying => "retrying",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// The states as the API takes them: separated by commas.
pub(crate) fn joined(states: &[TaskState]) -> Option<String> {
    let words: Vec<&str> = states.iter().map(|state| state.as_str()).collect();
    (!words.is_empty()).then(|| words.join(","))
}

/// Which deliveries.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct DeliveryFilter {
    /// Only of this source.
    #[arg(long, value_name = "NAME")]
    pub(crate) source: Option<String>,
    /// Only of this event: `issues` or `issues.opened`.
    #[arg(long)]
    pub(crate) event: Option<String>,
    /// Only what was accepted since this time (2026-11-22T08:00:00Z), or so long ago (`90m`, `2days`).
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) since: Option<String>,
    /// Only what was accepted before this time, or longer ago than this.
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) until: Option<String>,
}

/// Which tasks.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct TaskFilter {
    /// Only in these states, separated by commas.
    #[arg(long, value_name = "STATE", value_delimiter = ',')]
    pub(crate) state: Vec<TaskState>,
    /// Only of this kind: the handler's name.
    #[arg(long)]
    pub(crate) kind: Option<String>,
    /// Only in this lane.
    #[arg(long)]
    pub(crate) lane: Option<String>,
    /// Only of this tenant.
    #[arg(long)]
    pub(crate) tenant: Option<String>,
    #[command(flatten)]
    pub(crate) delivery: DeliveryFilter,
}

/// Tasks to change: some that are named, or all that match.
#[derive(Debug, Clone, Args)]
pub(crate) struct SelectionArgs {
    /// The tasks' ids.
    #[arg(value_name = "ID", required_unless_present_any = Self::INSTEAD, conflicts_with_all = Self::INSTEAD)]
    pub(crate) ids: Vec<String>,
    /// No further condition is meant: all tasks in the states of --state or, without it, in those that the command is
    /// for.
    #[arg(long)]
    pub(crate) all: bool,
    #[command(flatten)]
    pub(crate) filter: TaskFilter,
    #[command(flatten)]
    pub(crate) bulk: BulkArgs,
}

/// Deliveries to replay: some that are named, or all that match.
#[derive(Debug, Clone, Args)]
pub(crate) struct DeliverySelectionArgs {
    /// Our ids, or the sender's where only one source has it.
    #[arg(value_name = "ID", required_unless_present_any = Self::INSTEAD, conflicts_with_all = Self::INSTEAD)]
    pub(crate) ids: Vec<String>,
    /// No condition is meant: all deliveries.
    #[arg(long)]
    pub(crate) all: bool,
    #[command(flatten)]
    pub(crate) filter: DeliveryFilter,
    #[command(flatten)]
    pub(crate) bulk: BulkArgs,
}

/// How to go about a change to all that match.
#[derive(Debug, Clone, Copy, Default, Args)]
pub(crate) struct BulkArgs {
    /// Says how many match, and changes nothing.
    #[arg(long, conflicts_with = "ids")]
    pub(crate) dry_run: bool,
    /// Does not ask before more than 100 are changed; without a terminal to ask on, that many need it.
    #[arg(long)]
    pub(crate) yes: bool,
}

/// The body of a request that changes all that match.
pub(crate) type SelectionBody = serde_json::Map<String, serde_json::Value>;

/// Which part of a list.
#[derive(Debug, Clone, Args)]
pub(crate) struct PageArgs {
    /// How many at the most.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(crate) limit: u16,
    /// Where to go on: the `next_cursor` of the list before.
    #[arg(long)]
    pub(crate) cursor: Option<String>,
}

/// Parameters of a query.
pub(crate) type Query = Vec<(&'static str, String)>;

impl DeliveryFilter {
    /// The filter as a query.
    pub(crate) fn query(&self) -> Query {
        let Self { source, event, since, until } = self.clone();
        given([("source", source), ("event", event), ("since", since), ("until", until)])
    }
}

impl TaskFilter {
    /// The filter as a query.
    pub(crate) fn query(&self) -> Query {
        let mut query = given([
            ("state", joined(&self.state)),
            ("kind", self.kind.clone()),
            ("lane", self.lane.clone()),
            ("tenant", self.tenant.clone()),
        ]);
        query.extend(self.delivery.query());
        query
    }
}

impl PageArgs {
    /// The page as a query.
    pub(crate) fn query(&self) -> Query {
        given([("limit", Some(self.limit.to_string())), ("cursor", self.cursor.clone())])
    }
}

impl SelectionArgs {
    /// What may stand instead of ids.
    const INSTEAD: [&'static str; 9] = ["all", "state", "kind", "lane", "tenant", "source", "event", "since", "until"];

    /// The selection as the body of a request that changes tasks.
    pub(crate) fn body(&self) -> SelectionBody {
        body(self.filter.query(), self.all)
    }
}

impl DeliverySelectionArgs {
    /// What may stand instead of ids.
    const INSTEAD: [&'static str; 5] = ["all", "source", "event", "since", "until"];

    /// The selection as the body of a request that replays deliveries.
    pub(crate) fn body(&self) -> SelectionBody {
        body(self.filter.query(), self.all)
    }
}

fn body(conditions: Query, all: bool) -> SelectionBody {
    let conditions = conditions.into_iter().map(|(name, value)| (name.to_owned(), value.into()));
    conditions.chain(all.then(|| ("all".to_owned(), true.into()))).collect()
}

fn given<const N: usize>(parameters: [(&'static str, Option<String>); N]) -> Query {
    parameters.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

/// A time as it is, or a duration as the time so long ago.
fn time(text: &str) -> Result<String, String> {
    if humantime::parse_rfc3339(text).is_ok() {
        return Ok(text.to_owned());
    }
    let ago = humantime::parse_duration(text).ok().and_then(|duration| SystemTime::now().checked_sub(duration));
    match ago {
        Some(time) => Ok(humantime::format_rfc3339_millis(time).to_string()),
        None => Err("write a time in UTC such as 2026-11-22T08:00:00Z, or how long ago, such as 90m".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_a_point_or_how_long_ago() {
        assert_eq!(time("2026-11-22T08:00:00Z").unwrap(), "2026-11-22T08:00:00Z");
        let hour_ago = humantime::parse_rfc3339(&time("1h").unwrap()).unwrap();
        let ago = hour_ago.elapsed().unwrap().as_secs();
        assert!((3_600..3_660).contains(&ago), "{ago}");
        assert!(time("yesterday").is_err());
    }

    #[test]
    fn filter_says_only_what_was_given() {
        let filter = TaskFilter { state: vec![TaskState::Failed, TaskState::Cancelled], ..TaskFilter::default() };
        assert_eq!(filter.query(), [("state", "failed,cancelled".to_owned())]);
        let selection =
            SelectionArgs { ids: Vec::new(), all: true, filter: TaskFilter::default(), bulk: BulkArgs::default() };
        assert_eq!(serde_json::to_string(&selection.body()).unwrap(), r#"{"all":true}"#);
    }
}
