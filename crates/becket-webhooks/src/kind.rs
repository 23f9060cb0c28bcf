//! The kinds of sender that a [`Source`](crate::Source) can be, and their names in configuration.
//!
//! Only names and defaults. How each kind verifies and reads is in `source/<kind>.rs`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Whose signature scheme and headers a source speaks.
///
/// ```
/// use becket_webhooks::Kind;
///
/// assert_eq!("standard_webhooks".parse(), Ok(Kind::StandardWebhooks));
/// assert_eq!(Kind::Github.to_string(), "github");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Kind {
    /// GitHub and GitHub Enterprise Server: `X-Hub-Signature-256`.
    Github,
    /// Senders that follow [Standard Webhooks](https://www.standardwebhooks.com), Svix among them: `webhook-signature`.
    StandardWebhooks,
}

impl Kind {
    /// Every kind, in the order in which documents list them.
    pub const ALL: [Self; 2] = [Self::Github, Self::StandardWebhooks];

    /// Returns the name used in configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Github => "github",
            Self::StandardWebhooks => "standard_webhooks",
        }
    }

    /// Returns the largest body, in bytes, that a source of this kind takes unless it is configured otherwise.
    ///
    /// GitHub: 25 MiB; it [sends nothing larger than 25 MB](https://docs.github.com/en/webhooks/webhook-events-and-payloads).
    /// Standard Webhooks: 1 MiB; the specification wants senders to stay under 20 KB.
    pub const fn body_limit(self) -> usize {
        match self {
            Self::Github => 25 * 1024 * 1024,
            Self::StandardWebhooks => 1024 * 1024,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Kind {
    type Err = UnknownKind;

    fn from_str(name: &str) -> Result<Self, UnknownKind> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name).ok_or_else(|| UnknownKind(name.to_owned()))
    }
}

/// A name that is no kind of source.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown kind of source `{0}`; known are {known}", known = Kind::ALL.map(Kind::as_str).join(", "))]
pub struct UnknownKind(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_one_name_in_text_and_in_configuration() {
        for kind in Kind::ALL {
            assert_eq!(kind.to_string().parse(), Ok(kind));
            assert_eq!(serde_json::to_string(&kind).unwrap(), format!("\"{kind}\""));
        }
    }

    #[test]
    fn unknown_kind_is_told_which_kinds_there_are() {
        let error = "githb".parse::<Kind>().unwrap_err();
        assert_eq!(error.to_string(), "unknown kind of source `githb`; known are github, standard_webhooks");
    }

    #[test]
    fn github_takes_25_mib_by_default() {
        assert_eq!(Kind::Github.body_limit(), 26_214_400);
        assert_eq!(Kind::StandardWebhooks.body_limit(), 1_048_576);
    }
}
