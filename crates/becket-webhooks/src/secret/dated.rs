//! One secret, with the time in which it counts and the name that operators know it by.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

/// A secret that counts always, or only from one time to another.
///
/// Outside its window it verifies nothing, and whoever signs with it is refused as with a wrong one; only the operator is
/// told the difference ([`Explanation`](crate::Explanation)).
///
/// ```
/// use becket_webhooks::{Secret, Secrets};
///
/// let december = 1_796_083_200_000;
/// let secrets = Secrets::new([
///     Secret::new("the new one").not_before(december).named("2027"),
///     Secret::new("the old one").not_after(december + 86_400_000),
/// ])?;
/// assert!(!secrets.iter().any(|secret| secret.name() == Some("the new one")));
/// # Ok::<_, becket_webhooks::SecretError>(())
/// ```
#[derive(Clone)]
pub struct Secret {
    value: SecretString,
    name: Option<Arc<str>>,
    window: Window,
}

/// When a secret counts, in milliseconds of Unix time: from `not_before` on, and until just before `not_after`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Window {
    /// The first moment; `None`: since ever.
    pub not_before: Option<i64>,
    /// The first moment at which it counts no longer; `None`: for ever.
    pub not_after: Option<i64>,
}

/// How a secret stands at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Validity {
    /// Its time has not come.
    NotYet,
    /// It verifies.
    Active,
    /// Its time is over.
    Expired,
}

impl Window {
    /// How a secret with this window stands at `now_ms`. One whose times are the wrong way round is never active.
    #[must_use]
    pub fn at(&self, now_ms: i64) -> Validity {
        if self.not_after.is_some_and(|end| end <= now_ms) {
            Validity::Expired
        } else if self.not_before.is_some_and(|begin| now_ms < begin) {
            Validity::NotYet
        } else {
            Validity::Active
        }
    }
}

impl Secret {
    /// A secret that counts always.
    pub fn new(value: impl Into<SecretString>) -> Self {
        Self { value: value.into(), name: None, window: Window::default() }
    }

    /// Lets it count from this moment on, in milliseconds of Unix time.
    #[must_use]
    pub fn not_before(mut self, ms: i64) -> Self {
        self.window.not_before = Some(ms);
        self
    }

    /// Lets it count until this moment, in milliseconds of Unix time; at the moment itself it counts no longer.
    #[must_use]
    pub fn not_after(mut self, ms: i64) -> Self {
        self.window.not_after = Some(ms);
        self
    }

    /// Lets it count within this window.
    #[must_use]
    pub fn within(mut self, window: Window) -> Self {
        self.window = window;
        self
    }

    /// Gives it a name for those who look after it; nothing of the secret should be in it.
    #[must_use]
    pub fn named(mut self, name: impl Into<Arc<str>>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Returns the name.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Returns when it counts.
    pub fn window(&self) -> Window {
        self.window
    }

    /// Returns what stands for it wherever it must be known again without being kept: an HMAC-SHA-256 of it under `key`.
    ///
    /// Under a key that is not known it tells nothing. With the key, a secret that could be guessed can be guessed.
    pub fn fingerprint(&self, key: &[u8]) -> [u8; 32] {
        // Keys of any length are accepted.
        let Ok(mac) = Hmac::<Sha256>::new_from_slice(key) else { return [0; 32] };
        mac.chain_update(self.value.expose_secret().as_bytes()).finalize().into_bytes().into()
    }

    pub(crate) fn value(&self) -> &SecretString {
        &self.value
    }

    pub(super) fn name_shared(&self) -> Option<Arc<str>> {
        self.name.clone()
    }
}

impl<S: Into<SecretString>> From<S> for Secret {
    fn from(value: S) -> Self {
        Self::new(value)
    }
}

impl ExposeSecret<str> for Secret {
    fn expose_secret(&self) -> &str {
        self.value.expose_secret()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secret").field("name", &self.name).field("window", &self.window).finish_non_exhaustive()
    }
}

/// A moment as operators read it.
pub(crate) fn shown(ms: i64) -> String {
    let since = Duration::from_millis(ms.unsigned_abs());
    let time =
        if ms < 0 { SystemTime::UNIX_EPOCH.checked_sub(since) } else { SystemTime::UNIX_EPOCH.checked_add(since) };
    match time {
        // The years 1970 to 9999 are those that can be written.
        Some(time) if (0..=253_402_300_799_999).contains(&ms) => humantime::format_rfc3339_seconds(time).to_string(),
        _ => format!("{ms} ms of Unix time"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn window_is_half_open_and_each_moment_has_one_validity(
            begin in prop::option::of(-9..9_i64), end in prop::option::of(-9..9_i64), now in -10..10_i64,
        ) {
            let validity = Window { not_before: begin, not_after: end }.at(now);
            let (begun, ended) = (begin.is_none_or(|begin| begin <= now), end.is_some_and(|end| end <= now));
            prop_assert_eq!(validity == Validity::Active, begun && !ended);
            prop_assert_eq!(validity == Validity::Expired, ended);
        }
    }

    #[test]
    fn fingerprint_depends_on_key_and_secret_and_on_nothing_else() {
        let one = Secret::new("tulips").fingerprint(b"key");
        assert_eq!(one, Secret::new("tulips").named("x").not_after(3).fingerprint(b"key"));
        assert_ne!(one, Secret::new("roses").fingerprint(b"key"));
        assert_ne!(one, Secret::new("tulips").fingerprint(b"other"));
    }

    #[test]
    fn debug_shows_name_and_window_and_not_the_secret() {
        let shown = format!("{:?}", Secret::new("tulips").named("2027").not_before(5));
        assert!(shown.contains("2027") && shown.contains("Some(5)") && !shown.contains("tulips"), "{shown}");
    }

    #[test]
    fn moments_that_no_calendar_writes_are_still_shown() {
        assert_eq!(shown(1_796_083_200_000), "2026-12-01T00:00:00Z");
        assert_eq!(shown(i64::MIN), format!("{} ms of Unix time", i64::MIN));
        assert_eq!(shown(i64::MAX), format!("{} ms of Unix time", i64::MAX));
    }
}
