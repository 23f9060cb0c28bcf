//! A source's secrets as keys of HMACs, and the search for the one that a request is signed with.

use secrecy::ExposeSecret;

use super::Request;
use crate::explain::{Explanation, near_miss};
use crate::secret::Secrets;
use crate::signature::{Key, Spelling, same};

pub(super) struct Keyring {
    secrets: Secrets,
    /// One per secret, in the same order.
    keys: Vec<Key>,
    spelling: Spelling,
}

/// What is signed: a body, and what stands before and after it.
#[derive(Clone, Copy)]
pub(super) struct Text<'a> {
    pub(super) before: &'a [&'a [u8]],
    pub(super) body: &'a [u8],
    pub(super) after: &'a [&'a [u8]],
}

impl<'a> Text<'a> {
    /// The body alone.
    pub(super) fn of(body: &'a [u8]) -> Self {
        Self { before: &[], body, after: &[] }
    }
}

impl Keyring {
    pub(super) fn new(secrets: Secrets, spelling: Spelling) -> Self {
        let key = |secret: &secrecy::SecretString| Key::of(spelling.algorithm, secret.expose_secret().as_bytes());
        let keys = secrets.values().map(key).collect();
        Self { secrets, keys, spelling }
    }

    /// Returns the index of the secret that gives one of the received signatures.
    ///
    /// Stops at the first that matches, newest first, those that count now before the others: that tells an observer at most which secret a sender uses that
    /// has it anyway. Within one comparison the time does not depend on the signature. What is signed is hashed once a
    /// secret, however many signatures there are.
    pub(super) fn find(&self, request: &Request<'_>, text: Text<'_>, received: &[&[u8]]) -> Result<usize, Explanation> {
        if !received.iter().any(|signature| self.spelling.fits(signature)) {
            return Err(Explanation::MalformedSignature);
        }
        let gives = |key: &Key, body: &[&[u8]]| {
            let parts = text.before.iter().chain(body).chain(text.after).copied();
            let expected = self.spelling.write(&key.mac(parts));
            received.iter().any(|signature| same(&expected, signature))
        };
        request.first_of(self.keys.len(), |place| gives(&self.keys[place], &[text.body])).ok_or_else(|| {
            near_miss::of_body(request, |body| self.keys.iter().any(|key| gives(key, body)))
                .or_else(|| self.trimmed_secret(|key| gives(key, &[text.body])))
                .unwrap_or(Explanation::WrongSecret)
        })
    }

    /// Secrets read from files tend to end with a line break that the sender does not have.
    fn trimmed_secret(&self, gives: impl Fn(&Key) -> bool) -> Option<Explanation> {
        let matches = self.secrets.values().map(ExposeSecret::expose_secret).any(|secret| {
            let trimmed = secret.trim();
            trimmed.len() < secret.len() && gives(&Key::of(self.spelling.algorithm, trimmed.as_bytes()))
        });
        matches.then_some(Explanation::MatchesTrimmedSecret)
    }
}
