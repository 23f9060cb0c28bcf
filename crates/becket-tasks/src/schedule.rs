//! Schedules: work that comes by the clock instead of by a submission of somebody else.
//!
//! A [`Schedule`] names a kind of task and says when one is wanted: a cron [`Pattern`] read in a time [`Zone`]. Each
//! time that it names is a *tick*. Firing a tick is an ordinary submission of the source [`SOURCE`] whose key names the
//! tick, so that the store's own recognition of duplicates makes it one firing a tick, however many processes share the
//! store and however often they start anew.
//!
//! What is here decides and computes, from times that come in as arguments: when ticks are (`pattern`), which of them
//! to fire now (`due`), and what a firing submits (`firing`). The loop that acts on it is the engine's; [`Schedules`] is
//! the hand with which programs and people list, pause, resume and fire.
//!
//! # Daylight saving
//!
//! A pattern that names one time of day (`30 2 * * *`) has one tick a day: if the clocks skip that time, at the first
//! moment after the gap; if they repeat it, at the first of the two. A pattern that names more than one
//! (`*/15 * * * *`, `0 2,3 * * *`) goes by the clock on the wall: what is skipped has no tick, what is repeated has two.

mod control;
mod due;
mod error;
mod firing;
mod pattern;
mod state;
mod zone;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Map, Value};

pub(crate) use self::control::unknown_kind;
pub use self::control::{ScheduleInfo, Schedules};
pub(crate) use self::due::{Due, due};
pub use self::error::ScheduleError;
pub use self::firing::{PAYLOAD_KEYS, SOURCE};
pub use self::pattern::Pattern;
pub use self::state::ScheduleState;
pub use self::zone::Zone;
use crate::time::Timestamp;

/// The longest jitter: a day.
pub const JITTER_MAX: Duration = Duration::from_secs(24 * 3_600);
/// How many missed ticks [`Missed::catch_up`] fires.
pub const CATCH_UP_DEFAULT: usize = 100;
/// How many missed ticks can be asked for.
pub const CATCH_UP_MAX: usize = 10_000;
/// A tick that is found this late counts as missed.
pub const LATE_MAX: Duration = Duration::from_secs(60);
/// The longest name of a schedule, in bytes.
const NAME_BYTES_MAX: usize = 64;

/// When which kind of task is wanted.
///
/// ```
/// use std::time::Duration;
/// use becket_tasks::schedule::{Missed, Schedule};
///
/// let nightly = Schedule::new("nightly", "0 3 * * *".parse()?, "reindex")
///     .zone("Europe/Berlin".parse()?)
///     .jitter(Duration::from_secs(300))
///     .missed(Missed::catch_up());
/// let next = nightly.next_after("2026-11-22T07:30:00Z".parse().unwrap()).unwrap();
/// assert_eq!(next.to_string(), "2026-11-23T02:00:00.000Z");
/// # Ok::<(), becket_tasks::schedule::ScheduleError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[must_use = "a schedule does nothing until it is in a registry"]
pub struct Schedule {
    name: Arc<str>,
    pattern: Pattern,
    zone: Zone,
    jitter: Duration,
    missed: Missed,
    kind: Arc<str>,
    payload: Map<String, Value>,
    meta: Bytes,
}

/// What becomes of ticks that nobody fired in time, since no engine ran, the store was out of reach or the clock was set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Missed {
    /// They pass by. Not taken as missed is a tick that is found within [`LATE_MAX`] (a restart at a bad moment loses
    /// nothing), and, after a pause of a process that goes on, the latest tick.
    #[default]
    Skip,
    /// They are fired, oldest first.
    CatchUp {
        /// How many at the most, the latest ones; 1 to [`CATCH_UP_MAX`].
        max: usize,
    },
}

impl Missed {
    /// Fires up to [`CATCH_UP_DEFAULT`] missed ticks.
    #[must_use]
    pub const fn catch_up() -> Self {
        Self::CatchUp { max: CATCH_UP_DEFAULT }
    }
}

impl Schedule {
    /// Wants a task of `kind` at each tick of `pattern`, read in UTC.
    ///
    /// `name` says which schedule it is, also after a restart with another pattern: letters, digits, `.`, `_` and `-`, at
    /// most 64. That it is one, and all else that cannot be, is told when the schedule comes into a
    /// [`Registry`](crate::Registry::schedule).
    pub fn new(name: impl Into<Arc<str>>, pattern: Pattern, kind: impl Into<Arc<str>>) -> Self {
        Self {
            name: name.into(),
            pattern,
            zone: Zone::default(),
            jitter: Duration::ZERO,
            missed: Missed::default(),
            kind: kind.into(),
            payload: Map::new(),
            meta: Bytes::new(),
        }
    }

    /// Reads the pattern in this time zone. Default: UTC.
    pub fn zone(mut self, zone: Zone) -> Self {
        self.zone = zone;
        self
    }

    /// Makes each task due up to so long after its tick, to the millisecond; at most [`JITTER_MAX`]. Default: none.
    ///
    /// How long is made of the schedule's name and the tick: all processes agree on it, schedules of other names differ.
    pub fn jitter(mut self, jitter: Duration) -> Self {
        self.jitter = jitter;
        self
    }

    /// What becomes of missed ticks. Default: [`Missed::Skip`].
    pub fn missed(mut self, missed: Missed) -> Self {
        self.missed = missed;
        self
    }

    /// What the payload holds besides `schedule` and `tick`, which are the schedule's own.
    pub fn payload(mut self, payload: Map<String, Value>) -> Self {
        self.payload = payload;
        self
    }

    /// What is kept beside the payload. Default: nothing. See [`Submission::meta`](crate::Submission::meta).
    pub fn meta(mut self, meta: Bytes) -> Self {
        self.meta = meta;
        self
    }

    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Which kind of task it wants.
    #[must_use]
    pub const fn kind(&self) -> &Arc<str> {
        &self.kind
    }

    /// Its pattern, as it was written.
    #[must_use]
    pub fn pattern(&self) -> &str {
        self.pattern.as_str()
    }

    /// The longest delay of a task after its tick.
    #[must_use]
    pub const fn longest_delay(&self) -> Duration {
        self.jitter
    }

    /// What becomes of missed ticks.
    #[must_use]
    pub const fn when_missed(&self) -> Missed {
        self.missed
    }

    /// The name of its time zone.
    #[must_use]
    pub fn zone_name(&self) -> &str {
        self.zone.as_str()
    }

    /// The first tick after `time`; `None` when there is none before the year 5000.
    #[must_use]
    pub fn next_after(&self, time: Timestamp) -> Option<Timestamp> {
        self.pattern.next_after(&self.zone, time)
    }

    /// The latest tick that is not after `time`.
    #[must_use]
    pub fn latest_until(&self, time: Timestamp) -> Option<Timestamp> {
        self.pattern.latest_until(&self.zone, time)
    }

    /// The latest ticks after `after` that are not after `until`, oldest first, at most `max`.
    #[must_use]
    pub fn ticks(&self, after: Timestamp, until: Timestamp, max: usize) -> Vec<Timestamp> {
        let earlier = |tick: &Timestamp| self.latest_before(*tick);
        let mut ticks: Vec<Timestamp> = std::iter::successors(self.latest_until(until), earlier)
            .take_while(|tick| *tick > after)
            .take(max)
            .collect();
        ticks.reverse();
        ticks
    }

    fn latest_before(&self, time: Timestamp) -> Option<Timestamp> {
        self.latest_until(time.before(Duration::from_millis(1)))
    }

    /// Checks what one schedule can say wrong.
    pub(crate) fn check(&self) -> Result<(), ScheduleError> {
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        if !(1..=NAME_BYTES_MAX).contains(&self.name.len()) || !self.name.bytes().all(is_allowed) {
            let mend = "use letters, digits, `.`, `_` and `-`, at most 64";
            return Err(ScheduleError::new("it cannot have this name", mend).of(&self.name));
        }
        if self.jitter > JITTER_MAX {
            return Err(ScheduleError::new("its jitter is longer than a day", "shorten it").of(&self.name));
        }
        if let Missed::CatchUp { max } = self.missed
            && !(1..=CATCH_UP_MAX).contains(&max)
        {
            let mend = format!("write a number from 1 to {CATCH_UP_MAX}");
            return Err(ScheduleError::new(format!("it cannot catch up with {max} ticks"), mend).of(&self.name));
        }
        if let Some(key) = PAYLOAD_KEYS.iter().find(|key| self.payload.contains_key(**key)) {
            let what = format!("its payload has the key `{key}`, which the schedule fills in");
            return Err(ScheduleError::new(what, "choose another key").of(&self.name));
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "schedule/tests.rs"]
mod tests;
