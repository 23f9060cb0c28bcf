//! The request that is sent for a task.

use becket_tasks::{Claimed, TaskError, Timestamp};
use becket_webhooks::signature::StandardWebhooksSigner;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderValue};
use reqwest::{Client, Method, RequestBuilder};
use secrecy::ExposeSecret as _;

use super::super::BuildError;
use super::super::template::{self, JsonTemplate, MADE_BYTES_MAX, Subject, Template, too_long};
use super::headers::{HeaderTemplate, forwarded};
use super::url::UrlTemplate;
use crate::config::targets::{self, Http};
use crate::http::kept;

const AGENT: &str = concat!("Becket/", env!("CARGO_PKG_VERSION"));

/// What all requests of a target have in common.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) url: UrlTemplate,
    method: Method,
    headers: Vec<HeaderTemplate>,
    body: Body,
}

#[derive(Debug)]
enum Body {
    None,
    Original,
    Text(Template),
    Json(JsonTemplate),
}

impl Plan {
    pub(super) fn new(options: &Http) -> Result<Self, BuildError> {
        let headers = options.headers.iter();
        let headers = headers.map(|(name, value)| HeaderTemplate::build(name, value.expose_secret()));
        let body = match &options.body {
            _ if !options.method.has_body() => Body::None,
            targets::Body::Original => Body::Original,
            targets::Body::Text(text) => Body::Text(template::parse(text)?),
            targets::Body::Json(json) => Body::Json(JsonTemplate::parse(json)?),
        };
        Ok(Self {
            url: options.url.clone(),
            method: method(options.method),
            headers: headers.collect::<Result<_, _>>()?,
            body,
        })
    }

    /// The request for a task; it fails where what the delivery fills in cannot be sent.
    pub(super) fn request(
        &self,
        client: &Client,
        task: &Claimed,
        signer: Option<&StandardWebhooksSigner>,
        now: Timestamp,
    ) -> Result<RequestBuilder, TaskError> {
        let subject = Subject::new(task);
        let url = self.url.fill(&subject)?;
        let (mut headers, body) = self.body(task, &subject)?;
        for header in &self.headers {
            header.set(&subject, &mut headers)?;
        }
        sign(&mut headers, task, &body, signer, now);
        headers.entry(USER_AGENT).or_insert(HeaderValue::from_static(AGENT));
        let request = client.request(self.method.clone(), url).headers(headers);
        Ok(if matches!(self.body, Body::None) { request } else { request.body(body) })
    }

    /// The body, with the headers that belong to it. Where it is not the original, the sender's headers do not fit.
    fn body(&self, task: &Claimed, subject: &Subject<'_>) -> Result<(HeaderMap, Bytes), TaskError> {
        let of_type = |media_type| HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(media_type))]);
        Ok(match &self.body {
            Body::None => (HeaderMap::new(), Bytes::new()),
            Body::Original => {
                let kept = kept::decode(&task.meta);
                // What was enqueued by hand or by the clock has no headers, and is JSON.
                let headers = if kept.is_empty() { of_type("application/json") } else { forwarded(&kept) };
                (headers, task.payload.clone())
            }
            Body::Text(template) => {
                let text = subject.text(template, MADE_BYTES_MAX).ok_or_else(|| too_long("the body"))?;
                (of_type("text/plain; charset=utf-8"), text.into())
            }
            Body::Json(json) => (of_type("application/json"), json.fill(subject)?.into()),
        })
    }
}

/// What only this program says.
fn sign(headers: &mut HeaderMap, task: &Claimed, body: &[u8], signer: Option<&StandardWebhooksSigner>, now: Timestamp) {
    let id = task.id.to_string();
    let mut set = |name: &'static str, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    set("becket-task-id", &id);
    let known = kept::known(&task.meta);
    if let Some(repository) = &known.repository {
        set("becket-repository", repository);
    }
    if let Some(event) = known.event() {
        set("becket-normalised", event.name());
    }
    set("becket-attempt", &task.attempts_counted.to_string());
    if let Some(signer) = signer {
        let seconds = now.as_millis() / 1_000;
        set("webhook-id", &id);
        set("webhook-timestamp", &seconds.to_string());
        set("webhook-signature", &signer.sign(&id, seconds, body));
    }
}

fn method(method: targets::Method) -> Method {
    match method {
        targets::Method::Get => Method::GET,
        targets::Method::Post => Method::POST,
        targets::Method::Put => Method::PUT,
        targets::Method::Patch => Method::PATCH,
        targets::Method::Delete => Method::DELETE,
    }
}
