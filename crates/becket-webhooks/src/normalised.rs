//! Normalised events: one name for what several forges call by their own.
//!
//! `pull_request.opened` of GitHub, `merge_request.open` of GitLab and `pr:opened` of Bitbucket Server are all
//! [`change_request.opened`](Normalised::ChangeRequestOpened). The name stands beside the sender's own words and replaces
//! none of them. It is found while a delivery is read, from the event, the action and a few fields of the body, so each
//! forge has a file here that says which of its events is which (`name`), and in which fields of the body that stands
//! (`FACTS`); the same file makes the typed [`View`] of the payload, which
//! is read only when somebody asks for it. Slack, Stripe and the others that are no forges have no normalised events.
//!
//! An event that nothing here is the same as has no normalised name, and neither has one that another delivery says as
//! well: were it named, one thing that happened would be handled twice.

pub(crate) mod azure_devops;
pub(crate) mod bitbucket_cloud;
pub(crate) mod bitbucket_server;
pub(crate) mod gitea;
pub(crate) mod github;
pub(crate) mod gitlab;
mod tree;
mod view;

pub use self::view::{Build, BuildResult, ChangeRequest, Comment, Issue, Moved, Push, State, View, ViewError};

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What happened, in words that are the same for all forges.
///
/// ```
/// use becket_webhooks::Normalised;
///
/// assert_eq!("change_request.opened".parse(), Ok(Normalised::ChangeRequestOpened));
/// assert_eq!(Normalised::TagPushed.name(), "tag.pushed");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "&'static str", try_from = "String")]
#[non_exhaustive]
pub enum Normalised {
    /// A pull request or merge request was created.
    ChangeRequestOpened,
    /// One that was closed is open again.
    ChangeRequestReopened,
    /// New commits, another title, text, target or label, a reviewer: anything that has no name of its own here.
    ChangeRequestUpdated,
    /// Somebody approved it.
    ChangeRequestApproved,
    /// Somebody wants it changed first.
    ChangeRequestChangesRequested,
    /// An approval, or a wish for changes, was taken back.
    ChangeRequestUnapproved,
    /// Somebody wrote a comment on it, or on its code. Comments that are edited or deleted have no name.
    ChangeRequestCommented,
    /// It was merged.
    ChangeRequestMerged,
    /// It ended without being merged: it was closed, declined, abandoned or deleted.
    ChangeRequestClosed,
    /// A branch was created, or has new commits.
    Push,
    /// A branch was deleted.
    BranchDeleted,
    /// A tag was created or moved.
    TagPushed,
    /// A tag was deleted.
    TagDeleted,
    /// An issue, or work item, was created.
    IssueOpened,
    /// Another title, text, label, assignee: anything that has no name of its own here.
    IssueUpdated,
    /// One that was closed is open again.
    IssueReopened,
    /// It was closed, deleted, or moved to another repository.
    IssueClosed,
    /// Somebody wrote a comment on it. Comments that are edited or deleted have no name.
    IssueCommented,
    /// A build has ended, well or not: a workflow run, a pipeline, a commit's status.
    BuildFinished,
}

impl Normalised {
    /// Every name, in the order in which documents list them.
    pub const ALL: [Self; 19] = [
        Self::ChangeRequestOpened,
        Self::ChangeRequestReopened,
        Self::ChangeRequestUpdated,
        Self::ChangeRequestApproved,
        Self::ChangeRequestChangesRequested,
        Self::ChangeRequestUnapproved,
        Self::ChangeRequestCommented,
        Self::ChangeRequestMerged,
        Self::ChangeRequestClosed,
        Self::Push,
        Self::BranchDeleted,
        Self::TagPushed,
        Self::TagDeleted,
        Self::IssueOpened,
        Self::IssueUpdated,
        Self::IssueReopened,
        Self::IssueClosed,
        Self::IssueCommented,
        Self::BuildFinished,
    ];

    /// Returns the name, as patterns and the API write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ChangeRequestOpened => "change_request.opened",
            Self::ChangeRequestReopened => "change_request.reopened",
            Self::ChangeRequestUpdated => "change_request.updated",
            Self::ChangeRequestApproved => "change_request.approved",
            Self::ChangeRequestChangesRequested => "change_request.changes_requested",
            Self::ChangeRequestUnapproved => "change_request.unapproved",
            Self::ChangeRequestCommented => "change_request.commented",
            Self::ChangeRequestMerged => "change_request.merged",
            Self::ChangeRequestClosed => "change_request.closed",
            Self::Push => "push",
            Self::BranchDeleted => "branch.deleted",
            Self::TagPushed => "tag.pushed",
            Self::TagDeleted => "tag.deleted",
            Self::IssueOpened => "issue.opened",
            Self::IssueUpdated => "issue.updated",
            Self::IssueReopened => "issue.reopened",
            Self::IssueClosed => "issue.closed",
            Self::IssueCommented => "issue.commented",
            Self::BuildFinished => "build.finished",
        }
    }

    /// What happened to a ref that is named in full, `refs/heads/main`; `None` for refs that are neither branch nor tag.
    fn of_ref(name: &str, is_deleted: bool) -> Option<Self> {
        if name.starts_with("refs/heads/") {
            Some(if is_deleted { Self::BranchDeleted } else { Self::Push })
        } else if name.starts_with("refs/tags/") {
            Some(if is_deleted { Self::TagDeleted } else { Self::TagPushed })
        } else {
            None
        }
    }
}

/// Whether a commit's id is the one that stands for no commit: all zeros, however long.
fn is_none(commit: &str) -> bool {
    !commit.is_empty() && commit.bytes().all(|byte| byte == b'0')
}

impl fmt::Display for Normalised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl From<Normalised> for &'static str {
    fn from(event: Normalised) -> Self {
        event.name()
    }
}

impl FromStr for Normalised {
    type Err = UnknownEvent;

    fn from_str(name: &str) -> Result<Self, UnknownEvent> {
        Self::ALL.into_iter().find(|event| event.name() == name).ok_or_else(|| UnknownEvent(name.to_owned()))
    }
}

impl TryFrom<String> for Normalised {
    type Error = UnknownEvent;

    fn try_from(name: String) -> Result<Self, UnknownEvent> {
        name.parse()
    }
}

/// A name that is no normalised event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown normalised event `{0}`; known are {known}", known = Normalised::ALL.map(Normalised::name).join(", "))]
pub struct UnknownEvent(String);

#[cfg(test)]
mod tests;
