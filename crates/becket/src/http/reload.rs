//! Reloading as the API sees it: somebody who can read the configuration again, and how the last times went.

use std::sync::{Mutex, MutexGuard, PoisonError};

use becket_tasks::Timestamp;
use futures_util::future::BoxFuture;
use serde::Serialize;
use utoipa::ToSchema;

/// Who asked for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// SIGHUP.
    Signal,
    /// The file changed.
    File,
    /// The API.
    Api,
    /// The program itself.
    Program,
}

/// One thing that is wrong, and how to mend it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Fault {
    /// Where it was set: a place in the file, a variable or a flag. Absent where the parts do not fit together.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "becket.toml:2:1")]
    pub origin: Option<String>,
    /// The dotted path of the key.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "server.listen")]
    pub key: Option<String>,
    /// What is wrong.
    pub what: String,
    /// What to do about it.
    pub mend: String,
}

/// What a reload brought into force.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Applied {
    /// All sources, by name.
    pub sources: Vec<String>,
    /// The kinds of tasks that have a handler now and had none before.
    pub kinds_added: Vec<String>,
    /// The kinds that have none any more: their tasks stay queued until they have one again.
    pub kinds_removed: Vec<String>,
}

/// How a reload went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Attempt {
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// Who asked for it.
    pub trigger: Trigger,
    /// Whether the configuration is in force; otherwise the one before still is.
    pub applied: bool,
    /// What is wrong with it.
    pub errors: Vec<Fault>,
}

/// The configuration in force, and how reloads went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Status {
    /// The file that is read; `null` where the program cannot read its configuration again.
    #[schema(example = "becket.toml")]
    pub file: Option<String>,
    /// Whether a change of the file is applied by itself.
    pub watched: bool,
    /// Since when this configuration is in force.
    #[schema(value_type = String, format = DateTime)]
    pub in_force_since: Timestamp,
    /// How many reloads were applied since the start.
    pub applied: u64,
    /// How many were refused.
    pub refused: u64,
    /// The last one.
    pub last: Option<Attempt>,
}

/// Somebody who can read the configuration again.
pub trait Reload: Send + Sync + 'static {
    /// Reads it, and brings it into force wholly or not at all. Goes on when the future is dropped.
    ///
    /// # Errors
    /// All that is wrong with it; nothing has changed.
    fn reload(&self, trigger: Trigger) -> BoxFuture<'static, Result<Applied, Vec<Fault>>>;
}

/// Keeps the [`Status`].
#[derive(Debug)]
pub struct Standing(Mutex<Status>);

impl Standing {
    /// A configuration that is in force since now.
    #[must_use]
    pub fn new(file: Option<String>, watched: bool, now: Timestamp) -> Self {
        Self(Mutex::new(Status { file, watched, in_force_since: now, applied: 0, refused: 0, last: None }))
    }

    /// How it is.
    #[must_use]
    pub fn status(&self) -> Status {
        self.lock().clone()
    }

    /// Notes how a reload went.
    pub fn note(&self, attempt: Attempt) {
        let mut status = self.lock();
        if attempt.applied {
            status.applied += 1;
            status.in_force_since = attempt.at;
        } else {
            status.refused += 1;
        }
        status.last = Some(attempt);
    }

    fn lock(&self) -> MutexGuard<'_, Status> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
