//! Targets: handlers that are configured instead of coded.
//!
//! A route of the configuration names one; [`build`] makes it, once, at start. What a target returns is the task's
//! result, and its error says what follows, as a handler's does.

mod address;
pub mod http;
pub mod log;

use std::fmt;
use std::sync::Arc;

use becket_tasks::{Claimed, TaskError};
use bytes::Bytes;
use futures_util::future::BoxFuture;

use crate::config;

/// A handler that is configured instead of coded.
pub trait Target: fmt::Debug + Send + Sync + 'static {
    /// Delivers one task's payload. What it answers is the task's result. Dropping the future abandons the attempt.
    ///
    /// # Errors
    /// Says what went wrong and whether to try again.
    fn deliver(&self, task: Arc<Claimed>) -> BoxFuture<'static, Result<Option<Bytes>, TaskError>>;
}

/// Why a target cannot be made of its configuration.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The URL cannot be posted to.
    #[error("{0}")]
    Url(String),
    /// The secret cannot sign Standard Webhooks.
    #[error("the secret cannot sign Standard Webhooks")]
    Secret(#[source] becket_webhooks::SecretError),
    /// The HTTP client cannot be made.
    #[error("cannot make an HTTP client")]
    Client(#[source] reqwest::Error),
}

/// Makes the target that a route names.
///
/// # Errors
/// [`BuildError`], when it could never deliver.
pub fn build(target: &config::Target) -> Result<Arc<dyn Target>, BuildError> {
    Ok(match target {
        config::Target::Log => Arc::new(log::LogTarget),
        config::Target::Http { url, allow_private, secret } => {
            let options = http::Options { url: url.clone(), allow_private: *allow_private, secret: secret.clone() };
            Arc::new(http::HttpTarget::new(options)?)
        }
    })
}
