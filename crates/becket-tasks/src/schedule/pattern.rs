//! Cron patterns: when ticks are.
//!
//! `croner` parses them and searches; that it is `croner` is not said outside. What it cannot say is added here: which
//! field is wrong, and that a pattern which never comes is a mistake.

use std::fmt;
use std::str::FromStr;

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};

use super::error::ScheduleError;
use super::zone::Zone;
use crate::time::Timestamp;

/// The fields with their ranges, as they are told to people; the first may be left out.
const FIELDS: [(&str, &str); 6] = [
    ("second", "0 to 59"),
    ("minute", "0 to 59"),
    ("hour", "0 to 23"),
    ("day of the month", "1 to 31 or L"),
    ("month", "1 to 12 or JAN to DEC"),
    ("day of the week", "0 to 7 or SUN to SAT"),
];
/// Names for patterns that are often wanted.
const NICKNAMES: [&str; 6] = ["@yearly", "@annually", "@monthly", "@weekly", "@daily", "@hourly"];
/// The longest pattern, in bytes.
const BYTES_MAX: usize = 256;
/// From here on a pattern must come some time: a leap year, in 400 of which everything comes that ever does.
const FROM: Timestamp = Timestamp::from_millis(946_684_800_000);

/// A cron pattern: minute, hour, day of the month, month and day of the week; a sixth field before them is the second.
///
/// A field is `*`, a number, a range `1-5`, steps `*/15`, or a list of these; days of the month know `L` (the last) and
/// `15W` (the working day nearest to the 15th), days of the week `FRI#2` (the second Friday) and `FRI#L` (the last).
/// Where both days are restricted, either is enough. `@hourly`, `@daily`, `@weekly`, `@monthly` and `@yearly` stand for
/// what they say.
#[derive(Clone, PartialEq)]
pub struct Pattern {
    text: String,
    cron: Cron,
}

impl Pattern {
    /// The pattern, as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub(super) fn next_after(&self, zone: &Zone, time: Timestamp) -> Option<Timestamp> {
        let next = self.cron.find_next_occurrence(&zone.at(time)?, false).ok()?;
        Some(Timestamp::from_millis(next.timestamp().as_millisecond())).filter(|tick| *tick > time)
    }

    pub(super) fn latest_until(&self, zone: &Zone, time: Timestamp) -> Option<Timestamp> {
        let latest = self.cron.find_previous_occurrence(&zone.at(time)?, true).ok()?.timestamp().as_millisecond();
        // Before 1970 there are no ticks: the scale of times begins there.
        (latest >= 0).then(|| Timestamp::from_millis(latest)).filter(|tick| *tick <= time)
    }
}

impl FromStr for Pattern {
    type Err = ScheduleError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let pattern = Self { cron: parse(text)?, text: text.to_owned() };
        if pattern.next_after(&Zone::default(), FROM).is_none() {
            let mend = "choose a day that its month has, such as `0 0 28 2 *`";
            return Err(ScheduleError::new(format!("`{text}` never comes"), mend));
        }
        Ok(pattern)
    }
}

fn parse(text: &str) -> Result<Cron, ScheduleError> {
    if text.len() > BYTES_MAX {
        return Err(ScheduleError::new("the pattern is longer than 256 bytes", "shorten it"));
    }
    if text.starts_with('@') && !NICKNAMES.contains(&text.to_ascii_lowercase().as_str()) {
        let mend = format!("write five fields, or one of {}", NICKNAMES.join(", "));
        return Err(ScheduleError::new(format!("`{text}` is not a name of a pattern"), mend));
    }
    let fields: Vec<&str> = text.split_whitespace().collect();
    if !text.starts_with('@') && !matches!(fields.len(), 5 | 6) {
        let mend = "write minute, hour, day of the month, month and day of the week, such as `0 3 * * *`";
        return Err(ScheduleError::new(format!("`{text}` has {} and not five fields", fields.len()), mend));
    }
    parser().parse(text).map_err(|_| wrong_field(text, &fields))
}

/// Tries each field alone to find out which is wrong.
fn wrong_field(text: &str, fields: &[&str]) -> ScheduleError {
    let known = &FIELDS[FIELDS.len() - fields.len().clamp(1, FIELDS.len())..];
    let is_wrong = |place: usize| {
        let alone: Vec<&str> =
            (0..fields.len()).map(|other| if other == place { fields[place] } else { "*" }).collect();
        parser().parse(&alone.join(" ")).is_err()
    };
    match (0..fields.len()).find(|place| is_wrong(*place)) {
        Some(place) => {
            let (name, range) = known[place];
            let what = format!("`{text}`: `{}` is no {name}", fields[place]);
            ScheduleError::new(what, format!("write {range}, a range, a list, steps such as `*/2`, or `*`"))
        }
        None => ScheduleError::new(format!("`{text}` is not a cron pattern"), "write one such as `0 3 * * *`"),
    }
}

fn parser() -> CronParser {
    CronParser::builder().seconds(Seconds::Optional).year(Year::Disallowed).build()
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pattern({})", self.text)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
