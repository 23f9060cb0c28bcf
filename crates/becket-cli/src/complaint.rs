//! Errors as people read them: what went wrong, where, and how to mend it.

use std::fmt;

use bytes::Bytes;
use reqwest::StatusCode;
use serde::Deserialize;

/// What went wrong, where, and how to mend it.
#[derive(Debug)]
pub(crate) struct Complaint {
    what: String,
    place: Option<String>,
    mend: Option<String>,
    status: Option<StatusCode>,
    document: Option<Bytes>,
}

/// Problem details (RFC 9457), as far as they are shown.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Problem {
    title: Option<String>,
    status: Option<u16>,
    detail: Option<String>,
    candidates: Vec<String>,
}

impl Complaint {
    /// Says what went wrong.
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), place: None, mend: None, status: None, document: None }
    }

    /// Says where.
    pub(crate) fn at(self, place: impl Into<String>) -> Self {
        Self { place: Some(place.into()), ..self }
    }

    /// Says how to mend it.
    pub(crate) fn mend(self, mend: impl Into<String>) -> Self {
        Self { mend: Some(mend.into()), ..self }
    }

    /// Reads an answer that is not a success: problem details, or whatever else the server sent.
    pub(crate) fn of_answer(request: &str, status: StatusCode, body: Bytes) -> Self {
        let problem: Option<Problem> = serde_json::from_slice(&body).ok();
        let Problem { title, status: repeated, detail, candidates } = problem.unwrap_or_default();
        // Without its status, what came back is not one of ours: scripts are given the members that they know.
        let document = repeated.is_some().then_some(body);
        let what = detail.or(title).unwrap_or_else(|| format!("the server answered {status}"));
        let mend = if candidates.is_empty() {
            advice(status).map(str::to_owned)
        } else {
            Some(format!("use one of these ids: {}", candidates.join(", ")))
        };
        Self { what, place: Some(format!("{request} ({status})")), mend, status: Some(status), document }
    }

    /// The problem details as the server sent them.
    pub(crate) fn document(&self) -> Option<&Bytes> {
        self.document.as_ref()
    }

    /// What the server answered, if it did.
    pub(crate) fn status(&self) -> Option<StatusCode> {
        self.status
    }

    /// Where it went wrong.
    pub(crate) fn place(&self) -> Option<&str> {
        self.place.as_deref()
    }

    /// How to mend it.
    pub(crate) fn remedy(&self) -> Option<&str> {
        self.mend.as_deref()
    }
}

/// What helps, most likely, where the server does not say so itself.
fn advice(status: StatusCode) -> Option<&'static str> {
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            Some("give the server's admin token with --token, BECKET_ADMIN__TOKEN, or admin.token in becket.toml")
        }
        StatusCode::NOT_FOUND => Some("`becket tasks list` and `becket deliveries list` show what there is"),
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => Some("try again in a few seconds"),
        StatusCode::INTERNAL_SERVER_ERROR | StatusCode::BAD_GATEWAY => Some("look into the server's log"),
        _ => None,
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Complaint {}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &'static str) -> Complaint {
        Complaint::of_answer("GET /x", StatusCode::from_u16(status).unwrap(), Bytes::from_static(body.as_bytes()))
    }

    #[test]
    fn problem_details_become_what_where_and_how_to_mend_it() {
        let complaint = answer(401, r#"{"title":"Unauthorized","status":401,"detail":"the token is wrong"}"#);
        assert_eq!(complaint.to_string(), "the token is wrong");
        assert_eq!(complaint.place(), Some("GET /x (401 Unauthorized)"));
        assert!(complaint.remedy().unwrap().contains("--token"));
        assert!(complaint.document().is_some());
    }

    #[test]
    fn ids_to_choose_from_are_offered() {
        let complaint = answer(409, r#"{"detail":"several sources have this id","candidates":["A","B"]}"#);
        assert_eq!(complaint.remedy(), Some("use one of these ids: A, B"));
    }

    #[test]
    fn answer_of_something_else_than_becket_is_still_explained() {
        let complaint = answer(502, "<html>Bad Gateway</html>");
        assert_eq!(complaint.to_string(), "the server answered 502 Bad Gateway");
        assert_eq!(complaint.status(), Some(StatusCode::BAD_GATEWAY));
        assert!(complaint.document().is_none());
        assert!(answer(400, r#"{"message":"no"}"#).document().is_none(), "JSON, and no problem details");
    }
}
