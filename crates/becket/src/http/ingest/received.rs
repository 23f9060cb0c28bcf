//! A source as it is received: at which paths, from which addresses, and how often.

use std::time::Duration;

use becket_tasks::Rate;
use becket_webhooks::Source;

use crate::http::allow_list::{Allow, META_URL};
use crate::http::networks::{NetworkError, Networks};

/// Says how a source is received: from which addresses, and how often.
///
/// A plain [`Source`] is enough where anyone who knows the secret may send, as often as they like:
/// [`App::source`](crate::App::source) takes both.
///
/// ```
/// use std::time::Duration;
/// use becket::{App, Secrets, Source, received};
///
/// let github = Source::github("github", Secrets::new(["the webhook's secret"])?);
/// let intranet = Source::github("intranet", Secrets::new(["another"])?);
/// let app = App::new()
///     .trusted_proxies(["10.0.0.0/8"])
///     .source(received(github).allow_github().rate(100, Duration::from_secs(1)))
///     .source(received(intranet).allow(["192.168.7.0/24", "2001:db8::1"]));
/// # let _ = app;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub const fn received(source: Source) -> Received {
    Received { source, alias: None, allow: None, rate: None, mistakes: Vec::new() }
}

/// A source and how it is received; made by [`received`].
#[derive(Clone, Debug)]
#[must_use]
pub struct Received {
    pub(crate) source: Source,
    /// One more path, beside `/webhooks/{name}`.
    pub(crate) alias: Option<String>,
    /// From where; `None` from everywhere.
    pub(crate) allow: Option<Allow>,
    /// How often.
    pub(crate) rate: Option<Rate>,
    /// What was given that is no network, or no URL.
    pub(crate) mistakes: Vec<NetworkError>,
}

impl From<Source> for Received {
    fn from(source: Source) -> Self {
        received(source)
    }
}

impl Received {
    /// Takes requests only from these networks (`192.30.252.0/22`) and addresses, besides those that were allowed before;
    /// others are answered 403 before their body is read. Behind a proxy, say which one it is with
    /// [`App::trusted_proxies`](crate::App::trusted_proxies).
    pub fn allow<T: AsRef<str>>(mut self, networks: impl IntoIterator<Item = T>) -> Self {
        match Networks::parse(networks) {
            Ok(networks) => self.allow.get_or_insert_default().add(networks),
            Err(mistake) => self.mistakes.push(mistake),
        }
        self
    }

    /// Takes requests only from the addresses that GitHub says its webhooks come from, besides those that were allowed before.
    /// They are fetched, and fetched again each hour; before the first time requests are answered 503.
    pub fn allow_github(self) -> Self {
        self.allow_github_at(META_URL)
    }

    /// The same of a GitHub elsewhere: the URL of its `/meta`, whose `hooks` are taken.
    pub fn allow_github_at(mut self, meta_url: &str) -> Self {
        match Allow::meta_url(meta_url) {
            Ok(url) => self.allow.get_or_insert_default().meta = Some(url),
            Err(mistake) => self.mistakes.push(mistake),
        }
        self
    }

    /// Takes at most `requests` (up to 10,000) within any time of the length `per` (up to a day), verified or not; others are
    /// answered 429 before their body is read.
    pub const fn rate(mut self, requests: u32, per: Duration) -> Self {
        self.rate = Some(Rate { starts: requests, period: per });
        self
    }

    /// The paths, without a trailing slash; no two sources may share one.
    pub(crate) fn paths(&self) -> impl Iterator<Item = String> + '_ {
        super::paths(self.source.name(), self.alias.as_deref())
    }
}
