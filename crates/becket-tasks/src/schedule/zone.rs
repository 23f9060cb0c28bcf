//! Time zones, by their names in the IANA database.
//!
//! The system's database is asked first, so that its updates count; the one that is compiled in answers where the system
//! has none, as in small containers. `jiff` knows how; that it is `jiff` is not said outside.

use std::fmt;
use std::str::FromStr;

use jiff::Zoned;
use jiff::tz::TimeZone;

use super::error::ScheduleError;
use crate::time::Timestamp;

/// A time zone. Default: UTC.
#[derive(Clone, PartialEq)]
pub struct Zone(TimeZone);

impl Zone {
    /// Its name, such as `Europe/Berlin`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.iana_name().unwrap_or("UTC")
    }

    /// The time on the clocks of this zone, down to the second.
    ///
    /// Ticks are whole seconds, and so is the search for them: from a fraction of one before a repeated hour, `croner`
    /// takes a tick that lies after it.
    pub(super) fn at(&self, time: Timestamp) -> Option<Zoned> {
        // The last days of the year 9999 are more than some zones can say; no schedule lives to see it.
        let time = jiff::Timestamp::from_second(time.as_millis() / 1_000).ok()?;
        Some(time.to_zoned(self.0.clone()))
    }
}

impl Default for Zone {
    fn default() -> Self {
        Self(TimeZone::UTC)
    }
}

impl FromStr for Zone {
    type Err = ScheduleError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.eq_ignore_ascii_case("UTC") {
            return Ok(Self::default());
        }
        let unknown = |_| {
            let mend = "write a name of the IANA database, such as \"Europe/Berlin\" or \"UTC\"";
            ScheduleError::new(format!("`{text}` is not a time zone that is known here"), mend)
        };
        // The name as the database spells it; texts such as `CET-1CEST`, which have none, are not taken.
        jiff::tz::db().get(text).map(Self).map_err(unknown)
    }
}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Zone({})", self.as_str())
    }
}
