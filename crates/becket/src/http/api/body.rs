//! Reading a JSON body, so that an error names the field.

use axum::extract::{FromRequest, Request};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use serde::de::DeserializeOwned;

use crate::http::problem::Problem;

/// A JSON body.
#[derive(Debug)]
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let path = request.uri().path().to_owned();
        read(request, state).await.map_err(|problem| problem.at(&path))
    }
}

/// A JSON body that may be left out.
#[derive(Debug)]
pub(super) struct OptionalBody<T>(pub(super) T);

impl<T: DeserializeOwned + Default, S: Send + Sync> FromRequest<S> for OptionalBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let is_given = request.headers().contains_key(CONTENT_TYPE);
        if is_given {
            Body::from_request(request, state).await.map(|Body(body)| Self(body))
        } else {
            Ok(Self(T::default()))
        }
    }
}

async fn read<T: DeserializeOwned, S: Send + Sync>(request: Request, state: &S) -> Result<Body<T>, Problem> {
    if !is_json(request.headers()) {
        let detail = "send the body as JSON, with the header `Content-Type: application/json`";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
    }
    let bytes = Bytes::from_request(request, state)
        .await
        .map_err(|rejection| Problem::new(rejection.status(), rejection.body_text()))?;
    parse(&bytes).map(Body)
}

fn is_json(headers: &HeaderMap) -> bool {
    let text = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    text.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json")
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let parsed = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let place = error.path().to_string();
        let inner = error.into_inner();
        let detail = if place == "." { inner.to_string() } else { format!("{place}: {inner}") };
        if inner.is_data() { Problem::unprocessable(detail) } else { Problem::bad_request(detail) }
    })?;
    deserializer.end().map_err(|error| Problem::bad_request(error.to_string()))?;
    Ok(parsed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Example {
        #[expect(dead_code, reason = "only its parsing is looked at")]
        priority: i8,
    }

    #[test]
    fn error_names_the_field_and_its_rule() {
        for (body, status, part) in [
            (r#"{"priority": 300}"#, 422, "priority: invalid value: integer `300`, expected i8"),
            (r#"{"prio": 3}"#, 422, "unknown field `prio`, expected `priority`"),
            ("{}", 422, "missing field `priority`"),
            ("{", 400, "EOF"),
            (r#"{"priority": 1} x"#, 400, "trailing characters"),
        ] {
            let problem = parse::<Example>(body.as_bytes()).unwrap_err();
            assert_eq!(problem.status().as_u16(), status, "{body}");
            assert!(problem.detail().contains(part), "{body}: {}", problem.detail());
        }
    }
}
