//! `release`: something happened to a release. <https://docs.github.com/webhooks/webhook-events-and-payloads#release>

use serde::{Deserialize, Serialize};

use super::actions::actions;
use super::{Account, Extra, InstallationRef, Repository};

/// Something happened to a release.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ReleaseEvent {
    /// What happened.
    pub action: ReleaseAction,
    /// The release.
    pub release: Release,
    /// Where it happened.
    pub repository: Repository,
    /// Who did it.
    pub sender: Account,
    /// The App's installation; `None` where the webhook is not an App's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub installation: Option<InstallationRef>,
    /// What else GitHub sent.
    #[serde(flatten)]
    pub extra: Extra,
}

/// A release.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Release {
    /// GitHub's number for it.
    pub id: u64,
    /// The tag it is made of.
    pub tag_name: String,
    /// Its title.
    #[serde(default)]
    pub name: Option<String>,
    /// Its notes, in Markdown.
    #[serde(default)]
    pub body: Option<String>,
    /// Whether only members see it yet.
    #[serde(default)]
    pub draft: bool,
    /// Whether it is marked as not ready for production.
    #[serde(default)]
    pub prerelease: bool,
    /// Who made it; `None` once the account is deleted.
    #[serde(default)]
    pub author: Option<Account>,
    /// Its page.
    #[serde(default)]
    pub html_url: Option<String>,
    /// What else GitHub sent.
    #[serde(flatten)]
    pub extra: Extra,
}

actions! {
    /// What happened to a release.
    ReleaseAction {
        /// A draft was saved, or a release was made without one.
        Created = "created",
        /// It was changed.
        Edited = "edited",
        /// It can be seen: the one to build on.
        Published = "published",
        /// It was published, or is no longer a pre-release.
        Released = "released",
        /// It was published as a pre-release.
        Prereleased = "prereleased",
        /// It can no longer be seen.
        Unpublished = "unpublished",
        /// It was deleted.
        Deleted = "deleted",
    }
}
