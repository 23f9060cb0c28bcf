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
/// assert_eq!("bitbucket_cloud".parse(), Ok(Kind::BitbucketCloud));
/// assert_eq!(Kind::Github.to_string(), "github");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Kind {
    /// GitHub and GitHub Enterprise Server: `X-Hub-Signature-256`.
    Github,
    /// GitLab: `X-Gitlab-Token`, or the signing token's `webhook-signature`.
    Gitlab,
    /// Bitbucket Server and Data Center: `X-Hub-Signature`.
    BitbucketServer,
    /// Bitbucket Cloud: `X-Hub-Signature`.
    BitbucketCloud,
    /// Azure DevOps Services and Server: HTTP basic authentication, or a header with a secret.
    AzureDevops,
    /// Gitea, Forgejo and Gogs: `X-Gitea-Signature`, `X-Forgejo-Signature` or `X-Gogs-Signature`.
    Gitea,
    /// Slack's Events API: `X-Slack-Signature`.
    Slack,
    /// Stripe: `Stripe-Signature`.
    Stripe,
    /// Senders that follow [Standard Webhooks](https://www.standardwebhooks.com), Svix among them: `webhook-signature`.
    StandardWebhooks,
    /// Any other sender that puts an HMAC into a header; see [`Custom`](crate::Custom).
    Custom,
}

impl Kind {
    /// Every kind, in the order in which documents list them.
    pub const ALL: [Self; 10] = [
        Self::Github,
        Self::Gitlab,
        Self::BitbucketServer,
        Self::BitbucketCloud,
        Self::AzureDevops,
        Self::Gitea,
        Self::Slack,
        Self::Stripe,
        Self::StandardWebhooks,
        Self::Custom,
    ];

    /// Returns the name used in configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Github => "github",
            Self::Gitlab => "gitlab",
            Self::BitbucketServer => "bitbucket_server",
            Self::BitbucketCloud => "bitbucket_cloud",
            Self::AzureDevops => "azure_devops",
            Self::Gitea => "gitea",
            Self::Slack => "slack",
            Self::Stripe => "stripe",
            Self::StandardWebhooks => "standard_webhooks",
            Self::Custom => "custom",
        }
    }

    /// Whether its senders sign the time, so that a request that is too old can be refused.
    ///
    /// GitLab does with its signing token, and `custom` where a timestamp is configured.
    pub const fn may_sign_time(self) -> bool {
        matches!(self, Self::Gitlab | Self::Slack | Self::Stripe | Self::StandardWebhooks | Self::Custom)
    }

    /// Returns the largest body, in bytes, that a source of this kind takes unless it is configured otherwise.
    ///
    /// Forges: 25 MiB. GitHub [sends nothing larger than 25 MB](https://docs.github.com/en/webhooks/webhook-events-and-payloads),
    /// and neither does GitLab ([`REQUEST_BODY_SIZE_LIMIT`](https://github.com/gitlabhq/gitlabhq/blob/master/app/services/web_hook_service.rb)).
    /// The others: 1 MiB. The Standard Webhooks specification wants senders to stay under 20 KB, and Bitbucket Cloud
    /// [sends nothing larger than 256 KB](https://support.atlassian.com/bitbucket-cloud/docs/troubleshoot-webhooks/).
    pub const fn body_limit(self) -> usize {
        match self {
            Self::Github | Self::Gitlab | Self::BitbucketServer | Self::AzureDevops | Self::Gitea => 25 * 1024 * 1024,
            Self::BitbucketCloud | Self::Slack | Self::Stripe | Self::StandardWebhooks | Self::Custom => 1024 * 1024,
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
        assert_eq!(
            error.to_string(),
            "unknown kind of source `githb`; known are github, gitlab, bitbucket_server, bitbucket_cloud, azure_devops, \
             gitea, slack, stripe, standard_webhooks, custom"
        );
    }

    #[test]
    fn github_takes_25_mib_by_default() {
        assert_eq!(Kind::Github.body_limit(), 26_214_400);
        assert_eq!(Kind::StandardWebhooks.body_limit(), 1_048_576);
    }
}
