//! Which server a command talks to, and with which token.
//!
//! The token of a configuration file goes only to the server that the file describes, or to one on this machine: a URL
//! that was typed wrong must not receive it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use becket::Config;
use reqwest::Url;
use secrecy::ExposeSecret as _;

use super::Api;
use crate::cli::{ConfigArgs, ServerArgs};
use crate::complaint::Complaint;
use crate::config;

/// The API that the arguments mean: named by them, otherwise described by the configuration.
///
/// # Errors
/// No URL was given and the configuration does not load or has no fixed port.
pub(crate) fn connect(args: &ServerArgs) -> anyhow::Result<Api> {
    let config = ConfigArgs { config: args.config.clone(), set: Vec::new() };
    let loaded = config::load(&config, Vec::new());
    // Whoever names the server needs no configuration; one that is broken here may be whole where the server runs.
    let (base, config) = match (&args.url, loaded) {
        (Some(url), loaded) => (url.clone(), loaded.ok().map(|loaded| loaded.config)),
        (None, loaded) => {
            let config = loaded?.config;
            (own_url(config.server.listen)?, Some(config))
        }
    };
    let token = args.token.clone().or_else(|| config.and_then(|config| token_for(&base, &config)));
    Api::new(base, token)
}

fn token_for(base: &Url, config: &Config) -> Option<String> {
    let is_described = own_url(config.server.listen).is_ok_and(|own| own.authority() == base.authority());
    let token = config.admin.token.as_ref().filter(|_| is_described || is_loopback(base))?;
    Some(token.expose_secret().to_owned())
}

/// The URL of a server that listens on `address`, for a program on the same machine.
///
/// # Errors
/// The port is 0: the system chose another.
pub(crate) fn own_url(address: SocketAddr) -> Result<Url, Complaint> {
    let unknown = || {
        Complaint::new("the configuration does not say which port the server got")
            .at("server.listen")
            .mend("name the server with --url, or give server.listen a port other than 0")
    };
    if address.port() == 0 {
        return Err(unknown());
    }
    let ip = match address.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    format!("http://{}", SocketAddr::new(ip, address.port())).parse().map_err(|_| unknown())
}

/// Whether a URL leads to this machine.
pub(crate) fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let ip = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost" || ip.is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(listen: &str) -> Config {
        Config::from_toml(&format!("[server]\nlisten = \"{listen}\"\n[admin]\ntoken = \"0123456789abcdef\"\n")).unwrap()
    }

    fn token(listen: &str, base: &str) -> Option<String> {
        token_for(&base.parse().unwrap(), &config(listen))
    }

    #[test]
    fn unspecified_address_is_reached_on_this_machine() {
        let own = |address: &str| own_url(address.parse().unwrap()).map(|url| url.to_string());
        assert_eq!(own("0.0.0.0:80").unwrap(), "http://127.0.0.1/");
        assert_eq!(own("[::]:8080").unwrap(), "http://[::1]:8080/");
        assert_eq!(own("10.0.0.7:8080").unwrap(), "http://10.0.0.7:8080/");
        assert!(own("127.0.0.1:0").is_err());
    }

    #[test]
    fn configured_token_goes_to_the_configured_server_and_to_this_machine_only() {
        assert!(token("10.0.0.7:8080", "http://10.0.0.7:8080").is_some());
        assert!(token("10.0.0.7:8080", "http://localhost:9000").is_some());
        assert!(token("10.0.0.7:8080", "http://[::1]:9000").is_some());
        assert!(token("10.0.0.7:8080", "http://10.0.0.8:8080").is_none());
        assert!(token("127.0.0.1:8080", "http://becket.example:8080").is_none());
    }
}
