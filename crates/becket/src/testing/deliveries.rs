//! Deliveries as their senders make them, and what is answered: through the application's router, without a socket.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};

use axum::body::Body;
use axum::extract::ConnectInfo;
use becket_tasks::{Store as _, TaskId};
use becket_webhooks::{Kind, Sender, Source};
use bytes::Bytes;
use http::header::HOST;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request};
use secrecy::SecretString;
use serde::Serialize;
use serde_json::Value;
use tower::ServiceExt as _;

use super::TestApp;
use super::app::secret;

/// The largest answer that a test reads, in bytes.
const ANSWER_BYTES_MAX: usize = 64 << 20;
/// What a wrong signature is made with: a secret of either kind.
const WRONG_SECRET: &str = "whsec_dGhpcyBpcyBub3QgdGhlIHNlY3JldCBvZiB0aGUgdGVzdA==";

/// What came back.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body: JSON, or else its text as a JSON string.
    pub body: Value,
}

/// What came back for a delivery.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Delivered {
    /// The HTTP status.
    pub status: u16,
    /// The id that it was sent under. Deliver with this [`id`](NewDelivery::id) to send it again.
    pub delivery_id: String,
    /// The tasks that it became; of a duplicate, those of the first. Inline handlers that have ended are not among them.
    pub task_ids: Vec<TaskId>,
    /// The whole answer.
    pub answer: Answer,
}

/// A delivery that is not sent yet; made by [`TestApp::delivery`].
#[derive(Debug)]
#[must_use = "nothing is delivered until it is sent"]
pub struct NewDelivery<'a> {
    app: &'a TestApp,
    event: String,
    body: Vec<u8>,
    is_raw: bool,
    source: Option<String>,
    id: Option<String>,
    signature: Signature,
    headers: Vec<(String, Option<String>)>,
}

#[derive(Clone, Copy, Debug)]
enum Signature {
    Right,
    Wrong,
    Missing,
}

impl TestApp {
    /// Delivers `event` (`push`, `issues.opened`, or the `type` of a Standard Webhook) with this payload, signed.
    ///
    /// What the event's name says and the payload leaves out is filled in: GitHub's `action`, or the `type` and
    /// `timestamp` of Standard Webhooks.
    ///
    /// # Panics
    /// As [`NewDelivery::send`].
    pub async fn deliver(&self, event: &str, payload: impl Serialize) -> Delivered {
        self.delivery(event, payload).send().await
    }

    /// A delivery to be changed before it is sent: another source, id, headers, signature.
    ///
    /// # Panics
    /// When the payload cannot be written as JSON.
    pub fn delivery(&self, event: &str, payload: impl Serialize) -> NewDelivery<'_> {
        match serde_json::to_vec(&payload) {
            Ok(body) => NewDelivery { is_raw: false, ..self.raw_delivery(event, body) },
            Err(error) => panic!("the payload cannot be written as JSON: {error}"),
        }
    }

    /// A delivery with exactly this body.
    pub fn raw_delivery(&self, event: &str, body: impl Into<Vec<u8>>) -> NewDelivery<'_> {
        NewDelivery {
            app: self,
            event: event.to_owned(),
            body: body.into(),
            is_raw: true,
            source: None,
            id: None,
            signature: Signature::Right,
            headers: Vec::new(),
        }
    }

    /// Asks the application anything over HTTP, as a program on this machine: `GET /api/v1/tasks`, `POST /api/v1/…`.
    /// Waits for the whole answer, so not for streams.
    ///
    /// # Panics
    /// When the answer cannot be read.
    pub async fn request(&self, request: Request<impl Into<Body>>) -> Answer {
        let mut request = request.map(Into::into);
        request.extensions_mut().insert(ConnectInfo(SocketAddr::from((Ipv4Addr::LOCALHOST, 1))));
        request.headers_mut().entry(HOST).or_insert(HeaderValue::from_static("localhost"));
        let response = match self.router().oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
        let (parts, body) = response.into_parts();
        let body = match axum::body::to_bytes(body, ANSWER_BYTES_MAX).await {
            Ok(body) => body,
            Err(error) => panic!("the answer cannot be read: {error}"),
        };
        Answer { status: parts.status.as_u16(), headers: parts.headers, body: read(&body) }
    }

    /// The answer to `GET path`, as a program on this machine gets it.
    ///
    /// # Panics
    /// When the path is none, and as [`request`](Self::request).
    pub async fn get(&self, path: &str) -> Answer {
        match Request::get(path).body(Body::empty()) {
            Ok(request) => self.request(request).await,
            Err(error) => panic!("`{path}` is not a path: {error}"),
        }
    }
}

impl NewDelivery<'_> {
    /// To the source of this name. Not needed in an application that has one source.
    pub fn source(mut self, name: impl Into<String>) -> Self {
        self.source = Some(name.into());
        self
    }

    /// Under this id, instead of a new one. Sent again under the same id it is a redelivery.
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// With this header, instead of what the sender gives it.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), Some(value.into())));
        self
    }

    /// Without this header.
    pub fn without_header(mut self, name: impl Into<String>) -> Self {
        self.headers.push((name.into(), None));
        self
    }

    /// Signed with another secret.
    pub fn wrongly_signed(mut self) -> Self {
        self.signature = Signature::Wrong;
        self
    }

    /// Not signed.
    pub fn unsigned(mut self) -> Self {
        self.signature = Signature::Missing;
        self
    }

    /// Delivers it, and answers what the sender hears. An inline handler has run by then, or its deadline has passed.
    ///
    /// # Panics
    /// When the source is not there or not named and there are several, when the payload contradicts the event, and when
    /// something cannot stand in a header. An answer that refuses is none of these: look at its status.
    pub async fn send(self) -> Delivered {
        let source = self.chosen();
        let app = self.app;
        let id = self.id.clone().unwrap_or_else(|| new_id(source.kind(), app.next_delivery()));
        let body = if self.is_raw { self.body.clone() } else { self.filled_in(&source, &id) };
        let mut headers = self.signed(&source, &id, &body);
        for (name, value) in &self.headers {
            let name = HeaderName::try_from(name).unwrap_or_else(|error| panic!("`{name}` is not a header: {error}"));
            headers.remove(&name);
            if let Some(value) = value {
                let value = HeaderValue::try_from(value);
                headers.insert(&name, value.unwrap_or_else(|error| panic!("the header `{name}`: {error}")));
            }
        }
        let mut request = Request::new(Body::from(body));
        *request.method_mut() = Method::POST;
        let path = format!("/webhooks/{}", source.name());
        *request.uri_mut() = path.parse().unwrap_or_else(|error| panic!("`{path}` is not a path: {error}"));
        *request.headers_mut() = headers;
        let answer = app.request(request).await;
        let task_ids = serde_json::from_value(answer.body["task_ids"].clone()).unwrap_or_default();
        Delivered { status: answer.status, delivery_id: id, task_ids, answer }
    }

    fn chosen(&self) -> Source {
        let sources = self.app.sources();
        let names = || sources.iter().map(Source::name).collect::<Vec<_>>().join("`, `");
        match (&self.source, sources.as_slice()) {
            (None, [only]) => only.clone(),
            (None, _) => panic!("say which source delivers, with `.source(…)`: one of `{}`", names()),
            (Some(name), _) => match sources.iter().find(|source| source.name() == name) {
                Some(source) => source.clone(),
                None => panic!("there is no source `{name}`, but `{}`", names()),
            },
        }
    }

    fn signed(&self, source: &Source, id: &str, body: &[u8]) -> HeaderMap {
        let secret = match self.signature {
            Signature::Right if source.accepts_unsigned() => None,
            Signature::Right => Some(secret(source.dialect())),
            Signature::Wrong if source.kind() == Kind::AzureDevops => Some("somebody:else".into()),
            Signature::Wrong => Some(WRONG_SECRET.into()),
            Signature::Missing => None,
        };
        let sender = sender(source, secret);
        let now_secs = self.app.store.clock().now().as_millis() / 1_000;
        sender.headers(&self.event, id, now_secs, body).unwrap_or_else(|error| panic!("{error}"))
    }

    /// The payload with what the event's name says.
    fn filled_in(&self, source: &Source, id: &str) -> Vec<u8> {
        let Ok(mut payload @ Value::Object(_)) = serde_json::from_slice(&self.body) else {
            // What is not an object is sent as it is, and refused.
            return self.body.clone();
        };
        let completed = sender(source, None).complete(&mut payload, &self.event, id);
        completed.unwrap_or_else(|contradiction| panic!("{contradiction}"));
        if let (Kind::StandardWebhooks, Value::Object(fields)) = (source.kind(), &mut payload) {
            fields.entry("timestamp").or_insert_with(|| self.app.now().to_string().into());
        }
        payload.to_string().into_bytes()
    }
}

fn sender(source: &Source, secret: Option<SecretString>) -> Sender {
    Sender::new(source.dialect().clone(), secret).unwrap_or_else(|error| panic!("the test's secret: {error}"))
}

impl Delivered {
    /// The one task that it became.
    ///
    /// # Panics
    /// When it became none, or several.
    #[must_use]
    #[track_caller]
    pub fn task_id(&self) -> TaskId {
        match self.task_ids.as_slice() {
            [only] => *only,
            ids => panic!("the delivery became {} tasks: {:?}", ids.len(), self.answer),
        }
    }

    /// Asserts the HTTP status.
    ///
    /// # Panics
    /// When it is another.
    #[track_caller]
    pub fn assert_status(&self, status: u16) -> &Self {
        self.answer.assert_status(status);
        self
    }

    /// Asserts that it was accepted, and is no duplicate.
    ///
    /// # Panics
    /// When it is not so.
    #[track_caller]
    pub fn assert_accepted(&self) -> &Self {
        let is_fine = (200..300).contains(&self.status) && !self.is_duplicate();
        assert!(is_fine, "the delivery was not accepted as a new one: {:?}", self.answer);
        self
    }

    /// Asserts that it was known already.
    ///
    /// # Panics
    /// When it is not so.
    #[track_caller]
    pub fn assert_duplicate(&self) -> &Self {
        assert!(self.is_duplicate(), "the delivery is no duplicate: {:?}", self.answer);
        self
    }

    fn is_duplicate(&self) -> bool {
        self.answer.body["duplicate"] == true
    }
}

impl Answer {
    /// Asserts the HTTP status.
    ///
    /// # Panics
    /// When it is another.
    #[track_caller]
    pub fn assert_status(&self, status: u16) -> &Self {
        assert!(self.status == status, "expected the status {status}: {self:?}");
        self
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.status, self.body)
    }
}

fn read(body: &Bytes) -> Value {
    serde_json::from_slice(body).unwrap_or_else(|_| Value::String(String::from_utf8_lossy(body).into_owned()))
}

/// Ids that look like the sender's, and are the same in each run of a test.
fn new_id(kind: Kind, number: u64) -> String {
    match kind {
        Kind::StandardWebhooks => format!("msg_{number:027}"),
        Kind::Slack => format!("Ev{number:08}"),
        Kind::Stripe => format!("evt_{number:024}"),
        Kind::AzureDevops => format!("00000000-0000-4000-8000-000000000000:{number}"),
        _ => format!("00000000-0000-4000-8000-{number:012}"),
    }
}
