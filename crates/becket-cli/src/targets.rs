//! `becket targets`: look at targets that have a name, and close the breaker of one.

use std::process::ExitCode;

use crate::api::{self, Api, read, views};
use crate::cli::{Query, TargetsArgs, TargetsCommand};
use crate::output::{self, Table, cell};
use crate::tasks::each;

/// Runs `becket targets`.
pub(crate) async fn run(args: TargetsArgs, json: bool) -> anyhow::Result<ExitCode> {
    let api = api::server::connect(&args.server)?;
    match args.command.unwrap_or(TargetsCommand::List) {
        TargetsCommand::List => list(&api, json).await,
        TargetsCommand::Reset { names } => {
            each(&names, "reset", json, async |name| api.post(&["targets", name, "reset"], None::<&()>).await).await
        }
    }
}

async fn list(api: &Api, json: bool) -> anyhow::Result<ExitCode> {
    let answer = api.get(&["targets"], &Query::new()).await?;
    if json {
        output::document(&answer)?;
        return Ok(ExitCode::SUCCESS);
    }
    let listing: views::Listing<views::Target> = read(&answer)?;
    let mut table = Table::new(["NAME", "SORT", "TO", "KIND", "RUNNING", "BREAKER"]);
    for target in &listing.items {
        table.row([
            cell(&target.name),
            cell(&target.sort),
            cell(&target.to),
            cell(&target.kind),
            cell(target.running.to_string()),
            cell(target.breaker.as_ref().map_or("-".to_owned(), shown)),
        ]);
    }
    if table.is_empty() {
        output::note("no targets have a name");
    } else {
        table.print()?;
    }
    Ok(ExitCode::SUCCESS)
}

fn shown(breaker: &views::Breaker) -> String {
    match &breaker.open_until {
        Some(until) => format!("{} until {until}", breaker.state),
        None => breaker.state.clone(),
    }
}
