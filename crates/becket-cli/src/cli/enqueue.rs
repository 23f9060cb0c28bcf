//! The arguments of `becket tasks enqueue`, and the body that they become.

use clap::{Args, ValueEnum};
use serde::Serialize;
use serde_json::value::RawValue;

/// A task to be run. Each flag has the name of the API's field; what is not given is the handler's to say.
#[derive(Debug, Args)]
pub(crate) struct EnqueueArgs {
    /// Chooses the handler: its name.
    pub(crate) kind: String,
    /// What the handler gets as its payload: JSON, `@FILE` for that of a file, or `-` for that of the standard input
    /// [default: null].
    #[arg(long, value_name = "JSON", allow_hyphen_values = true)]
    pub(crate) args: Option<String>,
    #[command(flatten)]
    pub(crate) options: EnqueueOptions,
    /// Waits until it has ended, and shows it then; the exit code is 0 if it completed.
    #[arg(long)]
    pub(crate) wait: bool,
}

/// What may be said of a task beside its kind and its arguments.
#[derive(Debug, Args, Serialize)]
pub(crate) struct EnqueueOptions {
    /// Higher runs first among what is due: -128 to 127.
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    priority: Option<i8>,
    /// When to run it, such as 2026-11-22T08:00:00Z [default: at once].
    #[arg(long, visible_alias = "at", value_name = "TIME", conflicts_with = "delay")]
    #[serde(skip_serializing_if = "Option::is_none")]
    run_at: Option<String>,
    /// How long to wait before running it, such as 5m.
    #[arg(long, value_name = "DURATION")]
    #[serde(skip_serializing_if = "Option::is_none")]
    delay: Option<String>,
    /// How many attempts may fail before the task does: 1 to 101.
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    max_attempts: Option<u32>,
    /// A second task with the same key is not accepted; the first one is answered.
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    /// Tasks that must have ended before it runs; several are separated by commas.
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    after: Vec<String>,
    /// Runs it also after tasks that failed or were cancelled. Otherwise it is cancelled with the first that does.
    #[arg(long, requires = "after")]
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    survive_parents: bool,
    /// A URL that is told when the task has ended, whichever way.
    #[arg(long, value_name = "URL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    notify: Option<String>,
    /// Its lane: of the tasks in one, at most one runs at a time, in order.
    #[arg(long, help_heading = "Order")]
    #[serde(skip_serializing_if = "Option::is_none")]
    lane: Option<String>,
    /// What it means for those behind it in its lane when it waits for its retry.
    #[arg(long, value_name = "WHAT", requires = "lane", help_heading = "Order")]
    #[serde(skip_serializing_if = "Option::is_none")]
    on_retry: Option<OnRetry>,
    /// Cancels older tasks of the handler in its lane that wait; `--latest=stop_running` the running one, too.
    #[arg(long, value_name = "WHICH", num_args = 0..=1, require_equals = true, default_missing_value = "true",
        requires = "lane", help_heading = "Order")]
    #[serde(skip_serializing_if = "Option::is_none")]
    latest: Option<Latest>,
    /// Runs it when nothing newer has come into its lane for so long, such as 10s. It replaces older ones.
    #[arg(long, value_name = "DURATION", requires = "lane", help_heading = "Order")]
    #[serde(skip_serializing_if = "Option::is_none")]
    debounce: Option<String>,
    /// How long after the first of them the newest runs in any case [default: six times --debounce].
    #[arg(long, value_name = "DURATION", requires = "debounce", help_heading = "Order")]
    #[serde(skip_serializing_if = "Option::is_none")]
    debounce_max: Option<String>,
    /// Whose task it is: tenants take turns.
    #[arg(long, help_heading = "Order")]
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<String>,
    /// What the handler's limits by key count it under.
    #[arg(long, value_name = "KEY", help_heading = "Order")]
    #[serde(skip_serializing_if = "Option::is_none")]
    limit_key: Option<String>,
    /// Of the tasks of the kind with this key, one is enough: one that has not ended, or whose result is fresh, is answered
    /// and nothing is enqueued.
    #[arg(long, value_name = "KEY", help_heading = "Order")]
    #[serde(skip_serializing_if = "Option::is_none")]
    unique: Option<String>,
    /// How long a result is as good as new, such as 10m [default: not at all].
    #[arg(long, value_name = "DURATION", requires = "unique", help_heading = "Order")]
    #[serde(skip_serializing_if = "Option::is_none")]
    fresh_for: Option<String>,
}

/// What a task that waits for its retry means for those behind it in its lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[value(rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub(crate) enum OnRetry {
    /// They wait as well.
    Hold,
    /// They pass.
    Pass,
}

/// Which older tasks of its lane a task replaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[value(rename_all = "snake_case")]
#[serde(into = "serde_json::Value")]
pub(crate) enum Latest {
    /// Those that wait.
    True,
    /// None, whatever the handler says.
    False,
    /// The running one, too.
    StopRunning,
}

impl From<Latest> for serde_json::Value {
    fn from(latest: Latest) -> Self {
        match latest {
            Latest::True => true.into(),
            Latest::False => false.into(),
            Latest::StopRunning => "stop_running".into(),
        }
    }
}

/// The body of `POST /api/v1/tasks`.
#[derive(Debug, Serialize)]
pub(crate) struct EnqueueBody<'a> {
    /// Chooses the handler.
    pub(crate) kind: &'a str,
    /// As it was written: no number loses a digit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) args: Option<&'a RawValue>,
    /// The rest.
    #[serde(flatten)]
    pub(crate) options: &'a EnqueueOptions,
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::super::{Cli, Command, TasksCommand};
    use super::*;

    fn body(flags: &str) -> Result<String, String> {
        let cli = Cli::try_parse_from(format!("becket tasks enqueue triage {flags}").split_whitespace());
        let Command::Tasks(tasks) = cli.map_err(|error| error.to_string())?.command else { unreachable!() };
        let TasksCommand::Enqueue(enqueue) = tasks.command else { unreachable!() };
        let EnqueueArgs { kind, args, options, .. } = *enqueue;
        let args = args.map(|args| RawValue::from_string(args).unwrap());
        Ok(serde_json::to_string(&EnqueueBody { kind: &kind, args: args.as_deref(), options: &options }).unwrap())
    }

    #[test]
    fn flags_become_the_fields_of_their_names() {
        assert_eq!(body("").unwrap(), r#"{"kind":"triage"}"#);
        let many = "--args 1.50 --priority -3 --run-at 2199-01-02T03:04:05Z --max-attempts 7 --key k --after A,B \
                    --after C --survive-parents --notify https://example.org/ --lane l --on-retry pass \
                    --latest=stop_running --debounce 10s --debounce-max 1m --tenant t --limit-key y --unique u \
                    --fresh-for 10m";
        let expected = r#"{"kind":"triage","args":1.50,"priority":-3,"run_at":"2199-01-02T03:04:05Z","max_attempts":7,"key":"k","after":["A","B","C"],"survive_parents":true,"notify":"https://example.org/","lane":"l","on_retry":"pass","latest":"stop_running","debounce":"10s","debounce_max":"1m","tenant":"t","limit_key":"y","unique":"u","fresh_for":"10m"}"#;
        assert_eq!(body(many).unwrap(), expected);
        assert_eq!(
            body("--delay 5m --lane l --latest").unwrap(),
            r#"{"kind":"triage","delay":"5m","lane":"l","latest":true}"#
        );
        assert_eq!(
            body("--at soon --lane l --latest=false").unwrap(),
            r#"{"kind":"triage","run_at":"soon","lane":"l","latest":false}"#
        );
    }

    #[test]
    fn flags_that_need_another_say_which() {
        for (flags, part) in [
            ("--delay 5m --at soon", "cannot be used with"),
            ("--latest", "--lane"),
            ("--on-retry hold", "--lane"),
            ("--debounce 10s", "--lane"),
            ("--lane l --debounce-max 10s", "--debounce"),
            ("--fresh-for 10m", "--unique"),
            ("--survive-parents", "--after"),
            ("--priority 128", "--priority"),
            ("--lane l --latest=never", "stop_running"),
        ] {
            let error = body(flags).unwrap_err();
            assert!(error.contains(part), "{flags}: {error}");
        }
    }
}
