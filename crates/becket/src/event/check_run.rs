//! `check_run`: a check of a commit moved on. <https://docs.github.com/webhooks/webhook-events-and-payloads#check_run>

use serde::{Deserialize, Serialize};

use super::actions::actions;
use super::{Account, Extra, InstallationRef, Repository};

/// A check of a commit moved on, or somebody asked for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CheckRunEvent {
    /// What happened.
    pub action: CheckRunAction,
    /// The check run.
    pub check_run: CheckRun,
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

/// One run of one check.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CheckRun {
    /// GitHub's number for it.
    pub id: u64,
    /// The check.
    pub name: String,
    /// The commit that is checked.
    pub head_sha: String,
    /// `queued`, `in_progress`, `completed` …
    #[serde(default)]
    pub status: Option<String>,
    /// `success`, `failure`, `neutral` …; `None` until completed.
    #[serde(default)]
    pub conclusion: Option<String>,
    /// The number that the checking system gave it.
    #[serde(default)]
    pub external_id: Option<String>,
    /// Its page.
    #[serde(default)]
    pub html_url: Option<String>,
    /// What else GitHub sent.
    #[serde(flatten)]
    pub extra: Extra,
}

actions! {
    /// What happened to a check run.
    CheckRunAction {
        /// It was made.
        Created = "created",
        /// It ended.
        Completed = "completed",
        /// Somebody asked to run it again.
        Rerequested = "rerequested",
        /// Somebody pressed a button of it.
        RequestedAction = "requested_action",
    }
}
