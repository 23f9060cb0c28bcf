//! `issue_comment`: a comment on an issue or pull request. <https://docs.github.com/webhooks/webhook-events-and-payloads#issue_comment>

use serde::{Deserialize, Serialize};

use super::actions::actions;
use super::{Account, Extra, InstallationRef, Issue, Repository};

/// Somebody wrote, changed or deleted a comment on an issue or pull request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct IssueCommentEvent {
    /// What happened.
    pub action: IssueCommentAction,
    /// The comment.
    pub comment: Comment,
    /// What it is about; see [`Issue::is_pull_request`].
    pub issue: Issue,
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

/// A comment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Comment {
    /// GitHub's number for it.
    pub id: u64,
    /// Its text, in Markdown.
    pub body: String,
    /// Who wrote it; `None` once the account is deleted.
    #[serde(default)]
    pub user: Option<Account>,
    /// What the writer is to the repository: `OWNER`, `MEMBER`, `CONTRIBUTOR`, `NONE` …
    #[serde(default)]
    pub author_association: Option<String>,
    /// Its place on the page.
    #[serde(default)]
    pub html_url: Option<String>,
    /// What else GitHub sent.
    #[serde(flatten)]
    pub extra: Extra,
}

actions! {
    /// What happened to a comment.
    IssueCommentAction {
        /// It was written.
        Created = "created",
        /// It was changed.
        Edited = "edited",
        /// It was deleted.
        Deleted = "deleted",
        /// It was pinned.
        Pinned = "pinned",
        /// It was unpinned.
        Unpinned = "unpinned",
    }
}
