//! `becket deliveries`: look at deliveries and run them again.

use std::process::ExitCode;

use crate::api::{self, Api, read, views};
use crate::bulk::Bulk;
use crate::cli::{DeliveriesArgs, DeliveriesCommand, DeliverySelectionArgs, Query};
use crate::output::{self, Table, cell, optional};
use crate::tasks::{each, tell_of_more};

/// Runs `becket deliveries`.
pub(crate) async fn run(args: DeliveriesArgs, json: bool) -> anyhow::Result<ExitCode> {
    let api = api::server::connect(&args.server)?;
    match args.command {
        DeliveriesCommand::List { filter, delivery_id, page } => {
            let delivery_id = delivery_id.map(|id| ("delivery_id", id));
            let query: Query = filter.query().into_iter().chain(delivery_id).chain(page.query()).collect();
            list(&api, &query, json).await
        }
        DeliveriesCommand::Show { id, body: true } => raw_body(&api, &id).await,
        DeliveriesCommand::Show { id, body: false } => show(&api, &id, json).await,
        DeliveriesCommand::Replay { selection } => replay(&api, &selection, json).await,
    }
}

async fn list(api: &Api, query: &Query, json: bool) -> anyhow::Result<ExitCode> {
    let answer = api.get(&["deliveries"], query).await?;
    if json {
        output::document(&answer)?;
        return Ok(ExitCode::SUCCESS);
    }
    let listing: views::Listing<views::Delivery> = read(&answer)?;
    let mut table = Table::new(["ID", "SOURCE", "EVENT", "DELIVERY ID", "RECEIVED", "BYTES", "TASKS"]);
    for delivery in &listing.items {
        table.row([
            cell(&delivery.id),
            cell(&delivery.source),
            cell(views::event(&delivery.event, delivery.action.as_deref())),
            optional(delivery.delivery_id.as_deref()),
            cell(&delivery.received_at),
            cell(delivery.size),
            cell(delivery.task_ids.len()),
        ]);
    }
    if table.is_empty() {
        output::note("no deliveries");
    } else {
        table.print()?;
    }
    tell_of_more(listing.next_cursor.as_deref());
    Ok(ExitCode::SUCCESS)
}

async fn show(api: &Api, id: &str, json: bool) -> anyhow::Result<ExitCode> {
    let answer = api.get(&["deliveries", id], &Query::new()).await?;
    if json {
        output::document(&answer)?;
        return Ok(ExitCode::SUCCESS);
    }
    let delivery: views::Delivery = read(&answer)?;
    let mut table = Table::new(["DELIVERY", delivery.id.as_str()]);
    table.row([cell("delivery id"), optional(delivery.delivery_id.as_deref())]);
    table.row([cell("source"), cell(&delivery.source)]);
    table.row([cell("event"), cell(views::event(&delivery.event, delivery.action.as_deref()))]);
    table.row([cell("normalised"), optional(delivery.normalised.as_deref())]);
    table.row([cell("repository"), optional(delivery.repository.as_deref())]);
    table.row([cell("received"), cell(&delivery.received_at)]);
    table.row([cell("bytes"), cell(delivery.size)]);
    table.row([cell("tasks"), cell(delivery.task_ids.join(" "))]);
    for (name, value) in &delivery.headers {
        table.row([cell(name), cell(value)]);
    }
    table.print()?;
    if let Some(body) = &delivery.body {
        output::line(format_args!("\nBODY\n{}", output::Plain(body.get())))?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn raw_body(api: &Api, id: &str) -> anyhow::Result<ExitCode> {
    let body = api.get(&["deliveries", id, "body"], &Query::new()).await?;
    output::bytes(&body)?;
    Ok(ExitCode::SUCCESS)
}

/// Replays those that are named, one after the other, or all that match, oldest first.
async fn replay(api: &Api, selection: &DeliverySelectionArgs, json: bool) -> anyhow::Result<ExitCode> {
    if selection.ids.is_empty() {
        let bulk = Bulk { things: "deliveries", verb: "replay", done: "replayed" };
        return bulk.run(api, selection.body(), selection.bulk, json).await;
    }
    each(&selection.ids, "replayed", json, async |id| api.post(&["deliveries", id, "replay"], None::<&()>).await).await
}
