//! What it costs to verify and read one delivery of each kind, in processor time, on one thread and without I/O.
//!
//! The bodies are this project's samples, filled up to one size with more of the same, and signed as their senders sign.
//! Nothing is compared here: the budget is a time, so it holds for the machine that it was set on.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use becket_webhooks::signature::{Algorithm, Encoding};
use becket_webhooks::{AzureAuth, Custom, Dialect, Secrets, Sender, Source};
use bytes::Bytes;
use http::HeaderMap;
use serde_json::Value;

use crate::budget::Limit;
use crate::process::Usage;
use crate::text;

/// The size of each body.
pub const BODY_BYTES: usize = 25_000;
/// The most that one delivery may cost, in microseconds.
pub const BUDGET_MICROS: f64 = 40.0;

/// When everything is signed, and received.
const NOW_SECS: i64 = 1_781_773_960;
const WHSEC: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const SECRET: &str = "user:a secret of some length";

/// One line of the report.
#[derive(Debug, Clone)]
pub struct Row {
    /// The kind, and how it signs where there are several ways.
    pub what: String,
    /// Bytes of the body.
    pub bytes: usize,
    /// Processor time of one delivery, in microseconds.
    pub micros: f64,
}

/// A kind of sender to measure.
struct Case {
    what: &'static str,
    dialect: Dialect,
    secret: &'static str,
    /// A file of the samples, and the event that it is of.
    sample: &'static str,
    event: &'static str,
}

fn cases() -> Result<Vec<Case>> {
    let custom = |algorithm, encoding| -> Result<Dialect> {
        let made = Custom::new("X-Signature", "X-Id", "/object_kind")?.algorithm(algorithm).encoding(encoding);
        Ok(Dialect::Custom(made.checked()?.into()))
    };
    let case = |what, dialect, secret, sample, event| Case { what, dialect, secret, sample, event };
    let merge_request = "gitlab/merge_request.open.json";
    let (created, git_created) = ("pullrequest.created", "git.pullrequest.created");
    Ok(vec![
        case("github", Dialect::Github, SECRET, "github/pull_request.opened.json", "pull_request.opened"),
        case("gitlab (secret token)", Dialect::Gitlab, SECRET, merge_request, "merge_request.open"),
        case("gitlab (signing token)", Dialect::Gitlab, WHSEC, merge_request, "merge_request.open"),
        case("bitbucket_server", Dialect::BitbucketServer, SECRET, "bitbucket_server/pr.opened.json", "pr.opened"),
        case("bitbucket_cloud", Dialect::BitbucketCloud, SECRET, "bitbucket_cloud/pullrequest.created.json", created),
        case(
            "azure_devops",
            Dialect::AzureDevops(AzureAuth::Basic),
            SECRET,
            "azure_devops/git.pullrequest.created.json",
            git_created,
        ),
        case("gitea", Dialect::Gitea, SECRET, "gitea/pull_request.opened.json", "pull_request.opened"),
        case("slack", Dialect::Slack, SECRET, "slack/app_mention.json", "app_mention"),
        case("stripe", Dialect::Stripe, SECRET, "stripe/invoice.paid.json", "invoice.paid"),
        case("standard_webhooks", Dialect::StandardWebhooks, WHSEC, "stripe/invoice.paid.json", "invoice.paid"),
        case("custom (sha256, hex)", custom(Algorithm::Sha256, Encoding::Hex)?, SECRET, merge_request, "merge_request"),
        case(
            "custom (sha512, base64)",
            custom(Algorithm::Sha512, Encoding::Base64)?,
            SECRET,
            merge_request,
            "merge_request",
        ),
    ])
}

/// Measures each kind with so many deliveries, several times in turn; the least counts, since whatever else runs only adds.
///
/// # Errors
/// A sample cannot be read, or a delivery was refused: then the numbers would mean nothing.
pub fn run(samples: &Path, deliveries: u32, rounds: u32) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    let made = cases()?.into_iter().map(|case| prepared(samples, &case)).collect::<Result<Vec<_>>>()?;
    for prepared in &made {
        rows.push(Row { what: prepared.what.to_owned(), bytes: prepared.body.len(), micros: f64::INFINITY });
    }
    for _ in 0..rounds.max(1) {
        for (row, prepared) in rows.iter_mut().zip(&made) {
            row.micros = row.micros.min(prepared.measure(deliveries)?);
        }
    }
    Ok(rows)
}

/// The report, and whether every kind keeps the budget.
#[must_use]
pub fn render(rows: &[Row]) -> (String, bool) {
    let columns = ["kind", "body bytes", "CPU µs", "", "budget"].map(str::to_owned);
    let limit = Limit::AtMost(BUDGET_MICROS);
    let lines: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            let mark = if limit.allows(row.micros) { "kept" } else { "MISSED" };
            let micros = format!("{:.1}", row.micros);
            vec![row.what.clone(), row.bytes.to_string(), micros, mark.to_owned(), format!("at most {BUDGET_MICROS}")]
        })
        .collect();
    (text::align(&columns, &lines), rows.iter().all(|row| limit.allows(row.micros)))
}

struct Prepared {
    what: &'static str,
    source: Source,
    headers: HeaderMap,
    body: Bytes,
}

fn prepared(samples: &Path, case: &Case) -> Result<Prepared> {
    let file = samples.join(case.sample);
    let text = std::fs::read(&file).with_context(|| format!("read the sample {}", file.display()))?;
    let sample: Value = serde_json::from_slice(&text)?;
    let sender = Sender::new(case.dialect.clone(), Some(case.secret.into()))?;
    let mut payload = sample.clone();
    sender.complete(&mut payload, case.event, "id:7")?;
    let body = Bytes::from(filled(payload, &sample)?);
    let headers = sender.headers(case.event, "id:7", NOW_SECS, &body)?;
    let source = Source::new("bench", case.dialect.clone(), Secrets::new([case.secret])?)?;
    Ok(Prepared { what: case.what, source, headers, body })
}

/// The payload with copies of the sample beside it, up to the size that is wanted or as near as whole fields come.
fn filled(mut payload: Value, sample: &Value) -> Result<Vec<u8>> {
    let own = payload.to_string().len();
    let each = sample.to_string().len() + 1;
    let copies = BODY_BYTES.saturating_sub(own) / each;
    let text = "x".repeat(BODY_BYTES.saturating_sub(own + copies * each + 32));
    let fields = payload.as_object_mut().context("a sample is an object")?;
    if copies > 0 {
        fields.insert("more".to_owned(), Value::Array(vec![sample.clone(); copies]));
    }
    fields.insert("text".to_owned(), Value::String(text));
    Ok(serde_json::to_vec(&payload)?)
}

impl Prepared {
    /// The processor time of one delivery, in microseconds.
    fn measure(&self, deliveries: u32) -> Result<f64> {
        ensure!(deliveries > 0, "at least one delivery is to be measured");
        let before = Usage::of_self()?.cpu;
        for _ in 0..deliveries {
            let received = self.source.receive(&self.headers, self.body.clone(), NOW_SECS * 1000);
            match received {
                Ok(delivery) => _ = std::hint::black_box(delivery),
                Err(refused) => anyhow::bail!("{} was refused: {}", self.what, refused.explanation().sentence()),
            }
        }
        let used = Usage::of_self()?.cpu.saturating_sub(before);
        Ok(Duration::as_secs_f64(&used) * 1e6 / f64::from(deliveries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payload::all_samples_dir;

    #[test]
    fn every_kind_is_measured_with_a_body_of_the_size_that_is_promised() {
        let rows = run(&all_samples_dir(), 1, 1).unwrap();
        assert!(rows.len() >= 12);
        for row in rows {
            assert!((BODY_BYTES * 9 / 10..=BODY_BYTES * 11 / 10).contains(&row.bytes), "{row:?}");
            assert!(row.micros.is_finite(), "{row:?}");
        }
    }

    #[test]
    fn missed_budget_is_shown_and_told() {
        let row = |micros| Row { what: "github".to_owned(), bytes: 25_000, micros };
        assert!(render(&[row(12.0)]).1);
        let (table, kept) = render(&[row(12.0), row(41.0)]);
        assert!(!kept && table.contains("MISSED"), "{table}");
    }
}
