//! `pull_request_review`: a review of a pull request. <https://docs.github.com/webhooks/webhook-events-and-payloads#pull_request_review>

use serde::{Deserialize, Serialize};

use super::actions::actions;
use super::{Account, Extra, InstallationRef, PullRequest, Repository};

/// Somebody reviewed a pull request, or a review changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PullRequestReviewEvent {
    /// What happened.
    pub action: PullRequestReviewAction,
    /// The review.
    pub review: Review,
    /// What was reviewed.
    pub pull_request: PullRequest,
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

/// A review.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Review {
    /// GitHub's number for it.
    pub id: u64,
    /// `approved`, `changes_requested`, `commented` or `dismissed`.
    pub state: String,
    /// Its text, in Markdown.
    #[serde(default)]
    pub body: Option<String>,
    /// Who wrote it; `None` once the account is deleted.
    #[serde(default)]
    pub user: Option<Account>,
    /// The commit that was reviewed.
    #[serde(default)]
    pub commit_id: Option<String>,
    /// Its place on the page.
    #[serde(default)]
    pub html_url: Option<String>,
    /// What else GitHub sent.
    #[serde(flatten)]
    pub extra: Extra,
}

actions! {
    /// What happened to a review.
    PullRequestReviewAction {
        /// It was handed in.
        Submitted = "submitted",
        /// Its text changed.
        Edited = "edited",
        /// It no longer counts.
        Dismissed = "dismissed",
    }
}
