//! The arguments: every command and flag, and nothing of what they do.
//!
//! `docs/reference/cli.md` is made from these texts by a test.

mod enqueue;
mod filter;

use std::path::PathBuf;

use becket_webhooks::Kind;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use reqwest::Url;

pub(crate) use self::enqueue::{EnqueueArgs, EnqueueBody};
pub(crate) use self::filter::{
    BulkArgs, DeliveryFilter, DeliverySelectionArgs, PageArgs, Query, SelectionArgs, SelectionBody, TaskFilter,
    TaskState, joined,
};

/// Receives webhooks, keeps them, and runs what they are for.
///
/// Verifies each delivery, commits it to disk, acknowledges it, and runs its handlers in the background.
#[derive(Debug, Parser)]
#[command(
    name = "becket",
    version,
    max_term_width = 100,
    after_help = "Exit codes: 0 all went well, 2 the configuration or the arguments make no sense, 1 anything else."
)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
    /// Prints JSON instead of text: the API's own, where a command asks the API.
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Receives webhooks and runs tasks, until SIGTERM or Ctrl-C.
    Serve(ServeArgs),
    /// Shows everything at work: a server of its own, example handlers and a stream of deliveries.
    Demo(DemoArgs),
    /// Signs a delivery as its sender would, and posts it.
    Send(SendArgs),
    /// Looks at tasks and runs them again.
    Tasks(TasksArgs),
    /// Looks at deliveries and runs them again.
    Deliveries(DeliveriesArgs),
    /// Begins nothing more of a kind or a source, until it is resumed. Deliveries are still accepted, what runs goes on.
    Pause(PauseArgs),
    /// Lets a kind or a source that was paused go on.
    Resume(PauseArgs),
    /// Lists what is paused.
    Pauses(PausesArgs),
    /// Looks at schedules, pauses them and fires them by hand.
    Schedules(SchedulesArgs),
    /// Shows the routes of the configuration, and tells which of them get a delivery, and why not. Asks no server.
    Routes(RoutesArgs),
    /// Looks at targets that have a name, and closes the breaker of one.
    Targets(TargetsArgs),
    /// Tells when each secret was last used, and whether it is safe to drop.
    Secrets(SecretsArgs),
    /// Shows and checks the configuration, and lets a server read it again.
    Config(ConfigCommand),
    /// Prints the completion script for a shell.
    Completions {
        /// The shell.
        shell: Shell,
    },
}

/// Where settings come from.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct ConfigArgs {
    /// The configuration file [default: becket.toml in the working directory, if there is one].
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Sets one key, such as `--set worker.concurrency=4`. May be given several times.
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_and_value)]
    pub(crate) set: Vec<(String, String)>,
}

/// Arguments of `becket serve`, and of `becket config check`, which tells what `serve` would do.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct ServeArgs {
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
    /// The address to listen on (`server.listen`); port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Option<String>,
    /// The store (`store.url`): `sqlite:PATH` or `memory:`.
    #[arg(long, value_name = "URL")]
    pub(crate) store: Option<String>,
    /// Tasks run at once (`worker.concurrency`).
    #[arg(long, value_name = "N")]
    pub(crate) concurrency: Option<String>,
    /// What is logged (`log.filter`), such as `debug` or `info,becket=debug`.
    #[arg(long, value_name = "FILTER")]
    pub(crate) log: Option<String>,
}

/// Arguments of `becket demo`.
#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Posts every *.json file below this folder instead of the built-in samples. The event is the name of the file's
    /// folder (`issues/opened.json`) or, for files in DIR itself, the file's name up to the first full stop
    /// (`issues.opened.json`).
    #[arg(long, value_name = "DIR")]
    pub(crate) payloads: Option<PathBuf>,
    /// How many deliveries to post [default: 200, or each payload once if there are more].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) count: Option<u32>,
    /// How many deliveries to post a second; 0 for as many as possible.
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub(crate) rate: u32,
    /// How many connections to post from.
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=512))]
    pub(crate) connections: u32,
    /// Goes on serving after the summary.
    #[arg(long, conflicts_with = "exit")]
    pub(crate) keep: bool,
    /// Ends after the summary, with 0 only if all went as promised.
    #[arg(long)]
    pub(crate) exit: bool,
}

/// A kind of sender, by the name that it has in the configuration.
fn kinds() -> impl TypedValueParser<Value = Kind> {
    PossibleValuesParser::new(Kind::ALL.map(Kind::as_str)).try_map(|name| name.parse::<Kind>())
}

/// Arguments of `becket send`.
#[derive(Debug, Args)]
pub(crate) struct SendArgs {
    /// The event, with its action: `issues.opened` for GitHub, `merge_request.open` for GitLab, `pullrequest:created` for
    /// Bitbucket; for Stripe and Standard Webhooks the `type`, such as `invoice.paid`.
    #[arg(required_unless_present = "list")]
    pub(crate) event: Option<String>,
    /// Lists the events that are built in.
    #[arg(long, conflicts_with = "event")]
    pub(crate) list: bool,
    /// The body to post; `-` reads it from the standard input [default: the built-in sample of the event].
    #[arg(long, value_name = "FILE")]
    pub(crate) payload: Option<PathBuf>,
    /// The URL to post to; a server's URL without a path is completed with `/webhooks/` and the source's name [default:
    /// the source's, on the server that the configuration describes].
    #[arg(long, value_name = "URL")]
    pub(crate) to: Option<Url>,
    /// The name of the source in the configuration [default: the last part of --to, or the only source of its kind].
    #[arg(long, value_name = "NAME")]
    pub(crate) source: Option<String>,
    /// How to sign [default: as the configuration says for the source, otherwise `github`].
    #[arg(long, value_name = "KIND", value_parser = kinds())]
    pub(crate) source_kind: Option<Kind>,
    /// The secret to sign with [default: the source's, from the configuration]. For Azure DevOps `user:password`.
    #[arg(long, value_name = "SECRET")]
    pub(crate) secret: Option<String>,
    /// The delivery id; a delivery with an id that was accepted before is a duplicate [default: a new one each]. Where the
    /// kind's id stands in the body, it is written there.
    #[arg(long, value_name = "ID")]
    pub(crate) delivery_id: Option<String>,
    /// How many times to post it.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) count: u32,
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
}

/// Which server to ask.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Server")]
pub(crate) struct ServerArgs {
    /// The server [default: the one that the configuration describes].
    #[arg(long, global = true, env = "BECKET_URL", hide_env_values = true, value_name = "URL")]
    pub(crate) url: Option<Url>,
    /// The admin token [default: `admin.token` of the configuration, for the server that it describes].
    #[arg(long, global = true, env = "BECKET_ADMIN__TOKEN", hide_env_values = true, value_name = "TOKEN")]
    pub(crate) token: Option<String>,
    /// The configuration file [default: becket.toml in the working directory, if there is one].
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

/// Arguments of `becket tasks`.
#[derive(Debug, Args)]
pub(crate) struct TasksArgs {
    #[command(flatten)]
    pub(crate) server: ServerArgs,
    /// What to do with them.
    #[command(subcommand)]
    pub(crate) command: TasksCommand,
}

/// What can be done with tasks.
#[derive(Debug, Subcommand)]
pub(crate) enum TasksCommand {
    /// Lists tasks, newest first.
    List {
        #[command(flatten)]
        filter: TaskFilter,
        #[command(flatten)]
        page: PageArgs,
    },
    /// Shows a task with its attempts, its steps, its progress, its result, what it waits for and what waits for it.
    Show {
        /// The task's id, or the sender's id of a delivery that has one task.
        id: String,
    },
    /// Shows what a task waits for and what waits for it, as a tree.
    Graph {
        /// The task's id, or the sender's id of a delivery that has one task.
        id: String,
    },
    /// Submits a task to be run, by hand.
    Enqueue(Box<EnqueueArgs>),
    /// Runs tasks again from the start: those named, or dead letters chosen by a filter. What steps have done stays done,
    /// but for tasks that had completed.
    Requeue {
        #[command(flatten)]
        selection: SelectionArgs,
    },
    /// Ends tasks that have not ended: those named, or all that a filter chooses. A running handler is told, and what it
    /// returns is ignored.
    Cancel {
        #[command(flatten)]
        selection: SelectionArgs,
        /// Why; becomes the task's error.
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// Deletes finished tasks, with their attempts and results: those named, or dead letters chosen by a filter.
    Purge {
        #[command(flatten)]
        selection: SelectionArgs,
    },
    /// Prints what happens to tasks as it happens.
    Watch {
        /// Only these tasks and their progress, until all have ended; the exit code is 0 if they completed.
        #[arg(value_name = "ID", conflicts_with_all = ["state", "kind"])]
        ids: Vec<String>,
        /// Only changes into these states.
        #[arg(long, value_name = "STATE", value_delimiter = ',')]
        state: Vec<TaskState>,
        /// Only tasks of this kind.
        #[arg(long)]
        kind: Option<String>,
    },
}

/// Arguments of `becket deliveries`.
#[derive(Debug, Args)]
pub(crate) struct DeliveriesArgs {
    #[command(flatten)]
    pub(crate) server: ServerArgs,
    /// What to do with them.
    #[command(subcommand)]
    pub(crate) command: DeliveriesCommand,
}

/// What can be done with deliveries.
#[derive(Debug, Subcommand)]
pub(crate) enum DeliveriesCommand {
    /// Lists deliveries, newest first.
    List {
        #[command(flatten)]
        filter: DeliveryFilter,
        /// Only the one with this id of the sender's.
        #[arg(long, value_name = "ID")]
        delivery_id: Option<String>,
        #[command(flatten)]
        page: PageArgs,
    },
    /// Shows a delivery with its headers and body.
    Show {
        /// Our id, or the sender's where only one source has it.
        id: String,
        /// Prints the body alone, byte for byte as it was received.
        #[arg(long)]
        body: bool,
    },
    /// Routes deliveries again, as if they had just come in: those named, or those chosen by a filter.
    Replay {
        #[command(flatten)]
        selection: DeliverySelectionArgs,
    },
}

/// Arguments of `becket schedules`.
#[derive(Debug, Args)]
pub(crate) struct SchedulesArgs {
    #[command(flatten)]
    pub(crate) server: ServerArgs,
    /// What to do with them.
    #[command(subcommand)]
    pub(crate) command: SchedulesCommand,
}

/// What can be done with schedules.
#[derive(Debug, Subcommand)]
pub(crate) enum SchedulesCommand {
    /// Lists all schedules, by name.
    List,
    /// Lets schedules fire nothing until they are resumed, also over a restart. Their tasks go on.
    Pause {
        /// The schedules' names.
        #[arg(required = true, value_name = "NAME")]
        names: Vec<String>,
    },
    /// Lets paused schedules fire again. What they missed meanwhile is fired only if they catch up.
    Resume {
        /// The schedules' names.
        #[arg(required = true, value_name = "NAME")]
        names: Vec<String>,
    },
    /// Fires schedules now, besides their ticks and also while they are paused.
    Fire {
        /// The schedules' names.
        #[arg(required = true, value_name = "NAME")]
        names: Vec<String>,
    },
}

/// Arguments of `becket routes`.
#[derive(Debug, Args)]
pub(crate) struct RoutesArgs {
    /// What to do with them [default: list].
    #[command(subcommand)]
    pub(crate) command: Option<RoutesCommand>,
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
}

/// What can be done with routes.
#[derive(Debug, Subcommand)]
pub(crate) enum RoutesCommand {
    /// Lists all routes, in the order in which they are asked.
    List {
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// Tells for each route whether it gets a delivery, and why not.
    ///
    /// The delivery is signed, verified and read as its source does it. Exit codes: 0 a route gets it, 1 none does, 2 the
    /// configuration or the arguments make no sense.
    Test(RouteTestArgs),
}

/// Arguments of `becket routes test`.
#[derive(Debug, Args)]
pub(crate) struct RouteTestArgs {
    /// The event, with its action, as for `becket send`: `issues.opened`.
    pub(crate) event: String,
    /// The payload; `-` reads it from the standard input [default: the built-in sample of the event. Without one, filters
    /// that need a payload cannot be told].
    #[arg(long, value_name = "FILE")]
    pub(crate) payload: Option<PathBuf>,
    /// The name of the source in the configuration [default: the only one, or the only one with a sample of the event].
    #[arg(long, value_name = "NAME")]
    pub(crate) source: Option<String>,
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
}

/// Arguments of `becket targets`.
#[derive(Debug, Args)]
pub(crate) struct TargetsArgs {
    #[command(flatten)]
    pub(crate) server: ServerArgs,
    /// What to do with them [default: list].
    #[command(subcommand)]
    pub(crate) command: Option<TargetsCommand>,
}

/// What can be done with targets.
#[derive(Debug, Subcommand)]
pub(crate) enum TargetsCommand {
    /// Lists all targets that have a name.
    List,
    /// Closes breakers: what waits for these targets is let through again, as if nothing had failed.
    Reset {
        /// The targets' names.
        #[arg(required = true, value_name = "NAME")]
        names: Vec<String>,
    },
}

/// What can be paused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PauseScope {
    /// All tasks of a kind: of one handler.
    Kind,
    /// All tasks of what a source sends; `api` is what was enqueued by hand.
    Source,
}

/// Arguments of `becket pause` and `becket resume`.
#[derive(Debug, Args)]
pub(crate) struct PauseArgs {
    #[command(flatten)]
    pub(crate) server: ServerArgs,
    /// What kind of thing it is.
    #[arg(value_name = "SCOPE")]
    pub(crate) scope: PauseScope,
    /// Its name.
    pub(crate) name: String,
}

/// Arguments of `becket pauses`.
#[derive(Debug, Args)]
pub(crate) struct PausesArgs {
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// Arguments of `becket config`.
#[derive(Debug, Args)]
pub(crate) struct ConfigCommand {
    /// What to do with it.
    #[command(subcommand)]
    pub(crate) command: ConfigAction,
}

/// What can be done with the configuration.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigAction {
    /// Prints the commented defaults: every key with its meaning.
    Default,
    /// Checks the configuration, and shows every value and where it came from. Secrets are masked.
    Check(ServeArgs),
    /// Lets a running server read its configuration again: sources with their secrets, routes, targets, schedules and the
    /// defaults of tasks. Nothing is dropped; a configuration that is wrong, or that needs a restart, is refused and changes
    /// nothing.
    Reload(ServerArgs),
}

/// Arguments of `becket secrets`.
#[derive(Debug, Args)]
pub(crate) struct SecretsArgs {
    /// What to do with them.
    #[command(subcommand)]
    pub(crate) command: SecretsCommand,
}

/// What can be asked of secrets.
#[derive(Debug, Subcommand)]
pub(crate) enum SecretsCommand {
    /// Lists the secrets of all sources, never what they are: when each counts, when it was last used, and whether it can be
    /// taken out of the configuration without refusing a sender.
    Status {
        /// How long a secret must have been quiet to be dropped [default: 7days].
        #[arg(long, value_name = "DURATION")]
        quiet: Option<String>,
        #[command(flatten)]
        server: ServerArgs,
    },
}

fn key_and_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => Ok((key.trim().to_owned(), value.trim().to_owned())),
        _ => Err("write KEY=VALUE, such as server.listen=127.0.0.1:9000".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn arguments_are_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn key_and_value_are_divided_at_the_first_sign() {
        assert_eq!(key_and_value("a.b=c=d").unwrap(), ("a.b".to_owned(), "c=d".to_owned()));
        assert!(key_and_value("a.b").is_err());
        assert!(key_and_value("=c").is_err());
    }

    #[test]
    fn changes_take_ids_or_a_filter_and_not_nothing() {
        let parse = |args: &str| Cli::try_parse_from(args.split(' ')).map(drop);
        assert!(parse("becket tasks requeue A B").is_ok());
        assert!(parse("becket tasks requeue --kind triage").is_ok());
        assert!(parse("becket tasks requeue --all").is_ok());
        assert!(parse("becket tasks requeue").is_err());
        assert!(parse("becket tasks requeue A --all").is_err());
        assert!(parse("becket deliveries replay").is_err());
        assert!(parse("becket deliveries replay --event issues --since 1h").is_ok());
        assert!(parse("becket deliveries replay A --event issues").is_err());
        assert!(parse("becket deliveries replay --all --yes").is_ok());
        assert!(parse("becket tasks cancel").is_err());
        assert!(parse("becket tasks cancel A --reason why").is_ok());
        assert!(parse("becket tasks cancel --kind triage --dry-run").is_ok());
        assert!(parse("becket tasks purge A --dry-run").is_err());
        assert!(parse("becket tasks purge --yes").is_err(), "to be sure is no condition");
    }
}
