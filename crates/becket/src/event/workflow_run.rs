//! `workflow_run`: a run of GitHub Actions moved on. <https://docs.github.com/webhooks/webhook-events-and-payloads#workflow_run>

use serde::{Deserialize, Serialize};

use super::actions::actions;
use super::{Account, Extra, InstallationRef, Repository};

/// A run of a GitHub Actions workflow moved on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct WorkflowRunEvent {
    /// What happened.
    pub action: WorkflowRunAction,
    /// The run.
    pub workflow_run: WorkflowRun,
    /// The workflow that it is a run of.
    #[serde(default)]
    pub workflow: Option<serde_json::Value>,
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

/// A run of a workflow.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct WorkflowRun {
    /// GitHub's number for it.
    pub id: u64,
    /// The workflow's name.
    #[serde(default)]
    pub name: Option<String>,
    /// The branch it runs on.
    #[serde(default)]
    pub head_branch: Option<String>,
    /// The commit it runs on.
    pub head_sha: String,
    /// What started it: `push`, `pull_request`, `schedule` …
    #[serde(default)]
    pub event: Option<String>,
    /// `queued`, `in_progress`, `completed` …
    #[serde(default)]
    pub status: Option<String>,
    /// `success`, `failure`, `cancelled` …; `None` until completed.
    #[serde(default)]
    pub conclusion: Option<String>,
    /// Counts the runs of the workflow.
    #[serde(default)]
    pub run_number: Option<u64>,
    /// Counts the attempts of this run, from 1.
    #[serde(default)]
    pub run_attempt: Option<u64>,
    /// Its page.
    #[serde(default)]
    pub html_url: Option<String>,
    /// What else GitHub sent.
    #[serde(flatten)]
    pub extra: Extra,
}

actions! {
    /// What happened to a workflow run.
    WorkflowRunAction {
        /// It was asked for.
        Requested = "requested",
        /// It began.
        InProgress = "in_progress",
        /// It ended.
        Completed = "completed",
    }
}
