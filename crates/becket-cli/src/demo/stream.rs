//! The stream of deliveries: what is posted, and posting it as the senders would.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, ensure};
use becket::Running;
use becket_webhooks::{Dialect, Kind};
use bytes::Bytes;
use futures_util::future::join_all;
use reqwest::Url;
use tokio::time::{Instant, sleep_until};

use super::handlers::{BILLING, Secrets};
use super::tally::{Posted, Shared};
use crate::api::{self, views};
use crate::complaint::Complaint;
use crate::samples::SAMPLES;
use crate::sender::{self, Sender};

/// How many deliveries are posted when nobody says.
const COUNT: usize = 200;
/// Each so many-th delivery is posted a second time, as a sender does whose first request got no answer.
const DUPLICATE_EVERY: usize = 20;
/// What the billing source sends.
const BILLING_EVENTS: [&str; 4] = ["customer.created", "invoice.sent", "invoice.paid", "invoice.payment_failed"];

/// The senders of the demonstration.
#[derive(Clone, Copy)]
enum Source {
    Github,
    Billing,
}

/// A body to post, again and again with new ids.
pub(super) struct Payload {
    source: Source,
    event: String,
    body: Bytes,
}

/// The deliveries, and who sends them.
pub(super) struct Stream {
    payloads: Vec<Payload>,
    count: usize,
    http: reqwest::Client,
    github: (Sender, Url),
    billing: (Sender, Url),
}

/// The payloads: GitHub's from a folder or those that are built in, and a few of the billing source.
///
/// # Errors
/// The folder cannot be read or holds none.
pub(super) fn payloads(dir: Option<&Path>) -> anyhow::Result<Vec<Payload>> {
    let mut payloads = match dir {
        Some(dir) => from_dir(dir)?,
        None => SAMPLES
            .iter()
            .filter(|one| one.kind == Kind::Github)
            .map(|one| github(one.event(), Bytes::from_static(one.body.as_bytes())))
            .collect(),
    };
    let body = |event| sender::plain_body(event, SystemTime::now());
    payloads.extend(BILLING_EVENTS.map(|event| Payload {
        source: Source::Billing,
        event: event.to_owned(),
        body: body(event),
    }));
    Ok(payloads)
}

fn github(event: &str, body: Bytes) -> Payload {
    Payload { source: Source::Github, event: event.to_owned(), body }
}

fn from_dir(dir: &Path) -> anyhow::Result<Vec<Payload>> {
    let mut files = Vec::new();
    collect(dir, &mut files)?;
    files.sort();
    let read = |file: PathBuf| {
        let body = std::fs::read(&file).with_context(|| format!("read the payload {}", file.display()))?;
        Ok(github(&event_of(dir, &file), body.into()))
    };
    let payloads = files.into_iter().map(read).collect::<anyhow::Result<Vec<_>>>()?;
    ensure!(!payloads.is_empty(), "there is no *.json file below {}", dir.display());
    Ok(payloads)
}

fn collect(dir: &Path, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let unreadable = || format!("read the folder {}", dir.display());
    for entry in std::fs::read_dir(dir).with_context(unreadable)? {
        let path = entry.with_context(unreadable)?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "json") {
            files.push(path);
        }
    }
    Ok(())
}

/// The name of the file's folder; in `dir` itself, the file's name up to the first full stop.
fn event_of(dir: &Path, file: &Path) -> String {
    let folder = file.parent().filter(|parent| *parent != dir).and_then(Path::file_name);
    let name = folder.or(file.file_name()).unwrap_or_default().to_string_lossy();
    match folder {
        Some(_) => name.into_owned(),
        None => name.split('.').next().unwrap_or_default().to_owned(),
    }
}

impl Stream {
    /// A stream to a server; each payload at least once unless `count` says otherwise.
    ///
    /// # Errors
    /// The system gives no HTTP client.
    pub(super) fn new(
        payloads: Vec<Payload>,
        count: Option<u32>,
        secrets: &Secrets,
        running: &Running,
    ) -> anyhow::Result<Self> {
        let url = |name: &str| running.url(&format!("/webhooks/{name}")).parse::<Url>();
        let sender = |dialect, secret: &secrecy::SecretString| Sender::new(dialect, Some(secret.clone()));
        let github = (sender(Dialect::Github, &secrets.github)?, url("github")?);
        let billing = (sender(Dialect::StandardWebhooks, &secrets.billing)?, url(BILLING)?);
        let count = count.map_or(COUNT.max(payloads.len()), |count| usize::try_from(count).unwrap_or(usize::MAX));
        Ok(Self { http: api::http_client(&github.1)?, payloads, count, github, billing })
    }

    /// How many deliveries there are, without the duplicates.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// How many payloads they are made of.
    pub(super) fn payloads(&self) -> usize {
        self.payloads.len()
    }

    /// Posts all, from so many connections, at most `rate` a second (0: as many as possible).
    pub(super) async fn post_all(&self, connections: u32, rate: u32, tally: &Shared) {
        let (next, started) = (AtomicUsize::new(0), Instant::now());
        let connection = || async {
            loop {
                let place = next.fetch_add(1, Ordering::Relaxed);
                if place >= self.count {
                    return;
                }
                if rate > 0 {
                    sleep_until(started + Duration::from_secs_f64(place as f64 / f64::from(rate))).await;
                }
                self.post(place, tally).await;
            }
        };
        join_all((0..connections).map(|_| connection())).await;
    }

    /// Posts one; some of them twice.
    async fn post(&self, place: usize, tally: &Shared) {
        let payload = &self.payloads[place % self.payloads.len()];
        let (sender, url) = match payload.source {
            Source::Github => &self.github,
            Source::Billing => &self.billing,
        };
        let id = sender.new_id();
        let twice = place.is_multiple_of(DUPLICATE_EVERY);
        for again in [false, true].into_iter().take(1 + usize::from(twice)) {
            tally.with(|tally| tally.begin(again));
            let posted = self.acknowledged(payload, sender, url, &id).await;
            tally.with(|tally| tally.end(&id, again, posted));
        }
    }

    async fn acknowledged(&self, payload: &Payload, sender: &Sender, to: &Url, id: &str) -> Result<Posted, Complaint> {
        let headers = sender.headers(&payload.event, id, SystemTime::now(), &payload.body)?;
        let answer = sender::post(&self.http, to, headers, payload.body.clone()).await?;
        if !answer.status.is_success() {
            let request = format!("POST {to} ({})", payload.event);
            return Err(Complaint::of_answer(&request, answer.status, answer.body));
        }
        let said: views::Acknowledgement = api::read(&answer.body)?;
        Ok(Posted { tasks: said.task_ids, duplicate: said.duplicate, took: answer.took })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn event_is_the_folder_s_name_or_the_file_s() {
        let event = |file: &str| event_of(Path::new("/p"), Path::new(file));
        assert_eq!(event("/p/issues/opened.with-label.json"), "issues");
        assert_eq!(event("/p/github/push/a.json"), "push");
        assert_eq!(event("/p/issues.opened.json"), "issues");
        assert_eq!(event("/p/push.json"), "push");
    }

    #[test]
    fn payloads_below_a_folder_are_found_and_others_are_not() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("issues/deep")).unwrap();
        for name in ["push.json", "issues/opened.json", "issues/deep/x.json", "README.md"] {
            std::fs::write(dir.path().join(name), "{}").unwrap();
        }
        let events: Vec<String> = from_dir(dir.path()).unwrap().into_iter().map(|one| one.event).collect();
        assert_eq!(events, ["deep", "issues", "push"]);
    }

    #[test]
    fn folder_without_payloads_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        assert!(payloads(Some(dir.path())).is_err());
        assert!(payloads(Some(&dir.path().join("absent"))).is_err());
    }
}
