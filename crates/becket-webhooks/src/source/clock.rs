//! Timestamps that are signed: reading them, and comparing them with the receiver's clock.

use http::HeaderMap;

use super::Request;
use crate::explain::Explanation;
use crate::header;

/// A signed time in seconds of Unix time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp<'a> {
    /// As it was sent, since that is what was signed.
    pub(super) text: &'a str,
    secs: i64,
}

impl<'a> Stamp<'a> {
    /// Reads digits, and nothing else.
    pub(super) fn of(text: &'a str) -> Option<Self> {
        let is_number = !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit());
        let secs = text.parse().ok().filter(|_| is_number)?;
        Some(Self { text, secs })
    }

    /// Reads a header that must be there.
    ///
    /// # Errors
    /// [`Explanation::MissingHeader`], [`Explanation::RepeatedHeader`], [`Explanation::MalformedHeader`].
    pub(super) fn of_header(headers: &'a HeaderMap, name: &str) -> Result<Self, Explanation> {
        let malformed = || Explanation::MalformedHeader { header: name.to_owned().into() };
        Self::of(header::token(headers, name)?).ok_or_else(malformed)
    }

    /// Compares whole seconds, as senders' own libraries do: they send no finer time.
    ///
    /// To be called last, so that an old timestamp is told apart from a wrong signature.
    pub(super) fn check(&self, request: &Request<'_>) -> Result<(), Explanation> {
        let skew_secs = self.secs.saturating_sub(request.now_ms.div_euclid(1000));
        let tolerance_secs = request.tolerance_secs;
        if skew_secs.saturating_abs() <= tolerance_secs {
            return Ok(());
        }
        Err(Explanation::ClockSkew { skew_secs, tolerance_secs })
    }
}
