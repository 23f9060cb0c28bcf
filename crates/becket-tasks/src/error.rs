//! What can go wrong between a caller and a store.

use std::error::Error as StdError;

/// The result of a store's verb.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// More work waits for the store than its limits allow; nothing was changed. Safe to call again, later.
    #[error("the store is busy")]
    Busy,
    /// The store cannot commit or be reached (a full disk, a lost connection); nothing was changed. Safe to call again.
    #[error("the store is unavailable: {0}")]
    Unavailable(String, #[source] Option<Box<dyn StdError + Send + Sync>>),
    /// The store is closed, and takes nothing more.
    #[error("the store is closed")]
    Closed,
    /// Another process owns the store.
    #[error("{0}")]
    Locked(String),
    /// What is stored is not what this program wrote, or damaged. It was left untouched.
    #[error("{0}")]
    Corrupt(String),
    /// The caller asked for something that makes no sense; calling again will not help.
    #[error("{0}")]
    Invalid(String),
}

impl Error {
    /// Whether the same call may succeed later.
    #[must_use]
    pub const fn is_temporary(&self) -> bool {
        matches!(self, Self::Busy | Self::Unavailable(..))
    }
}
