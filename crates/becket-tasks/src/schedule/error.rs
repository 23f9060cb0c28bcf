//! What is wrong with a schedule.

use std::fmt;

/// What is wrong with a schedule, and how to mend it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScheduleError {
    what: String,
    mend: String,
}

impl ScheduleError {
    /// Something that is wrong, and how to mend it; neither ends with a full stop.
    #[must_use]
    pub fn new(what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { what: what.into(), mend: mend.into() }
    }

    /// Says which schedule is meant.
    #[must_use]
    pub fn of(self, name: &str) -> Self {
        let shown: String = name.chars().take(100).collect();
        Self { what: format!("the schedule `{shown}`: {}", self.what), ..self }
    }

    /// What is wrong, and where.
    #[must_use]
    pub fn what(&self) -> &str {
        &self.what
    }

    /// What to do about it.
    #[must_use]
    pub fn mend(&self) -> &str {
        &self.mend
    }
}

impl fmt::Display for ScheduleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.what, self.mend)
    }
}

impl std::error::Error for ScheduleError {}
