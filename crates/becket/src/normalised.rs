//! One handler for all forges: normalised events, and views of what they are about.
//!
//! A pull request that was opened on GitHub, Bitbucket, Azure DevOps or Gitea, and a merge request of GitLab, are all
//! `change_request.opened`. A handler for that name is called for any of them, and takes a [`ChangeRequest`] as an argument:
//! number, title, author, branches, commit, link. There are [`Push`], [`Issue`] and [`Build`] as well, [`View`] for a
//! handler of several, and [`Normalised`] for the name itself.
//!
//! ```
//! use becket::normalised::ChangeRequest;
//! use becket::{App, background};
//!
//! async fn review(change: ChangeRequest) -> String {
//!     format!("{} #{}: {}", change.forge, change.number, change.title)
//! }
//!
//! let app = App::new().on("change_request.opened", background(review));
//! # let _ = app;
//! ```
//!
//! Which event of which forge has which name is in [the guide](https://github.com/becket-rs/becket/blob/main/docs/guides/events.md).
//! The sender's own words go on to work as they did, and a handler may have patterns of both kinds; for one delivery it is
//! called once. A delivery that has no normalised event gives a handler that takes a view nothing, and ends its task: give such a
//! handler patterns of normalised names.
//!
//! What is here is found out when a delivery is received, and kept with it; the view is read from the payload in the handler's
//! attempt. Types and names are those of `becket_webhooks`, and nothing here knows a forge.

use becket_tasks::TaskError;

pub use becket_webhooks::{
    Build, BuildResult, ChangeRequest, Comment, Issue, Kind, Moved, Normalised, Push, State, UnknownEvent, View,
    ViewError,
};

use crate::extract::{FromTask, TaskInput};

impl FromTask for Normalised {
    async fn from_task(input: &TaskInput) -> Result<Self, TaskError> {
        input.normalised().ok_or_else(none)
    }
}

impl FromTask for View {
    async fn from_task(input: &TaskInput) -> Result<Self, TaskError> {
        input.view()?.ok_or_else(none)
    }
}

impl FromTask for ChangeRequest {
    async fn from_task(input: &TaskInput) -> Result<Self, TaskError> {
        match View::from_task(input).await? {
            View::ChangeRequest(change) => Ok(change),
            other => Err(unfit(&other, "change request")),
        }
    }
}

impl FromTask for Push {
    async fn from_task(input: &TaskInput) -> Result<Self, TaskError> {
        match View::from_task(input).await? {
            View::Push(push) => Ok(push),
            other => Err(unfit(&other, "push")),
        }
    }
}

impl FromTask for Issue {
    async fn from_task(input: &TaskInput) -> Result<Self, TaskError> {
        match View::from_task(input).await? {
            View::Issue(issue) => Ok(issue),
            other => Err(unfit(&other, "issue")),
        }
    }
}

impl FromTask for Build {
    async fn from_task(input: &TaskInput) -> Result<Self, TaskError> {
        match View::from_task(input).await? {
            View::Build(build) => Ok(build),
            other => Err(unfit(&other, "build")),
        }
    }
}

fn none() -> TaskError {
    TaskError::give_up("the delivery has no normalised event; give the handler patterns of such, as `change_request.*`")
}

fn unfit(view: &View, wanted: &str) -> TaskError {
    TaskError::give_up(format!("the event is `{}`, which is about no {wanted}", view.event()))
}
