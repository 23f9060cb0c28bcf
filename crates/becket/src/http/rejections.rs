//! The last refused requests, with the reason why.
//!
//! A sender learns little about why it was refused; the operator reads it here and in the log. A ring in memory of the
//! last [`CAPACITY`]: bodies, signatures and secrets are never kept, and what the sender wrote (ids, header names) is
//! cut to [`TEXT_MAX`] characters, since nobody has vouched for it.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use becket_tasks::Timestamp;
use http::{HeaderMap, StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

/// How many rejections are kept.
pub const CAPACITY: usize = 256;
/// How much is kept of a text that the sender wrote, in characters.
pub const TEXT_MAX: usize = 200;
/// How many header names are kept of one request.
const HEADER_NAMES_MAX: usize = 64;

/// One refused request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Rejection {
    /// When it was refused.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// The source whose path was called.
    pub source: String,
    /// The sender's address, as far as it is sure: the peer's, or what proxies in `server.trusted_proxies` say.
    #[schema(value_type = Option<String>)]
    pub remote: Option<IpAddr>,
    /// The status that was answered.
    #[schema(value_type = u16)]
    #[serde(serialize_with = "status_number")]
    pub status: StatusCode,
    /// Why, in one word that does not change: `wrong_secret`, `body_too_large`, …
    pub reason: String,
    /// Why, in a sentence, and what to do about it.
    pub explanation: String,
    /// The sender's id, unverified.
    pub delivery_id: Option<String>,
    /// The sender's event, unverified.
    pub event: Option<String>,
    /// Size of the body in bytes, as far as it was read.
    pub size: Option<u64>,
    /// The names of the request's headers, without their values.
    pub headers: Vec<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn status_number<S: serde::Serializer>(status: &StatusCode, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u16(status.as_u16())
}

impl Rejection {
    /// A rejection of which only the essentials are known; fill in the rest.
    pub fn new(
        at: Timestamp,
        source: impl Into<String>,
        status: StatusCode,
        reason: impl Into<String>,
        explanation: impl Into<String>,
    ) -> Self {
        Self {
            at,
            source: source.into(),
            remote: None,
            status,
            reason: reason.into(),
            explanation: explanation.into(),
            delivery_id: None,
            event: None,
            size: None,
            headers: Vec::new(),
        }
    }

    /// Keeps the names of the request's headers, each once.
    #[must_use]
    pub fn with_header_names(mut self, headers: &HeaderMap) -> Self {
        self.headers = headers.keys().take(HEADER_NAMES_MAX).map(|name| cut(name.as_str())).collect();
        self
    }

    fn cut(mut self) -> Self {
        for text in [&mut self.source, &mut self.reason].into_iter().chain(&mut self.delivery_id).chain(&mut self.event)
        {
            *text = cut(text);
        }
        self
    }
}

fn cut(text: &str) -> String {
    text.chars().take(TEXT_MAX).collect()
}

/// A ring of the last rejections. Adding takes a lock for a moment, and never waits for readers to finish writing.
#[derive(Debug, Default)]
pub struct RejectionLog(Mutex<VecDeque<Rejection>>);

impl RejectionLog {
    /// An empty log.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one, and forgets the oldest where there are too many.
    pub fn add(&self, rejection: Rejection) {
        let rejection = rejection.cut();
        let mut ring = self.ring();
        if ring.len() == CAPACITY {
            ring.pop_front();
        }
        ring.push_back(rejection);
    }

    /// The last ones, newest first.
    #[must_use]
    pub fn newest(&self, limit: usize) -> Vec<Rejection> {
        self.ring().iter().rev().take(limit).cloned().collect()
    }

    fn ring(&self) -> MutexGuard<'_, VecDeque<Rejection>> {
        // Nothing that can panic happens under the lock; a poisoned ring would still be whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rejection(number: usize) -> Rejection {
        let at = Timestamp::from_millis(i64::try_from(number).unwrap());
        Rejection::new(at, "github", StatusCode::UNAUTHORIZED, "wrong_secret", "the signature matches no secret")
    }

    #[test]
    fn newest_come_first_and_the_oldest_are_forgotten() {
        let log = RejectionLog::new();
        for number in 0..CAPACITY + 3 {
            log.add(rejection(number));
        }
        let all = log.newest(usize::MAX);
        assert_eq!(all.len(), CAPACITY);
        assert_eq!(all[0], rejection(CAPACITY + 2));
        assert_eq!(all[CAPACITY - 1], rejection(3));
        assert_eq!(log.newest(2).len(), 2);
    }

    #[test]
    fn what_the_sender_wrote_is_cut() {
        let log = RejectionLog::new();
        log.add(Rejection { delivery_id: Some("é".repeat(9_000)), ..rejection(1) });
        assert_eq!(log.newest(1)[0].delivery_id.as_deref().map(|id| id.chars().count()), Some(TEXT_MAX));
    }

    #[test]
    fn only_the_names_of_headers_are_kept() {
        let mut headers = HeaderMap::new();
        headers.insert("x-hub-signature-256", "sha256=0123".parse().unwrap());
        headers.append("x-forwarded-for", "1".parse().unwrap());
        headers.append("x-forwarded-for", "2".parse().unwrap());
        let kept = rejection(1).with_header_names(&headers).headers;
        assert_eq!(kept.len(), 2);
        assert!(kept.contains(&"x-hub-signature-256".to_owned()) && !format!("{kept:?}").contains("0123"));
    }
}
