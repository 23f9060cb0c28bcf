//! The headers of a delivery, as they are kept beside its body.
//!
//! Ingest writes them into [`Submission::meta`](becket_tasks::Submission::meta), and handlers, targets and the API read
//! them from there: a JSON list of `[name, value]`, names in lower case, in the order of arrival. Which headers are kept
//! is decided by the source ([`Delivery::headers`](becket_webhooks::Delivery::headers)), not here.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};

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
    let parsed = pairs.iter().filter_map(|(name, value)| {
        Some((HeaderName::try_from(name.as_str()).ok()?, HeaderValue::try_from(value.as_str()).ok()?))
    });
    let mut headers = HeaderMap::with_capacity(pairs.len());
    for (name, value) in parsed {
        headers.append(name, value);
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_survive_being_kept() {
        let meta = encode(&[("x-github-event", "issues"), ("content-type", "application/json; charset=\"utf-8\"")]);
        let headers = decode(&meta);
        assert_eq!(headers.len(), 2);
        assert_eq!(headers["x-github-event"], "issues");
        assert_eq!(headers["content-type"], "application/json; charset=\"utf-8\"");
    }

    #[test]
    fn meta_of_a_task_enqueued_by_hand_has_no_headers() {
        for meta in [&b""[..], b"{}", b"null", b"\xff", br#"[["a"]]"#] {
            assert!(decode(meta).is_empty(), "{meta:?}");
        }
    }
}
