//! What a receiver's answer means, and what is kept of it.
//!
//! Receivers repeat what they were sent. An error goes into the log, where no text of a payload may be, so an error says
//! the status alone; the body is kept only in a result, which the API shows and nothing logs.

use std::time::{Duration, SystemTime};

use becket_tasks::TaskError;
use bytes::Bytes;
use http::header::RETRY_AFTER;
use http::{HeaderMap, HeaderName, StatusCode};
use reqwest::Response;
use serde::Serialize;
use serde_json::{Map, Value};

use super::super::Failure;

/// The longest of the kept headers, in bytes.
const HEADER_BYTES_MAX: usize = 1_024;

/// How long reading the answer's body may take. The status has decided by then; the body is for people.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest `Retry-After` obeyed; a longer one would park a task for good.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(24 * 3_600);

/// What is kept of an answer.
#[derive(Clone, Debug)]
pub(super) struct Keep {
    /// How much of the body, in bytes.
    pub(super) body_bytes: usize,
    pub(super) headers: Vec<HeaderName>,
}

/// The result of a completed task.
#[derive(Serialize)]
struct Answered {
    status: u16,
    #[serde(skip_serializing_if = "Map::is_empty")]
    headers: Map<String, Value>,
    /// JSON where the answer is JSON, otherwise its text.
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<Value>,
    /// Whether there was more, or ought to have been.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    truncated: bool,
}

/// Reads an answer: the task's result, or what should follow.
pub(super) async fn read(mut response: Response, keep: &Keep) -> Result<Option<Bytes>, Failure> {
    let status = response.status();
    let error = match judge(status, response.headers(), SystemTime::now()) {
        Verdict::Completed => {
            let headers = kept(response.headers(), &keep.headers);
            let (body, truncated) = beginning(&mut response, keep.body_bytes).await;
            let answered = Answered { status: status.as_u16(), headers, body: readable(&body), truncated };
            return Ok(Some(serde_json::to_vec(&answered).map_err(TaskError::from)?.into()));
        }
        Verdict::GiveUp => TaskError::give_up(message(status)),
        Verdict::Retry => TaskError::retry(message(status)),
        Verdict::RetryAfter(delay) => TaskError::retry_after(message(status), delay),
    };
    // A receiver that refuses one request is in order otherwise.
    let is_outage = status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS;
    Err(Failure { error, is_outage })
}

fn kept(headers: &HeaderMap, wanted: &[HeaderName]) -> Map<String, Value> {
    let found = wanted.iter().filter_map(|name| {
        let text = String::from_utf8_lossy(headers.get(name)?.as_bytes()).into_owned();
        let text = &text[..text.floor_char_boundary(HEADER_BYTES_MAX)];
        Some((name.as_str().to_owned(), text.into()))
    });
    found.collect()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Completed,
    GiveUp,
    Retry,
    RetryAfter(Duration),
}

fn judge(status: StatusCode, headers: &HeaderMap, now: SystemTime) -> Verdict {
    match status {
        _ if status.is_success() => Verdict::Completed,
        StatusCode::GONE => Verdict::GiveUp,
        StatusCode::TOO_MANY_REQUESTS
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT => retry_after(headers, now).map_or(Verdict::Retry, Verdict::RetryAfter),
        _ => Verdict::Retry,
    }
}

/// Reads `Retry-After`, seconds or a date: <https://www.rfc-editor.org/rfc/rfc9110#name-retry-after>
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let delay = if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // A number too large to read is a long time all the same.
        Duration::from_secs(text.parse().unwrap_or(u64::MAX))
    } else {
        httpdate::parse_http_date(text).ok()?.duration_since(now).unwrap_or_default()
    };
    Some(delay.min(RETRY_AFTER_MAX))
}

/// The beginning of the body, and whether there was more. An answer that breaks off has said its status, which counts.
async fn beginning(response: &mut Response, bytes_max: usize) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    let reading = async {
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) => {
                    let room = bytes_max - body.len();
                    body.extend_from_slice(&chunk[..chunk.len().min(room)]);
                    if chunk.len() > room {
                        return true;
                    }
                }
                Ok(None) => return false,
                Err(_) => return true,
            }
        }
    };
    let truncated = tokio::time::timeout(BODY_TIMEOUT, reading).await.unwrap_or(true);
    (body, truncated)
}

fn readable(body: &[u8]) -> Option<Value> {
    if body.is_empty() {
        return None;
    }
    Some(serde_json::from_slice(body).unwrap_or_else(|_| Value::String(String::from_utf8_lossy(body).into_owned())))
}

fn message(status: StatusCode) -> String {
    let redirected = if status.is_redirection() { "; redirects are not followed" } else { "" };
    format!("the receiver answered {status}{redirected}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(status: u16, retry_after: Option<&'static str>) -> Verdict {
        let mut headers = HeaderMap::new();
        if let Some(value) = retry_after {
            headers.insert(RETRY_AFTER, http::HeaderValue::from_static(value));
        }
        // Sun, 06 Nov 1994 08:49:37 GMT
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        judge(StatusCode::from_u16(status).unwrap(), &headers, now)
    }

    #[test]
    fn status_decides_what_follows() {
        for status in [200, 201, 202, 204, 299] {
            assert_eq!(verdict(status, None), Verdict::Completed, "{status}");
        }
        assert_eq!(verdict(410, Some("5")), Verdict::GiveUp);
        for status in [300, 301, 302, 307, 400, 401, 404, 408, 413, 429, 500, 502, 503, 504] {
            assert_eq!(verdict(status, None), Verdict::Retry, "{status}");
        }
    }

    #[test]
    fn retry_after_is_read_as_seconds_or_as_a_date() {
        let after = |seconds| Verdict::RetryAfter(Duration::from_secs(seconds));
        for status in [429, 502, 503, 504] {
            assert_eq!(verdict(status, Some("120")), after(120), "{status}");
        }
        assert_eq!(verdict(503, Some("0")), after(0));
        assert_eq!(verdict(503, Some("Sun, 06 Nov 1994 08:50:37 GMT")), after(60));
        assert_eq!(verdict(503, Some("Sun, 06 Nov 1994 08:49:37 GMT")), after(0));
        assert_eq!(verdict(503, Some("Sun, 06 Nov 1994 07:00:00 GMT")), after(0));
        assert_eq!(verdict(503, Some("Sunday, 06-Nov-94 08:50:37 GMT")), after(60));
    }

    #[test]
    fn retry_after_that_cannot_be_read_is_ignored_and_a_long_one_is_cut() {
        for value in ["", "soon", "-1", "1.5", "Sun, 99 Nov 1994 08:50:37 GMT"] {
            assert_eq!(verdict(503, Some(value)), Verdict::Retry, "{value}");
        }
        for value in ["99999999", "99999999999999999999999", "Fri, 31 Dec 9999 23:59:59 GMT"] {
            assert_eq!(verdict(429, Some(value)), Verdict::RetryAfter(RETRY_AFTER_MAX), "{value}");
        }
        assert_eq!(verdict(404, Some("5")), Verdict::Retry);
    }

    #[test]
    fn error_says_the_status_and_that_a_redirect_was_not_followed() {
        assert_eq!(message(StatusCode::BAD_REQUEST), "the receiver answered 400 Bad Request");
        assert_eq!(message(StatusCode::FOUND), "the receiver answered 302 Found; redirects are not followed");
    }
}
