//! Telling somebody how a task ended: the work of a task of its own, which follows the first whichever way it ends.
//!
//! That the teller is a task like all others gives it what they have: it is accepted together with the task that it
//! tells of, survives crashes, is tried again, and ends among the dead letters if nobody listens. How to reach somebody
//! is known to the handler of [`KIND`] alone; here an address is text, kept beside the payload of the task's submission
//! and never shown.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::registry::Policy;
use crate::submission::{NewTask, Parent};

/// The kind of the tasks that tell how another ended.
pub const KIND: &str = "becket.notify";

/// Whom to tell, in words that the handler of [`KIND`] understands, such as a URL.
///
/// Addresses often hold a token: `Debug` shows nothing of them.
#[derive(Clone, PartialEq, Eq)]
pub struct Address(Arc<str>);

/// What is kept beside the payload.
#[derive(Serialize, Deserialize)]
struct Kept<'a> {
    notify: Cow<'a, str>,
}

impl Address {
    /// Makes an address.
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The address that was kept beside the payload of a submission; `None` where there is none (any more).
    #[must_use]
    pub fn kept_in(meta: &[u8]) -> Option<Self> {
        // A list, which is how headers are kept, could be read as the fields of `Kept`.
        let kept: Kept<'_> = meta.starts_with(b"{").then(|| serde_json::from_slice(meta).ok())??;
        Some(Self(kept.notify.into()))
    }

    /// What to keep beside the payload.
    pub(super) fn to_meta(&self) -> Bytes {
        // Text can always be written as JSON.
        serde_json::to_vec(&Kept { notify: Cow::Borrowed(&self.0) }).unwrap_or_default().into()
    }
}

impl<T: Into<Arc<str>>> From<T> for Address {
    fn from(text: T) -> Self {
        Self(text.into())
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Address(…)")
    }
}

/// A task that tells how the `task`-th task of the `submission`-th submission of a call ended.
#[must_use]
pub fn teller(policy: &Policy, submission: usize, task: usize) -> NewTask {
    NewTask {
        after: vec![Parent::Submitted { submission, task }],
        survives_parents: true,
        ..policy.new_task(KIND.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_is_read_back_from_beside_the_payload() {
        let address = Address::new("https://example.org/\"t0ken\"");
        assert_eq!(Address::kept_in(&address.to_meta()), Some(address));
    }

    #[test]
    fn headers_and_erased_payloads_hold_no_address() {
        for meta in [&b""[..], b"[]", br#"["https://example.org"]"#, br#"[["notify", "x"]]"#, b"{}", b"{\"notify\": 1}"]
        {
            assert_eq!(Address::kept_in(meta), None, "{}", String::from_utf8_lossy(meta));
        }
    }

    #[test]
    fn debug_shows_nothing_of_an_address() {
        assert_eq!(format!("{:?}", Address::new("t0ken")), "Address(…)");
    }
}
