//! How much a memory store takes before it says [`Error::Busy`].

use crate::error::{Error, Result};

/// How much a memory store takes; an insert that would exceed it is refused whole, with [`Error::Busy`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How many tasks it keeps, finished ones included. Default: 1,000,000.
    pub tasks_max: usize,
    /// How many bytes of payloads and what comes beside them it keeps. Default: 256 MiB.
    pub payload_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { tasks_max: 1_000_000, payload_bytes_max: 256 * 1024 * 1024 }
    }
}

impl Limits {
    /// Whether so much may be kept.
    pub(super) fn allow(self, tasks: usize, payload_bytes: usize) -> Result<()> {
        if tasks > self.tasks_max || payload_bytes > self.payload_bytes_max { Err(Error::Busy) } else { Ok(()) }
    }
}
