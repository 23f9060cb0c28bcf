//! Who may call `/api` and `/metrics`.
//!
//! With a token: whoever sends it as `Authorization: Bearer`. Without one: only programs on this machine. A peer on the
//! loopback interface is not enough for that, because a reverse proxy or a tunnel on this machine is one too, and so is
//! the browser of somebody who works here. So a request that went through a proxy is refused, and so is one for a host
//! name that is not this machine's (DNS rebinding), and one that a page of another site makes a browser send.
//!
//! [`Access::check`] is pure; [`guard`] is the layer around the routes.
//!
//! Sources: <https://www.rfc-editor.org/rfc/rfc6750> (bearer tokens), <https://www.rfc-editor.org/rfc/rfc7239>
//! (Forwarded), <https://developer.mozilla.org/en-US/docs/Web/HTTP/Reference/Headers/Sec-Fetch-Site>.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{ConnectInfo, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::header::{AUTHORIZATION, HOST, ORIGIN, UPGRADE};
use http::request::Parts;
use http::uri::Authority;
use http::{HeaderMap, Method};
use secrecy::{ExposeSecret as _, SecretString};
use subtle::ConstantTimeEq as _;

use super::problem::Problem;

const HOW_TO_MEND: &str = "set admin.token in the configuration (or BECKET_ADMIN__TOKEN) and send it as \
                           `Authorization: Bearer <token>`";

/// Headers that say that a request passed through a proxy, in lower case.
const FORWARDING: [&str; 10] = [
    "forwarded",
    "via",
    "x-real-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-forwarded",
    "true-client-ip",
    "fastly-client-ip",
    "fly-client-ip",
    "x-appengine-user-ip",
];
/// What the names of further such headers begin with.
const FORWARDING_PREFIXES: [&str; 4] = ["x-forwarded-", "x-original-", "x-envoy-", "cf-"];

/// Who may call. Cloning shares the token.
#[derive(Clone)]
pub struct Access(Option<Arc<SecretString>>);

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Access(token)" } else { "Access(loopback only)" })
    }
}

impl Access {
    /// Whoever knows `token`; without one, programs on this machine.
    #[must_use]
    pub fn new(token: Option<SecretString>) -> Self {
        Self(token.map(Arc::new))
    }

    /// Decides about one request. `peer` is the address of the other end of the connection, where it is known.
    ///
    /// # Errors
    /// 401 without the right token, 403 for a request from elsewhere where no token is configured.
    pub fn check(&self, peer: Option<IpAddr>, request: &Parts) -> Result<(), Problem> {
        match &self.0 {
            Some(token) => check_token(token, &request.headers),
            None => check_local(peer, request),
        }
    }
}

/// The layer: lets a request pass, or answers it with a problem.
pub async fn guard(State(access): State<Access>, request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip());
    let (parts, body) = request.into_parts();
    match access.check(peer, &parts) {
        Ok(()) => next.run(Request::from_parts(parts, body)).await,
        Err(problem) => problem.at(parts.uri.path()).into_response(),
    }
}

fn check_token(token: &SecretString, headers: &HeaderMap) -> Result<(), Problem> {
    let mut given = headers.get_all(AUTHORIZATION).iter();
    let (Some(header), None) = (given.next(), given.next()) else {
        return Err(Problem::unauthorized("send the admin token, once, as `Authorization: Bearer <token>`"));
    };
    let bearer = bearer(header.as_bytes()).unwrap_or_default();
    if bool::from(bearer.ct_eq(token.expose_secret().as_bytes())) {
        Ok(())
    } else {
        Err(Problem::unauthorized("the token is not the admin token"))
    }
}

/// What follows `Bearer`, which may be written in any case.
fn bearer(header: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = header.split_at_checked(b"bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
}

fn check_local(peer: Option<IpAddr>, request: &Parts) -> Result<(), Problem> {
    let headers = &request.headers;
    match peer {
        Some(peer) if peer.to_canonical().is_loopback() => {}
        Some(_) => return Err(refused("without an admin token only this machine may call")),
        None => return Err(refused("without an admin token the peer's address must be known, and it is not")),
    }
    if let Some(header) = forwarding_header(headers) {
        return Err(refused(&format!("the request came through a proxy (it has the header `{header}`)")));
    }
    let host = authority(request).ok_or_else(|| refused("the request names no host"))?;
    if !is_this_machine(&host) {
        return Err(refused("the request is for a host name that is not this machine's"));
    }
    // Browsers let pages read only what comes from their own site, but for WebSockets, where that is for servers to see to.
    let is_protected = !changes_something(&request.method) && !headers.contains_key(UPGRADE);
    if !is_protected && is_from_another_site(headers, &host) {
        return Err(refused("a page of another site sent it"));
    }
    Ok(())
}

fn refused(why: &str) -> Problem {
    Problem::forbidden(format!("{why}; {HOW_TO_MEND}"))
}

fn forwarding_header(headers: &HeaderMap) -> Option<&str> {
    headers
        .keys()
        .map(http::HeaderName::as_str)
        .find(|name| FORWARDING.contains(name) || FORWARDING_PREFIXES.iter().any(|prefix| name.starts_with(prefix)))
}

/// The host that is asked: `:authority` in HTTP/2, the header `Host` in HTTP/1.
fn authority(request: &Parts) -> Option<Authority> {
    let header = || request.headers.get(HOST)?.to_str().ok()?.parse().ok();
    request.uri.authority().cloned().or_else(header)
}

fn is_this_machine(host: &Authority) -> bool {
    let name = host.host();
    let literal = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    match literal.parse::<IpAddr>() {
        Ok(address) => address.to_canonical().is_loopback(),
        Err(_) => name.eq_ignore_ascii_case("localhost"),
    }
}

fn changes_something(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// Whether a browser says so. Programs that are not browsers send neither header.
fn is_from_another_site(headers: &HeaderMap, host: &Authority) -> bool {
    let same_site = headers.get("sec-fetch-site").is_none_or(|site| site == "same-origin" || site == "none");
    let same_origin = headers.get(ORIGIN).is_none_or(|origin| {
        let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
        origin.is_some_and(|(_, authority)| authority.eq_ignore_ascii_case(host.as_str()))
    });
    !(same_site && same_origin)
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;

    fn request(method: Method, headers: &[(&'static str, &str)]) -> Parts {
        let mut builder = http::Request::builder().method(method).uri("/api/v1/tasks");
        for (name, value) in headers {
            builder = builder.header(*name, *value);
        }
        builder.body(()).unwrap().into_parts().0
    }

    fn local(peer: &str, method: Method, headers: &[(&'static str, &str)]) -> Result<(), Problem> {
        Access::new(None).check(Some(peer.parse().unwrap()), &request(method, headers))
    }

    #[test]
    fn right_token_opens_from_anywhere() {
        let access = Access::new(Some("0123456789abcdef".into()));
        for header in ["Bearer 0123456789abcdef", "bearer 0123456789abcdef", "BEARER  0123456789abcdef "] {
            let request = request(Method::POST, &[("authorization", header), ("x-forwarded-for", "1.2.3.4")]);
            assert!(access.check(None, &request).is_ok(), "{header}");
        }
    }

    #[test]
    fn wrong_or_missing_token_is_401() {
        let access = Access::new(Some("0123456789abcdef".into()));
        let loopback = Some(IpAddr::from([127, 0, 0, 1]));
        for header in
            ["Bearer 0123456789abcdeF", "Bearer ", "Bearer", "Basic 0123456789abcdef", "0123456789abcdef", "é"]
        {
            let problem = access.check(loopback, &request(Method::GET, &[("authorization", header)])).unwrap_err();
            assert_eq!(problem.status(), StatusCode::UNAUTHORIZED, "{header}");
        }
        let twice = [("authorization", "Bearer 0123456789abcdef"), ("authorization", "Bearer 0123456789abcdef")];
        assert!(access.check(loopback, &request(Method::GET, &twice)).is_err());
        assert!(access.check(loopback, &request(Method::GET, &[])).is_err());
    }

    #[test]
    fn without_a_token_programs_on_this_machine_may_call() {
        for (peer, host) in [
            ("127.0.0.1", "127.0.0.1:8080"),
            ("127.0.0.1", "localhost:8080"),
            ("127.9.9.9", "LOCALHOST"),
            ("::1", "[::1]:8080"),
            ("::ffff:127.0.0.1", "127.0.0.1"),
        ] {
            assert!(local(peer, Method::POST, &[("host", host)]).is_ok(), "{peer} {host}");
        }
    }

    #[test]
    fn without_a_token_other_machines_are_refused_and_told_how_to_mend_it() {
        for peer in ["10.0.0.1", "192.168.1.9", "203.0.113.7", "fe80::1", "::", "0.0.0.0"] {
            let problem = local(peer, Method::GET, &[("host", "127.0.0.1")]).unwrap_err();
            assert_eq!(problem.status(), StatusCode::FORBIDDEN, "{peer}");
            assert!(problem.detail().contains("admin.token"), "{problem:?}");
        }
        assert!(Access::new(None).check(None, &request(Method::GET, &[("host", "localhost")])).is_err());
    }

    #[test]
    fn without_a_token_whatever_came_through_a_proxy_is_refused() {
        for header in [
            "Forwarded",
            "Via",
            "X-Real-IP",
            "X-Forwarded-For",
            "X-Forwarded-Host",
            "CF-Connecting-IP",
            "True-Client-IP",
            "X-Original-Forwarded-For",
        ] {
            let parts = {
                let mut parts = request(Method::GET, &[("host", "localhost")]);
                parts.headers.insert(header.parse::<http::HeaderName>().unwrap(), "127.0.0.1".parse().unwrap());
                parts
            };
            let problem = Access::new(None).check(Some(IpAddr::from([127, 0, 0, 1])), &parts).unwrap_err();
            assert!(problem.detail().contains(&header.to_lowercase()), "{problem:?}");
        }
    }

    #[test]
    fn without_a_token_rebound_names_are_refused() {
        for host in ["rebound.example:8080", "localhost.evil.example", "127.0.0.1.evil.example", "10.0.0.1", ""] {
            assert!(local("127.0.0.1", Method::GET, &[("host", host)]).is_err(), "{host}");
        }
        assert!(local("127.0.0.1", Method::GET, &[]).is_err());
    }

    #[test]
    fn without_a_token_pages_of_other_sites_change_nothing_and_open_no_socket() {
        let host = ("host", "127.0.0.1:8080");
        for header in [
            ("origin", "https://evil.example"),
            ("origin", "http://127.0.0.1:3000"),
            ("origin", "null"),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
        ] {
            assert!(local("127.0.0.1", Method::POST, &[host, header]).is_err(), "{header:?}");
            assert!(local("127.0.0.1", Method::DELETE, &[host, header]).is_err(), "{header:?}");
        }
        let upgrade = [host, ("upgrade", "websocket"), ("origin", "https://evil.example")];
        assert!(local("127.0.0.1", Method::GET, &upgrade).is_err(), "no browser protects a WebSocket");
        let ours = [host, ("origin", "http://127.0.0.1:8080"), ("sec-fetch-site", "same-origin")];
        assert!(local("127.0.0.1", Method::POST, &ours).is_ok());
    }

    #[test]
    fn debug_shows_no_token() {
        assert_eq!(format!("{:?}", Access::new(Some("0123456789abcdef".into()))), "Access(token)");
    }
}
