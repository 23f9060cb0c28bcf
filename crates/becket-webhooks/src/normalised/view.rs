//! What normalised events are about, as types that are the same for all forges.
//!
//! A view has what handlers reach for first. It owns its texts, takes what a forge leaves out as `None`, and leaves the
//! rest to the payload, which is there as it came.

use serde::Serialize;
use serde_json::Value;

use super::tree::Tree;
use super::{Normalised, azure_devops, bitbucket_cloud, bitbucket_server, github, gitlab};
use crate::kind::Kind;

/// What a normalised event is about.
///
/// ```
/// use becket_webhooks::{Kind, Normalised, View};
///
/// let json = br#"{"object_attributes": {"iid": 7, "title": "Light the lamp", "source_branch": "lamp", "state": "opened"}}"#;
/// let view = View::read(Kind::Gitlab, Normalised::ChangeRequestOpened, Some("tower/lamp"), json)?;
/// let View::ChangeRequest(change) = view else { panic!("that is what it is") };
/// assert_eq!((change.number, &*change.title, change.repository.as_deref()), (7, "Light the lamp", Some("tower/lamp")));
/// # Ok::<(), becket_webhooks::ViewError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum View {
    /// Of `change_request.…`.
    ChangeRequest(ChangeRequest),
    /// Of `push`, `branch.deleted`, `tag.pushed` and `tag.deleted`.
    Push(Push),
    /// Of `issue.…`.
    Issue(Issue),
    /// Of `build.finished`.
    Build(Build),
}

/// A pull request (GitHub, Bitbucket, Azure DevOps, Gitea) or merge request (GitLab), as it is after the event.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ChangeRequest {
    /// The kind of sender.
    pub forge: Kind,
    /// What happened.
    pub event: Normalised,
    /// The repository that it is to be merged into, as [`Delivery::repository`](crate::Delivery::repository) names it.
    pub repository: Option<String>,
    /// Its number in the repository: what people say and links have. GitLab's `iid`.
    pub number: u64,
    /// Its title; empty where the forge sends none.
    pub title: String,
    /// Who opened it, by the name that the forge has for them. GitLab says it only where that is somebody who is involved.
    pub author: Option<String>,
    /// Who did what the event tells of.
    pub actor: Option<String>,
    /// Whether it is open.
    pub state: State,
    /// Whether it is marked as not ready.
    pub draft: bool,
    /// The branch with the changes. GitHub and Gitea leave it out of comments in the conversation.
    pub source_branch: Option<String>,
    /// The branch that they go into; left out as `source_branch`.
    pub target_branch: Option<String>,
    /// The newest commit of the changes; left out as `source_branch`. Bitbucket Cloud abbreviates it.
    pub commit: Option<String>,
    /// Its page.
    pub link: Option<String>,
    /// What was written, for `change_request.commented` and for reviews with a text.
    pub comment: Option<Comment>,
}

/// A comment on a change request or an issue.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Comment {
    /// Who wrote it.
    pub author: Option<String>,
    /// What they wrote, as they did: Markdown on most forges.
    pub text: String,
    /// Its place on the page.
    pub link: Option<String>,
}

/// A branch or a tag that was created, moved or deleted.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Push {
    /// The kind of sender.
    pub forge: Kind,
    /// What happened.
    pub event: Normalised,
    /// The repository, as [`Delivery::repository`](crate::Delivery::repository) names it.
    pub repository: Option<String>,
    /// The branch, without `refs/heads/`; `None` for a tag.
    pub branch: Option<String>,
    /// The tag, without `refs/tags/`; `None` for a branch.
    pub tag: Option<String>,
    /// What it pointed to before; `None` for a new one.
    pub before: Option<String>,
    /// What it points to now; `None` for one that was deleted.
    pub commit: Option<String>,
    /// The first line of that commit's message, where the forge sends it.
    pub title: Option<String>,
    /// Who pushed.
    pub actor: Option<String>,
    /// The page of the changes, of the newest commit, or of the repository: the first that the forge sends.
    pub link: Option<String>,
    /// What else was pushed at the same time. Only Bitbucket and Azure DevOps put several into one delivery; the event's
    /// name is that of the first.
    pub others: Vec<Moved>,
}

/// One more branch or tag of a [`Push`].
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Moved {
    /// The branch; `None` for a tag.
    pub branch: Option<String>,
    /// The tag; `None` for a branch.
    pub tag: Option<String>,
    /// What it pointed to before; `None` for a new one.
    pub before: Option<String>,
    /// What it points to now; `None` for one that was deleted.
    pub commit: Option<String>,
}

/// An issue or, on Azure DevOps, a work item, as it is after the event.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Issue {
    /// The kind of sender.
    pub forge: Kind,
    /// What happened.
    pub event: Normalised,
    /// The repository, as [`Delivery::repository`](crate::Delivery::repository) names it. Work items belong to none.
    pub repository: Option<String>,
    /// Its number in the repository or, of a work item, the organisation.
    pub number: u64,
    /// Its title; empty where the forge sends none.
    pub title: String,
    /// Who opened it; see [`ChangeRequest::author`].
    pub author: Option<String>,
    /// Who did what the event tells of.
    pub actor: Option<String>,
    /// Whether it is open.
    pub state: State,
    /// Its page.
    pub link: Option<String>,
    /// What was written, for `issue.commented`.
    pub comment: Option<Comment>,
}

/// A build that has ended.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Build {
    /// The kind of sender.
    pub forge: Kind,
    /// What happened.
    pub event: Normalised,
    /// The repository, as [`Delivery::repository`](crate::Delivery::repository) names it.
    pub repository: Option<String>,
    /// What was built: the workflow, the pipeline, the status's context.
    pub name: Option<String>,
    /// Which run of it, where runs are counted.
    pub number: Option<u64>,
    /// How it ended.
    pub result: BuildResult,
    /// The branch that was built; `None` for a tag, and where the forge does not say.
    pub branch: Option<String>,
    /// The commit that was built.
    pub commit: Option<String>,
    /// Who it was built for.
    pub actor: Option<String>,
    /// Its page.
    pub link: Option<String>,
}

/// Whether a change request or an issue is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It is open.
    Open,
    /// It was merged; never of an issue.
    Merged,
    /// It is closed, and was not merged.
    Closed,
}

/// How a build ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BuildResult {
    /// Well: `success`, `neutral`, `SUCCESSFUL`, `succeeded`.
    Succeeded,
    /// Not well: `failure`, `error`, `timed_out`, `failed`.
    Failed,
    /// Somebody or something stopped it: `cancelled`, `stale`, `canceled`, `STOPPED`.
    Cancelled,
    /// There was nothing to do: `skipped`.
    Skipped,
    /// Anything else: `action_required`, `partiallySucceeded`.
    Other,
}

/// A payload has no view.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ViewError {
    /// It is not JSON.
    #[error("the payload is not JSON")]
    NotJson,
    /// A field that every view of this kind has is not there, or of another type.
    #[error("the payload has no `{field}`")]
    Missing {
        /// Where it was looked for first, as a JSON Pointer.
        field: &'static str,
    },
    /// Senders of this kind have no normalised events.
    #[error("`{kind}` has no normalised events")]
    NoForge {
        /// The kind.
        kind: Kind,
    },
}

impl View {
    /// Reads the payload of a delivery: its JSON text ([`Delivery::json`](crate::Delivery::json)), given what was found out
    /// when it was received.
    ///
    /// Builds the payload as a tree, which takes some times as much memory as its text.
    ///
    /// # Errors
    /// [`ViewError::NotJson`], [`ViewError::NoForge`], and [`ViewError::Missing`] where a change request or an issue has no
    /// number.
    pub fn read(kind: Kind, event: Normalised, repository: Option<&str>, json: &[u8]) -> Result<Self, ViewError> {
        let payload: Value = serde_json::from_slice(json).map_err(|_| ViewError::NotJson)?;
        let (about, payload) = (About { forge: kind, event, repository }, Tree::new(&payload));
        match kind {
            Kind::Github | Kind::Gitea => github::view(about, payload),
            Kind::Gitlab => gitlab::view(about, payload),
            Kind::BitbucketServer => bitbucket_server::view(about, payload),
            Kind::BitbucketCloud => bitbucket_cloud::view(about, payload),
            Kind::AzureDevops => azure_devops::view(about, payload),
            Kind::Slack | Kind::Stripe | Kind::StandardWebhooks | Kind::Custom => Err(ViewError::NoForge { kind }),
        }
    }

    /// Returns what happened.
    pub fn event(&self) -> Normalised {
        match self {
            Self::ChangeRequest(change) => change.event,
            Self::Push(push) => push.event,
            Self::Issue(issue) => issue.event,
            Self::Build(build) => build.event,
        }
    }
}

/// What is known before a payload is looked at.
#[derive(Clone, Copy)]
pub(super) struct About<'a> {
    pub(super) forge: Kind,
    pub(super) event: Normalised,
    pub(super) repository: Option<&'a str>,
}

/// What an event is about.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    ChangeRequest,
    Push,
    Issue,
    Build,
}

impl About<'_> {
    pub(super) fn family(&self) -> Family {
        use Normalised as N;
        match self.event {
            N::ChangeRequestOpened
            | N::ChangeRequestReopened
            | N::ChangeRequestUpdated
            | N::ChangeRequestApproved
            | N::ChangeRequestChangesRequested
            | N::ChangeRequestUnapproved
            | N::ChangeRequestCommented
            | N::ChangeRequestMerged
            | N::ChangeRequestClosed => Family::ChangeRequest,
            N::Push | N::BranchDeleted | N::TagPushed | N::TagDeleted => Family::Push,
            N::IssueOpened | N::IssueUpdated | N::IssueReopened | N::IssueClosed | N::IssueCommented => Family::Issue,
            N::BuildFinished => Family::Build,
        }
    }

    /// A change request of which only the number and the title are known.
    pub(super) fn change_request(self, number: u64, title: Option<String>) -> ChangeRequest {
        ChangeRequest {
            forge: self.forge,
            event: self.event,
            repository: self.repository.map(str::to_owned),
            number,
            title: title.unwrap_or_default(),
            author: None,
            actor: None,
            state: self.state(State::Open),
            draft: false,
            source_branch: None,
            target_branch: None,
            commit: None,
            link: None,
            comment: None,
        }
    }

    /// An issue of which only the number and the title are known.
    pub(super) fn issue(self, number: u64, title: Option<String>) -> Issue {
        Issue {
            forge: self.forge,
            event: self.event,
            repository: self.repository.map(str::to_owned),
            number,
            title: title.unwrap_or_default(),
            author: None,
            actor: None,
            state: self.state(State::Open),
            link: None,
            comment: None,
        }
    }

    /// A push of these refs, of which there is one at least.
    pub(super) fn push(self, moved: impl IntoIterator<Item = Moved>) -> Push {
        let mut moved = moved.into_iter();
        let Moved { branch, tag, before, commit } = moved.next().unwrap_or_default();
        Push {
            forge: self.forge,
            event: self.event,
            repository: self.repository.map(str::to_owned),
            branch,
            tag,
            before,
            commit,
            title: None,
            actor: None,
            link: None,
            others: moved.collect(),
        }
    }

    /// A build of which only the result is known.
    pub(super) fn build(self, result: Option<&str>) -> Build {
        Build {
            forge: self.forge,
            event: self.event,
            repository: self.repository.map(str::to_owned),
            name: None,
            number: None,
            result: BuildResult::of(result.unwrap_or_default()),
            branch: None,
            commit: None,
            actor: None,
            link: None,
        }
    }

    /// The state after the event. What it says itself counts more than `said`: a payload may show the state before.
    pub(super) fn state(self, said: State) -> State {
        match self.event {
            Normalised::ChangeRequestMerged => State::Merged,
            Normalised::ChangeRequestClosed | Normalised::IssueClosed => State::Closed,
            Normalised::ChangeRequestOpened
            | Normalised::ChangeRequestReopened
            | Normalised::IssueOpened
            | Normalised::IssueReopened => State::Open,
            _ => said,
        }
    }
}

impl BuildResult {
    /// By the word of any forge: they differ, and none means another thing by the same.
    fn of(word: &str) -> Self {
        match word.to_ascii_lowercase().as_str() {
            "success" | "neutral" | "successful" | "succeeded" => Self::Succeeded,
            "failure" | "error" | "timed_out" | "startup_failure" | "failed" => Self::Failed,
            "cancelled" | "canceled" | "stale" | "stopped" => Self::Cancelled,
            "skipped" => Self::Skipped,
            _ => Self::Other,
        }
    }
}
