//! `issues`: something happened to an issue. <https://docs.github.com/webhooks/webhook-events-and-payloads#issues>

use serde::{Deserialize, Serialize};

use super::actions::actions;
use super::{Account, Extra, InstallationRef, Label, Repository};

/// Something happened to an issue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct IssuesEvent {
    /// What happened.
    pub action: IssuesAction,
    /// The issue, as it is afterwards.
    pub issue: Issue,
    /// The label that came or went, for `labeled` and `unlabeled`.
    #[serde(default)]
    pub label: Option<Label>,
    /// The account that was assigned or unassigned.
    #[serde(default)]
    pub assignee: Option<Account>,
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

/// An issue; where GitHub treats a pull request as an issue, that.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Issue {
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
    #[serde(default)]
    pub state: Option<String>,
    /// Who wrote it; `None` once the account is deleted.
    #[serde(default)]
    pub user: Option<Account>,
    /// Its labels.
    #[serde(default)]
    pub labels: Vec<Label>,
    /// Who is to do it.
    #[serde(default)]
    pub assignees: Vec<Account>,
    /// Its page.
    #[serde(default)]
    pub html_url: Option<String>,
    /// Present when it is a pull request.
    #[serde(default)]
    pub pull_request: Option<serde_json::Value>,
    /// What else GitHub sent.
    #[serde(flatten)]
    pub extra: Extra,
}

impl Issue {
    /// Whether this is a pull request, which GitHub shows as an issue in some events.
    #[must_use]
    pub const fn is_pull_request(&self) -> bool {
        self.pull_request.is_some()
    }
}

actions! {
    /// What happened to an issue.
    IssuesAction {
        /// It was created.
        Opened = "opened",
        /// Its title or text changed.
        Edited = "edited",
        /// It was deleted.
        Deleted = "deleted",
        /// It was closed.
        Closed = "closed",
        /// It was opened again.
        Reopened = "reopened",
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
        /// It was put on a milestone.
        Milestoned = "milestoned",
        /// It was taken off a milestone.
        Demilestoned = "demilestoned",
        /// It moved to another repository.
        Transferred = "transferred",
        /// It was pinned.
        Pinned = "pinned",
        /// It was unpinned.
        Unpinned = "unpinned",
        /// It was given a type.
        Typed = "typed",
        /// Its type was taken away.
        Untyped = "untyped",
    }
}
