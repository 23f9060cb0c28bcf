//! Tries a refused signature against what commonly happens to bodies on their way.
//!
//! Runs only after a signature has failed, and only to explain: a near miss is refused like any other.

use crate::explain::Explanation;
use crate::form;
use crate::header::{MediaType, media_type};
use crate::source::Request;

/// The largest body that is tried again, in bytes.
///
/// Each try hashes the body once per secret. At this size all of them together take a few milliseconds, so nobody can
/// keep a processor busy by sending large bodies with wrong signatures.
const BODY_BYTES_MAX: usize = 1024 * 1024;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Returns what was done to the body, if the signature is right for one of its variants.
///
/// `matches` says whether any of the source's secrets gives the received signature for a body, given in parts.
pub(crate) fn of_body(request: &Request<'_>, matches: impl Fn(&[&[u8]]) -> bool) -> Option<Explanation> {
    let body = request.body;
    if body.len() > BODY_BYTES_MAX {
        return None;
    }
    let without_newline = [&b"\r\n"[..], b"\n"].into_iter().filter_map(|newline| body.strip_suffix(newline));
    if without_newline.into_iter().any(|shorter| matches(&[shorter])) {
        return Some(Explanation::MatchesWithoutTrailingNewline);
    }
    if matches(&[body, b"\n"]) {
        return Some(Explanation::MatchesWithTrailingNewline);
    }
    if body.strip_prefix(BYTE_ORDER_MARK).is_some_and(|shorter| matches(&[shorter])) {
        return Some(Explanation::MatchesWithoutByteOrderMark);
    }
    let decoded = match media_type(request.headers) {
        Ok(MediaType::Form) => form::field(body, "payload").ok()?,
        _ => return None,
    };
    matches(&[decoded.as_bytes()]).then_some(Explanation::MatchesDecodedForm)
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;
    use http::header::{CONTENT_TYPE, HeaderValue};

    use super::*;

    /// Which near miss is found when `signed` was signed and `received` arrived.
    fn found(signed: &[u8], received: &[u8], content_type: &'static str) -> Option<Explanation> {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(content_type))]);
        let request = Request { headers: &headers, body: received, now_ms: 0, tolerance_secs: 0, counts: None };
        of_body(&request, |parts| parts.concat() == signed)
    }

    #[test]
    fn each_change_on_the_way_is_recognised() {
        let json = "application/json";
        let form = "application/x-www-form-urlencoded";
        assert_eq!(found(b"{}", b"{}\n", json), Some(Explanation::MatchesWithoutTrailingNewline));
        assert_eq!(found(b"{}", b"{}\r\n", json), Some(Explanation::MatchesWithoutTrailingNewline));
        assert_eq!(found(b"{}\r", b"{}\r\n", json), Some(Explanation::MatchesWithoutTrailingNewline));
        assert_eq!(found(b"{}\n", b"{}", json), Some(Explanation::MatchesWithTrailingNewline));
        assert_eq!(found(b"{}", b"\xef\xbb\xbf{}", json), Some(Explanation::MatchesWithoutByteOrderMark));
        assert_eq!(found(b"{}", b"payload=%7B%7D", form), Some(Explanation::MatchesDecodedForm));
    }

    #[test]
    fn nothing_is_claimed_about_other_changes() {
        assert_eq!(found(b"{}", b"[]", "application/json"), None);
        assert_eq!(found(b"{}", b"payload=%7B%7D", "application/json"), None);
        assert_eq!(found(b"{}", b"payload=%7", "application/x-www-form-urlencoded"), None);
        assert_eq!(found(b"{}", b"payload=%7B", "application/x-www-form-urlencoded"), None);
    }

    #[test]
    fn large_body_is_not_hashed_again() {
        let mut received = vec![b' '; BODY_BYTES_MAX];
        let signed = received[..BODY_BYTES_MAX - 1].to_vec();
        received[BODY_BYTES_MAX - 1] = b'\n';
        assert_eq!(found(&signed, &received, "application/json"), Some(Explanation::MatchesWithoutTrailingNewline));

        received.push(b'\n');
        let signed = received[..BODY_BYTES_MAX].to_vec();
        assert_eq!(found(&signed, &received, "application/json"), None);
    }
}
