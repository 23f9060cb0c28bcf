//! What an operation does: count what matches, and change it slice by slice.

use becket_tasks::query::TaskFilter;
use becket_tasks::{Bulk, BulkChange, Client, Result};
use serde::Serialize;

use super::replays::Replays;

/// What is done to what matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::http::api) enum Verb {
    Requeue,
    Purge,
    Cancel,
    Replay,
}

impl Verb {
    /// The word that the API uses.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Requeue => "requeue",
            Self::Purge => "purge",
            Self::Cancel => "cancel",
            Self::Replay => "replay",
        }
    }
}

/// The work of one operation, as far as it has come.
#[derive(Debug)]
pub(in crate::http::api) enum Work {
    /// A change to tasks.
    Tasks { client: Client, filter: Box<TaskFilter>, bulk: Bulk },
    /// Deliveries, routed again.
    Deliveries(Replays),
}

impl Work {
    /// A change to the tasks that match.
    pub(in crate::http::api) fn tasks(client: &Client, filter: TaskFilter, change: BulkChange) -> Self {
        Self::Tasks { client: client.clone(), bulk: client.bulk(filter.clone(), change), filter: Box::new(filter) }
    }

    /// How many match, counted up to `at_most`.
    pub(in crate::http::api) async fn count(&self, at_most: u64) -> Result<u64> {
        match self {
            Self::Tasks { client, filter, .. } => client.count_tasks(filter, at_most).await,
            Self::Deliveries(replays) => replays.count(at_most).await,
        }
    }

    /// Takes the next slice; `false` when there is none left. After an error it may be called again.
    pub(in crate::http::api) async fn slice(&mut self) -> Result<bool> {
        match self {
            Self::Tasks { bulk, .. } => bulk.slice().await,
            Self::Deliveries(replays) => replays.slice().await,
        }
    }

    /// How many were changed.
    pub(in crate::http::api) fn done(&self) -> u64 {
        match self {
            Self::Tasks { bulk, .. } => bulk.done(),
            Self::Deliveries(replays) => replays.done(),
        }
    }
}
