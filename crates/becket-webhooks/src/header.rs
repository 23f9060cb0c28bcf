//! Reading request headers strictly: what decides about a delivery must be there once, short and plain.
//!
//! A header that is sent twice is refused, because two programs in a row may each believe another one of them.

use http::header::{CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, HeaderName};

use crate::explain::Explanation;

/// The longest id or event name taken, in bytes.
pub(crate) const TOKEN_BYTES_MAX: usize = 256;

/// The longest value kept with a delivery, in bytes; longer ones are left out.
const KEPT_BYTES_MAX: usize = 1024;

/// Returns the header's value, or `None` when the request has no such header.
///
/// # Errors
/// [`Explanation::RepeatedHeader`].
pub(crate) fn once<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a HeaderValue>, Explanation> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (first, None) => Ok(first),
        (_, Some(_)) => Err(Explanation::RepeatedHeader { header: name.to_owned().into() }),
    }
}

/// Returns the value of a header that must hold 1 to 256 visible ASCII characters without a space.
///
/// # Errors
/// [`Explanation::MissingHeader`], [`Explanation::RepeatedHeader`], [`Explanation::MalformedHeader`].
pub(crate) fn token<'a>(headers: &'a HeaderMap, name: &str) -> Result<&'a str, Explanation> {
    let missing = || Explanation::MissingHeader { header: name.to_owned().into() };
    optional_token(headers, name)?.ok_or_else(missing)
}

/// The same for a header that need not be there.
///
/// # Errors
/// [`Explanation::RepeatedHeader`], [`Explanation::MalformedHeader`].
pub(crate) fn optional_token<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Explanation> {
    let Some(value) = once(headers, name)? else { return Ok(None) };
    match value.to_str() {
        Ok(text) if is_token(text) => Ok(Some(text)),
        _ => Err(Explanation::MalformedHeader { header: name.to_owned().into() }),
    }
}

/// Whether a text can be an id: 1 to 256 visible ASCII characters.
pub(crate) fn is_token(text: &str) -> bool {
    (1..=TOKEN_BYTES_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Copies the headers that `keep` (lower case), in the order of arrival, the first of each name.
///
/// Values that are not visible ASCII, or are longer than 1 KiB, are left out.
pub(crate) fn kept(headers: &HeaderMap, keep: impl Fn(&str) -> bool) -> Vec<(HeaderName, String)> {
    let mut kept: Vec<(HeaderName, String)> = Vec::with_capacity(8);
    for (name, value) in headers {
        if !keep(name.as_str()) {
            continue;
        }
        let Ok(text) = value.to_str() else { continue };
        if text.len() <= KEPT_BYTES_MAX && kept.iter().all(|(already, _)| already != name) {
            kept.push((name.clone(), text.to_owned()));
        }
    }
    kept
}

/// What the `Content-Type` header says about the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MediaType {
    /// `application/json`, `application/…+json`, or no header at all.
    Json,
    /// `application/x-www-form-urlencoded`.
    Form,
}

/// Checks that the body is JSON.
///
/// # Errors
/// [`Explanation::UnsupportedContentType`], for a form as well.
pub(crate) fn json(headers: &HeaderMap) -> Result<(), Explanation> {
    match media_type(headers)? {
        MediaType::Json => Ok(()),
        MediaType::Form => Err(Explanation::UnsupportedContentType),
    }
}

/// Reads `Content-Type`; parameters such as `charset` are ignored, since JSON is UTF-8 (RFC 8259, section 8.1).
///
/// # Errors
/// [`Explanation::UnsupportedContentType`], also when the header is repeated.
pub(crate) fn media_type(headers: &HeaderMap) -> Result<MediaType, Explanation> {
    let value = match once(headers, CONTENT_TYPE.as_str()) {
        Ok(Some(value)) => value.to_str().unwrap_or_default(),
        Ok(None) => return Ok(MediaType::Json),
        Err(_) => return Err(Explanation::UnsupportedContentType),
    };
    let essence = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match essence.strip_prefix("application/") {
        Some("json") => Ok(MediaType::Json),
        Some("x-www-form-urlencoded") => Ok(MediaType::Form),
        Some(subtype) if subtype.len() > "+json".len() && subtype.ends_with("+json") => Ok(MediaType::Json),
        _ => Err(Explanation::UnsupportedContentType),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &[u8])]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_bytes(value).unwrap()))
            .collect::<Vec<_>>()
            .into_iter()
            .fold(HeaderMap::new(), |mut all, (name, value)| {
                all.append(name, value);
                all
            })
    }

    #[test]
    fn token_is_there_once_short_and_visible() {
        let longest = "x".repeat(256);
        assert_eq!(token(&headers(&[("x-id", longest.as_bytes())]), "x-id"), Ok(longest.as_str()));

        let too_long = "x".repeat(257);
        for bad in ["".as_bytes(), b"a b", b"a\tb", "é".as_bytes(), too_long.as_bytes()] {
            let expected = Err(Explanation::MalformedHeader { header: "x-id".into() });
            assert_eq!(token(&headers(&[("x-id", bad)]), "x-id"), expected, "{bad:?}");
        }
        assert_eq!(token(&headers(&[]), "x-id"), Err(Explanation::MissingHeader { header: "x-id".into() }));
    }

    #[test]
    fn header_sent_twice_is_refused_even_when_both_are_equal() {
        let twice = headers(&[("x-id", b"1"), ("x-id", b"1")]);
        assert_eq!(once(&twice, "x-id"), Err(Explanation::RepeatedHeader { header: "x-id".into() }));
    }

    #[test]
    fn content_types_are_told_apart() {
        use MediaType::{Form, Json};
        let table = [
            ("application/json", Some(Json)),
            ("Application/JSON; charset=utf-8", Some(Json)),
            ("application/json;charset=UTF-8", Some(Json)),
            (" application/json ; charset=utf-8", Some(Json)),
            ("application/cloudevents+json", Some(Json)),
            ("application/x-www-form-urlencoded", Some(Form)),
            ("application/x-www-form-urlencoded; charset=utf-8", Some(Form)),
            ("application/+json", None),
            ("application/jsonp", None),
            ("text/json", None),
            ("text/plain", None),
            ("multipart/form-data; boundary=x", None),
            ("", None),
        ];
        for (value, expected) in table {
            let read = media_type(&headers(&[("content-type", value.as_bytes())]));
            assert_eq!(read.ok(), expected, "{value}");
        }
    }

    #[test]
    fn missing_content_type_is_read_as_json() {
        assert_eq!(media_type(&headers(&[])), Ok(MediaType::Json));
    }

    #[test]
    fn two_content_types_are_unsupported() {
        let twice = headers(&[("content-type", b"application/json"), ("content-type", b"application/json")]);
        assert_eq!(media_type(&twice), Err(Explanation::UnsupportedContentType));
    }

    #[test]
    fn only_listed_plain_and_short_headers_are_kept() {
        let long = "x".repeat(1025);
        let all = headers(&[
            ("cookie", b"session=1"),
            ("user-agent", b"GitHub-Hookshot/1"),
            ("user-agent", b"second"),
            ("x-long", long.as_bytes()),
            ("x-odd", "é".as_bytes()),
        ]);
        let kept = kept(&all, |name| ["user-agent", "x-long", "x-odd"].contains(&name));
        assert_eq!(kept, [(HeaderName::from_static("user-agent"), "GitHub-Hookshot/1".to_owned())]);
    }
}
