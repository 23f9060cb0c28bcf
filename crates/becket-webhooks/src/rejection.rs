//! A refused request: what the sender is told, and what the operator is told.
//!
//! The two are kept apart on purpose. `Display` and [`Rejection::public_message`] are for the sender;
//! [`Rejection::explanation`] is for the log and the admin API.

use std::fmt;

use http::StatusCode;
use serde::Serialize;

use crate::explain::Explanation;

/// Why no delivery came of a request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", kind.public_message())]
pub struct Rejection {
    kind: RejectionKind,
    explanation: Explanation,
}

impl Rejection {
    pub(crate) fn unauthorized(explanation: Explanation) -> Self {
        Self { kind: RejectionKind::Unauthorized, explanation }
    }

    /// For a request whose headers are those of no source, where one path takes the requests of several.
    pub fn unknown_sender() -> Self {
        Self::unauthorized(Explanation::UnknownSender)
    }

    /// For what is found out after the signature was right.
    pub(crate) fn unreadable(explanation: Explanation) -> Self {
        let kind = match explanation {
            Explanation::UnsupportedContentType => RejectionKind::UnsupportedMediaType,
            _ => RejectionKind::Unreadable,
        };
        Self { kind, explanation }
    }

    /// Returns the class of failure, which decides the status code.
    pub fn kind(&self) -> RejectionKind {
        self.kind
    }

    /// Returns the status code for the sender.
    pub fn status(&self) -> StatusCode {
        self.kind.status()
    }

    /// Returns the text for the sender. It is the same for every failure of a kind.
    pub fn public_message(&self) -> &'static str {
        self.kind.public_message()
    }

    /// Returns the reason, for the log and the admin API. Do not send it back.
    pub fn explanation(&self) -> &Explanation {
        &self.explanation
    }
}

/// The classes of failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RejectionKind {
    /// The signature is missing or wrong.
    Unauthorized,
    /// The sender is who it should be, and the request is not a webhook that can be read.
    Unreadable,
    /// The sender is who it should be, and the body is of another type.
    UnsupportedMediaType,
}

impl RejectionKind {
    /// Returns the word used in metrics and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unauthorized => "unauthorized",
            Self::Unreadable => "unreadable",
            Self::UnsupportedMediaType => "unsupported_media_type",
        }
    }

    const fn status(self) -> StatusCode {
        match self {
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Unreadable => StatusCode::BAD_REQUEST,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        }
    }

    const fn public_message(self) -> &'static str {
        match self {
            Self::Unauthorized => "the signature could not be verified",
            Self::Unreadable => "the request could not be read as a webhook",
            Self::UnsupportedMediaType => "the content type is not supported",
        }
    }
}

impl fmt::Display for RejectionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sender_is_told_the_same_for_every_bad_signature() {
        let one = Rejection::unauthorized(Explanation::OnlySha1);
        let other = Rejection::unauthorized(Explanation::MatchesWithoutTrailingNewline);
        assert_eq!(one.public_message(), other.public_message());
        assert_eq!(one.to_string(), "the signature could not be verified");
        assert_eq!(one.explanation().reason(), "only_sha1");
    }

    #[test]
    fn each_kind_has_its_status_and_word() {
        let table = [
            (Rejection::unauthorized(Explanation::WrongSecret), 401, "unauthorized"),
            (Rejection::unreadable(Explanation::NotUtf8), 400, "unreadable"),
            (Rejection::unreadable(Explanation::UnsupportedContentType), 415, "unsupported_media_type"),
        ];
        for (rejection, status, word) in table {
            assert_eq!(rejection.status().as_u16(), status);
            assert_eq!(rejection.kind().to_string(), word);
            assert!(!rejection.public_message().contains(&*rejection.explanation().sentence()));
            assert_eq!(serde_json::to_string(&rejection.kind()).unwrap(), format!("\"{word}\""));
        }
    }
}
