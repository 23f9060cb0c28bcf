//! A delivery: one request that was verified.
//!
//! Its fields are private and nothing here builds one from parts: whoever holds a [`Delivery`] knows that
//! [`Source::receive`](crate::Source::receive) let it through.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::HeaderName;

use crate::kind::Kind;
use crate::normalised::{Normalised, View, ViewError};

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
    pub(crate) repository: Option<String>,
    pub(crate) kind: Kind,
    pub(crate) normalised: Option<Normalised>,
    pub(crate) headers: Vec<(HeaderName, String)>,
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
    /// It is the sender's own word; `unknown` where it says none. Which word that is, for each kind of sender:
    ///
    /// | kind | event | action |
    /// |---|---|---|
    /// | `github` | `X-GitHub-Event` | the body's `action` |
    /// | `gitlab` | `object_kind`, in system hooks without one `event_name` | `object_attributes.action`, or `action` |
    /// | `bitbucket_server`, `bitbucket_cloud` | `X-Event-Key` up to the first colon: `pullrequest` | the rest: `created` |
    /// | `azure_devops` | `eventType` up to the first full stop: `git` | the rest: `pullrequest.created` |
    /// | `gitea` | `X-Gitea-Event`, `X-Forgejo-Event` or `X-Gogs-Event` | the body's `action` |
    /// | `slack` | the inner event's `type`, for other requests the body's | the inner event's `subtype` |
    /// | `stripe`, `standard_webhooks` | `type` up to the first full stop: `invoice` | the rest: `payment_failed` |
    /// | `custom` | what is configured as `event`, up to its first full stop | the rest |
    pub fn event(&self) -> &str {
        &self.0.event
    }

    /// Returns what was done, e.g. `opened`; many events have none. See [`event`](Self::event) for whose word it is.
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

    /// Returns the repository that it is about, as its forge writes it: `octo/hello`, `group/subgroup/project`,
    /// `PROJ/repo` on Bitbucket Server, `project/repo` on Azure DevOps. `None` where it is about none, or names none.
    ///
    /// At most 512 bytes, without control characters.
    pub fn repository(&self) -> Option<&str> {
        self.0.repository.as_deref()
    }

    /// Returns the kind of sender that its source is configured for.
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// Returns what happened in words that are the same for all forges, beside the sender's own: `change_request.opened`.
    ///
    /// `None` where the sender is no forge, where nothing of the sort exists on the others, and where another delivery says
    /// the same.
    pub fn normalised(&self) -> Option<Normalised> {
        self.0.normalised
    }

    /// Reads the payload as a view that is the same for all forges; `None` where there is no
    /// [normalised event](Self::normalised).
    ///
    /// # Errors
    /// As those of [`View::read`].
    pub fn view(&self) -> Option<Result<View, ViewError>> {
        self.normalised().map(|event| View::read(self.kind(), event, self.repository(), &self.json()))
    }

    /// Returns the headers that were kept, lower-case name and value, in the order of arrival.
    ///
    /// Kept are `content-type`, `user-agent`, and the source's own: ids, event, hook and signature. Everything else is
    /// dropped, `authorization`, `cookie` and tokens in particular, and so are values longer than 1 KiB.
    pub fn headers(&self) -> &[(HeaderName, String)] {
        &self.0.headers
    }

    /// Returns the value of a kept header, its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.0.headers.iter().find(|(kept, _)| kept.as_str() == name).map(|(_, value)| value.as_str())
    }

    /// Returns the body as it was received, byte for byte.
    pub fn body(&self) -> &Bytes {
        &self.0.body
    }

    /// Returns the JSON text: the body, or the decoded `payload` field of a form (GitHub, Gitea).
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
