//! Fetching GitHub's list: at once, each hour from then on, and sooner where it could not be had.
//!
//! The list is taken whole or not at all: one that is empty, or in which something is no network, is as good as none, and
//! the last good one stays. It is asked for with the tag of the last (`If-None-Match`), so an unchanged one costs nothing of
//! what GitHub lets anybody ask for in an hour.
//!
//! Sources: <https://docs.github.com/en/rest/meta/meta#get-github-meta-information>,
//! <https://docs.github.com/en/rest/using-the-rest-api/best-practices-for-using-the-rest-api#use-conditional-requests-if-appropriate>

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwapOption;
use http::header::{ACCEPT, ETAG, IF_NONE_MATCH};
use http::{HeaderValue, StatusCode};
use reqwest::{Client, Url, redirect};
use serde::Deserialize;
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::Status;
use crate::http::networks::Networks;

/// GitHub's has about a quarter of a megabyte.
const BODY_BYTES_MAX: usize = 8 * 1_024 * 1_024;

/// How much is told of an error.
const ERROR_CHARS_MAX: usize = 300;

/// How often it is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    pub(super) refresh: Duration,
    /// The first wait after a failure; it doubles with each.
    pub(super) retry: Duration,
    pub(super) retry_max: Duration,
    /// How long one attempt may take.
    pub(super) timeout: Duration,
    /// Between two lines in the log on failures.
    pub(super) tell: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        const MINUTE: Duration = Duration::from_secs(60);
        Self {
            refresh: 60 * MINUTE,
            retry: Duration::from_secs(5),
            retry_max: 10 * MINUTE,
            timeout: Duration::from_secs(30),
            tell: 60 * MINUTE,
        }
    }
}

/// A list that is fetched for as long as somebody holds it.
#[derive(Debug)]
pub(super) struct Fetched {
    known: Arc<Known>,
    _until_dropped: DropGuard,
}

/// What whoever asks sees of whoever fetches.
#[derive(Debug)]
struct Known {
    networks: ArcSwapOption<Networks>,
    status: Mutex<Status>,
}

/// What of `/meta` is read.
#[derive(Deserialize)]
struct Meta {
    hooks: Vec<String>,
}

/// An answer that can be used.
enum Answer {
    Unchanged,
    List { networks: Networks, tag: Option<HeaderValue> },
}

impl Fetched {
    /// Begins to fetch. Must be called within a runtime.
    pub(super) fn start(source: Arc<str>, url: Url, pace: Pace, stopping: &CancellationToken) -> Arc<Self> {
        let status = Mutex::new(Status { source: Arc::clone(&source), networks: None, checked_at: None, error: None });
        let known = Arc::new(Known { networks: ArcSwapOption::empty(), status });
        let stop = stopping.child_token();
        let fetching = Fetching { url, pace, known: Arc::clone(&known), tag: None, failures: 0, told: None };
        let until = stop.clone();
        tokio::spawn(async move { until.run_until_cancelled(fetching.run(source)).await });
        Arc::new(Self { known, _until_dropped: stop.drop_guard() })
    }

    /// The last good list.
    pub(super) fn networks(&self) -> Option<Arc<Networks>> {
        self.known.networks.load_full()
    }

    pub(super) fn status(&self) -> Status {
        self.known.status().clone()
    }
}

impl Known {
    fn status(&self) -> MutexGuard<'_, Status> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Fetching {
    url: Url,
    pace: Pace,
    known: Arc<Known>,
    tag: Option<HeaderValue>,
    /// In a row.
    failures: u32,
    /// When one was logged last.
    told: Option<Instant>,
}

impl Fetching {
    async fn run(mut self, source: Arc<str>) {
        let client = Client::builder().redirect(redirect::Policy::none()).timeout(self.pace.timeout).build();
        let client = match client {
            Ok(client) => client,
            Err(error) => {
                self.failed(&source, &format!("there is no client to ask with: {error}"));
                return;
            }
        };
        loop {
            let wait = match self.ask(&client).await {
                Ok(answer) => {
                    self.succeeded(&source, answer);
                    self.pace.refresh
                }
                Err(error) => self.failed(&source, &error),
            };
            // Not all at the same moment.
            tokio::time::sleep(wait + wait.mul_f64(fastrand::f64() / 10.0)).await;
        }
    }

    async fn ask(&self, client: &Client) -> Result<Answer, String> {
        let mut request = client
            .get(self.url.clone())
            .header(ACCEPT, "application/vnd.github+json")
            // GitHub answers nobody without a name.
            .header(http::header::USER_AGENT, concat!("becket/", env!("CARGO_PKG_VERSION")));
        if let Some(tag) = &self.tag {
            request = request.header(IF_NONE_MATCH, tag);
        }
        let mut response = request.send().await.map_err(told)?;
        match response.status() {
            StatusCode::NOT_MODIFIED if self.tag.is_some() => return Ok(Answer::Unchanged),
            StatusCode::OK => {}
            status => return Err(format!("the answer was {status}")),
        }
        let tag = response.headers().get(ETAG).cloned();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(told)? {
            if body.len() + chunk.len() > BODY_BYTES_MAX {
                return Err(format!("the answer is larger than {BODY_BYTES_MAX} bytes"));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer::List { networks: list(&body)?, tag })
    }

    fn succeeded(&mut self, source: &str, answer: Answer) {
        if let Answer::List { networks, tag } = answer {
            let count = networks.len();
            let before = self.known.networks.swap(Some(Arc::new(networks)));
            if before.is_none_or(|before| Some(&before) != self.known.networks.load().as_ref()) {
                tracing::info!(source, networks = count, "fetched the list of allowed addresses");
            }
            self.tag = tag;
        }
        if self.told.take().is_some() {
            tracing::info!(source, failures = self.failures, "the list of allowed addresses could be fetched again");
        }
        self.failures = 0;
        let networks = self.known.networks.load().as_ref().map(|list| list.len());
        let mut status = self.known.status();
        (status.networks, status.checked_at, status.error) = (networks, Some(SystemTime::now().into()), None);
    }

    /// Notes a failure; for how long to wait after it.
    fn failed(&mut self, source: &str, error: &str) -> Duration {
        // It may quote what was sent.
        let error: String = error.chars().take(ERROR_CHARS_MAX).collect();
        let stays = if self.known.networks.load().is_some() { "the last one stays" } else { "nobody is let in before" };
        if self.told.is_none_or(|told| told.elapsed() >= self.pace.tell) {
            tracing::warn!(source, "the list of allowed addresses could not be fetched, {stays}: {error}");
            self.told = Some(Instant::now());
        }
        self.known.status().error = Some(error);
        let wait = self.pace.retry.saturating_mul(1 << self.failures.min(20));
        self.failures = self.failures.saturating_add(1);
        wait.min(self.pace.retry_max)
    }
}

/// An error without the URL, which may have a token in it.
fn told(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

fn list(body: &[u8]) -> Result<Networks, String> {
    let meta: Meta =
        serde_json::from_slice(body).map_err(|error| format!("the answer has no list `hooks`: {error}"))?;
    let networks = Networks::parse(&meta.hooks).map_err(|error| format!("in `hooks` {}", error.what()))?;
    if networks.is_empty() { Err("`hooks` is empty".to_owned()) } else { Ok(networks) }
}

#[cfg(test)]
#[path = "fetch_tests.rs"]
mod tests;
