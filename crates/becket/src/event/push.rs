//! `push`: commits or tags came to a repository. <https://docs.github.com/webhooks/webhook-events-and-payloads#push>

use serde::{Deserialize, Serialize};

use super::{Account, Extra, InstallationRef, Repository};

/// Commits came to a branch, or a branch or tag was made or deleted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PushEvent {
    /// The full name of what moved: `refs/heads/main`, `refs/tags/v1`.
    #[serde(rename = "ref")]
    pub reference: String,
    /// Where it was; zeros when it is new.
    pub before: String,
    /// Where it is; zeros when it is gone.
    pub after: String,
    /// Whether it was made by this push.
    #[serde(default)]
    pub created: bool,
    /// Whether it was deleted by this push.
    #[serde(default)]
    pub deleted: bool,
    /// Whether history was rewritten.
    #[serde(default)]
    pub forced: bool,
    /// What came; GitHub sends 2,048 at the most.
    #[serde(default)]
    pub commits: Vec<Commit>,
    /// The newest commit; `None` for a deletion.
    #[serde(default)]
    pub head_commit: Option<Commit>,
    /// Who pushed, as git knows them.
    #[serde(default)]
    pub pusher: Option<Author>,
    /// Where it happened.
    pub repository: Repository,
    /// Who did it; `None` for a push by a deploy key.
    #[serde(default)]
    pub sender: Option<Account>,
    /// The App's installation; `None` where the webhook is not an App's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub installation: Option<InstallationRef>,
    /// What else GitHub sent.
    #[serde(flatten)]
    pub extra: Extra,
}

impl PushEvent {
    /// The branch that moved; `None` when it was a tag.
    #[must_use]
    pub fn branch(&self) -> Option<&str> {
        self.reference.strip_prefix("refs/heads/")
    }

    /// The tag that moved; `None` when it was a branch.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        self.reference.strip_prefix("refs/tags/")
    }
}

/// A commit of a push.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Commit {
    /// Its hash.
    pub id: String,
    /// Its message.
    pub message: String,
    /// Who wrote it.
    #[serde(default)]
    pub author: Option<Author>,
    /// Files that are new.
    #[serde(default)]
    pub added: Vec<String>,
    /// Files that changed.
    #[serde(default)]
    pub modified: Vec<String>,
    /// Files that are gone.
    #[serde(default)]
    pub removed: Vec<String>,
    /// Its page.
    #[serde(default)]
    pub url: Option<String>,
    /// What else GitHub sent.
    #[serde(flatten)]
    pub extra: Extra,
}

/// A person as git knows them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Author {
    /// The name.
    pub name: String,
    /// The address.
    #[serde(default)]
    pub email: Option<String>,
    /// GitHub's login, where one belongs to the address.
    #[serde(default)]
    pub username: Option<String>,
    /// What else GitHub sent.
    #[serde(flatten)]
    pub extra: Extra,
}
