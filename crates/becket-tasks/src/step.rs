//! Steps: what an attempt has done for good, so that later attempts of its task need not do it again. Plain data.
//!
//! A handler makes them with [`TaskContext::step`](crate::TaskContext::step), which keeps to the limits here; a store
//! only keeps what it is given, in the name of whoever holds the task.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use crate::time::Timestamp;

/// How long a step's name may be, in bytes.
pub const NAME_BYTES_MAX: usize = 200;
/// How many steps a task may have, its sleeps included.
pub const STEPS_MAX: usize = 1_000;
/// How many bytes the results of all steps of one task may have. They are all read when the task runs again.
pub const STEPS_BYTES_MAX: usize = 16 << 20;
/// What the names of steps begin with that the engine makes; handlers may not use it.
pub const RESERVED: char = '@';

/// What was done, and what came of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Step {
    /// Its name; no two steps of a task share one.
    pub name: Arc<str>,
    /// When it was saved.
    pub at: Timestamp,
    /// What came of it: JSON, where [`TaskContext::step`](crate::TaskContext::step) made it.
    pub body: Bytes,
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Step");
        shown.field("name", &self.name).field("at", &self.at).field("body_bytes", &self.body.len());
        shown.finish_non_exhaustive()
    }
}

/// What a store made of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Saved {
    /// It is kept.
    Now,
    /// The task has a step of this name, which stays as it is; nothing was changed.
    Already,
    /// The attempt no longer holds the task; nothing was changed.
    LeaseLost,
    /// There is no such task (any more); nothing was changed.
    Unknown,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_result() {
        let step = Step { name: "n".into(), at: Timestamp::default(), body: "s3cret".into() };
        let shown = format!("{step:?}");
        assert!(shown.contains("body_bytes: 6") && !shown.contains("s3cret"), "{shown}");
    }
}
