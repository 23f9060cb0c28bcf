//! When a schedule fires, as it is said in code.

use std::time::Duration;

use becket_tasks::schedule::{CATCH_UP_DEFAULT, Missed, Schedule, ScheduleError};
use serde_json::Value;

use crate::http::kept;

/// Says when a schedule fires: a cron pattern, and what was said besides.
///
/// A plain text is enough where the pattern says it all: [`App::schedule`](crate::App::schedule) takes both.
///
/// ```
/// use std::time::Duration;
/// use becket::{App, cron};
///
/// async fn reindex() {}
///
/// let app = App::new().task("reindex", reindex).schedule("hourly", "@hourly", "reindex").schedule(
///     "nightly",
///     cron("0 3 * * *").zone("Europe/Berlin").jitter(Duration::from_secs(300)).catch_up(),
///     "reindex",
/// );
/// # let _ = app;
/// ```
pub fn cron(pattern: impl Into<String>) -> Cron {
    Cron { pattern: pattern.into(), zone: None, jitter: Duration::ZERO, missed: Missed::Skip, payload: None }
}

/// When a schedule fires; made by [`cron`].
#[derive(Clone, Debug)]
#[must_use]
pub struct Cron {
    pattern: String,
    zone: Option<String>,
    jitter: Duration,
    missed: Missed,
    payload: Option<Value>,
}

impl Cron {
    /// Reads the pattern in this time zone, by its name in the IANA database. Default: `UTC`.
    pub fn zone(mut self, name: impl Into<String>) -> Self {
        self.zone = Some(name.into());
        self
    }

    /// Makes each task due up to so long after its tick, at most a day; how long is the same in every process.
    /// Default: none.
    pub fn jitter(mut self, jitter: Duration) -> Self {
        self.jitter = jitter;
        self
    }

    /// Fires ticks that were missed while nothing ran, oldest first: the latest 100 at the most. Default: they pass by.
    pub fn catch_up(self) -> Self {
        self.catch_up_with(CATCH_UP_DEFAULT)
    }

    /// The same with another limit; 1 to 10,000.
    pub fn catch_up_with(mut self, max: usize) -> Self {
        self.missed = Missed::CatchUp { max };
        self
    }

    /// What the payload holds besides `schedule` and `tick`: a JSON object.
    pub fn payload(mut self, payload: Value) -> Self {
        self.payload = Some(payload);
        self
    }

    /// The schedule, once it has a name and a kind.
    pub(super) fn schedule(self, name: &str, kind: &str) -> Result<Schedule, ScheduleError> {
        let zone = self.zone.map_or_else(|| Ok(Default::default()), |name| name.parse())?;
        let payload = match self.payload {
            None => serde_json::Map::new(),
            Some(Value::Object(payload)) => payload,
            Some(_) => return Err(ScheduleError::new("its payload is not a JSON object", "give one, or none")),
        };
        let schedule = Schedule::new(name, self.pattern.parse()?, kind).zone(zone).jitter(self.jitter);
        Ok(as_json(schedule.missed(self.missed).payload(payload)))
    }
}

/// The payload of a schedule goes on to a target over HTTP under its media type.
pub(super) fn as_json(schedule: Schedule) -> Schedule {
    schedule.meta(kept::encode(&[("content-type", "application/json")]))
}

impl From<&str> for Cron {
    fn from(pattern: &str) -> Self {
        cron(pattern)
    }
}

impl From<String> for Cron {
    fn from(pattern: String) -> Self {
        cron(pattern)
    }
}
