//! `becket send`: signs a delivery as its sender would, and posts it, once or many times.

mod target;

use std::io::Read as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Instant, SystemTime};

use anyhow::Context as _;
use becket_webhooks::Kind;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use reqwest::StatusCode;
use serde_json::json;

pub(crate) use self::target::usable;

use self::target::Target;
use crate::api::{self, views};
use crate::cli::SendArgs;
use crate::complaint::Complaint;
use crate::latency::Latencies;
use crate::output::{self, Table, cell};
use crate::samples::{self, SAMPLES};
use crate::sender::{self, Answer, Sender};

/// How many deliveries are under way at once when many are sent.
const CONNECTIONS: usize = 8;

/// Runs `becket send`.
pub(crate) async fn run(args: SendArgs, json: bool) -> anyhow::Result<ExitCode> {
    let Some(event) = args.event.as_deref().filter(|_| !args.list) else {
        list(json)?;
        return Ok(ExitCode::SUCCESS);
    };
    let target = Target::find(&args)?;
    let kind = target.sender.kind();
    let body = body(event, kind, args.payload.as_deref())?;
    // Without a sample there is nothing in the body that would say the event.
    let is_made_up = args.payload.is_none() && matches!(kind, Kind::StandardWebhooks | Kind::Custom);
    let http = api::http_client(&target.url)?;
    let post = async |id: String| {
        let complete = if is_made_up { Sender::completed } else { Sender::body };
        let body = complete(&target.sender, event, &id, &body)?;
        let headers = target.sender.headers(event, &id, SystemTime::now(), &body)?;
        sender::post(&http, &target.url, headers, body).await.map(|answer| (id, answer))
    };
    let id = || args.delivery_id.clone().unwrap_or_else(|| target.sender.new_id());
    if args.count == 1 {
        let (id, answer) = post(id()).await?;
        show(&id, &answer, &target, json)?;
        return Ok(ExitCode::SUCCESS);
    }
    let posts = stream::iter((0..args.count).map(|_| post(id()))).buffer_unordered(CONNECTIONS);
    many(posts, args.count, &target, json).await
}

/// Lists the events that are built in.
fn list(json: bool) -> anyhow::Result<()> {
    if json {
        let item = |one: &samples::Sample| json!({"source_kind": one.kind, "event": one.name, "bytes": one.body.len()});
        let items: Vec<_> = SAMPLES.iter().map(item).collect();
        return Ok(output::json(&json!({"items": items}))?);
    }
    let mut table = Table::new(["SOURCE KIND", "EVENT", "BYTES"]);
    for sample in SAMPLES {
        table.row([cell(sample.kind.as_str()), cell(sample.name), cell(sample.body.len())]);
    }
    Ok(table.print()?)
}

/// The body: of the file, or the event's sample; for kinds without samples made up.
fn body(event: &str, kind: Kind, file: Option<&Path>) -> anyhow::Result<Bytes> {
    match (file, kind) {
        (Some(file), _) => read(file),
        (None, Kind::StandardWebhooks) => Ok(sender::plain_body(event, SystemTime::now())),
        (None, Kind::Custom) => Ok(Bytes::from_static(b"{}")),
        (None, kind) => match samples::find(kind, event) {
            Some(sample) => Ok(Bytes::from_static(sample.body.as_bytes())),
            None => Err(Complaint::new(format!("no payload is built in for the event `{event}` of {kind}"))
                .mend("name one of `becket send --list`, or give the body with --payload FILE")
                .into()),
        },
    }
}

/// A payload from a file, or from the standard input.
pub(crate) fn read(file: &Path) -> anyhow::Result<Bytes> {
    if file == Path::new("-") {
        let mut body = Vec::new();
        std::io::stdin().lock().read_to_end(&mut body).context("read the payload from the standard input")?;
        return Ok(body.into());
    }
    Ok(std::fs::read(file).with_context(|| format!("read the payload {}", file.display()))?.into())
}

/// Shows the answer to one delivery.
///
/// # Errors
/// The answer refuses it.
fn show(id: &str, answer: &Answer, target: &Target, json: bool) -> anyhow::Result<()> {
    accepted(answer, target)?;
    if json {
        return Ok(output::document(&answer.body)?);
    }
    let ms = answer.took.as_secs_f64() * 1e3;
    let mut line = format!("{} in {ms:.1} ms: delivery {id}", answer.status.as_u16());
    // Other servers may be tried too; what they answer is theirs.
    if let Ok(said) = serde_json::from_slice::<views::Acknowledgement>(&answer.body) {
        line = format!("{line}, {}{}", said.status, if said.duplicate { ", a duplicate" } else { "" });
        if !said.task_ids.is_empty() {
            line = format!("{line}, tasks {}", said.task_ids.join(" "));
        }
    }
    Ok(output::line(output::Plain(&line))?)
}

fn accepted(answer: &Answer, target: &Target) -> Result<(), Complaint> {
    if answer.status.is_success() {
        return Ok(());
    }
    Err(Complaint::of_answer(&format!("POST {}", target.url), answer.status, answer.body.clone()).mend(advice(answer)))
}

/// Where the reason is to be found, which senders are not told.
fn advice(answer: &Answer) -> String {
    let said = || serde_json::from_slice::<views::HandlerFailed>(&answer.body).unwrap_or_default();
    let advice = match answer.status {
        StatusCode::UNAUTHORIZED
        | StatusCode::BAD_REQUEST
        | StatusCode::REQUEST_TIMEOUT
        | StatusCode::PAYLOAD_TOO_LARGE
        | StatusCode::UNSUPPORTED_MEDIA_TYPE => {
            "`GET /api/v1/rejections` on the server, and its log, say why a delivery was refused"
        }
        StatusCode::INTERNAL_SERVER_ERROR => match said().task_ids.as_slice() {
            [] => "look into the server's log",
            [id] => return format!("`becket tasks show {id}` says why the handler failed"),
            ids => {
                let shown: Vec<String> = ids.iter().map(|id| format!("`becket tasks show {id}`")).collect();
                return format!("one of these says why a handler failed: {}", shown.join(", "));
            }
        },
        StatusCode::SERVICE_UNAVAILABLE => "nothing was accepted: send it again; `GET /readyz` on the server says more",
        StatusCode::NOT_FOUND => "post to /webhooks/NAME, where NAME is a source of the server's configuration",
        _ => "see whether it is a Becket server that answers at this URL",
    };
    advice.to_owned()
}

/// Sends many: a progress bar, then how it went. JSON is one answer a line, in the order in which they came.
async fn many(
    posts: impl stream::Stream<Item = Result<(String, Answer), Complaint>>,
    count: u32,
    target: &Target,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let bar = output::progress(count.into(), "sending");
    let (started, mut latencies, mut refused, mut last_error) = (Instant::now(), Latencies::default(), 0_u32, None);
    let mut posts = std::pin::pin!(posts);
    while let Some(posted) = posts.next().await {
        bar.inc(1);
        match posted.and_then(|(_, answer)| accepted(&answer, target).map(|()| answer)) {
            Ok(answer) => {
                latencies.add(answer.took);
                if json {
                    bar.suspend(|| output::document(&answer.body))?;
                }
            }
            Err(error) => {
                refused += 1;
                last_error = Some(error);
            }
        }
    }
    bar.finish_and_clear();
    let rate = f64::from(count) / started.elapsed().as_secs_f64();
    let (p50, p99) = (latencies.percentile_ms(0.5), latencies.percentile_ms(0.99));
    let summary = format!("{count} sent, {refused} refused, {rate:.0}/s, answered in p50 {p50} ms, p99 {p99} ms");
    if json {
        output::note(summary);
    } else {
        output::line(summary)?;
    }
    match last_error {
        None => Ok(ExitCode::SUCCESS),
        Some(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn advice_for(status: u16, body: &'static str) -> String {
        let (status, body) = (StatusCode::from_u16(status).unwrap(), Bytes::from_static(body.as_bytes()));
        advice(&Answer { status, body, took: std::time::Duration::ZERO })
    }

    #[test]
    fn advice_leads_to_where_the_reason_is() {
        for status in [400, 401, 408, 413, 415] {
            assert!(advice_for(status, "").contains("/api/v1/rejections"), "{status}");
        }
        let failed = r#"{"title":"Internal Server Error","status":500,"task_ids":["0NGK5H8Q0G001"]}"#;
        assert!(advice_for(500, failed).contains("`becket tasks show 0NGK5H8Q0G001`"));
        let several = advice_for(500, r#"{"task_ids":["A","B"]}"#);
        assert!(several.contains("`becket tasks show A`, `becket tasks show B`"), "{several}");
        assert_eq!(advice_for(500, "<html>"), "look into the server's log");
        assert!(advice_for(503, "").contains("/readyz"));
        assert!(advice_for(404, "").contains("/webhooks/NAME"));
        assert!(!advice_for(405, "").contains("rejections"));
    }

    #[test]
    fn event_without_a_sample_needs_a_payload() {
        let error = body("exploded", Kind::Github, None).unwrap_err();
        assert_eq!(error.to_string(), "no payload is built in for the event `exploded` of github");
        assert!(body("issues", Kind::Github, None).unwrap().starts_with(b"{"));
        assert!(body("anything.at_all", Kind::StandardWebhooks, None).unwrap().starts_with(b"{"));
    }
}
