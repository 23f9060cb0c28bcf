//! `becket schedules`: look at schedules, pause them, fire them by hand.

use std::process::ExitCode;

use crate::api::{self, Api, read, views};
use crate::cli::{Query, SchedulesArgs, SchedulesCommand};
use crate::output::{self, Table, cell, optional};
use crate::tasks::each;

/// Runs `becket schedules`.
pub(crate) async fn run(args: SchedulesArgs, json: bool) -> anyhow::Result<ExitCode> {
    let api = api::server::connect(&args.server)?;
    match args.command {
        SchedulesCommand::List => list(&api, json).await,
        SchedulesCommand::Pause { names } => each_posted(&api, &names, "pause", "paused", json).await,
        SchedulesCommand::Resume { names } => each_posted(&api, &names, "resume", "resumed", json).await,
        SchedulesCommand::Fire { names } => each_posted(&api, &names, "fire", "fired", json).await,
    }
}

async fn list(api: &Api, json: bool) -> anyhow::Result<ExitCode> {
    let answer = api.get(&["schedules"], &Query::new()).await?;
    if json {
        output::document(&answer)?;
        return Ok(ExitCode::SUCCESS);
    }
    let listing: views::Listing<views::Schedule> = read(&answer)?;
    let mut table = Table::new(["NAME", "CRON", "ZONE", "KIND", "NEXT", "LAST"]);
    for schedule in &listing.items {
        table.row([
            cell(&schedule.name),
            cell(&schedule.cron),
            cell(&schedule.zone),
            cell(&schedule.kind),
            if schedule.paused { cell("paused") } else { optional(schedule.next_at.as_deref()) },
            optional(schedule.last_at.as_deref()),
        ]);
    }
    if table.is_empty() {
        output::note("no schedules");
    } else {
        table.print()?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn each_posted(api: &Api, names: &[String], verb: &str, done: &str, json: bool) -> anyhow::Result<ExitCode> {
    each(names, done, json, async |name| api.post(&["schedules", name, verb], None::<&()>).await).await
}
