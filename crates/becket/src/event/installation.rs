//! `installation`: somebody installed the App, or changed that. <https://docs.github.com/webhooks/webhook-events-and-payloads#installation>

use serde::{Deserialize, Serialize};

use super::actions::actions;
use super::parts::account_if_complete;
use super::{Account, Extra};

/// Somebody installed the App, removed it, or changed what it may do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct InstallationEvent {
    /// What happened.
    pub action: InstallationAction,
    /// The installation.
    pub installation: Installation,
    /// What it may see, where that is not all.
    #[serde(default)]
    pub repositories: Vec<InstallationRepository>,
    /// Who did it.
    pub sender: Account,
    /// What else GitHub sent.
    #[serde(flatten)]
    pub extra: Extra,
}

/// An installation of the App.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Installation {
    /// GitHub's number for it.
    pub id: u64,
    /// Where it is installed; `None` for an enterprise, which has no login.
    #[serde(default, deserialize_with = "account_if_complete", skip_serializing_if = "Option::is_none")]
    pub account: Option<Account>,
    /// The App's number.
    #[serde(default)]
    pub app_id: Option<u64>,
    /// `all` or `selected`.
    #[serde(default)]
    pub repository_selection: Option<String>,
    /// What it is sent.
    #[serde(default)]
    pub events: Vec<String>,
    /// What it may do: `issues` → `write`.
    #[serde(default)]
    pub permissions: std::collections::BTreeMap<String, String>,
    /// What else GitHub sent.
    #[serde(flatten)]
    pub extra: Extra,
}

/// A repository as an installation lists it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct InstallationRepository {
    /// GitHub's number for it.
    pub id: u64,
    /// The name without the owner.
    pub name: String,
    /// `owner/name`.
    pub full_name: String,
    /// What else GitHub sent.
    #[serde(flatten)]
    pub extra: Extra,
}

actions! {
    /// What happened to an installation.
    InstallationAction {
        /// The App was installed.
        Created = "created",
        /// The App was removed.
        Deleted = "deleted",
        /// It was put on hold.
        Suspend = "suspend",
        /// It is no longer on hold.
        Unsuspend = "unsuspend",
        /// An owner accepted what the App newly asks for.
        NewPermissionsAccepted = "new_permissions_accepted",
    }
}
