//! Name resolution that answers public addresses only.
//!
//! The client connects to exactly the addresses that it gets from here, so a name cannot change its address between the
//! check and the connection.

use std::net::SocketAddr;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::super::address;

/// Resolves names with the system's resolver, and leaves out addresses that are not public.
#[derive(Clone, Copy, Debug)]
pub(super) struct PublicOnly;

/// A name leads only to addresses that may not be connected to.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "refused to connect: the host's name leads to a {why} address; set allow_private = true if the receiver is meant \
     to be there"
)]
pub(super) struct Refused {
    why: &'static str,
}

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            // The port is set by the client.
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let public = public(found)?;
            Ok(Box::new(public.into_iter()) as Addrs)
        })
    }
}

/// The public ones among the addresses that a name leads to.
fn public(found: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, Refused> {
    let mut refused = None;
    let mut public = Vec::with_capacity(found.len());
    for one in found {
        match address::refusal(one.ip()) {
            Some(why) => refused = Some(Refused { why }),
            None => public.push(one),
        }
    }
    match refused {
        Some(refused) if public.is_empty() => Err(refused),
        _ => Ok(public),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| SocketAddr::new(text.parse().unwrap(), 0)).collect()
    }

    #[test]
    fn only_public_addresses_are_answered() {
        let mixed = addresses(&["10.0.0.1", "140.82.121.3", "::1"]);
        assert_eq!(public(mixed), Ok(addresses(&["140.82.121.3"])));
        assert_eq!(public(addresses(&["127.0.0.1"])), Err(Refused { why: "loopback" }));
        assert_eq!(public(Vec::new()), Ok(Vec::new()));
    }

    #[tokio::test]
    async fn name_that_leads_to_this_machine_is_refused() {
        let refused = PublicOnly.resolve("localhost".parse().unwrap()).await.err().unwrap();
        assert_eq!(refused.downcast_ref(), Some(&Refused { why: "loopback" }));
    }
}
