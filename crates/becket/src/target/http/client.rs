//! The HTTP client of a target: connections, TLS, and which addresses it may connect to.

use std::time::Duration;

use reqwest::{Certificate, Client, ClientBuilder, redirect};

use super::super::BuildError;
use super::resolver::PublicOnly;
use crate::config::targets::{Http, HttpVersion};

/// How long connecting may take. How long the whole attempt may take is its own timeout.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// One with the defaults.
pub(super) fn plain(allow_private: bool) -> Result<Client, BuildError> {
    base(allow_private).connect_timeout(CONNECT_TIMEOUT).build().map_err(BuildError::Client)
}

/// One as a target says.
pub(super) fn of(options: &Http) -> Result<Client, BuildError> {
    let mut builder = base(options.allow_private)
        .connect_timeout(options.connect_timeout)
        .pool_idle_timeout(options.pool_idle_timeout)
        .pool_max_idle_per_host(options.pool_idle_max)
        .tls_certs_merge(certificates(options)?);
    builder = match options.version {
        HttpVersion::Any => builder,
        HttpVersion::One => builder.http1_only(),
        HttpVersion::Two => builder.http2_prior_knowledge(),
    };
    if let Some(timeout) = options.timeout {
        builder = builder.timeout(timeout);
    }
    builder.build().map_err(BuildError::Client)
}

fn base(allow_private: bool) -> ClientBuilder {
    let builder = Client::builder().redirect(redirect::Policy::none()).no_proxy().referer(false);
    if allow_private { builder } else { builder.dns_resolver(PublicOnly) }
}

/// The certificates that are trusted besides the system's.
fn certificates(options: &Http) -> Result<Vec<Certificate>, BuildError> {
    let Some(path) = &options.ca_file else { return Ok(Vec::new()) };
    let failed = |source| BuildError::File { what: "read the certificates in", path: path.clone(), source };
    let pem = std::fs::read(path).map_err(failed)?;
    let invalid = |why: String| failed(std::io::Error::new(std::io::ErrorKind::InvalidData, why));
    let certificates = Certificate::from_pem_bundle(&pem).map_err(|error| invalid(error.to_string()))?;
    if certificates.is_empty() {
        return Err(invalid("there is no certificate in it; write PEM, with `-----BEGIN CERTIFICATE-----`".to_owned()));
    }
    Ok(certificates)
}
