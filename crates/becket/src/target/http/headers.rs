//! Which of a delivery's headers go on to the receiver.

use http::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONNECTION, CONTENT_LENGTH, COOKIE, EXPECT, HOST, PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION, SET_COOKIE, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderName};

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

#[cfg(test)]
mod tests {
    use super::*;

    fn map(headers: &[(&'static str, &'static str)]) -> HeaderMap {
        headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), http::HeaderValue::from_static(value)))
            .collect()
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
