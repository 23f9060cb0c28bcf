//! Typed views of GitHub's most used events.
//!
//! A view names the fields that handlers reach for and keeps all others in `extra`, so nothing that GitHub sent is
//! lost, and a field that GitHub adds breaks nothing. An action that is not known here is `Unknown` and keeps its word.
//! For events without a view, and where a view says too little, take [`Payload`](crate::Payload) instead, or any
//! type of your own that serde can read: [`Event`](crate::Event) takes it too.
//!
//! Fields follow <https://docs.github.com/webhooks/webhook-events-and-payloads>. What that page does not promise for
//! every delivery is optional here.

mod actions;
mod check_run;
mod installation;
mod issue_comment;
mod issues;
mod parts;
mod ping;
mod pull_request;
mod pull_request_review;
mod push;
mod release;
mod workflow_run;

pub use check_run::{CheckRun, CheckRunAction, CheckRunEvent};
pub use installation::{Installation, InstallationAction, InstallationEvent, InstallationRepository};
pub use issue_comment::{Comment, IssueCommentAction, IssueCommentEvent};
pub use issues::{Issue, IssuesAction, IssuesEvent};
pub use parts::{Account, InstallationRef, Label, Repository};
pub use ping::PingEvent;
pub use pull_request::{Branch, PullRequest, PullRequestAction, PullRequestEvent};
pub use pull_request_review::{PullRequestReviewAction, PullRequestReviewEvent, Review};
pub use push::{Author, Commit, PushEvent};
pub use release::{Release, ReleaseAction, ReleaseEvent};
pub use workflow_run::{WorkflowRun, WorkflowRunAction, WorkflowRunEvent};

/// The fields of a payload that a view does not name.
pub type Extra = serde_json::Map<String, serde_json::Value>;
