//! Dialects: a kind of sender, with the settings of those that have any.
//!
//! What a [`Source`](crate::Source) understands and a [`Sender`](crate::Sender) speaks. Secrets are no part of it.

use std::fmt;
use std::sync::Arc;

use http::HeaderName;

use crate::custom::Custom;
use crate::kind::Kind;

/// How a sender signs and shapes its requests.
///
/// ```
/// use becket_webhooks::{Dialect, Kind, Secrets, Source};
///
/// let gitlab = Source::new("gitlab", Dialect::Gitlab, Secrets::new(["the secret token"])?)?;
/// assert_eq!(gitlab.kind(), Kind::Gitlab);
/// # Ok::<_, becket_webhooks::SecretError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Dialect {
    /// GitHub and GitHub Enterprise Server. Secrets are taken as they are, white space included, as GitHub does.
    Github,
    /// GitLab. A secret that begins with `whsec_` is a signing token, any other the plain secret token.
    Gitlab,
    /// Bitbucket Server and Data Center.
    BitbucketServer,
    /// Bitbucket Cloud.
    BitbucketCloud,
    /// Azure DevOps Services and Server.
    AzureDevops(AzureAuth),
    /// Gitea, Forgejo and Gogs.
    Gitea,
    /// Slack's Events API.
    Slack,
    /// Stripe.
    Stripe,
    /// Senders that follow Standard Webhooks. Secrets are `whsec_` and base64 of 24 to 64 bytes.
    StandardWebhooks,
    /// What the settings say.
    Custom(Arc<Custom>),
}

/// How a subscription of Azure DevOps proves who it is. Neither way protects the body: HTTPS has to.
///
/// Source: [Webhooks with Azure DevOps](https://learn.microsoft.com/en-us/azure/devops/service-hooks/services/webhooks).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum AzureAuth {
    /// HTTP basic authentication; a secret is `user:password`, as entered in the subscription.
    #[default]
    Basic,
    /// The value of this header is the secret; entered in the subscription under "HTTP headers".
    Header(HeaderName),
}

impl Dialect {
    /// Returns the kind of sender.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Github => Kind::Github,
            Self::Gitlab => Kind::Gitlab,
            Self::BitbucketServer => Kind::BitbucketServer,
            Self::BitbucketCloud => Kind::BitbucketCloud,
            Self::AzureDevops(_) => Kind::AzureDevops,
            Self::Gitea => Kind::Gitea,
            Self::Slack => Kind::Slack,
            Self::Stripe => Kind::Stripe,
            Self::StandardWebhooks => Kind::StandardWebhooks,
            Self::Custom(_) => Kind::Custom,
        }
    }

    /// Returns the dialect of a kind, with the settings that it has unless they are given; `None` for
    /// [`Kind::Custom`], which is nothing without settings.
    pub fn of(kind: Kind) -> Option<Self> {
        Some(match kind {
            Kind::Github => Self::Github,
            Kind::Gitlab => Self::Gitlab,
            Kind::BitbucketServer => Self::BitbucketServer,
            Kind::BitbucketCloud => Self::BitbucketCloud,
            Kind::AzureDevops => Self::AzureDevops(AzureAuth::default()),
            Kind::Gitea => Self::Gitea,
            Kind::Slack => Self::Slack,
            Kind::Stripe => Self::Stripe,
            Kind::StandardWebhooks => Self::StandardWebhooks,
            Kind::Custom => return None,
        })
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_but_custom_has_a_dialect_without_settings() {
        for kind in Kind::ALL {
            assert_eq!(Dialect::of(kind).map(|dialect| dialect.kind()), (kind != Kind::Custom).then_some(kind));
        }
    }
}
