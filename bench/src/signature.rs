//! GitHub's signature, made and checked: `X-Hub-Signature-256: sha256=<hex HMAC-SHA256(secret, raw body)>`.
//!
//! Written here a second time, and not taken from `becket-webhooks`, so that the servers that Becket is compared with
//! do not share its code. Format: <https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries>.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The header that carries the signature.
pub const HEADER: &str = "x-hub-signature-256";

const PREFIX: &str = "sha256=";

/// A webhook secret, ready to sign and to check. A clone costs no hashing of the secret.
#[derive(Clone)]
pub struct Key(Hmac<Sha256>);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(…)")
    }
}

impl Key {
    /// Takes a secret of any length.
    #[must_use]
    #[expect(clippy::expect_used, reason = "HMAC is defined for keys of any length (RFC 2104, section 2)")]
    pub fn new(secret: &str) -> Self {
        Self(Hmac::new_from_slice(secret.as_bytes()).expect("HMAC accepts keys of any length"))
    }

    /// The header's value for `body`.
    #[must_use]
    pub fn sign(&self, body: &[u8]) -> String {
        let mut mac = self.0.clone();
        mac.update(body);
        format!("{PREFIX}{}", hex::encode(mac.finalize().into_bytes()))
    }

    /// Whether `signature` is the header's value for `body`; compares in constant time.
    #[must_use]
    pub fn verifies(&self, body: &[u8], signature: &[u8]) -> bool {
        let mut expected = [0; 32];
        let Some(digits) = signature.strip_prefix(PREFIX.as_bytes()) else { return false };
        if hex::decode_to_slice(digits, &mut expected).is_err() {
            return false;
        }
        let mut mac = self.0.clone();
        mac.update(body);
        mac.verify_slice(&expected).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // The vector of GitHub's documentation.
    const SIGNED: &str = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";

    #[test]
    fn githubs_own_example_is_signed_and_verifies() {
        let key = Key::new("It's a Secret to Everybody");
        assert_eq!(key.sign(b"Hello, World!"), SIGNED);
        assert!(key.verifies(b"Hello, World!", SIGNED.as_bytes()));
    }

    #[test]
    fn another_body_secret_or_form_does_not_verify() {
        let key = Key::new("It's a Secret to Everybody");
        assert!(!key.verifies(b"Hello, World?", SIGNED.as_bytes()));
        assert!(!Key::new("another").verifies(b"Hello, World!", SIGNED.as_bytes()));
        assert!(!key.verifies(b"Hello, World!", &SIGNED.as_bytes()[PREFIX.len()..]));
        assert!(!key.verifies(b"Hello, World!", b"sha256=75"));
        assert!(!key.verifies(b"Hello, World!", b""));
    }
}
