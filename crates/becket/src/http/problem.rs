//! Errors as people and programs read them: problem details, `application/problem+json`.
//!
//! Every error of the HTTP surface is a [`Problem`]. A sender whose request is refused learns little from it; whoever may
//! call `/api` learns which parameter is wrong and how to mend it.
//!
//! Source: RFC 9457, <https://www.rfc-editor.org/rfc/rfc9457>

use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue, StatusCode};
use serde::Serialize;
use utoipa::{ToResponse, ToSchema};

/// The media type of a problem.
pub const MEDIA_TYPE: &str = "application/problem+json";

/// How long callers are asked to wait when the store is busy or away.
const RETRY_LATER: Duration = Duration::from_secs(5);

/// One error response.
#[derive(Clone, Debug, Serialize, ToSchema, ToResponse)]
#[schema(title = "Problem", description = "Problem details after RFC 9457.")]
#[response(description = "A problem, after RFC 9457.", content_type = "application/problem+json")]
pub struct Problem {
    /// A URI that names the kind of problem; `about:blank` where the status says it all.
    #[serde(rename = "type")]
    #[schema(value_type = String, example = "about:blank")]
    kind: &'static str,
    /// The status' name, or a short name of the kind of problem.
    #[schema(value_type = String, example = "Bad Request")]
    title: &'static str,
    /// The HTTP status code.
    #[schema(value_type = u16, example = 400)]
    #[serde(serialize_with = "as_number")]
    status: StatusCode,
    /// What went wrong this time, and how to mend it.
    #[schema(value_type = String, example = "limit: `0` is not a whole number from 1 to 200")]
    detail: Box<str>,
    /// The path of the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "/api/v1/tasks")]
    instance: Option<Box<str>>,
    /// The ids to choose from, where a sender's id means several things.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    candidates: Vec<String>,
    #[serde(skip)]
    headers: Vec<(HeaderName, HeaderValue)>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn as_number<S: serde::Serializer>(status: &StatusCode, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u16(status.as_u16())
}

impl Problem {
    /// A problem whose title is the status' name.
    pub fn new(status: StatusCode, detail: impl Into<Box<str>>) -> Self {
        Self {
            kind: "about:blank",
            title: status.canonical_reason().unwrap_or("Error"),
            status,
            detail: detail.into(),
            instance: None,
            candidates: Vec::new(),
            headers: Vec::new(),
        }
    }

    /// 400: the request makes no sense.
    pub fn bad_request(detail: impl Into<Box<str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    /// 401, asking for a bearer token.
    pub fn unauthorized(detail: impl Into<Box<str>>) -> Self {
        let challenge = HeaderValue::from_static("Bearer realm=\"becket\"");
        Self::new(StatusCode::UNAUTHORIZED, detail).header(WWW_AUTHENTICATE, challenge)
    }

    /// 403: asking again will not help.
    pub fn forbidden(detail: impl Into<Box<str>>) -> Self {
        Self::new(StatusCode::FORBIDDEN, detail)
    }

    /// 404: there is no such thing.
    pub fn not_found(detail: impl Into<Box<str>>) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail)
    }

    /// 409: it is not in a state for that, or the id means several things.
    pub fn conflict(detail: impl Into<Box<str>>) -> Self {
        Self::new(StatusCode::CONFLICT, detail)
    }

    /// 422: well-formed, and impossible.
    pub fn unprocessable(detail: impl Into<Box<str>>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, detail)
    }

    /// 503, asking to come back later.
    pub fn unavailable(detail: impl Into<Box<str>>) -> Self {
        let seconds = HeaderValue::from(RETRY_LATER.as_secs());
        Self::new(StatusCode::SERVICE_UNAVAILABLE, detail).header(RETRY_AFTER, seconds)
    }

    /// 500. The cause belongs into the log, not into the answer.
    #[must_use]
    pub fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "something went wrong here; the log says what")
    }

    /// The same problem with the ids to choose from.
    #[must_use]
    pub fn candidates(self, candidates: Vec<String>) -> Self {
        Self { candidates, ..self }
    }

    /// The same problem at the path of a request.
    #[must_use]
    pub fn at(self, path: &str) -> Self {
        Self { instance: Some(path.into()), ..self }
    }

    /// The same problem with a response header.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// The status.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        self.status
    }

    /// What went wrong.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.detail
    }
}

/// A store's failure: 503 where a later call may succeed, 400 where the question is at fault, otherwise 500. The log gets
/// what the answer leaves out, since a store's error may name files and servers.
impl From<becket_tasks::Error> for Problem {
    fn from(error: becket_tasks::Error) -> Self {
        use becket_tasks::Error;
        match error {
            Error::Busy => Self::unavailable("the store has more work waiting than its limits allow"),
            Error::Unavailable(..) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "the store is unavailable");
                Self::unavailable("the store cannot be used now")
            }
            Error::Closed => Self::unavailable("the server is shutting down"),
            Error::Invalid(detail) => Self::bad_request(detail),
            error => {
                tracing::error!(error = &error as &dyn std::error::Error, "the store failed");
                Self::internal()
            }
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = (self.status, body).into_response();
        let headers = response.headers_mut();
        headers.extend(self.headers);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problem_has_the_members_of_rfc_9457() {
        let problem = Problem::bad_request("limit: too many").at("/api/v1/tasks");
        let json = serde_json::to_value(&problem).unwrap();
        let expected = serde_json::json!({
            "type": "about:blank", "title": "Bad Request", "status": 400,
            "detail": "limit: too many", "instance": "/api/v1/tasks",
        });
        assert_eq!(json, expected);
    }

    #[test]
    fn response_carries_media_type_status_and_headers() {
        let response = Problem::unavailable("later").into_response();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(response.headers()[CONTENT_TYPE], MEDIA_TYPE);
        assert_eq!(response.headers()[RETRY_AFTER], "5");
        assert_eq!(Problem::unauthorized("no").into_response().headers()[WWW_AUTHENTICATE], "Bearer realm=\"becket\"");
    }

    #[test]
    fn answer_does_not_repeat_what_the_store_says_of_its_files() {
        let locked = becket_tasks::Error::Locked("/srv/secret/becket.db is in use".to_owned());
        let away = becket_tasks::Error::Unavailable("open /srv/secret/becket.db".to_owned(), None);
        for problem in [Problem::from(locked), Problem::from(away)] {
            assert!(!problem.detail().contains("/srv"), "{problem:?}");
        }
    }
}
