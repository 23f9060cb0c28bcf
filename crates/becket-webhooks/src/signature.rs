//! HMACs as senders write them: for signing, and for comparing in constant time.
//!
//! Verification renders the signature that it expects and compares texts, instead of decoding the one received. So only
//! the one canonical spelling passes: no upper-case hex, no base64 with stray bits. The schemes in `source/` decide
//! which headers are signed and what a failure means.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest as _, Sha256, Sha512};
use subtle::ConstantTimeEq;

use crate::secret::{SecretError, decode_whsec};

/// Signs a body as GitHub does: the value of `X-Hub-Signature-256`.
///
/// Source: [Validating webhook deliveries](https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries),
/// whose example this is:
///
/// ```
/// assert_eq!(
///     becket_webhooks::signature::github(b"It's a Secret to Everybody", b"Hello, World!"),
///     "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
/// );
/// ```
pub fn github(secret: &[u8], body: &[u8]) -> String {
    Spelling::GITHUB.write(&Key::new(secret).mac([body]))
}

/// Signs one message as Standard Webhooks says: the value of `webhook-signature`.
///
/// `secret` is the text that people exchange (`whsec_…`), `timestamp_secs` the Unix time of `webhook-timestamp`. To
/// sign more than once, keep a [`StandardWebhooksSigner`].
///
/// # Errors
/// [`SecretError::NotBase64`] or [`SecretError::Length`] when the secret is not one of this kind.
pub fn standard_webhooks(secret: &str, id: &str, timestamp_secs: i64, body: &[u8]) -> Result<String, SecretError> {
    Ok(StandardWebhooksSigner::new(&SecretString::from(secret))?.sign(id, timestamp_secs, body))
}

/// Signs outgoing messages as Standard Webhooks says, with a secret that is decoded once.
///
/// Source: [specification, "Signature scheme"](https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md#signature-scheme).
///
/// ```
/// use becket_webhooks::signature::StandardWebhooksSigner;
///
/// let signer = StandardWebhooksSigner::new(&"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".into())?;
/// assert_eq!(
///     signer.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#),
///     "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
/// );
/// # Ok::<_, becket_webhooks::SecretError>(())
/// ```
#[derive(Debug, Clone)]
pub struct StandardWebhooksSigner(Key);

impl StandardWebhooksSigner {
    /// Decodes the secret, `whsec_` and base64 of 24 to 64 bytes.
    ///
    /// # Errors
    /// [`SecretError::NotBase64`] or [`SecretError::Length`].
    pub fn new(secret: &SecretString) -> Result<Self, SecretError> {
        Ok(Self(Key::new(decode_whsec(secret, 0)?.expose_secret())))
    }

    /// Returns the value of `webhook-signature` for `webhook-id`, `webhook-timestamp` (Unix seconds) and a body.
    ///
    /// `id` should not contain a full stop: it is what separates the signed parts.
    pub fn sign(&self, id: &str, timestamp_secs: i64, body: &[u8]) -> String {
        self.0.standard_webhooks(id, &timestamp_secs.to_string(), &[body])
    }
}

/// The hash function of an HMAC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Algorithm {
    /// HMAC-SHA256, 32 bytes.
    Sha256,
    /// HMAC-SHA512, 64 bytes.
    Sha512,
}

/// How an HMAC is written as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Encoding {
    /// Lower-case hex.
    Hex,
    /// Base64 with padding, in the standard alphabet (RFC 4648, section 4).
    Base64,
}

/// How a sender writes a signature: `sha256=` and 64 hex digits, for instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Spelling {
    pub(crate) algorithm: Algorithm,
    pub(crate) encoding: Encoding,
    pub(crate) prefix: Cow<'static, str>,
}

impl Spelling {
    /// GitHub and Bitbucket: `sha256=` and hex.
    pub(crate) const GITHUB: Self = Self::hex("sha256=");
    /// Gitea and Stripe: hex alone.
    pub(crate) const BARE_HEX: Self = Self::hex("");
    /// Slack: `v0=` and hex.
    pub(crate) const SLACK: Self = Self::hex("v0=");

    const fn hex(prefix: &'static str) -> Self {
        Self { algorithm: Algorithm::Sha256, encoding: Encoding::Hex, prefix: Cow::Borrowed(prefix) }
    }

    pub(crate) fn write(&self, mac: &Mac) -> String {
        let mut text = self.prefix.clone().into_owned();
        match self.encoding {
            Encoding::Hex => text.push_str(&hex::encode(mac.as_bytes())),
            Encoding::Base64 => STANDARD.encode_string(mac.as_bytes(), &mut text),
        }
        text
    }

    /// Whether a text looks as a signature of this spelling does.
    pub(crate) fn fits(&self, text: &[u8]) -> bool {
        let bytes = match self.algorithm {
            Algorithm::Sha256 => 32,
            Algorithm::Sha512 => 64,
        };
        let Some(digits) = text.strip_prefix(self.prefix.as_bytes()) else { return false };
        match self.encoding {
            Encoding::Hex => {
                digits.len() == 2 * bytes && digits.iter().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
            }
            Encoding::Base64 => STANDARD.decode(digits).is_ok_and(|decoded| decoded.len() == bytes),
        }
    }
}

/// A secret that has already been mixed into the hash, so that a signature costs only the hashing of what is signed.
#[derive(Clone)]
pub(crate) enum Key {
    Sha256(Hmac<Sha256>),
    Sha512(Hmac<Sha512>),
}

impl Key {
    pub(crate) fn new(secret: &[u8]) -> Self {
        Self::of(Algorithm::Sha256, secret)
    }

    #[expect(clippy::expect_used, reason = "HMAC is defined for keys of every length (RFC 2104, section 2)")]
    pub(crate) fn of(algorithm: Algorithm, secret: &[u8]) -> Self {
        match algorithm {
            Algorithm::Sha256 => Self::Sha256(Hmac::new_from_slice(secret).expect("HMAC takes a key of any length")),
            Algorithm::Sha512 => Self::Sha512(Hmac::new_from_slice(secret).expect("HMAC takes a key of any length")),
        }
    }

    /// Signs `id.timestamp.body`, the body given in parts.
    pub(crate) fn standard_webhooks(&self, id: &str, timestamp: &str, body: &[&[u8]]) -> String {
        let head = [id.as_bytes(), b".", timestamp.as_bytes(), b"."];
        let mac = self.mac(head.into_iter().chain(body.iter().copied()));
        format!("v1,{}", STANDARD.encode(mac.as_bytes()))
    }

    /// Signs a text given in parts.
    pub(crate) fn mac<'p>(&self, parts: impl IntoIterator<Item = &'p [u8]>) -> Mac {
        fn over<'p, H: KeyInit + hmac::Mac + Clone>(key: &H, parts: impl IntoIterator<Item = &'p [u8]>) -> Mac {
            let mut mac = key.clone();
            for part in parts {
                mac.update(part);
            }
            let (signed, mut bytes) = (mac.finalize().into_bytes(), [0; 64]);
            let length = signed.len().min(bytes.len());
            bytes[..length].copy_from_slice(&signed[..length]);
            Mac { bytes, length }
        }
        match self {
            Self::Sha256(key) => over(key, parts),
            Self::Sha512(key) => over(key, parts),
        }
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(masked)")
    }
}

/// An HMAC of one of the algorithms.
pub(crate) struct Mac {
    bytes: [u8; 64],
    length: usize,
}

impl Mac {
    fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

/// What is kept of a secret that is sent as it is: enough to recognise it, in a time that does not depend on it, nor on
/// how long it is.
#[derive(Clone)]
pub(crate) struct Token([u8; 32]);

impl Token {
    pub(crate) fn new(secret: &str) -> Self {
        Self(Sha256::digest(secret.as_bytes()).into())
    }

    pub(crate) fn is(&self, received: &[u8]) -> bool {
        self.0.ct_eq(&Sha256::digest(received)).into()
    }
}

/// Names bytes by what they are: an id for what its sender gave none.
pub(crate) fn fingerprint(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

/// Compares two signatures in a time that depends on their lengths only.
pub(crate) fn same(expected: &str, received: &[u8]) -> bool {
    expected.as_bytes().ct_eq(received).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPEC_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    #[test]
    fn parts_of_a_body_sign_as_the_whole() {
        let key = Key::new(b"secret");
        let mac = key.mac([&b"Hello, "[..], b"World!"]);
        assert_eq!(Spelling::GITHUB.write(&mac), github(b"secret", b"Hello, World!"));
    }

    #[test]
    fn key_longer_than_a_block_is_hashed_first() {
        // RFC 4231, test case 6.
        let signed = github(&[0xaa; 131], b"Test Using Larger Than Block-Size Key - Hash Key First");
        assert_eq!(signed, "sha256=60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    }

    #[test]
    fn sha512_and_base64_are_those_of_the_standards() {
        // RFC 4231, test case 2.
        let mac = Key::of(Algorithm::Sha512, b"Jefe").mac([&b"what do ya want for nothing?"[..]]);
        let hex = Spelling { algorithm: Algorithm::Sha512, encoding: Encoding::Hex, prefix: "".into() };
        let expected = "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fd\
                        caeab1a34d4a6b4b636e070a38bce737";
        assert_eq!(hex.write(&mac), expected);
        assert!(hex.fits(expected.as_bytes()) && !hex.fits(&expected.as_bytes()[2..]));

        let base64 = Spelling { encoding: Encoding::Base64, prefix: "s=".into(), ..hex };
        let written = base64.write(&mac);
        assert_eq!(STANDARD.decode(&written[2..]).unwrap(), mac.as_bytes());
        assert!(base64.fits(written.as_bytes()) && !base64.fits(&written.as_bytes()[2..]));
        assert!(!base64.fits(b"s=AAAA"), "too short");
    }

    #[test]
    fn spelling_is_strict() {
        let right = github(b"secret", b"{}");
        assert!(Spelling::GITHUB.fits(right.as_bytes()));
        assert!(Spelling::BARE_HEX.fits(&right.as_bytes()[7..]));
        for wrong in [&right[7..], &right.to_uppercase(), &right[..right.len() - 1], "sha256=", ""] {
            assert!(!Spelling::GITHUB.fits(wrong.as_bytes()), "{wrong}");
        }
    }

    #[test]
    fn token_is_recognised_and_not_its_beginning() {
        let token = Token::new("sampleToken!");
        assert!(token.is(b"sampleToken!"));
        for other in ["sampleToken", "sampleToken!!", "badsampleToken!", ""] {
            assert!(!token.is(other.as_bytes()), "{other}");
        }
    }

    #[test]
    fn function_and_signer_sign_alike() {
        let signer = StandardWebhooksSigner::new(&SPEC_SECRET.into()).unwrap();
        assert_eq!(standard_webhooks(SPEC_SECRET, "msg_1", 7, b"{}").unwrap(), signer.sign("msg_1", 7, b"{}"));
    }

    #[test]
    fn signing_with_something_else_than_a_whsec_secret_is_an_error() {
        assert_eq!(standard_webhooks("hunter2!", "msg_1", 7, b"{}"), Err(SecretError::NotBase64 { index: 0 }));
    }

    #[test]
    fn only_equal_texts_are_the_same() {
        assert!(same("abc", b"abc"));
        for other in ["abd", "ab", "abcd", ""] {
            assert!(!same("abc", other.as_bytes()), "{other}");
        }
    }

    #[test]
    fn debug_shows_no_key() {
        let signer = StandardWebhooksSigner::new(&SPEC_SECRET.into()).unwrap();
        assert_eq!(format!("{signer:?}"), "StandardWebhooksSigner(Key(masked))");
    }
}
