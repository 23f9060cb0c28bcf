//! Targets: handlers that are configured instead of coded.
//!
//! A route of the configuration names one; [`build`] makes it, once, at start. What a target returns is the task's
//! result, and its error says what follows, as a handler's does. Those that have a name stand behind a `gate`, which
//! counts over all that use them; a list of these is [`Targets`].
//!
//! What a sender wrote goes into headers, URLs and bodies through templates alone, which escape it; it never becomes an
//! argument of a program.

mod about;
mod address;
#[cfg(unix)]
pub mod command;
mod directory;
pub mod file;
mod gate;
pub mod http;
pub mod log;
mod template;

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use becket_tasks::{Claimed, Run, TaskContext, TaskError};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use tokio::time::Instant;

pub use self::directory::{Named, Targets};
pub use self::gate::{BreakerState, Condition};
pub use self::http::url::{UrlError, UrlTemplate};
pub use becket_tasks::TemplateError as TextError;

pub(crate) use self::http::headers::HeaderTemplate;
pub(crate) use self::template::{check_json, check_text};

use crate::config;

/// A handler that is configured instead of coded.
pub trait Target: fmt::Debug + Send + Sync + 'static {
    /// Delivers one task's payload. What it answers is the task's result. Dropping the future abandons the attempt.
    ///
    /// # Errors
    /// Says what went wrong, whether to try again, and whether the target itself is to blame.
    fn deliver(&self, attempt: Attempt) -> BoxFuture<'static, Result<Option<Bytes>, Failure>>;

    /// How much longer than the attempt it may take to clean up. Default: no longer.
    fn clean_up(&self) -> Duration {
        Duration::ZERO
    }
}

/// One attempt of a task, as a target sees it.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// The task, with its payload.
    pub task: Arc<Claimed>,
    /// When its time is up.
    pub deadline: Option<Instant>,
    /// What watches it and what it may tell; `None` outside of an engine.
    pub context: Option<TaskContext>,
}

impl From<Arc<Claimed>> for Attempt {
    fn from(task: Arc<Claimed>) -> Self {
        Self { task, deadline: None, context: None }
    }
}

impl From<Run> for Attempt {
    fn from(Run { task, context }: Run) -> Self {
        Self { task, deadline: Some(context.deadline()), context: Some(context) }
    }
}

/// Why an attempt failed.
#[derive(Debug)]
#[non_exhaustive]
pub struct Failure {
    /// What went wrong, and what follows.
    pub error: TaskError,
    /// Whether the target is out of order, rather than unwilling to take this one delivery.
    pub is_outage: bool,
}

impl Failure {
    /// The target is out of order.
    #[must_use]
    pub fn outage(error: TaskError) -> Self {
        Self { error, is_outage: true }
    }
}

impl From<TaskError> for Failure {
    fn from(error: TaskError) -> Self {
        Self { error, is_outage: false }
    }
}

impl From<Failure> for TaskError {
    fn from(failure: Failure) -> Self {
        failure.error
    }
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
    /// A text is no template.
    #[error(transparent)]
    Template(#[from] TextError),
    /// A header cannot be sent.
    #[error("the header `{name}` cannot be sent: {why}")]
    Header {
        /// Its name.
        name: String,
        /// Why.
        why: String,
    },
    /// A file that it needs cannot be read or written.
    #[error("cannot {what} `{}`: {source}", path.display())]
    File {
        /// What was tried.
        what: &'static str,
        /// With which file.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// The program cannot be run.
    #[error("cannot run `{program}`: {why}")]
    Program {
        /// Which.
        program: String,
        /// Why.
        why: String,
    },
    /// No target has this name.
    #[error("there is no target `{0}`")]
    Unknown(String),
}

/// Makes a target that has no name; one that is `Named` is found in [`Targets`].
///
/// # Errors
/// [`BuildError`], when it could never deliver.
pub fn build(target: &config::Target) -> Result<Arc<dyn Target>, BuildError> {
    Ok(match target {
        config::Target::Named(name) => return Err(BuildError::Unknown(name.clone())),
        config::Target::Log => Arc::new(log::LogTarget),
        config::Target::File(file) => Arc::new(file::FileTarget::new(file)?),
        config::Target::Http(http) => Arc::new(http::HttpTarget::new(http)?),
        #[cfg(unix)]
        config::Target::Command(command) => Arc::new(command::CommandTarget::new(command)?),
        #[cfg(not(unix))]
        config::Target::Command(command) => {
            let program = command.argv.first().cloned().unwrap_or_default();
            return Err(BuildError::Program { program, why: "programs are run on Unix only".to_owned() });
        }
    })
}
