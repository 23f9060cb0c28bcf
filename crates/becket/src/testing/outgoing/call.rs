//! One outgoing call, as its receiver got it.

use std::fmt;

use becket_webhooks::{Secrets, Source};
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Method};
use secrecy::SecretString;
use serde::de::DeserializeOwned;

/// One outgoing call. `Debug` shows method, path and the body's text, but no headers: secrets are among them.
#[derive(Clone)]
#[non_exhaustive]
pub struct Call {
    /// The method.
    pub method: Method,
    /// The path, without the query.
    pub path: String,
    /// What follows the `?`.
    pub query: Option<String>,
    /// All headers.
    pub headers: HeaderMap,
    /// The body, byte for byte.
    pub body: Bytes,
}

impl Call {
    pub(super) fn new(parts: Parts, body: Bytes) -> Self {
        let (path, query) = (parts.uri.path().to_owned(), parts.uri.query().map(str::to_owned));
        Self { method: parts.method, path, query, headers: parts.headers, body }
    }

    /// The value of a header; `None` if it is not there, or no text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body, read as JSON.
    ///
    /// # Panics
    /// When it does not fit.
    #[must_use]
    #[track_caller]
    pub fn json<T: DeserializeOwned>(&self) -> T {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("the body does not fit: {error}: {self:?}"))
    }

    /// Asserts that the call is signed with this secret as [Standard Webhooks](https://www.standardwebhooks.com) says, at
    /// whatever time.
    ///
    /// # Panics
    /// When it is not, with an explanation; and when the secret is no `whsec_…`.
    #[track_caller]
    pub fn assert_signed_with(&self, secret: impl Into<SecretString>) -> &Self {
        let source = Secrets::new([secret]).and_then(|secrets| Source::standard_webhooks("receiver", secrets));
        let source = source.unwrap_or_else(|error| panic!("the secret cannot verify: {error}"));
        let signed_at = self.header("webhook-timestamp").and_then(|seconds| seconds.parse::<i64>().ok());
        let now_ms = signed_at.unwrap_or_default().saturating_mul(1_000);
        if let Err(rejection) = source.verify(&self.headers, &self.body, now_ms) {
            panic!("the call is not signed with this secret: {}: {self:?}", rejection.explanation().sentence());
        }
        self
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)?;
        if let Some(query) = &self.query {
            write!(f, "?{query}")?;
        }
        write!(f, " {}", String::from_utf8_lossy(&self.body))
    }
}
