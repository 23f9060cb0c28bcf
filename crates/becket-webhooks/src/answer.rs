//! Answers that a sender waits for: to questions, which are no deliveries and become no work.

use bytes::Bytes;

/// What to answer a request that only asks, with 200.
///
/// Slack asks whether the URL is an application of whoever entered it, Bitbucket Server whether anything is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    content_type: &'static str,
    body: Bytes,
}

impl Answer {
    pub(crate) fn json(body: impl Into<Bytes>) -> Self {
        Self { content_type: "application/json", body: body.into() }
    }

    /// Returns the value of `Content-Type`.
    pub fn content_type(&self) -> &'static str {
        self.content_type
    }

    /// Returns the body.
    pub fn body(&self) -> &Bytes {
        &self.body
    }
}
