//! What follows when a handler fails: the error says what it wants, the policy says when.
//!
//! Pure: the attempt, and randomness as a number from 0 to 1, come in as arguments. The time of the next attempt is
//! data in the store; nothing here sleeps.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use crate::submission::Due;
use crate::task::End;
use crate::time::Timestamp;

/// How often a task may be attempted, and how long to wait between.
#[derive(Clone, Debug, PartialEq)]
pub struct RetryPolicy {
    /// How many attempts may fail before the task does; at least 1. One more than the number of retries. What a crash of
    /// the worker cuts off is run again up to [`CRASHES_MIN`](crate::state::CRASHES_MIN) attempts, also without retries.
    pub max_attempts: u32,
    /// How long to wait before the next attempt.
    pub backoff: Backoff,
}

impl RetryPolicy {
    /// One attempt, no retry.
    #[must_use]
    pub const fn never() -> Self {
        Self::retries(0)
    }

    /// One attempt and so many retries, with the default backoff.
    #[must_use]
    pub const fn retries(retries: u32) -> Self {
        Self { max_attempts: retries.saturating_add(1), backoff: Backoff::DEFAULT }
    }
}

/// How long to wait before the next attempt.
#[derive(Clone, Debug, PartialEq)]
pub enum Backoff {
    /// A random time between zero and a bound that doubles with each attempt ("full jitter"): many tasks that failed
    /// together do not come back together.
    /// <https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/>
    Exponential {
        /// The bound after the first attempt.
        first: Duration,
        /// The bound never exceeds this.
        max: Duration,
    },
    /// The same time always.
    Fixed(Duration),
    /// One time after each attempt; the last one repeats. Empty means at once.
    List(Vec<Duration>),
}

impl Backoff {
    /// Full jitter below 5 s, 10 s, 20 s … and at most an hour.
    pub const DEFAULT: Self = Self::Exponential { first: Duration::from_secs(5), max: Duration::from_secs(3_600) };

    /// How long to wait after attempt number `attempt` (from 1), given a `random` number from 0 to 1.
    #[must_use]
    pub fn delay(&self, attempt: u32, random: f64) -> Duration {
        let place = attempt.saturating_sub(1);
        match self {
            Self::Exponential { first, max } => {
                let bound = first.saturating_mul(1_u32.checked_shl(place).unwrap_or(u32::MAX)).min(*max);
                bound.mul_f64(random.clamp(0.0, 1.0))
            }
            Self::Fixed(delay) => *delay,
            Self::List(delays) => {
                let place = usize::try_from(place).unwrap_or(usize::MAX);
                delays.get(place).or(delays.last()).copied().unwrap_or_default()
            }
        }
    }
}

/// A handler's failure, and what should follow.
///
/// Any error converts into one that is retried, so `?` works in handlers. Like `anyhow::Error` it is not itself a
/// [`std::error::Error`]; that is what makes the conversion possible.
///
/// ```
/// use std::time::Duration;
/// use becket_tasks::TaskError;
///
/// fn fetch(page: &str) -> Result<u64, TaskError> {
///     if page.is_empty() {
///         return Err(TaskError::give_up("the page has no name"));
///     }
///     Ok(page.parse()?) // a ParseIntError: retried
/// }
/// assert!(fetch("").is_err());
/// # let _ = TaskError::retry_after("rate limited", Duration::from_secs(60));
/// ```
#[derive(Clone)]
pub struct TaskError {
    message: String,
    follow: Follow,
}

/// What should follow a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Follow {
    /// Another attempt, when the policy says.
    Retry,
    /// Another attempt at a given time, if attempts are left.
    RetryAt(Due),
    /// Another attempt at a given time, and this one does not count.
    Park(Due),
    /// Nothing.
    GiveUp,
}

impl TaskError {
    /// Retried when the policy says.
    pub fn retry(message: impl Into<String>) -> Self {
        Self { message: message.into(), follow: Follow::Retry }
    }

    /// Retried after `delay`, if attempts are left.
    pub fn retry_after(message: impl Into<String>, delay: Duration) -> Self {
        Self { message: message.into(), follow: Follow::RetryAt(Due::After(delay)) }
    }

    /// Retried at `time`, if attempts are left.
    pub fn retry_at(message: impl Into<String>, time: Timestamp) -> Self {
        Self { message: message.into(), follow: Follow::RetryAt(Due::At(time)) }
    }

    /// Continued at `time`; the attempt does not count. For a rate limit that resets at a known time.
    pub fn park_until(message: impl Into<String>, time: Timestamp) -> Self {
        Self { message: message.into(), follow: Follow::Park(Due::At(time)) }
    }

    /// Continued after `delay`; the attempt does not count.
    pub fn park_for(message: impl Into<String>, delay: Duration) -> Self {
        Self { message: message.into(), follow: Follow::Park(Due::After(delay)) }
    }

    /// Not retried: the task fails now.
    pub fn give_up(message: impl Into<String>) -> Self {
        Self { message: message.into(), follow: Follow::GiveUp }
    }

    /// What went wrong.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What should follow.
    #[must_use]
    pub const fn follow(&self) -> Follow {
        self.follow
    }

    /// The end of an attempt that failed with this error: attempt number `attempts_counted`, under `policy`.
    #[must_use]
    pub fn into_end(self, policy: &RetryPolicy, attempts_counted: u32, random: f64) -> End {
        let error = self.message.into();
        match self.follow {
            Follow::Retry => End::Retry { due: Due::After(policy.backoff.delay(attempts_counted, random)), error },
            Follow::RetryAt(due) => End::Retry { due, error },
            Follow::Park(due) => End::Park { due, reason: error },
            Follow::GiveUp => End::GiveUp { error },
        }
    }
}

impl<E: StdError + Send + Sync + 'static> From<E> for TaskError {
    fn from(error: E) -> Self {
        let mut message = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            message.push_str(": ");
            message.push_str(&error.to_string());
            cause = error.source();
        }
        Self::retry(message)
    }
}

impl fmt::Debug for TaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({:?})", self.message, self.follow)
    }
}

impl fmt::Display for TaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEC: Duration = Duration::from_secs(1);

    #[test]
    fn debug_text_of_an_error_says_what_follows() {
        let shown = format!("{:?}", TaskError::give_up("no such repository"));
        assert!(shown.starts_with("no such repository (") && shown.contains("GiveUp"), "{shown}");
    }

    #[test]
    fn exponential_backoff_doubles_its_bound_up_to_the_cap() {
        let backoff = Backoff::Exponential { first: SEC, max: 5 * SEC };
        let bounds: Vec<u64> = (1..=5).map(|attempt| backoff.delay(attempt, 1.0).as_secs()).collect();
        assert_eq!(bounds, [1, 2, 4, 5, 5]);
        assert_eq!(backoff.delay(3, 0.5), 2 * SEC);
        assert_eq!(backoff.delay(3, 0.0), Duration::ZERO);
    }

    #[test]
    fn backoff_never_overflows() {
        let backoff = Backoff::Exponential { first: Duration::MAX, max: 9 * SEC };
        for attempt in [0, 1, 31, 32, 33, u32::MAX] {
            assert_eq!(backoff.delay(attempt, 7.0), 9 * SEC);
        }
    }

    #[test]
    fn list_backoff_repeats_its_last_delay() {
        let backoff = Backoff::List(vec![SEC, 3 * SEC]);
        let delays: Vec<u64> = (1..=4).map(|attempt| backoff.delay(attempt, 0.3).as_secs()).collect();
        assert_eq!(delays, [1, 3, 3, 3]);
        assert_eq!(Backoff::List(Vec::new()).delay(1, 0.3), Duration::ZERO);
        assert_eq!(Backoff::Fixed(SEC).delay(9, 0.3), SEC);
    }

    #[test]
    fn error_says_what_follows() {
        let policy = RetryPolicy { max_attempts: 3, backoff: Backoff::Fixed(SEC) };
        let end = |error: TaskError| error.into_end(&policy, 1, 0.5);
        assert!(matches!(end(TaskError::retry("x")), End::Retry { due: Due::After(SEC), .. }));
        assert!(
            matches!(end(TaskError::retry_after("x", 2 * SEC)), End::Retry { due: Due::After(d), .. } if d == 2 * SEC)
        );
        assert!(matches!(
            end(TaskError::retry_at("x", Timestamp::MAX)),
            End::Retry { due: Due::At(Timestamp::MAX), .. }
        ));
        assert!(matches!(end(TaskError::park_for("x", SEC)), End::Park { due: Due::After(SEC), .. }));
        assert!(matches!(end(TaskError::park_until("x", Timestamp::MAX)), End::Park { .. }));
        assert!(matches!(end(TaskError::give_up("x")), End::GiveUp { error } if &*error == "x"));
    }

    #[test]
    fn any_error_becomes_a_retry_that_tells_its_causes() {
        #[derive(Debug, thiserror::Error)]
        #[error("outer")]
        struct Outer(#[source] std::num::ParseIntError);
        let error = TaskError::from(Outer("x".parse::<u8>().unwrap_err()));
        assert_eq!(error.follow(), Follow::Retry);
        assert_eq!(error.message(), "outer: invalid digit found in string");
        assert_eq!(error.to_string(), "outer: invalid digit found in string");
    }
}
