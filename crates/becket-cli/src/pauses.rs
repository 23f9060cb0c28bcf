//! `becket pause`, `becket resume`, `becket pauses`: stop what a kind or a source gives rise to, and let it go on.

use std::process::ExitCode;

use crate::api::{self, read, views};
use crate::cli::{PauseArgs, PauseScope, PausesArgs, Query};
use crate::output::{self, Table, cell};

/// Runs `becket pause`.
pub(crate) async fn pause(args: PauseArgs, json: bool) -> anyhow::Result<ExitCode> {
    let api = api::server::connect(&args.server)?;
    let answer = api.put(&["pauses", args.scope.as_str(), &args.name]).await?;
    told("paused", &args, &answer, json)
}

/// Runs `becket resume`.
pub(crate) async fn resume(args: PauseArgs, json: bool) -> anyhow::Result<ExitCode> {
    let api = api::server::connect(&args.server)?;
    let answer = api.delete(&["pauses", args.scope.as_str(), &args.name]).await?;
    told("resumed", &args, &answer, json)
}

fn told(done: &str, args: &PauseArgs, answer: &[u8], json: bool) -> anyhow::Result<ExitCode> {
    if json {
        output::document(answer)?;
    } else {
        output::line(format_args!("{done}: {} {}", args.scope.as_str(), output::Plain(&args.name)))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Runs `becket pauses`.
pub(crate) async fn list(args: &PausesArgs, json: bool) -> anyhow::Result<ExitCode> {
    let answer = api::server::connect(&args.server)?.get(&["pauses"], &Query::new()).await?;
    if json {
        output::document(&answer)?;
        return Ok(ExitCode::SUCCESS);
    }
    let paused: views::Pauses = read(&answer)?;
    let mut table = Table::new(["SCOPE", "NAME"]);
    for pause in &paused.items {
        table.row([cell(&pause.scope), cell(&pause.name)]);
    }
    if table.is_empty() {
        output::note("nothing is paused");
    } else {
        table.print()?;
    }
    Ok(ExitCode::SUCCESS)
}

impl PauseScope {
    /// The word that the API uses.
    const fn as_str(self) -> &'static str {
        match self {
            Self::Kind => "kind",
            Self::Source => "source",
        }
    }
}
