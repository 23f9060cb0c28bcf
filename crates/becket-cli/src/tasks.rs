//! `becket tasks`: enqueue tasks, look at them, run them again, end them, delete them, watch them.

mod change;
mod enqueue;
mod graph;
mod progress;
mod watch;

use std::process::ExitCode;

pub(crate) use self::change::each;

use crate::api::{self, Api, read, views};
use crate::cli::{PageArgs, Query, TaskFilter, TasksArgs, TasksCommand};
use crate::output::{self, Table, cell, optional};

/// Runs `becket tasks`.
pub(crate) async fn run(args: TasksArgs, json: bool) -> anyhow::Result<ExitCode> {
    let api = api::server::connect(&args.server)?;
    match args.command {
        TasksCommand::List { filter, page } => list(&api, &filter, &page, json).await,
        TasksCommand::Show { id } => show(&api, &id, json).await,
        TasksCommand::Enqueue(args) => enqueue::run(&api, &args, json).await,
        TasksCommand::Graph { id } => graph::run(&api, &id, json).await,
        TasksCommand::Requeue { selection } => change::requeue(&api, &selection, json).await,
        TasksCommand::Cancel { selection, reason } => change::cancel(&api, &selection, reason.as_deref(), json).await,
        TasksCommand::Purge { selection } => change::purge(&api, &selection, json).await,
        TasksCommand::Watch { ids, state, kind } => watch::run(&api, ids, &state, kind, json).await,
    }
}

async fn list(api: &Api, filter: &TaskFilter, page: &PageArgs, json: bool) -> anyhow::Result<ExitCode> {
    let query: Query = filter.query().into_iter().chain(page.query()).collect();
    let answer = api.get(&["tasks"], &query).await?;
    if json {
        output::document(&answer)?;
        return Ok(ExitCode::SUCCESS);
    }
    let listing: views::Listing<views::Task> = read(&answer)?;
    let mut table = Table::new(["ID", "STATE", "KIND", "SOURCE", "EVENT", "ATTEMPT", "UPDATED", "ERROR"]);
    for task in &listing.items {
        table.row([
            cell(&task.id),
            output::state(&task.state),
            cell(&task.kind),
            cell(&task.source),
            cell(views::event(&task.event, task.action.as_deref())),
            cell(format_args!("{}/{}", task.attempt, task.max_attempts)),
            cell(&task.updated_at),
            optional(task.error.as_deref()),
        ]);
    }
    if table.is_empty() {
        output::note("no tasks");
    } else {
        table.print()?;
    }
    tell_of_more(listing.next_cursor.as_deref());
    Ok(ExitCode::SUCCESS)
}

/// Says how to get the next page.
pub(crate) fn tell_of_more(next_cursor: Option<&str>) {
    if let Some(cursor) = next_cursor {
        output::note(format_args!("there are more: --cursor {cursor}"));
    }
}

async fn show(api: &Api, id: &str, json: bool) -> anyhow::Result<ExitCode> {
    let answer = api.get(&["tasks", id], &Query::new()).await?;
    if json {
        output::document(&answer)?;
    } else {
        let task: views::Task = read(&answer)?;
        print(&task)?;
        graph::family(api, &task.id).await?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints a task with its attempts, its steps and its result.
fn print(task: &views::Task) -> anyhow::Result<()> {
    let mut table = Table::new(["TASK", task.id.as_str()]);
    table.row([cell("kind"), cell(&task.kind)]);
    table.row([cell("state"), output::state(&task.state)]);
    table.row([cell("source"), cell(&task.source)]);
    table.row([cell("event"), cell(views::event(&task.event, task.action.as_deref()))]);
    table.row([cell("delivery id"), optional(task.delivery_id.as_deref())]);
    for (what, name) in [("lane", &task.lane), ("tenant", &task.tenant), ("limit key", &task.limit_key)] {
        if let Some(name) = name {
            table.row([cell(what), cell(name)]);
        }
    }
    table.row([cell("attempt"), cell(format_args!("{} of {}", task.attempt, task.max_attempts))]);
    table.row([cell("created"), cell(&task.created_at)]);
    table.row([cell("updated"), cell(&task.updated_at)]);
    table.row([cell("due"), cell(&task.run_at)]);
    table.row([cell("error"), optional(task.error.as_deref())]);
    if let Some(progress) = &task.progress {
        table.row([cell("progress"), cell(format_args!("{} ({})", progress::text(progress), progress.at))]);
    }
    table.print()?;
    if !task.attempts.is_empty() {
        let mut table = Table::new(["ATTEMPT", "OUTCOME", "STARTED", "ENDED", "WORKER", "ERROR"]);
        for attempt in &task.attempts {
            table.row([
                cell(attempt.attempt),
                output::state(attempt.outcome.as_deref().unwrap_or("running")),
                cell(&attempt.started_at),
                optional(attempt.ended_at.as_deref()),
                cell(&attempt.worker),
                optional(attempt.error.as_deref()),
            ]);
        }
        output::line("")?;
        table.print()?;
    }
    if !task.steps.is_empty() {
        let mut table = Table::new(["STEP", "STORED", "RESULT"]);
        for step in &task.steps {
            table.row([cell(&step.name), cell(&step.at), cell(progress::result(step))]);
        }
        output::line("")?;
        table.print()?;
    }
    if let Some(result) = &task.result {
        output::line(format_args!("\nRESULT\n{}", output::Plain(result.get())))?;
    }
    Ok(())
}
