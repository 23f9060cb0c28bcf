//! Headers of a request: those of the delivery that go on to the receiver, and those that are made of a template.

use becket_tasks::TaskError;
use becket_tasks::naming::{Piece, TextTemplate};
use http::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONNECTION, CONTENT_LENGTH, COOKIE, EXPECT, HOST, PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION, SET_COOKIE, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::super::template::{self, Label, Subject};
use super::super::{BuildError, TextError};

/// The longest value that is made, in bytes. Servers take about as much.
const VALUE_BYTES_MAX: usize = 8 * 1_024;

/// What concerns the connection it came over (RFC 9110, section 7.6.1), what the client sets itself, and credentials
/// that were meant for us.
const DROPPED: [HeaderName; 14] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    HOST,
    CONTENT_LENGTH,
    EXPECT,
    AUTHORIZATION,
    COOKIE,
    SET_COOKIE,
];

/// What only this program may say.
const OUR_PREFIX: &str = "becket-";

/// The headers to send on: all that were kept but those that concern one connection, credentials, and names of ours.
pub(super) fn forwarded(kept: &HeaderMap) -> HeaderMap {
    let mut headers = kept.clone();
    for name in named_by_connection(kept).iter().chain(&DROPPED) {
        headers.remove(name);
    }
    // The answer is read as it comes; a compressed one would be of no use.
    headers.remove(ACCEPT_ENCODING);
    let ours: Vec<HeaderName> = headers.keys().filter(|name| name.as_str().starts_with(OUR_PREFIX)).cloned().collect();
    for name in ours {
        headers.remove(name);
    }
    headers
}

/// `Connection: close, X-Secret` makes `X-Secret` a header of that connection too.
fn named_by_connection(kept: &HeaderMap) -> Vec<HeaderName> {
    let values = kept.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).filter_map(|name| name.trim().parse().ok()).collect()
}

/// A header whose value is made of the delivery. `Debug` shows the name alone.
pub(crate) struct HeaderTemplate {
    name: HeaderName,
    template: std::sync::Arc<TextTemplate<Label>>,
}

/// Why a header cannot be sent.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HeaderError {
    /// The value is not a template.
    #[error(transparent)]
    Template(TextError),
    /// It cannot be set.
    #[error("{0}")]
    Refused(&'static str),
}

impl HeaderError {
    /// What is wrong with the template, if that is.
    pub(crate) fn template(&self) -> Option<&TextError> {
        match self {
            Self::Template(error) => Some(error),
            Self::Refused(_) => None,
        }
    }
}

impl HeaderTemplate {
    /// Reads the template of a header's value.
    ///
    /// # Errors
    /// What is wrong with it; the value, which may be a token, is not repeated.
    pub(crate) fn parse(name: &str, value: &str) -> Result<Self, HeaderError> {
        let name: HeaderName = name.parse().map_err(|_| HeaderError::Refused("is not the name of a header"))?;
        if name.as_str().starts_with(OUR_PREFIX) || name.as_str().starts_with("webhook-") {
            return Err(HeaderError::Refused("is one that only this program sets"));
        }
        if DROPPED.contains(&name) && !matches!(name, AUTHORIZATION | COOKIE) {
            return Err(HeaderError::Refused("concerns the connection, and is set by the client itself"));
        }
        if value.contains(is_control) {
            return Err(HeaderError::Refused("has a control character, such as a line end, in its value"));
        }
        Ok(Self { name, template: template::parse(value).map_err(HeaderError::Template)? })
    }

    /// As [`parse`](Self::parse), when a target is built.
    pub(super) fn build(name: &str, value: &str) -> Result<Self, BuildError> {
        Self::parse(name, value).map_err(|error| match error {
            HeaderError::Template(error) => BuildError::Template(error),
            HeaderError::Refused(why) => BuildError::Header { name: name.to_owned(), why: why.to_owned() },
        })
    }

    /// Sets the header; leaves it out where a placeholder finds nothing.
    pub(super) fn set(&self, subject: &Subject<'_>, headers: &mut HeaderMap) -> Result<(), TaskError> {
        let refused = |why: &str| TaskError::give_up(format!("the header `{}` cannot be sent: {why}", self.name));
        let (mut is_missing, mut has_control) = (false, false);
        subject.fill(&self.template, |piece| match piece {
            Piece::Text(_) => {}
            Piece::Value(value) => has_control |= value.contains(is_control),
            Piece::Missing => is_missing = true,
        });
        if is_missing {
            headers.remove(&self.name);
            return Ok(());
        }
        if has_control {
            return Err(refused("what the delivery fills in holds a control character, such as a line end"));
        }
        let value = subject.text(&self.template, VALUE_BYTES_MAX);
        let value = value.ok_or_else(|| refused("it would be longer than 8192 bytes"))?;
        // Text beyond ASCII goes as UTF-8, which RFC 9110 lets pass as opaque bytes.
        let mut value = HeaderValue::from_bytes(value.as_bytes()).map_err(|_| refused("its value is none"))?;
        value.set_sensitive(matches!(self.name, AUTHORIZATION | COOKIE));
        headers.insert(self.name.clone(), value);
        Ok(())
    }
}

impl std::fmt::Debug for HeaderTemplate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HeaderTemplate").field("name", &self.name).finish_non_exhaustive()
    }
}

fn is_control(character: char) -> bool {
    character.is_control()
}

#[cfg(test)]
mod tests {
    use super::super::super::template::tests::task;
    use super::*;

    fn made(name: &str, value: &str, payload: &str) -> Result<HeaderMap, String> {
        let task = task(payload);
        let mut headers = map(&[("x-there", "before")]);
        let template = HeaderTemplate::parse(name, value).map_err(|error| error.to_string())?;
        template.set(&Subject::new(&task), &mut headers).map_err(|error| error.to_string())?;
        Ok(headers)
    }

    #[test]
    fn header_is_made_of_the_delivery() {
        let headers = made("x-title", "{title} ({@event})", r#"{"title": "é, ok"}"#).unwrap();
        assert_eq!(headers["x-title"].as_bytes(), "é, ok (issues)".as_bytes());
        let headers = made("authorization", "Bearer t0ken", "{}").unwrap();
        assert!(headers["authorization"].is_sensitive());
    }

    #[test]
    fn header_whose_placeholder_finds_nothing_is_left_out() {
        assert_eq!(made("x-title", "a {title}", "{}").unwrap(), map(&[("x-there", "before")]));
        assert!(made("x-there", "{title}", "{}").unwrap().is_empty());
    }

    #[test]
    fn line_end_that_a_sender_wrote_is_refused_with_the_headers_name() {
        for title in ["a\\r\\nx-admin: 1", "a\\n", "\\u0000", "a\\rb", "\\u007f", "\\u0085", "a\\tb"] {
            let error = made("x-title", "{title}", &format!(r#"{{"title": "{title}"}}"#)).unwrap_err();
            assert!(error.starts_with("the header `x-title` cannot be sent: what the delivery fills in"), "{error}");
        }
        let long = format!(r#"{{"title": "{}"}}"#, "x".repeat(VALUE_BYTES_MAX + 1));
        assert!(made("x-title", "{title}", &long).unwrap_err().contains("longer than 8192 bytes"));
    }

    #[test]
    fn header_that_only_this_program_or_the_client_sets_is_refused() {
        for name in ["host", "content-length", "connection", "transfer-encoding", "becket-task-id", "webhook-signature"]
        {
            assert!(HeaderTemplate::parse(name, "x").is_err(), "{name}");
        }
        for value in ["a\nb", "a\r\nb: c", "\0"] {
            assert!(HeaderTemplate::parse("x-a", value).unwrap_err().to_string().contains("control character"));
        }
        assert!(HeaderTemplate::parse("x-a", "{").is_err());
    }

    fn map(headers: &[(&'static str, &'static str)]) -> HeaderMap {
        headers.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn headers_of_the_sender_go_on() {
        let kept = map(&[
            ("content-type", "application/json"),
            ("user-agent", "GitHub-Hookshot/044aadd"),
            ("x-github-event", "issues"),
            ("x-hub-signature-256", "sha256=00"),
        ]);
        assert_eq!(forwarded(&kept), kept);
    }

    #[test]
    fn headers_of_one_connection_and_credentials_stay_here() {
        let kept = map(&[
            ("accept-encoding", "br"),
            ("authorization", "Bearer t0ken"),
            ("becket-task-id", "1"),
            ("connection", "close, X-Hop"),
            ("content-length", "3"),
            ("cookie", "a=b"),
            ("expect", "100-continue"),
            ("host", "hooks.example.org"),
            ("keep-alive", "timeout=5"),
            ("proxy-authorization", "Basic x"),
            ("te", "trailers"),
            ("trailer", "x"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
            ("x-hop", "1"),
            ("x-stays", "1"),
        ]);
        assert_eq!(forwarded(&kept), map(&[("x-stays", "1")]));
    }
}
