//! Who sent a request: the peer of the connection, or whom proxies that are trusted say they had it from.
//!
//! Each proxy writes the address of its own peer at the right end of `X-Forwarded-For`; what stands left of that came with
//! the request, and anyone can write it. So the walk begins at the peer and goes from the right for as long as the one who
//! wrote is trusted; the first address that is not is the client's. What cannot be read ends it at the last address that was
//! sure: nothing left of it can have been written by who wrote it. `Forwarded` is walked the same way where there is no
//! `X-Forwarded-For`.
//!
//! Bytes all the way, and from the right: what a client wrote on the left, quotes and broken UTF-8 included, cannot change
//! how the right is read. Pure.
//!
//! Sources: <https://developer.mozilla.org/en-US/docs/Web/HTTP/Reference/Headers/X-Forwarded-For#selecting_an_ip_address>,
//! <https://www.rfc-editor.org/rfc/rfc7239#section-4> (Forwarded), section 6 (the names of nodes).

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use http::HeaderMap;
use http::header::FORWARDED;

use crate::http::networks::Networks;

const X_FORWARDED_FOR: &str = "x-forwarded-for";

/// The proxies that are trusted to say who their peer was.
#[derive(Clone, Debug, Default)]
pub(crate) struct Proxies(Networks);

impl Proxies {
    pub(crate) const fn new(trusted: Networks) -> Self {
        Self(trusted)
    }

    /// The address that a request came from. An IPv4 address within IPv6 is given as what it is.
    pub(super) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let peer = peer.to_canonical();
        if !self.0.contains(peer) {
            return peer;
        }
        if headers.contains_key(X_FORWARDED_FOR) {
            let lines = headers.get_all(X_FORWARDED_FOR).iter().map(http::HeaderValue::as_bytes);
            return self.walk(peer, lines.rev().flat_map(|line| line.rsplit(|byte| *byte == b',')).map(node));
        }
        let lines = headers.get_all(FORWARDED).iter().map(http::HeaderValue::as_bytes);
        self.walk(peer, lines.rev().flat_map(Elements::of).map(forwarded_for))
    }

    /// Goes from the peer over those who are trusted, as far as the addresses can be read.
    fn walk(&self, peer: IpAddr, from_the_right: impl Iterator<Item = Option<IpAddr>>) -> IpAddr {
        let mut sure = peer;
        for address in from_the_right {
            let Some(address) = address else { break };
            sure = address;
            if !self.0.contains(address) {
                break;
            }
        }
        sure
    }
}

/// Whether a request says that it was forwarded.
pub(super) fn is_forwarded(headers: &HeaderMap) -> bool {
    headers.contains_key(X_FORWARDED_FOR) || headers.contains_key(FORWARDED)
}

/// An address as proxies write it: alone, with a port, or in brackets. `None` for `unknown`, a name, and what is none of these.
fn node(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text.trim_ascii()).ok()?;
    let in_brackets = || text.strip_prefix('[')?.strip_suffix(']')?.parse::<Ipv6Addr>().ok().map(IpAddr::V6);
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    let address = text.parse().ok().or_else(in_brackets).or_else(with_port)?;
    Some(address.to_canonical())
}

/// The elements of one line of `Forwarded`, from the right: between commas that are not within quotes.
struct Elements<'a> {
    rest: Option<&'a [u8]>,
}

impl<'a> Elements<'a> {
    const fn of(line: &'a [u8]) -> Self {
        Self { rest: Some(line) }
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.rest?;
        let mut is_quoted = false;
        for (place, byte) in rest.iter().enumerate().rev() {
            match byte {
                b'"' if !is_escaped(rest, place) => is_quoted = !is_quoted,
                b',' if !is_quoted => {
                    self.rest = Some(&rest[..place]);
                    return Some(&rest[place + 1..]);
                }
                _ => {}
            }
        }
        self.rest = None;
        Some(rest)
    }
}

fn is_escaped(text: &[u8], place: usize) -> bool {
    text[..place].iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 1
}

/// The address in `for=` of one element; `None` without exactly one that can be read.
fn forwarded_for(element: &[u8]) -> Option<IpAddr> {
    let mut found = None;
    let mut rest = element;
    loop {
        let Pair { name, value, after } = pair(rest)?;
        if name.eq_ignore_ascii_case(b"for") && found.replace(node(value)?).is_some() {
            return None;
        }
        match after {
            Some(after) => rest = after,
            None => return found,
        }
    }
}

/// `name=value`, without the quotes.
struct Pair<'a> {
    name: &'a [u8],
    value: &'a [u8],
    /// What comes behind the semicolon that ends it.
    after: Option<&'a [u8]>,
}

/// The first pair of an element.
fn pair(text: &[u8]) -> Option<Pair<'_>> {
    let equals = text.iter().position(|byte| *byte == b'=')?;
    let (name, value) = (text[..equals].trim_ascii(), &text[equals + 1..]);
    let (value, after) = match value.strip_prefix(b"\"") {
        Some(quoted) => {
            let end = (0..quoted.len()).find(|place| quoted[*place] == b'"' && !is_escaped(quoted, *place))?;
            (&quoted[..end], &quoted[end + 1..])
        }
        None => value.split_at(value.iter().position(|byte| *byte == b';').unwrap_or(value.len())),
    };
    match after.trim_ascii_start() {
        [] => Some(Pair { name, value, after: None }),
        [b';', after @ ..] => Some(Pair { name, value, after: Some(after) }),
        // Something behind the closing quote.
        _ => None,
    }
}

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
