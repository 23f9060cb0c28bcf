//! `pull_request`: something happened to a pull request. <https://docs.github.com/webhooks/webhook-events-and-payloads#pull_request>

use serde::{Deserialize, Serialize};

use super::actions::actions;
use super::{Account, Extra, InstallationRef, Label, Repository};

/// Something happened to a pull request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PullRequestEvent {
    /// What happened.
    pub action: PullRequestAction,
    /// Its number in the repository.
    pub number: u64,
    /// The pull request, as it is afterwards.
    pub pull_request: PullRequest,
    /// The head before new commits came, for `synchronize`.
    #[serde(default)]
    pub before: Option<String>,
    /// The head since new commits came, for `synchronize`.
    #[serde(default)]
    pub after: Option<String>,
    /// The label that came or went, for `labeled` and `unlabeled`.
    #[serde(default)]
    pub label: Option<Label>,
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

/// A pull request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PullRequest {
    /// GitHub's number for it.
    pub id: u64,
    /// Its number in the repository.
    pub number: u64,
    /// Its title.
    pub title: String,
    /// Its text, in Markdown.
    #[serde(default)]
    pub body: Option<String>,
    /// `open` or `closed`.
    pub state: String,
    /// Whether it is marked as not ready.
    #[serde(default)]
    pub draft: bool,
    /// Whether it was merged; `None` in events that do not say.
    #[serde(default)]
    pub merged: Option<bool>,
    /// Who opened it; `None` once the account is deleted.
    #[serde(default)]
    pub user: Option<Account>,
    /// What is to be merged.
    pub head: Branch,
    /// What it is to be merged into.
    pub base: Branch,
    /// Its labels.
    #[serde(default)]
    pub labels: Vec<Label>,
    /// Its page.
    #[serde(default)]
    pub html_url: Option<String>,
    /// What else GitHub sent.
    #[serde(flatten)]
    pub extra: Extra,
}

/// One side of a pull request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Branch {
    /// The branch.
    #[serde(rename = "ref")]
    pub name: String,
    /// Its newest commit.
    pub sha: String,
    /// Its repository; `None` once that is deleted.
    #[serde(default)]
    pub repo: Option<Repository>,
    /// What else GitHub sent.
    #[serde(flatten)]
    pub extra: Extra,
}

actions! {
    /// What happened to a pull request.
    PullRequestAction {
        /// It was created.
        Opened = "opened",
        /// Its title, text or base changed.
        Edited = "edited",
        /// It was closed, merged or not.
        Closed = "closed",
        /// It was opened again.
        Reopened = "reopened",
        /// Commits came or went.
        Synchronize = "synchronize",
        /// It is no longer a draft.
        ReadyForReview = "ready_for_review",
        /// It became a draft.
        ConvertedToDraft = "converted_to_draft",
        /// Somebody was assigned.
        Assigned = "assigned",
        /// Somebody was unassigned.
        Unassigned = "unassigned",
        /// It got a label.
        Labeled = "labeled",
        /// It lost a label.
        Unlabeled = "unlabeled",
        /// Its conversation was locked.
        Locked = "locked",
        /// Its conversation was unlocked.
        Unlocked = "unlocked",
        /// A review was asked for.
        ReviewRequested = "review_requested",
        /// A review is no longer asked for.
        ReviewRequestRemoved = "review_request_removed",
        /// It will merge by itself.
        AutoMergeEnabled = "auto_merge_enabled",
        /// It will not merge by itself.
        AutoMergeDisabled = "auto_merge_disabled",
        /// It was put on a milestone.
        Milestoned = "milestoned",
        /// It was taken off a milestone.
        Demilestoned = "demilestoned",
        /// It joined the merge queue.
        Enqueued = "enqueued",
        /// It left the merge queue.
        Dequeued = "dequeued",
    }
}
