//! Marks: how often something happened, and when last, under a name of the program's own.
//!
//! For what is to be known after a restart, and is not a task: which of several secrets was used, for instance. A store
//! adds up what processes tell it, and knows nothing of what the names mean.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// What is kept under one name, or what is added to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// Its name; at most [`NAME_BYTES_MAX`] bytes.
    pub name: Arc<str>,
    /// Since when it is watched.
    pub since: Timestamp,
    /// When it happened last; `None`: never since then.
    pub last: Option<Timestamp>,
    /// How often it happened.
    pub count: u64,
}

/// The longest name.
pub const NAME_BYTES_MAX: usize = 512;

impl Mark {
    /// A mark of something that has not happened yet.
    #[must_use]
    pub const fn new(name: Arc<str>, since: Timestamp) -> Self {
        Self { name, since, last: None, count: 0 }
    }

    /// Adds what somebody else saw of the same.
    pub fn add(&mut self, other: &Self) {
        self.since = self.since.min(other.since);
        self.last = self.last.max(other.last);
        self.count = self.count.saturating_add(other.count);
    }
}

/// Whether a store keeps marks of these names.
///
/// # Errors
/// [`Error::Invalid`](crate::Error::Invalid) for a name that is too long.
pub(crate) fn check(marks: &[Mark]) -> crate::Result<()> {
    match marks.iter().find(|mark| mark.name.len() > NAME_BYTES_MAX) {
        Some(_) => Err(crate::Error::Invalid(format!("the name of a mark is longer than {NAME_BYTES_MAX} bytes"))),
        None => Ok(()),
    }
}
