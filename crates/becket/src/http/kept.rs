//! The headers of a delivery, as they are kept beside its body.
//!
//! Ingest writes them into [`Submission::meta`](becket_tasks::Submission::meta), and handlers, targets and the API read
//! them from there: a JSON list of `[name, value]`, names in lower case, in the order of arrival. Which headers are kept
//! is decided by the source ([`Delivery::headers`](becket_webhooks::Delivery::headers)), not here.
//!
//! Beside them stands what was found out about a delivery and is not in its headers: the repository, and for forges the
//! kind of sender and the [normalised event](becket_webhooks::Normalised). All under names that no header has which is kept.

use becket_webhooks::{Kind, Normalised};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue};

/// Where the repository stands among the headers. Nothing that a sender writes is kept under a name of ours.
const REPOSITORY: &str = "becket-repository";
/// Where the kind of sender stands.
const KIND: &str = "becket-source-kind";
/// Where the normalised event stands.
const NORMALISED: &str = "becket-normalised";

const OURS: [&str; 3] = [REPOSITORY, KIND, NORMALISED];

/// What was found out about a delivery beside its headers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// The repository that it is about, as its forge writes it: `octo/hello`.
    pub repository: Option<String>,
    /// Which forge sent it and what happened, in words that are the same for all.
    pub normalised: Option<(Kind, Normalised)>,
}

impl Known {
    /// What happened, in words that are the same for all forges.
    #[must_use]
    pub fn event(&self) -> Option<Normalised> {
        self.normalised.map(|(_, event)| event)
    }
}

/// Writes the headers of a delivery, and what else is known of it, as a submission's `meta`.
pub fn encode_delivery(delivery: &becket_webhooks::Delivery) -> Bytes {
    let repository = delivery.repository().map(|repository| (REPOSITORY, repository));
    let normalised = delivery.normalised().map(|event| [(KIND, delivery.kind().as_str()), (NORMALISED, event.name())]);
    let known = repository.into_iter().chain(normalised.into_iter().flatten());
    let headers = delivery.headers().iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let pairs: Vec<(&str, &str)> = known.chain(headers.filter(|(name, _)| !OURS.contains(name))).collect();
    encode(&pairs)
}

/// Reads back what is known of a delivery beside its headers. A name that this version does not know is none.
#[must_use]
pub fn known(meta: &[u8]) -> Known {
    let pairs: Vec<(String, String)> = serde_json::from_slice(meta).unwrap_or_default();
    let (mut repository, mut kind, mut event) = (None, None, None);
    for (name, value) in pairs {
        match name.as_str() {
            REPOSITORY => repository = Some(value),
            KIND => kind = value.parse().ok(),
            NORMALISED => event = value.parse().ok(),
            _ => {}
        }
    }
    Known { repository, normalised: kind.zip(event) }
}

/// Writes headers as a submission's `meta`.
pub fn encode<N: AsRef<str>, V: AsRef<str>>(headers: &[(N, V)]) -> Bytes {
    let pairs: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (name.as_ref(), value.as_ref())).collect();
    // Lists of text can always be written as JSON.
    serde_json::to_vec(&pairs).unwrap_or_default().into()
}

/// Reads them back. What is not such a list (a task enqueued by hand has no headers) gives none.
#[must_use]
pub fn decode(meta: &[u8]) -> HeaderMap {
    let pairs: Vec<(String, String)> = serde_json::from_slice(meta).unwrap_or_default();
    let parsed = pairs.iter().filter(|(name, _)| !OURS.contains(&&**name)).filter_map(|(name, value)| {
        Some((HeaderName::try_from(name.as_str()).ok()?, HeaderValue::try_from(value.as_str()).ok()?))
    });
    let mut headers = HeaderMap::with_capacity(pairs.len());
    for (name, value) in parsed {
        headers.append(name, value);
    }
    headers
}

/// A delivery's body as JSON text: as it came or, where the headers in `meta` say that it is a form, the form's field
/// `payload`, which is how GitHub sends webhooks with the content type `application/x-www-form-urlencoded`.
///
/// `None` for a form without that field. Whether the text is JSON is for its reader to find out.
#[must_use]
pub fn json(meta: &[u8], body: &Bytes) -> Option<Bytes> {
    // JSON text begins with `{` or white space, which a form never does: most bodies need no look at the headers.
    if body.is_empty() || body.starts_with(b"{") || !is_form(&decode(meta)) {
        return Some(body.clone());
    }
    let field = form_urlencoded::parse(body).find(|(name, _)| name == "payload");
    field.map(|(_, json)| json.into_owned().into())
}

fn is_form(headers: &HeaderMap) -> bool {
    let media_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn form_is_read_as_the_json_in_it() {
        let form = encode(&[("content-type", "Application/X-WWW-Form-URLencoded; charset=utf-8")]);
        let plain = encode(&[("content-type", "application/json")]);
        let table = [
            (&form, "payload=%7B%22a%22%3A+1%7D", Some(r#"{"a": 1}"#)),
            (&form, "other=1", None),
            (&form, "{}", Some("{}")),
            (&form, "", Some("")),
            (&plain, "payload=%7B%7D", Some("payload=%7B%7D")),
        ];
        for (meta, body, expected) in table {
            assert_eq!(
                json(meta, &Bytes::from_static(body.as_bytes())).as_deref(),
                expected.map(str::as_bytes),
                "{body}"
            );
        }
    }

    #[test]
    fn headers_survive_being_kept() {
        let meta = encode(&[("x-github-event", "issues"), ("content-type", "application/json; charset=\"utf-8\"")]);
        let headers = decode(&meta);
        assert_eq!(headers.len(), 2);
        assert_eq!(headers["x-github-event"], "issues");
        assert_eq!(headers["content-type"], "application/json; charset=\"utf-8\"");
    }

    #[test]
    fn what_is_known_stands_beside_the_headers_and_is_none() {
        let source = becket_webhooks::Source::github("github", becket_webhooks::Secrets::insecure_accept_unsigned());
        let mut headers = HeaderMap::new();
        headers.insert("x-github-event", HeaderValue::from_static("push"));
        headers.insert("x-github-delivery", HeaderValue::from_static("1"));
        let receive = |body: &'static str| source.receive(&headers, body.into(), 0).unwrap();

        let pushed = r#"{"ref":"refs/tags/v1","repository":{"full_name":"octo/h\u00e9llo"}}"#;
        let meta = encode_delivery(&receive(pushed));
        let expected = Known {
            repository: Some("octo/héllo".to_owned()),
            normalised: Some((Kind::Github, Normalised::TagPushed)),
        };
        assert_eq!(known(&meta), expected);
        assert_eq!(decode(&meta).len(), 2);
        assert_eq!(known(&encode_delivery(&receive("{}"))), Known::default());
        assert_eq!(known(b"null"), Known::default());
    }

    #[test]
    fn name_of_another_version_is_none() {
        let meta = encode(&[(KIND, "github"), (NORMALISED, "teapot.boiled"), (REPOSITORY, "a/b")]);
        assert_eq!(known(&meta), Known { repository: Some("a/b".to_owned()), normalised: None });
    }

    #[test]
    fn meta_of_a_task_enqueued_by_hand_has_no_headers() {
        for meta in [&b""[..], b"{}", b"null", b"\xff", br#"[["a"]]"#] {
            assert!(decode(meta).is_empty(), "{meta:?}");
        }
    }
}
