//! What is answered to outgoing calls, call after call.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde::Serialize;

/// One answer; a number makes one with this status and no body.
#[derive(Clone, Debug)]
pub struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
    hangs: bool,
}

impl Reply {
    /// An answer with this status and no body.
    ///
    /// # Panics
    /// When it is no HTTP status.
    #[must_use]
    #[track_caller]
    pub fn new(status: u16) -> Self {
        match StatusCode::from_u16(status) {
            Ok(status) => Self { status, headers: HeaderMap::new(), body: Bytes::new(), hangs: false },
            Err(_) => panic!("{status} is not an HTTP status"),
        }
    }

    /// One that never comes: the call hangs until its client gives up.
    #[must_use]
    pub fn hang() -> Self {
        Self { hangs: true, ..Self::new(200) }
    }

    /// With this header.
    ///
    /// # Panics
    /// When it is no header.
    #[must_use]
    #[track_caller]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) else {
            panic!("`{name}: {value}` is not a header");
        };
        self.headers.insert(name, value);
        self
    }

    /// With this body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// With this body as JSON.
    ///
    /// # Panics
    /// When it cannot be written as JSON.
    #[must_use]
    #[track_caller]
    pub fn json(self, body: impl Serialize) -> Self {
        match serde_json::to_vec(&body) {
            Ok(json) => self.header(header::CONTENT_TYPE.as_str(), "application/json").body(json),
            Err(error) => panic!("the body cannot be written as JSON: {error}"),
        }
    }

    pub(super) async fn send(self) -> Response {
        if self.hangs {
            return std::future::pending().await;
        }
        (self.status, self.headers, Body::from(self.body)).into_response()
    }
}

impl From<u16> for Reply {
    #[track_caller]
    fn from(status: u16) -> Self {
        Self::new(status)
    }
}

/// The answers by path; `None` for any other.
#[derive(Debug, Default)]
pub(super) struct Scripts(HashMap<Option<String>, VecDeque<Reply>>);

impl Scripts {
    /// The answer to the next call of `path`. The last one of a script stays.
    pub(super) fn next(&mut self, path: &str) -> Reply {
        let own = Some(path.to_owned());
        let key = if self.0.contains_key(&own) { own } else { None };
        let Some(replies) = self.0.get_mut(&key) else { return Reply::new(200) };
        let next = if replies.len() > 1 { replies.pop_front() } else { replies.front().cloned() };
        next.unwrap_or_else(|| Reply::new(200))
    }
}

/// Answers that follow each other; made by [`Outgoing::respond`](super::Outgoing::respond).
#[derive(Debug)]
pub struct Script<'a> {
    scripts: &'a Mutex<Scripts>,
    path: Option<String>,
}

impl<'a> Script<'a> {
    /// Begins anew for this path.
    pub(super) fn begin(scripts: &'a Mutex<Scripts>, path: Option<String>, reply: Reply) -> Self {
        scripts.lock().unwrap_or_else(PoisonError::into_inner).0.insert(path.clone(), VecDeque::from([reply]));
        Self { scripts, path }
    }

    /// The answer to the call after that, and to all further ones unless another follows.
    pub fn then(self, reply: impl Into<Reply>) -> Self {
        let mut scripts = self.scripts.lock().unwrap_or_else(PoisonError::into_inner);
        scripts.0.entry(self.path.clone()).or_default().push_back(reply.into());
        drop(scripts);
        self
    }
}
