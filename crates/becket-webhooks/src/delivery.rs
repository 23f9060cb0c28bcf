//! A delivery: one request that was verified.
//!
//! Its fields are private and nothing here builds one from parts: whoever holds a [`Delivery`] knows that
//! [`Source::receive`](crate::Source::receive) let it through.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

/// One verified request. Cheap to clone: the clones share it.
///
/// `Debug` shows neither the body nor the values of the headers.
#[derive(Clone)]
pub struct Delivery(Arc<Parts>);

/// What a source found out about a request.
pub(crate) struct Parts {
    pub(crate) source: Arc<str>,
    pub(crate) delivery_id: String,
    pub(crate) event: String,
    pub(crate) action: Option<String>,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Bytes,
    /// The JSON text, where it is not the body itself.
    pub(crate) decoded: Option<Bytes>,
    pub(crate) received_at_ms: i64,
    pub(crate) secret_index: Option<usize>,
}

impl Delivery {
    /// Only for [`Source::receive`](crate::Source::receive), after it has verified.
    pub(crate) fn verified(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }

    /// Returns the configured name of the source, e.g. `github` or `billing`.
    pub fn source(&self) -> &str {
        &self.0.source
    }

    /// Returns the sender's id, the same for each attempt to deliver it: 1 to 256 visible ASCII characters.
    ///
    /// Unique within one source only.
    pub fn delivery_id(&self) -> &str {
        &self.0.delivery_id
    }

    /// Returns what happened, e.g. `issues`.
    ///
    /// For Standard Webhooks the part of the body's `type` before the first full stop, and `unknown` without a `type`.
    pub fn event(&self) -> &str {
        &self.0.event
    }

    /// Returns what was done, e.g. `opened`; many events have none.
    ///
    /// For Standard Webhooks the part of the body's `type` after the first full stop.
    pub fn action(&self) -> Option<&str> {
        self.0.action.as_deref()
    }

    /// Returns event and action as one name: `issues.opened`, or `push`.
    pub fn name(&self) -> Cow<'_, str> {
        match self.action() {
            Some(action) => Cow::Owned(format!("{}.{action}", self.event())),
            None => Cow::Borrowed(self.event()),
        }
    }

    /// Returns the headers that were kept, lower-case name and value, in the order of arrival.
    ///
    /// Kept are `content-type`, `user-agent`, and the source's own: ids, event, hook and signature. Everything else is
    /// dropped, `authorization` and `cookie` in particular, and so are values longer than 1 KiB.
    pub fn headers(&self) -> &[(&'static str, String)] {
        &self.0.headers
    }

    /// Returns the value of a kept header, its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.0.headers.iter().find(|(kept, _)| *kept == name).map(|(_, value)| value.as_str())
    }

    /// Returns the body as it was received, byte for byte.
    pub fn body(&self) -> &Bytes {
        &self.0.body
    }

    /// Returns the JSON text: the body, or the decoded `payload` field of a form-encoded GitHub delivery.
    ///
    /// It is a JSON object in UTF-8 that `serde_json` can read.
    pub fn json(&self) -> Bytes {
        self.0.decoded.as_ref().unwrap_or(&self.0.body).clone()
    }

    /// Returns when it was received: milliseconds of Unix time, by the clock that was given to `receive`.
    pub fn received_at_ms(&self) -> i64 {
        self.0.received_at_ms
    }

    /// Returns which of the source's secrets it was signed with, 0 being the newest.
    ///
    /// `None` when the source accepts unsigned requests. While a secret is being rotated, this tells when the old one
    /// is no longer in use.
    pub fn secret_index(&self) -> Option<usize> {
        self.0.secret_index
    }
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery")
            .field("source", &self.source())
            .field("delivery_id", &self.delivery_id())
            .field("name", &self.name())
            .field("body_bytes", &self.body().len())
            .field("received_at_ms", &self.received_at_ms())
            .field("secret_index", &self.secret_index())
            .finish_non_exhaustive()
    }
}
