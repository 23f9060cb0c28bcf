//! What senders hear.
//!
//! Senders read the status and little else; people who debug a webhook in the sender's delivery log read the body. Its
//! shape is that of the frameworks people come from: `ACCEPTED` with task ids, `HIT` with results by handler, `MISS`.
//! Nothing here tells why a handler failed: the sender is not the operator.

use std::sync::Arc;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use becket_tasks::TaskId;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use serde_json::value::RawValue;

use super::problem::Problem;

/// How long a sender is asked to wait when it could not be served, in seconds; spread so that not all come back at once.
const RETRY_AFTER_SECS: std::ops::RangeInclusive<u16> = 1..=5;

/// The body of a 2xx.
#[derive(Debug, Serialize)]
struct Said<'a> {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    delivery_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    task_ids: Option<&'a [TaskId]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    calls: Option<Calls<'a>>,
    #[serde(skip_serializing_if = "is_false")]
    duplicate: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
const fn is_false(yes: &bool) -> bool {
    !*yes
}

/// Results by handler.
#[derive(Debug)]
struct Calls<'a>(&'a [Call]);

/// A handler that ended well, and its result.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) kind: Arc<str>,
    pub(crate) result: Option<Bytes>,
}

impl Serialize for Calls<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for call in self.0 {
            // Results are JSON, or `null` where there is none (any more).
            let raw = call.result.as_deref().and_then(|json| serde_json::from_slice::<&RawValue>(json).ok());
            map.serialize_entry(&*call.kind, &raw)?;
        }
        map.end()
    }
}

/// 202: committed; the work goes on after the answer.
pub(crate) fn accepted(delivery_id: &str, tasks: &[TaskId], duplicate: bool) -> Response {
    let (delivery_id, task_ids) = (Some(delivery_id), Some(tasks));
    said(StatusCode::ACCEPTED, &Said { status: "ACCEPTED", delivery_id, task_ids, calls: None, duplicate })
}

/// 200: inline handlers ran; `tasks` names others that run in the background, or those of the first delivery.
pub(crate) fn hit(calls: &[Call], tasks: &[TaskId], duplicate: bool) -> Response {
    let task_ids = (!tasks.is_empty()).then_some(tasks);
    let calls = Some(Calls(calls));
    said(StatusCode::OK, &Said { status: "HIT", delivery_id: None, task_ids, calls, duplicate })
}

/// 200: no handler wanted it; it is kept all the same.
pub(crate) fn miss(duplicate: bool) -> Response {
    let calls = Some(Calls(&[]));
    said(StatusCode::OK, &Said { status: "MISS", delivery_id: None, task_ids: None, calls, duplicate })
}

/// 200: what the sender asked for; nothing was accepted.
pub(crate) fn asked(answer: &becket_webhooks::Answer) -> Response {
    let mut response = Response::new(Body::from(answer.body().clone()));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(answer.content_type()));
    response
}

/// 500: inline handlers failed and will not run again by themselves. Names their tasks and nothing else.
pub(crate) fn failed(delivery_id: &str, tasks: &[TaskId]) -> Response {
    #[derive(Serialize)]
    struct Failed<'a> {
        #[serde(rename = "type")]
        kind: &'static str,
        title: &'static str,
        status: u16,
        detail: &'static str,
        delivery_id: &'a str,
        task_ids: &'a [TaskId],
    }
    let body = Failed {
        kind: "about:blank",
        title: "Internal Server Error",
        status: 500,
        detail: "a handler failed; its task says why",
        delivery_id,
        task_ids: tasks,
    };
    let media_type = HeaderValue::from_static(super::problem::MEDIA_TYPE);
    json(StatusCode::INTERNAL_SERVER_ERROR, media_type, &body)
}

/// 503: nothing was accepted; the sender should come again.
pub(crate) fn unavailable() -> Response {
    let detail = "the delivery could not be kept; send it again";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).header(RETRY_AFTER, retry_after()).into_response()
}

/// The value of `Retry-After` for senders that should come again.
pub(crate) fn retry_after() -> HeaderValue {
    HeaderValue::from(fastrand::u16(RETRY_AFTER_SECS))
}

fn said(status: StatusCode, body: &Said<'_>) -> Response {
    json(status, HeaderValue::from_static("application/json"), body)
}

fn json<T: Serialize>(status: StatusCode, media_type: HeaderValue, body: &T) -> Response {
    // Ids, text and results that are JSON already can always be written.
    let mut response = Response::new(Body::from(serde_json::to_vec(body).unwrap_or_default()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, media_type);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn body(response: Response) -> String {
        let bytes = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    fn call(kind: &str, result: Option<&'static str>) -> Call {
        Call { kind: kind.into(), result: result.map(|json| Bytes::from_static(json.as_bytes())) }
    }

    #[tokio::test]
    async fn shapes_are_those_that_senders_know() {
        let task = TaskId::from_u64(1);
        let table = [
            (
                accepted("a-1", &[task], false),
                r#"{"status":"ACCEPTED","delivery_id":"a-1","task_ids":["0000000000001"]}"#,
            ),
            (
                accepted("a-1", &[task], true),
                r#"{"status":"ACCEPTED","delivery_id":"a-1","task_ids":["0000000000001"],"duplicate":true}"#,
            ),
            (
                hit(&[call("ping", Some(r#"{"ok":1}"#)), call("note", None)], &[], false),
                r#"{"status":"HIT","calls":{"ping":{"ok":1},"note":null}}"#,
            ),
            (miss(false), r#"{"status":"MISS","calls":{}}"#),
            (miss(true), r#"{"status":"MISS","calls":{},"duplicate":true}"#),
        ];
        for (response, expected) in table {
            assert!(response.status().is_success());
            assert_eq!(response.headers()[CONTENT_TYPE], "application/json");
            assert_eq!(body(response).await, expected);
        }
    }

    #[tokio::test]
    async fn sender_of_what_could_not_be_kept_is_asked_to_come_again_soon() {
        let response = unavailable();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        let seconds: u16 = response.headers()[RETRY_AFTER].to_str().unwrap().parse().unwrap();
        assert!(RETRY_AFTER_SECS.contains(&seconds));
    }
}
