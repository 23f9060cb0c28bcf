//! HMAC-SHA256 as GitHub and Standard Webhooks write it: for signing, and for comparing in constant time.
//!
//! Verification renders the signature that it expects and compares texts, instead of decoding the one received. So only
//! the one canonical spelling passes: no upper-case hex, no base64 with stray bits. The schemes in `source/` decide
//! which headers are signed and what a failure means.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
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
    Key::new(secret).github(&[body])
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

/// A secret that has already been mixed into the hash, so that a signature costs only the hashing of what is signed.
#[derive(Clone)]
pub(crate) struct Key(Hmac<Sha256>);

impl Key {
    #[expect(clippy::expect_used, reason = "HMAC is defined for keys of every length (RFC 2104, section 2)")]
    pub(crate) fn new(secret: &[u8]) -> Self {
        Self(Hmac::new_from_slice(secret).expect("HMAC takes a key of any length"))
    }

    /// Signs a body given in parts, as one text.
    pub(crate) fn github(&self, body: &[&[u8]]) -> String {
        format!("sha256={}", hex::encode(self.mac(&[], body)))
    }

    /// Signs `id.timestamp.body`, the body given in parts.
    pub(crate) fn standard_webhooks(&self, id: &str, timestamp: &str, body: &[&[u8]]) -> String {
        let head = [id.as_bytes(), b".", timestamp.as_bytes(), b"."];
        format!("v1,{}", STANDARD.encode(self.mac(&head, body)))
    }

    fn mac(&self, head: &[&[u8]], body: &[&[u8]]) -> [u8; 32] {
        let mut mac = self.0.clone();
        for part in head.iter().chain(body) {
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(masked)")
    }
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
        assert_eq!(key.github(&[b"Hello, ", b"World!"]), github(b"secret", b"Hello, World!"));
    }

    #[test]
    fn key_longer_than_a_block_is_hashed_first() {
        // RFC 4231, test case 6.
        let signed = github(&[0xaa; 131], b"Test Using Larger Than Block-Size Key - Hash Key First");
        assert_eq!(signed, "sha256=60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
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
