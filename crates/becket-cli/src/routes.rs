//! `becket routes`: which routes there are, and which of them get a delivery.
//!
//! No server is asked: the routes are those that `becket serve` would have with this configuration, and a delivery is made
//! as its sender makes it and read as its source reads it.

mod told;

use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use becket::config::{Source, SourceKind};
use becket::route::Sought;
use becket::route::explain::{Routing, Why};
use becket::{App, Config};
use becket_webhooks::{Delivery, Dialect, Kind};
use bytes::Bytes;
use serde_json::json;

use crate::cli::{ConfigArgs, RouteTestArgs, RoutesArgs, RoutesCommand};
use crate::complaint::Complaint;
use crate::output::{self, Table, cell, optional};
use crate::sender::{self, Sender};
use crate::{config, samples, send};

/// Runs `becket routes`.
pub(crate) fn run(args: RoutesArgs, json: bool) -> anyhow::Result<ExitCode> {
    match args.command {
        None => list(&args.config, json),
        Some(RoutesCommand::List { config }) => list(&or(config, args.config), json),
        Some(RoutesCommand::Test(test)) => {
            let test = RouteTestArgs { config: or(test.config, args.config), ..test };
            self::test(&test, json)
        }
    }
}

/// `--config` may stand before and behind the subcommand.
fn or(own: ConfigArgs, outer: ConfigArgs) -> ConfigArgs {
    ConfigArgs { config: own.config.or(outer.config), set: outer.set.into_iter().chain(own.set).collect() }
}

fn loaded(args: &ConfigArgs) -> anyhow::Result<(Config, Routing)> {
    let config = config::load(args, Vec::new())?.config;
    let routing = App::new().config(config.clone()).routes()?;
    Ok((config, routing))
}

fn list(args: &ConfigArgs, as_json: bool) -> anyhow::Result<ExitCode> {
    let routes = loaded(args)?.1.all();
    if as_json {
        let items: Vec<_> = routes.iter().map(told::route).collect();
        output::json(&json!({"items": items}))?;
        return Ok(ExitCode::SUCCESS);
    }
    if routes.is_empty() {
        output::note("no routes");
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = Table::new(["NAME", "ON", "SOURCE", "WHEN", "STOP", "MODE", "TO"]);
    for route in &routes {
        let sources = route.sources.join(", ");
        table.row([
            cell(&route.name),
            cell(route.on.join(", ")),
            optional(Some(sources.as_str()).filter(|sources| !sources.is_empty())),
            optional(route.when.as_deref()),
            cell(if route.stop { "yes" } else { "-" }),
            cell(route.mode),
            optional(route.target.as_deref()),
        ]);
    }
    table.print()?;
    Ok(ExitCode::SUCCESS)
}

/// Where a payload is from.
#[derive(Clone, Copy)]
enum Origin {
    File,
    Sample,
    /// The kind's plainest, with the event's name in it.
    MadeUp,
}

impl Origin {
    const fn as_str(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Sample => "sample",
            Self::MadeUp => "made_up",
        }
    }
}

fn test(args: &RouteTestArgs, as_json: bool) -> anyhow::Result<ExitCode> {
    let (config, routing) = loaded(&args.config)?;
    let (name, source, dialect) = source_of(args, &config)?;
    let kind = dialect.kind();
    let payload = payload(args, kind)?;
    let origin = payload.as_ref().map(|(_, origin)| *origin);
    let delivery = match payload {
        Some((body, origin)) => Some(delivery(&routing, name, source, dialect, &args.event, &body, origin)?),
        None => None,
    };
    let sought = match &delivery {
        Some(delivery) => Sought::of(delivery),
        None => {
            let (event, action) = divided(&args.event, kind);
            Sought::new(name, event, action)
        }
    };
    let explained = routing.explain(&sought);
    if as_json {
        output::json(&told::document(&sought, origin.map(Origin::as_str), &explained))?;
    } else {
        output::line(output::Plain(&told::heading(&sought, origin.map(Origin::as_str))))?;
        for one in &explained {
            told::lines(one).iter().try_for_each(|line| output::line(output::Plain(line)))?;
        }
        if explained.is_empty() {
            output::note("no routes");
        }
    }
    let is_wanted = explained.iter().any(|one| one.why == Why::Matches);
    Ok(if is_wanted { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The source that is meant: named, the only one, or the only one that has such an event.
fn source_of<'c>(args: &RouteTestArgs, config: &'c Config) -> Result<(&'c str, &'c Source, &'c Dialect), Complaint> {
    let senders = config.sources.iter().filter_map(|(name, source)| match &source.kind {
        SourceKind::Sender(dialect) => Some((name.as_str(), source, dialect)),
        _ => None,
    });
    let senders: Vec<_> = senders.collect();
    let unclear = |what: String| {
        let names: Vec<&str> = senders.iter().map(|(name, ..)| *name).collect();
        Complaint::new(what).at("[sources]").mend(match names.as_slice() {
            [] => "configure a source, such as [sources.github]".to_owned(),
            names => format!("name one with --source: {}", names.join(", ")),
        })
    };
    if let Some(name) = &args.source {
        let found = senders.iter().find(|(known, ..)| known == name);
        return found.copied().ok_or_else(|| unclear(format!("there is no source `{name}` that has a sender")));
    }
    if let [only] = senders.as_slice() {
        return Ok(*only);
    }
    let has_sample = |kind: Kind| samples::find(kind, &args.event).is_some();
    let mut fitting = senders.iter().filter(|(.., dialect)| has_sample(dialect.kind()));
    match (fitting.next(), fitting.next()) {
        (Some(only), None) => Ok(*only),
        _ => Err(unclear("it is not clear which source is meant".to_owned())),
    }
}

fn payload(args: &RouteTestArgs, kind: Kind) -> anyhow::Result<Option<(Bytes, Origin)>> {
    if let Some(file) = &args.payload {
        return Ok(Some((send::read(file)?, Origin::File)));
    }
    if kind == Kind::StandardWebhooks {
        return Ok(Some((sender::plain_body(&args.event, SystemTime::now()), Origin::MadeUp)));
    }
    let sample = samples::find(kind, &args.event);
    Ok(sample.map(|sample| (Bytes::from_static(sample.body.as_bytes()), Origin::Sample)))
}

/// The delivery, as the source reads what its sender would post.
fn delivery(
    routing: &Routing,
    name: &str,
    source: &Source,
    dialect: &Dialect,
    event: &str,
    body: &Bytes,
    origin: Origin,
) -> Result<Delivery, Complaint> {
    let sender = Sender::new(dialect.clone(), send::usable(&source.secrets))?;
    let (now, id) = (SystemTime::now(), sender.new_id());
    let body = match origin {
        Origin::MadeUp => sender.completed(event, &id, body)?,
        Origin::File | Origin::Sample => sender.body(event, &id, body)?,
    };
    let headers = sender.headers(event, &id, now, &body)?;
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let refused = |why: String| {
        Complaint::new(format!("the source `{name}` would refuse it: {why}"))
            .mend("give a payload that its sender posts")
    };
    let Some(receiver) = routing.source(name) else { return Err(refused("it is not there".to_owned())) };
    receiver.receive(&headers, body, i64::try_from(now).unwrap_or(i64::MAX)).map_err(|why| refused(why.to_string()))
}

/// Event and action, where only their names are known.
fn divided(name: &str, kind: Kind) -> (&str, Option<&str>) {
    let joint = match kind {
        Kind::BitbucketServer | Kind::BitbucketCloud => [':', '.'],
        _ => ['.', '.'],
    };
    name.split_once(joint).map_or((name, None), |(event, action)| (event, Some(action)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_is_divided_as_its_sender_joins_it() {
        assert_eq!(divided("issues.opened", Kind::Github), ("issues", Some("opened")));
        assert_eq!(divided("pr:reviewer:approved", Kind::BitbucketServer), ("pr", Some("reviewer:approved")));
        assert_eq!(divided("invoice.payment.failed", Kind::Stripe), ("invoice", Some("payment.failed")));
        assert_eq!(divided("push", Kind::Github), ("push", None));
        assert_eq!(divided("a:b.c", Kind::Custom), ("a:b", Some("c")));
    }
}
