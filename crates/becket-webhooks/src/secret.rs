//! The secrets shared with a sender: one, or several while they are being rotated.
//!
//! A source cannot be built without [`Secrets`], and `Secrets` cannot be empty by accident: the only way to go without
//! is to say so ([`Secrets::insecure_accept_unsigned`]). Nothing here prints a secret.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use secrecy::{ExposeSecret, SecretBox, SecretString};

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
    newest_first: Vec<SecretString>,
}

impl Secrets {
    /// Takes the secrets, newest first.
    ///
    /// # Errors
    /// [`SecretError::None`] without any, [`SecretError::TooMany`] beyond eight, [`SecretError::Blank`] when one is
    /// empty or only white space.
    pub fn new<S: Into<SecretString>>(newest_first: impl IntoIterator<Item = S>) -> Result<Self, SecretError> {
        let newest_first: Vec<SecretString> = newest_first.into_iter().map(Into::into).collect();
        if newest_first.is_empty() {
            return Err(SecretError::None);
        }
        if newest_first.len() > SECRETS_MAX {
            return Err(SecretError::TooMany { count: newest_first.len() });
        }
        match newest_first.iter().position(|secret| secret.expose_secret().trim().is_empty()) {
            Some(index) => Err(SecretError::Blank { index }),
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

    pub(crate) fn iter(&self) -> impl Iterator<Item = &SecretString> {
        self.newest_first.iter()
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
