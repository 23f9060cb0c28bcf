//! Networks: sets of addresses as people write them, `192.30.252.0/22` or a single address.
//!
//! An IPv4 address that came in IPv6 clothes (`::ffff:192.0.2.1`, as a socket for both gives it) is that IPv4 address, in a
//! set as in a question; so `::/0` is all of IPv6 and none of IPv4.
//!
//! Source: <https://www.rfc-editor.org/rfc/rfc4632#section-3.1> (the notation), <https://www.rfc-editor.org/rfc/rfc4291#section-2.5.5.2>
//! (mapped addresses).

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::{IpNet, Ipv4Net};

/// The prefix of IPv4 addresses within IPv6.
const MAPPED_BITS: u8 = 96;

/// A set of addresses, by their networks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks(Box<[Network]>);

/// One network, or one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network(IpNet);

/// Text that is no network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkError {
    what: String,
    mend: String,
}

impl NetworkError {
    pub(crate) fn new(what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { what: what.into(), mend: mend.into() }
    }

    /// What is wrong.
    #[must_use]
    pub fn what(&self) -> &str {
        &self.what
    }

    /// What to do about it.
    #[must_use]
    pub fn mend(&self) -> &str {
        &self.mend
    }
}

impl fmt::Display for NetworkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.what, self.mend)
    }
}

impl std::error::Error for NetworkError {}

impl Networks {
    /// Whether there is no address in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many networks it was made of.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether an address is in it.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.0.contains(&address))
    }

    pub(crate) fn with(self, others: Self) -> Self {
        self.0.into_iter().chain(others.0).collect()
    }

    /// Reads each of several texts.
    ///
    /// # Errors
    /// The first that is no network.
    pub fn parse<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> Result<Self, NetworkError> {
        texts.into_iter().map(|text| text.as_ref().parse()).collect()
    }
}

impl FromIterator<Network> for Networks {
    fn from_iter<I: IntoIterator<Item = Network>>(networks: I) -> Self {
        Self(networks.into_iter().collect())
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let trimmed = text.trim();
        let parsed = trimmed.parse::<IpNet>().ok().or_else(|| trimmed.parse::<IpAddr>().ok().map(IpNet::from));
        let Some(network) = parsed else {
            let what = format!("`{}` is neither a network nor an address", text.escape_debug());
            return Err(NetworkError::new(what, "write \"192.30.252.0/22\", \"2001:db8::/32\" or a single address"));
        };
        let whole = network.trunc();
        if whole.addr() != network.addr() {
            // Either the address or the prefix is not what was meant.
            let what = format!("`{network}` names an address within a network");
            let mend = format!("write \"{whole}\" for the network, or \"{}\" for the address", network.addr());
            return Err(NetworkError::new(what, mend));
        }
        Ok(Self(unmapped(network)))
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A network of IPv4 addresses within IPv6, as what it is.
fn unmapped(network: IpNet) -> IpNet {
    let IpNet::V6(six) = network else { return network };
    let four = six.addr().to_ipv4_mapped().zip(six.prefix_len().checked_sub(MAPPED_BITS));
    let four = four.and_then(|(address, prefix)| Ipv4Net::new(address, prefix).ok());
    four.map_or(network, IpNet::V4)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn networks(texts: &[&str]) -> Networks {
        Networks::parse(texts).unwrap()
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn network_holds_its_addresses_and_no_others() {
        let github = networks(&["192.30.252.0/22", "2a0a:a440::/29", "203.0.113.7"]);
        for inside in ["192.30.252.0", "192.30.255.255", "2a0a:a447::1", "203.0.113.7", "::ffff:192.30.252.9"] {
            assert!(github.contains(address(inside)), "{inside}");
        }
        for outside in ["192.30.251.255", "192.31.0.0", "2a0a:a448::", "203.0.113.8", "::1", "::ffff:192.31.0.0"] {
            assert!(!github.contains(address(outside)), "{outside}");
        }
        assert!(!Networks::default().contains(address("127.0.0.1")));
    }

    #[test]
    fn mapped_network_is_one_of_ipv4() {
        for mapped in ["::ffff:10.0.0.0/104", "::ffff:10.1.2.3", "::ffff:0:0/96"] {
            assert!(networks(&[mapped]).contains(address("10.1.2.3")), "{mapped}");
            assert!(networks(&[mapped]).contains(address("::ffff:10.1.2.3")), "{mapped}");
        }
        let six = networks(&["::/0"]);
        assert!(six.contains(address("2001:db8::1")) && !six.contains(address("::ffff:10.1.2.3")));
        assert!(!networks(&["0.0.0.0/0"]).contains(address("2001:db8::1")));
    }

    #[test]
    fn what_is_no_network_says_how_to_write_one() {
        for text in ["", "github.com", "10.0.0.0/33", "10.0.0/8", "10.0.0.0/", "10.0.0.1:80", "fe80::1%eth0", "é"] {
            let error = text.parse::<Network>().unwrap_err();
            assert!(error.what().contains("neither a network nor an address"), "{text}: {error}");
        }
        let error = "192.30.252.9/22".parse::<Network>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "`192.30.252.9/22` names an address within a network; write \"192.30.252.0/22\" for the network, or \
             \"192.30.252.9\" for the address"
        );
    }
}
