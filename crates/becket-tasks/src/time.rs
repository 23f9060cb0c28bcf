//! Points in time, and the clock that stores read at their edge.
//!
//! Decisions ([`state`](crate::state), [`retry`](crate::retry), a store's logic) take a [`Timestamp`] as an argument and
//! never ask for the time. Only the edge of a store holds a [`Clock`]; tests hand it a manual one.

use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A point in time: milliseconds since 1970-01-01T00:00:00Z.
///
/// Written and read as RFC 3339 in UTC.
///
/// ```
/// use becket_tasks::Timestamp;
/// let time: Timestamp = "2026-11-22T07:30:00.250Z".parse()?;
/// assert_eq!(time.to_string(), "2026-11-22T07:30:00.250Z");
/// # Ok::<(), becket_tasks::time::ParseTimestampError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The latest time that RFC 3339 can write: the end of the year 9999.
    pub const MAX: Self = Self(253_402_300_799_999);

    /// Makes a time from milliseconds since the Unix epoch; negative values become the epoch.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        if millis < 0 {
            Self(0)
        } else if millis > Self::MAX.0 {
            Self::MAX
        } else {
            Self(millis)
        }
    }

    /// Milliseconds since the Unix epoch.
    #[must_use]
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// The time `duration` later, or [`Timestamp::MAX`].
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self::from_millis(self.0.saturating_add(millis))
    }

    /// The time `duration` earlier, or the epoch.
    #[must_use]
    pub fn before(self, duration: Duration) -> Self {
        let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self::from_millis(self.0.saturating_sub(millis))
    }

    /// How long it is from `earlier` to this time; zero where `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        let millis = time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
        Self::from_millis(i64::try_from(millis).unwrap_or(i64::MAX))
    }
}

impl From<Timestamp> for SystemTime {
    fn from(time: Timestamp) -> Self {
        UNIX_EPOCH + time.since(Timestamp(0))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_rfc3339_millis(SystemTime::from(*self)).fmt(f)
    }
}

/// A text is not a time in RFC 3339, UTC.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a time; write it as RFC 3339 in UTC, for example 2026-11-22T07:30:00Z")]
pub struct ParseTimestampError(String);

impl FromStr for Timestamp {
    type Err = ParseTimestampError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        humantime::parse_rfc3339(text).map(Self::from).map_err(|_| ParseTimestampError(text.to_owned()))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// How much time has passed, which nobody can set: a point on a scale that holds for one process only.
///
/// What must last a while and no longer (a lease) is measured with it. A [`Timestamp`] would end every lease at once when
/// somebody sets the machine's clock forwards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Elapsed(Duration);

impl Elapsed {
    /// The point `duration` later; saturates.
    #[must_use]
    pub const fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration))
    }
}

/// Where the scale of the system's [`Elapsed`] begins.
static BEGINNING: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Where a store reads the time.
///
/// Cloning gives a handle to the same clock.
#[derive(Clone, Debug, Default)]
pub struct Clock(Option<Arc<Manual>>);

#[derive(Default)]
struct Manual {
    millis: AtomicI64,
    elapsed: Mutex<Elapsed>,
    listeners: Mutex<Vec<Listener>>,
}

/// Called when a manual clock was set; answers whether it wants to be called again.
type Listener = Box<dyn Fn() -> bool + Send + Sync>;

impl fmt::Debug for Manual {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Manual").field("millis", &self.millis).finish_non_exhaustive()
    }
}

impl Clock {
    /// The operating system's clock.
    #[must_use]
    pub fn system() -> Self {
        Self(None)
    }

    /// A clock that moves only when told to.
    #[must_use]
    pub fn manual(start: Timestamp) -> Self {
        let manual = Manual { millis: AtomicI64::new(start.as_millis()), ..Manual::default() };
        Self(Some(Arc::new(manual)))
    }

    /// Whether the clock moves only when told to, so that waiting for a time means waiting for [`on_set`](Self::on_set).
    #[must_use]
    pub const fn is_manual(&self) -> bool {
        self.0.is_some()
    }

    /// Now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            None => SystemTime::now().into(),
            Some(manual) => Timestamp::from_millis(manual.millis.load(Ordering::SeqCst)),
        }
    }

    /// How much time has passed, whatever the clock was set to meanwhile.
    #[must_use]
    pub fn elapsed(&self) -> Elapsed {
        match &self.0 {
            None => Elapsed(BEGINNING.elapsed()),
            Some(manual) => *manual.elapsed.lock().unwrap_or_else(PoisonError::into_inner),
        }
    }

    /// Sets a manual clock, forwards or backwards, and tells those who wait; does nothing to the system's. No time passes
    /// by that, as when somebody sets the clock of a machine.
    pub fn set(&self, time: Timestamp) {
        if let Some(manual) = &self.0 {
            manual.millis.store(time.as_millis(), Ordering::SeqCst);
            manual.listeners.lock().unwrap_or_else(PoisonError::into_inner).retain(|listener| listener());
        }
    }

    /// Lets time pass on a manual clock; does nothing to the system's.
    pub fn advance(&self, duration: Duration) {
        if let Some(manual) = &self.0 {
            let mut elapsed = manual.elapsed.lock().unwrap_or_else(PoisonError::into_inner);
            *elapsed = elapsed.after(duration);
        }
        self.set(self.now().after(duration));
    }

    /// Calls `listener` after each time that a manual clock was set, until it answers `false`.
    pub fn on_set(&self, listener: impl Fn() -> bool + Send + Sync + 'static) {
        if let Some(manual) = &self.0 {
            manual.listeners.lock().unwrap_or_else(PoisonError::into_inner).push(Box::new(listener));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_survives_being_written_and_read() {
        let time = Timestamp::from_millis(1_793_000_000_123);
        assert_eq!(time.to_string().parse(), Ok(time));
        assert_eq!(serde_json::from_str::<Timestamp>(&serde_json::to_string(&time).unwrap()).unwrap(), time);
    }

    #[test]
    fn arithmetic_saturates_at_both_ends() {
        assert_eq!(Timestamp::MAX.after(Duration::MAX), Timestamp::MAX);
        assert_eq!(Timestamp::from_millis(5).before(Duration::MAX), Timestamp::from_millis(0));
        assert_eq!(Timestamp::from_millis(-1), Timestamp::from_millis(0));
        assert_eq!(Timestamp::from_millis(5).since(Timestamp::from_millis(9)), Duration::ZERO);
        assert_eq!(Timestamp::MAX.to_string(), "9999-12-31T23:59:59.999Z");
    }

    #[test]
    fn text_that_is_no_time_says_how_to_write_one() {
        let error = "yesterday".parse::<Timestamp>().unwrap_err();
        assert!(error.to_string().contains("RFC 3339"), "{error}");
    }

    #[test]
    fn manual_clock_is_shared_by_its_clones() {
        let clock = Clock::manual(Timestamp::from_millis(1_000));
        clock.clone().advance(Duration::from_secs(1));
        assert_eq!(clock.now(), Timestamp::from_millis(2_000));
    }

    #[test]
    fn time_passes_when_a_clock_is_advanced_and_not_when_it_is_set() {
        let clock = Clock::manual(Timestamp::from_millis(1_000));
        let before = clock.elapsed();
        clock.set(Timestamp::from_millis(9_000));
        assert_eq!(clock.elapsed(), before);
        clock.advance(Duration::from_secs(2));
        assert_eq!(clock.elapsed(), before.after(Duration::from_secs(2)));
        clock.set(Timestamp::from_millis(0));
        assert_eq!(clock.elapsed(), before.after(Duration::from_secs(2)));
    }

    #[test]
    fn time_of_the_system_never_goes_back() {
        let clock = Clock::system();
        let before = clock.elapsed();
        assert!(clock.elapsed() >= before);
        assert!(clock.elapsed() < before.after(Duration::MAX), "saturates instead of a panic");
    }

    #[test]
    fn listeners_hear_of_each_setting_until_they_have_enough() {
        let clock = Clock::manual(Timestamp::default());
        let calls = Arc::new(AtomicI64::new(0));
        let seen = Arc::clone(&calls);
        clock.on_set(move || seen.fetch_add(1, Ordering::SeqCst) < 1);
        for _ in 0..3 {
            clock.advance(Duration::from_secs(1));
        }
        assert_eq!(calls.load(Ordering::SeqCst), 2);
    }
}
