//! For the tests of each kind: a request as its sender makes it, of which a test changes what is special.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use secrecy::SecretString;
use serde_json::Value;

use crate::{Delivery, Dialect, Explanation, Rejection, Secrets, Sender, Source};

/// When everything is sent and received, unless a test says otherwise.
pub(super) const NOW: i64 = 1_700_000_000;

#[derive(Clone)]
pub(super) struct Post {
    dialect: Dialect,
    secret: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Post {
    /// A delivery of `event` under the id `id`, its payload completed and signed.
    pub(super) fn new(dialect: Dialect, secret: &str, event: &str, id: &str, mut payload: Value) -> Self {
        let sender = Sender::new(dialect.clone(), Some(secret.into())).unwrap();
        sender.complete(&mut payload, event, id).unwrap();
        Self::raw(dialect, secret, event, id, payload.to_string())
    }

    /// The same with exactly this body.
    pub(super) fn raw(dialect: Dialect, secret: &str, event: &str, id: &str, body: impl Into<Bytes>) -> Self {
        let body = body.into();
        let sender = Sender::new(dialect.clone(), Some(secret.into())).unwrap();
        let headers = sender.headers(event, id, NOW, &body).unwrap();
        Self { dialect, secret: secret.to_owned(), headers, body }
    }

    pub(super) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.insert(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        self
    }

    pub(super) fn and(mut self, name: &'static str, value: &str) -> Self {
        self.headers.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        self
    }

    pub(super) fn without(mut self, name: &str) -> Self {
        self.headers.remove(name);
        self
    }

    pub(super) fn arriving_as(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    pub(super) fn header(&self, name: &str) -> String {
        self.headers[name].to_str().unwrap().to_owned()
    }

    pub(super) fn to(&self, secrets: &[&str], now_secs: i64) -> Result<Delivery, Rejection> {
        self.source(secrets).receive(&self.headers, self.body.clone(), now_secs * 1000)
    }

    pub(super) fn source(&self, secrets: &[&str]) -> Source {
        let secrets = Secrets::new(secrets.iter().map(|secret| SecretString::from(*secret))).unwrap();
        Source::new("source", self.dialect.clone(), secrets).unwrap()
    }

    pub(super) fn delivered(&self) -> Delivery {
        self.to(&[&self.secret], NOW).unwrap_or_else(|rejection| panic!("{:?}", rejection.explanation()))
    }

    /// The status and explanation with which it is refused.
    pub(super) fn refused(&self) -> (u16, Explanation) {
        self.refused_at(NOW)
    }

    pub(super) fn refused_at(&self, now_secs: i64) -> (u16, Explanation) {
        let rejection = self.to(&[&self.secret], now_secs).unwrap_err();
        (rejection.status().as_u16(), rejection.explanation().clone())
    }

    /// What is answered at once: the body.
    pub(super) fn answered(&self) -> Option<String> {
        let answer = self.source(&[&self.secret]).answer(&self.headers, &self.body, NOW * 1000)?;
        assert_eq!(answer.content_type(), "application/json");
        Some(String::from_utf8(answer.body().to_vec()).unwrap())
    }
}
