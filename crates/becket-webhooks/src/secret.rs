//! The secrets shared with a sender: one, or several while they are being rotated.
//!
//! A source cannot be built without [`Secrets`], and `Secrets` cannot be empty by accident: the only way to go without
//! is to say so ([`Secrets::insecure_accept_unsigned`]). Nothing here prints a secret.

mod dated;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use secrecy::{ExposeSecret, SecretBox, SecretString};

pub use self::dated::{Secret, Validity, Window};

use self::dated::shown;
use crate::explain::Explanation;

/// The most secrets one source may have; a refused request costs one hash of its body for each.
const SECRETS_MAX: usize = 8;

/// The secrets of one source, newest first.
///
/// While a secret is being rotated, both the new and the old one are listed, and each delivery says which of them it
/// was signed with ([`Delivery::secret_index`](crate::Delivery::secret_index)).
///
/// ```
/// use becket_webhooks::Secrets;
///
/// let secrets = Secrets::new(["the new one", "the old one"])?;
/// assert_eq!(secrets.count(), 2);
/// assert!(Secrets::new([""]).is_err(), "a blank secret would let anybody in");
/// # Ok::<_, becket_webhooks::SecretError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Secrets {
    /// Empty only in `insecure_accept_unsigned`.
    newest_first: Vec<Secret>,
}

impl Secrets {
    /// Takes the secrets, newest first.
    ///
    /// # Errors
    /// [`SecretError::None`] without any, [`SecretError::TooMany`] beyond eight, [`SecretError::Blank`] when one is
    /// empty or only white space, [`SecretError::Window`] when one is never valid, since its end is not after its begin.
    pub fn new<S: Into<Secret>>(newest_first: impl IntoIterator<Item = S>) -> Result<Self, SecretError> {
        let newest_first: Vec<Secret> = newest_first.into_iter().map(Into::into).collect();
        if newest_first.is_empty() {
            return Err(SecretError::None);
        }
        if newest_first.len() > SECRETS_MAX {
            return Err(SecretError::TooMany { count: newest_first.len() });
        }
        if let Some(index) = newest_first.iter().position(|secret| secret.value().expose_secret().trim().is_empty()) {
            return Err(SecretError::Blank { index });
        }
        let is_never =
            |Window { not_before, not_after }| not_before.zip(not_after).is_some_and(|(begin, end)| end <= begin);
        match newest_first.iter().position(|secret| is_never(secret.window())) {
            Some(index) => Err(SecretError::Window { index }),
            None => Ok(Self { newest_first }),
        }
    }

    /// Verifies nothing: whoever can reach the source can feed it.
    ///
    /// For local trials only. Write it where a reader of the configuration sees it.
    pub const fn insecure_accept_unsigned() -> Self {
        Self { newest_first: Vec::new() }
    }

    /// Whether requests are accepted without a signature.
    pub fn accepts_unsigned(&self) -> bool {
        self.newest_first.is_empty()
    }

    /// Counts the secrets; 0 only when unsigned requests are accepted.
    pub fn count(&self) -> usize {
        self.newest_first.len()
    }

    /// Returns the secrets, newest first.
    pub fn iter(&self) -> impl Iterator<Item = &Secret> {
        self.newest_first.iter()
    }

    /// Whether one of them verifies at `now_ms`. Where unsigned requests are accepted there is nothing to verify.
    pub fn any_active(&self, now_ms: i64) -> bool {
        self.iter().any(|secret| secret.window().at(now_ms) == Validity::Active)
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &SecretString> {
        self.iter().map(Secret::value)
    }

    /// Whether the secret at a place counts at `now_ms`.
    pub(crate) fn counts(&self, place: usize, now_ms: i64) -> bool {
        self.newest_first.get(place).is_some_and(|secret| secret.window().at(now_ms) == Validity::Active)
    }

    /// The place that counts at `now_ms` for a request that the secret at `index` verifies: this, or that of the same
    /// secret with another window.
    ///
    /// # Errors
    /// The secret is not yet, or no longer, valid.
    pub(crate) fn valid(&self, index: usize, now_ms: i64) -> Result<usize, Explanation> {
        let Some(found) = self.newest_first.get(index) else { return Err(Explanation::WrongSecret) };
        let validity = found.window().at(now_ms);
        if validity == Validity::Active {
            return Ok(index);
        }
        let same = |other: &Secret| other.value().expose_secret() == found.value().expose_secret();
        let active = |other: &Secret| other.window().at(now_ms) == Validity::Active && same(other);
        if let Some(index) = self.iter().position(active) {
            return Ok(index);
        }
        let Window { not_before, not_after } = found.window();
        let (name, place) = (found.name_shared(), index);
        let since = |ms: Option<i64>| ms.map(shown).unwrap_or_default().into();
        Err(match validity {
            Validity::NotYet => Explanation::SecretNotYetValid { place, name, not_before: since(not_before) },
            Validity::Expired | Validity::Active => {
                Explanation::SecretExpired { place, name, not_after: since(not_after) }
            }
        })
    }
}

/// Why secrets cannot be used. The text never contains any of them; `index` counts from 0, the newest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SecretError {
    /// The list is empty.
    #[error("at least one secret is needed to verify signatures")]
    None,
    /// The list is longer than eight.
    #[error("{count} secrets are too many, the most is {SECRETS_MAX}")]
    TooMany {
        /// How many were given.
        count: usize,
    },
    /// A secret is empty or only white space.
    #[error("secret {index} is blank")]
    Blank {
        /// Which one.
        index: usize,
    },
    /// A secret would never be valid: its end is not after its begin.
    #[error("secret {index} is never valid: its `not_after` is not after its `not_before`")]
    Window {
        /// Which one.
        index: usize,
    },
    /// A Standard Webhooks secret is not base64.
    #[error("secret {index} is not `whsec_` followed by base64")]
    NotBase64 {
        /// Which one.
        index: usize,
    },
    /// A secret for HTTP basic authentication has no colon.
    #[error("secret {index} is not `user:password`")]
    NotBasic {
        /// Which one.
        index: usize,
    },
    /// A Standard Webhooks secret has too few or too many bytes.
    #[error("secret {index} has {bytes} bytes, the specification asks for 24 to 64")]
    Length {
        /// Which one.
        index: usize,
        /// How many bytes it has when decoded.
        bytes: usize,
    },
}

impl SecretError {
    /// The same error for a secret that stood at `index` in a list whose items have these places in another.
    pub(crate) fn at(self, places: &[usize]) -> Self {
        let place = |index: usize| places.get(index).copied().unwrap_or(index);
        match self {
            Self::Blank { index } => Self::Blank { index: place(index) },
            Self::Window { index } => Self::Window { index: place(index) },
            Self::NotBase64 { index } => Self::NotBase64 { index: place(index) },
            Self::NotBasic { index } => Self::NotBasic { index: place(index) },
            Self::Length { index, bytes } => Self::Length { index: place(index), bytes },
            other @ (Self::None | Self::TooMany { .. }) => other,
        }
    }
}

/// People copy secrets with and without the closing `=`.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Decodes a Standard Webhooks secret, `whsec_` (optional, as in the reference libraries) and base64 of 24 to 64 bytes.
///
/// Source: [specification, "Signature scheme"](https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md#signature-scheme).
pub(crate) fn decode_whsec(secret: &SecretString, index: usize) -> Result<SecretBox<[u8]>, SecretError> {
    let text = secret.expose_secret().trim();
    let text = text.strip_prefix("whsec_").unwrap_or(text);
    let key: SecretBox<[u8]> = BASE64.decode(text).map_err(|_| SecretError::NotBase64 { index })?.into();
    match key.expose_secret().len() {
        24..=64 => Ok(key),
        bytes => Err(SecretError::Length { index, bytes }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(secret: &str) -> Result<usize, SecretError> {
        decode_whsec(&secret.into(), 1).map(|key| key.expose_secret().len())
    }

    #[test]
    fn no_secret_is_an_error() {
        assert_eq!(Secrets::new(Vec::<String>::new()).unwrap_err(), SecretError::None);
    }

    #[test]
    fn blank_secret_is_an_error_that_says_which() {
        for blank in ["", " ", "\n"] {
            assert_eq!(Secrets::new(["good", blank]).unwrap_err(), SecretError::Blank { index: 1 });
        }
    }

    #[test]
    fn number_of_secrets_is_limited() {
        assert_eq!(Secrets::new(["s"; 8]).unwrap().count(), 8);
        assert_eq!(Secrets::new(["s"; 9]).unwrap_err(), SecretError::TooMany { count: 9 });
    }

    #[test]
    fn only_the_explicit_choice_accepts_unsigned() {
        assert!(Secrets::insecure_accept_unsigned().accepts_unsigned());
        assert!(!Secrets::new(["s"]).unwrap().accepts_unsigned());
    }

    #[test]
    fn secret_that_would_never_be_valid_is_an_error() {
        let never = || Secret::new("s").not_before(5).not_after(5);
        assert_eq!(Secrets::new([Secret::new("s"), never()]).unwrap_err(), SecretError::Window { index: 1 });
        assert!(Secrets::new([never().not_after(6)]).is_ok());
    }

    #[test]
    fn same_secret_with_another_window_counts_in_its_place() {
        let secrets = Secrets::new([Secret::new("s").not_after(5), Secret::new("s").not_before(5)]).unwrap();
        assert_eq!((secrets.valid(0, 4), secrets.valid(0, 5)), (Ok(0), Ok(1)));
        assert!(secrets.any_active(4) && secrets.any_active(5));
    }

    #[test]
    fn debug_shows_no_secret() {
        let shown = format!("{:?}", Secrets::new(["tulips-from-amsterdam"]).unwrap());
        assert!(!shown.contains("tulips"), "{shown}");
    }

    #[test]
    fn errors_show_no_secret() {
        let error = decode_whsec(&"whsec_tulips!".into(), 0).unwrap_err();
        assert_eq!(error.to_string(), "secret 0 is not `whsec_` followed by base64");
    }

    #[test]
    fn whsec_secret_is_taken_with_or_without_prefix_padding_and_white_space() {
        for secret in [
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n",
        ] {
            assert_eq!(decoded(secret), Ok(24), "{secret}");
        }
        assert_eq!(decoded("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="), Ok(32));
        assert_eq!(decoded("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"), Ok(32));
    }

    #[test]
    fn whsec_secret_has_24_to_64_bytes() {
        assert_eq!(decoded(&"A".repeat(31)), Err(SecretError::Length { index: 1, bytes: 23 }));
        assert_eq!(decoded(&"A".repeat(86)), Ok(64));
        assert_eq!(decoded(&"A".repeat(87)), Err(SecretError::Length { index: 1, bytes: 65 }));
    }

    #[test]
    fn public_and_private_keys_of_the_asymmetric_scheme_are_refused() {
        for key in ["whpk_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsk_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"] {
            assert_eq!(decoded(key), Err(SecretError::NotBase64 { index: 1 }));
        }
    }
}
