//! From which addresses a source is received: networks that were configured, and those that GitHub publishes.
//!
//! The published ones are fetched in the background (`fetch`) for as long as a configuration uses them. Until they have been
//! there once nobody is let in, and nobody refused for good either; from then on the last good ones count, however long
//! nothing better is to be had.

mod fetch;

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use becket_tasks::Timestamp;
use reqwest::Url;
use serde::Serialize;
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;

use self::fetch::{Fetched, Pace};
use super::networks::{NetworkError, Networks};

/// Where GitHub says from which addresses its webhooks come.
///
/// Source: <https://docs.github.com/en/rest/meta/meta#get-github-meta-information>
pub(crate) const META_URL: &str = "https://api.github.com/meta";

/// From where requests may come, as it was configured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allow {
    /// From these.
    pub networks: Networks,
    /// And from those that GitHub publishes at this URL.
    pub meta: Option<Url>,
}

impl Allow {
    pub(crate) fn add(&mut self, networks: Networks) {
        self.networks = std::mem::take(&mut self.networks).with(networks);
    }

    pub(crate) fn meta_url(text: &str) -> Result<Url, NetworkError> {
        let rule = "write an http:// or https:// URL without user name or password";
        let url = Url::parse(text).map_err(|error| NetworkError::new(format!("is not a URL ({error})"), rule))?;
        let is_plain = url.username().is_empty() && url.password().is_none();
        if !is_plain || !matches!(url.scheme(), "http" | "https") {
            return Err(NetworkError::new("is not the URL of a list of addresses".to_owned(), rule));
        }
        Ok(url)
    }
}

/// From where requests may come.
#[derive(Debug)]
pub(crate) struct AllowList {
    networks: Networks,
    fetched: Option<Arc<Fetched>>,
}

/// Whether an address may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    Allowed,
    Refused,
    /// The list that could allow it is not there yet.
    NotKnown,
}

impl AllowList {
    /// Whether a request from this address is let in; from one that is not known it never is.
    pub(crate) fn admits(&self, address: Option<IpAddr>) -> Admission {
        let Some(address) = address else { return Admission::Refused };
        if self.networks.contains(address) {
            return Admission::Allowed;
        }
        match self.fetched.as_ref().map(|list| list.networks()) {
            None => Admission::Refused,
            Some(None) => Admission::NotKnown,
            Some(Some(networks)) if networks.contains(address) => Admission::Allowed,
            Some(Some(_)) => Admission::Refused,
        }
    }
}

/// The list of addresses of a source that is fetched, and how that went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = AllowListStatus)]
pub struct Status {
    /// The source.
    #[schema(value_type = String, example = "github")]
    pub source: Arc<str>,
    /// How many networks are in the list that counts; `null` before there was one.
    #[schema(example = 6)]
    pub networks: Option<usize>,
    /// When it was last found to be right.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub checked_at: Option<Timestamp>,
    /// Why it could not be had the last time; `null` when it could.
    pub error: Option<String>,
}

/// The source that a list is for, and where it is.
type Key = (Arc<str>, Url);

/// The lists that are fetched, by the source that they are for.
#[derive(Default)]
pub struct AllowLists {
    fetched: Mutex<BTreeMap<Key, Weak<Fetched>>>,
    stopping: CancellationToken,
}

impl fmt::Debug for AllowLists {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AllowLists").finish_non_exhaustive()
    }
}

impl AllowLists {
    pub(crate) fn new(stopping: CancellationToken) -> Self {
        Self { fetched: Mutex::default(), stopping }
    }

    /// The list for a source. What is fetched for it already, under another configuration, is used on.
    pub(crate) fn of(&self, source: &str, allow: &Allow) -> AllowList {
        let fetched = allow.meta.as_ref().map(|url| self.fetched(source.into(), url));
        AllowList { networks: allow.networks.clone(), fetched }
    }

    fn fetched(&self, source: Arc<str>, url: &Url) -> Arc<Fetched> {
        let mut all = self.fetched.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (source, url.clone());
        if let Some(list) = all.get(&key).and_then(Weak::upgrade) {
            return list;
        }
        all.retain(|_, list| list.strong_count() > 0);
        let list = Fetched::start(Arc::clone(&key.0), url.clone(), Pace::default(), &self.stopping);
        all.insert(key, Arc::downgrade(&list));
        list
    }

    /// How the lists are that a configuration uses.
    #[must_use]
    pub fn status(&self) -> Vec<Status> {
        let all = self.fetched.lock().unwrap_or_else(PoisonError::into_inner);
        all.values().filter_map(Weak::upgrade).map(|list| list.status()).collect()
    }
}

#[cfg(test)]
#[path = "allow_list/allow_list_tests.rs"]
mod tests;
