//! The target `http`: sends a request for each delivery; unless told otherwise, the original body and headers as a POST.
//!
//! What the answer means: 2xx completes the task, with the status and the beginning of the answer as its result; 410
//! gives up; everything else is tried again, redirects included, since they are not followed. `Retry-After` is obeyed
//! where the answer says that the receiver is busy. With a secret the request is signed as Standard Webhooks, with the
//! task's id as message id, so a receiver recognises a repetition.
//!
//! Environment variables for proxies are not read: a proxy would resolve names itself, and the check of addresses
//! (`resolver`) would be worth nothing.
//!
//! Source: <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>

mod answer;
mod client;
pub(super) mod headers;
mod request;
mod resolver;
pub(super) mod url;

use std::error::Error as StdError;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use becket_tasks::{Claimed, TaskError, Timestamp};
use becket_webhooks::signature::StandardWebhooksSigner;
use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use reqwest::{Client, Url};
use secrecy::SecretString;

use self::answer::Keep;
use self::request::Plan;
use self::resolver::Refused;
use super::{Attempt, BuildError, Failure, Target, address};
use crate::config::targets::Http;

/// What can post to any URL: one pool of connections, one secret, one rule about addresses. Cloning is cheap.
#[derive(Clone)]
pub struct Poster {
    client: Client,
    signer: Option<StandardWebhooksSigner>,
    allow_private: bool,
}

/// Sends a request to one URL.
#[derive(Clone)]
pub struct HttpTarget {
    client: Client,
    plan: Arc<Plan>,
    signer: Option<StandardWebhooksSigner>,
    keep: Arc<Keep>,
}

impl fmt::Debug for HttpTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Paths and queries of webhook URLs often hold a token.
        f.debug_struct("HttpTarget").field("host", &self.plan.url.sample().host_str()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Poster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Poster").field("allow_private", &self.allow_private).finish_non_exhaustive()
    }
}

impl Poster {
    /// Makes one that signs with `secret`, if there is one.
    ///
    /// # Errors
    /// [`BuildError::Secret`] when the secret cannot sign.
    pub fn new(allow_private: bool, secret: Option<&SecretString>) -> Result<Self, BuildError> {
        let signer = secret.map(StandardWebhooksSigner::new).transpose().map_err(BuildError::Secret)?;
        Ok(Self { client: client::plain(allow_private)?, signer, allow_private })
    }

    /// The target that posts to `url`. Nothing is connected to yet.
    ///
    /// # Errors
    /// [`BuildError::Url`] when the URL is not one of `http` or `https`, or names an address that may not be posted to.
    pub fn to(&self, url: Url) -> Result<HttpTarget, BuildError> {
        check_url(&url, self.allow_private)?;
        HttpTarget::with(self.client.clone(), self.signer.clone(), &Http::new(url.into()))
    }
}

impl HttpTarget {
    /// Makes the target. Nothing is connected to yet.
    ///
    /// # Errors
    /// [`BuildError::Url`] when the URL is not one of `http` or `https`, or names an address that may not be posted to;
    /// [`BuildError::Secret`] when the secret cannot sign; others when a template is none, or the file of certificates
    /// cannot be read.
    pub fn new(options: &Http) -> Result<Self, BuildError> {
        check_url(options.url.sample(), options.allow_private)?;
        let signer = options.secret.as_ref().map(StandardWebhooksSigner::new);
        Self::with(client::of(options)?, signer.transpose().map_err(BuildError::Secret)?, options)
    }

    fn with(client: Client, signer: Option<StandardWebhooksSigner>, options: &Http) -> Result<Self, BuildError> {
        let names = options.keep_headers.iter().filter_map(|name| name.parse().ok());
        let keep = Keep { body_bytes: options.keep_body, headers: names.collect() };
        Ok(Self { client, plan: Arc::new(Plan::new(options)?), signer, keep: Arc::new(keep) })
    }

    async fn send(self, task: Arc<Claimed>) -> Result<Option<Bytes>, Failure> {
        let now = Timestamp::from(std::time::SystemTime::now());
        let request = self.plan.request(&self.client, &task, self.signer.as_ref(), now)?;
        match request.send().await {
            Ok(response) => answer::read(response, &self.keep).await,
            Err(error) => Err(Failure::outage(TaskError::retry(describe(&error)))),
        }
    }
}

impl Target for HttpTarget {
    fn deliver(&self, attempt: Attempt) -> BoxFuture<'static, Result<Option<Bytes>, Failure>> {
        self.clone().send(attempt.task).boxed()
    }
}

/// A URL that can never be posted to is a mistake in the configuration. A host's address literal is checked here, since
/// it never reaches the resolver.
fn check_url(url: &Url, allow_private: bool) -> Result<(), BuildError> {
    if !matches!(url.scheme(), "http" | "https") {
        return Err(BuildError::Url(format!("`{}:` is not a way to post; write http:// or https://", url.scheme())));
    }
    let host = url.host_str().ok_or_else(|| BuildError::Url("the URL names no host".to_owned()))?;
    // `Url` has brought every way of writing an address (`127.1`, `0x7f000001`) into the usual one.
    let literal: Option<IpAddr> = host.trim_start_matches('[').trim_end_matches(']').parse().ok();
    match literal.and_then(|literal| Some((literal, address::refusal(literal)?))) {
        Some((literal, why)) if !allow_private => Err(BuildError::Url(format!(
            "{literal} is a {why} address; set allow_private = true if the receiver is meant to be there"
        ))),
        _ => Ok(()),
    }
}

/// Says what went wrong with a request, causes included, without the URL.
fn describe(error: &reqwest::Error) -> String {
    let mut text = String::from(if error.is_timeout() {
        "the receiver did not answer in time"
    } else if error.is_connect() {
        "cannot connect to the receiver"
    } else {
        "the request failed"
    });
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(refused) = error.downcast_ref::<Refused>() {
            return refused.to_string();
        }
        let shown = error.to_string();
        if !text.ends_with(&shown) {
            text.push_str(": ");
            text.push_str(&shown);
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn make(url: &str, allow_private: bool) -> Result<HttpTarget, BuildError> {
        HttpTarget::new(&Http { allow_private, ..Http::new(url.parse::<Url>().unwrap().into()) })
    }

    #[test]
    fn address_literals_that_are_not_public_are_refused_however_they_are_written() {
        for url in [
            "http://127.0.0.1:3000/hook",
            "http://127.1/",
            "http://2130706433/",
            "http://0x7f.0.0.1/",
            "http://0177.0.0.1/",
            "https://10.0.0.1/",
            "http://169.254.169.254/latest/meta-data/",
            "http://0.0.0.0/",
            "http://[::1]:3000/",
            "http://[::ffff:127.0.0.1]/",
            "http://[64:ff9b::a00:1]/",
            "http://[fd00::1]/",
            "http://１２７.0.0.1/",
        ] {
            let error = make(url, false).unwrap_err().to_string();
            assert!(error.contains("allow_private"), "{url}: {error}");
            assert!(make(url, true).is_ok(), "{url}");
        }
        assert!(make("https://140.82.121.3/hook", false).is_ok());
    }

    #[test]
    fn only_http_and_https_are_ways_to_post() {
        for url in ["ftp://example.org/", "file:///etc/passwd", "unix:/run/x"] {
            assert!(matches!(make(url, true), Err(BuildError::Url(_))), "{url}");
        }
    }

    #[test]
    fn debug_shows_neither_the_path_nor_a_secret() {
        let url: Url = "https://example.org/hook/t0ken?key=t0ken".parse().unwrap();
        let mut options = Http::new(url.into());
        options.secret = Some("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".into());
        options.headers.insert("authorization".to_owned(), "Bearer t0ken".into());
        let text = format!("{:?} {options:?}", HttpTarget::new(&options).unwrap());
        assert!(text.contains("example.org") && !text.contains("t0ken") && !text.contains("whsec"), "{text}");
    }
}
