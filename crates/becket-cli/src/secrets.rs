//! `becket secrets status`: when each secret was last used, and whether it can go.

use std::process::ExitCode;

use serde::Deserialize;

use crate::api::{self, read, views};
use crate::cli::{Query, SecretsArgs, SecretsCommand};
use crate::output::{self, Table, cell, optional};

/// All sources.
#[derive(Deserialize)]
struct Listed {
    items: Vec<views::SourceSecrets>,
}

/// Runs `becket secrets`.
pub(crate) async fn run(args: SecretsArgs, json: bool) -> anyhow::Result<ExitCode> {
    let SecretsCommand::Status { quiet, server } = args.command;
    let api = api::server::connect(&server)?;
    let query: Query = quiet.into_iter().map(|quiet| ("quiet", quiet)).collect();
    let answer = api.get(&["secrets"], &query).await?;
    if json {
        output::document(&answer)?;
        return Ok(ExitCode::SUCCESS);
    }
    let listed: Listed = read(&answer)?;
    let mut table = Table::new(["SOURCE", "PLACE", "NAME", "STATE", "LAST USED", "USED", "SAFE TO DROP", "WHY"]);
    for source in &listed.items {
        for secret in &source.secrets {
            table.row([
                cell(&source.source),
                cell(secret.place),
                optional(secret.name.as_deref()),
                cell(state(secret)),
                cell(secret.last_used_at.as_deref().unwrap_or("never")),
                cell(secret.used),
                cell(if secret.safe_to_drop { "yes" } else { "no" }),
                cell(&secret.reason),
            ]);
        }
    }
    if table.is_empty() {
        output::note("no source has a secret");
    } else {
        table.print()?;
    }
    for source in listed.items.iter().filter(|source| source.accepts_unsigned) {
        output::note(format_args!(
            "the source {} has no secret: it accepts webhooks that nobody signed",
            source.source
        ));
    }
    Ok(ExitCode::SUCCESS)
}

fn state(secret: &views::Secret) -> String {
    match (secret.state.as_str(), &secret.not_before, &secret.not_after) {
        ("not_yet", Some(begin), _) => format!("not yet, from {begin}"),
        ("active", _, Some(end)) => format!("active until {end}"),
        ("expired", _, Some(end)) => format!("expired {end}"),
        (state, ..) => state.to_owned(),
    }
}
