//! Azure DevOps' events.
//!
//! A subscription is for one type of event, and some types tell of the same: the end of a pull request is told by
//! `git.pullrequest.updated` and, where it was merged, by `git.pullrequest.merged` as well. Both have the name, so that
//! either subscription does; whoever has both hears it twice. Votes are updates: the payload does not say what was changed.
//!
//! Source: [Events](https://learn.microsoft.com/en-us/azure/devops/service-hooks/events); states of work items:
//! [Workflow states and state categories](https://learn.microsoft.com/en-us/azure/devops/boards/work-items/workflow-and-state-categories).

use super::tree::{Tree, branch, line, moved};
use super::view::{About, Build, ChangeRequest, Comment, Family, Issue, Push, State, View, ViewError};
use super::{Normalised, is_none};
use crate::body::Found;

/// The fields that [`name`] looks at.
pub(crate) const FACTS: &[&str] = &[
    "/resource/status",
    "/resource/refUpdates/0/name",
    "/resource/refUpdates/0/newObjectId",
    "/resource/comment/publishedDate",
    "/resource/comment/lastContentUpdatedDate",
    "/resource/comment/isDeleted",
    "/resource/fields/System.State/oldValue",
    "/resource/fields/System.State/newValue",
    "/resource/run/state",
];

/// The name of an event. `git.push` may be about several refs: the first names it.
pub(crate) fn name(event: &str, action: Option<&str>, found: &Found<'_>) -> Option<Normalised> {
    use Normalised as N;
    Some(match (event, action?) {
        ("git", "push") => {
            let is_deleted = found.fact("/resource/refUpdates/0/newObjectId").is_some_and(is_none);
            return Normalised::of_ref(found.fact("/resource/refUpdates/0/name")?, is_deleted);
        }
        ("git", "pullrequest.created") => N::ChangeRequestOpened,
        // `merged` is sent whenever a merge was tried, to see whether it would go, too.
        ("git", "pullrequest.updated" | "pullrequest.merged") => match found.fact("/resource/status") {
            Some("completed") => N::ChangeRequestMerged,
            Some("abandoned") => N::ChangeRequestClosed,
            _ => N::ChangeRequestUpdated,
        },
        ("ms", "vss-code.git-pullrequest-comment-event") => {
            let written = found.fact("/resource/comment/publishedDate");
            let changed = found.fact("/resource/comment/lastContentUpdatedDate");
            let is_edited = written.zip(changed).is_some_and(|(written, changed)| written != changed);
            if is_edited || found.flag("/resource/comment/isDeleted") {
                return None;
            }
            N::ChangeRequestCommented
        }
        ("workitem", "created") => N::IssueOpened,
        ("workitem", "updated") => {
            let state = |which| found.fact(which).map(is_over);
            match (state("/resource/fields/System.State/oldValue"), state("/resource/fields/System.State/newValue")) {
                (Some(false), Some(true)) => N::IssueClosed,
                (Some(true), Some(false)) => N::IssueReopened,
                _ => N::IssueUpdated,
            }
        }
        ("workitem", "commented") => N::IssueCommented,
        ("workitem", "deleted") => N::IssueClosed,
        ("workitem", "restored") => N::IssueReopened,
        ("build", "complete") => N::BuildFinished,
        ("ms", "vss-pipelines.run-state-changed-event") if found.fact("/resource/run/state")? == "completed" => {
            N::BuildFinished
        }
        _ => return None,
    })
}

/// Whether a work item in this state is closed, in the processes that come with Azure DevOps.
fn is_over(state: &str) -> bool {
    matches!(state, "Closed" | "Done" | "Completed" | "Removed")
}

/// The view of a payload.
pub(super) fn view(about: About<'_>, payload: Tree<'_>) -> Result<View, ViewError> {
    Ok(match about.family() {
        Family::ChangeRequest => View::ChangeRequest(change_request(about, payload)?),
        Family::Push => View::Push(push(about, payload)),
        Family::Issue => View::Issue(issue(about, payload)?),
        Family::Build => View::Build(build(about, payload)),
    })
}

fn change_request(about: About<'_>, payload: Tree<'_>) -> Result<ChangeRequest, ViewError> {
    let number = payload.required(&["/resource/pullRequestId", "/resource/pullRequest/pullRequestId"])?;
    let change = payload.first(&["/resource/pullRequest", "/resource"]).unwrap_or(payload);
    let said = match change.str("/status") {
        Some("completed") => State::Merged,
        Some("abandoned") => State::Closed,
        _ => State::Open,
    };
    let built = |home: String| format!("{home}/pullrequest/{number}");
    let page = change.text(&["/_links/web/href"]);
    let author = change.text(&["/createdBy/displayName"]);
    let actor = match about.event {
        Normalised::ChangeRequestOpened => author.clone(),
        Normalised::ChangeRequestCommented => payload.text(&["/resource/comment/author/displayName"]),
        _ => change.text(&["/closedBy/displayName"]),
    };
    Ok(ChangeRequest {
        author,
        actor,
        state: about.state(said),
        draft: change.flag(&["/isDraft"]),
        source_branch: branch(change.str("/sourceRefName")),
        target_branch: branch(change.str("/targetRefName")),
        commit: change.commit(&["/lastMergeSourceCommit/commitId"]),
        link: page.or_else(|| change.text(&["/repository/webUrl", "/repository/remoteUrl"]).map(built)),
        comment: comment(payload),
        ..about.change_request(number, change.text(&["/title"]))
    })
}

fn push(about: About<'_>, payload: Tree<'_>) -> Push {
    let refs = payload
        .items("/resource/refUpdates")
        .map(|one| moved(one.str("/name"), one.commit(&["/oldObjectId"]), one.commit(&["/newObjectId"])));
    let push = about.push(refs);
    let head = push.commit.as_deref().and_then(|id| payload.item("/resource/commits", "/commitId", id));
    let head_page = head.and_then(|head| head.text(&["/url"]));
    Push {
        title: head.and_then(|head| line(head.str("/comment")?)),
        actor: payload.text(&["/resource/pushedBy/displayName"]),
        link: head_page.or_else(|| payload.text(&["/resource/repository/webUrl", "/resource/repository/remoteUrl"])),
        ..push
    }
}

fn issue(about: About<'_>, payload: Tree<'_>) -> Result<Issue, ViewError> {
    let number = payload.required(&["/resource/workItemId", "/resource/id"])?;
    // An update has what was changed, and beside it the whole.
    let item = payload.first(&["/resource/revision", "/resource"]).unwrap_or(payload);
    let field = |name: &str| item.text(&[&format!("/fields/{name}"), &format!("/fields/{name}/displayName")]);
    let over = field("System.State").is_some_and(|state| is_over(&state));
    let changed_by = || payload.text(&["/resource/revisedBy/displayName", "/resource/revisedBy/name"]);
    // What is linked is the API's, but for the last part.
    let built = || {
        let (home, _) = payload.str("/resource/url")?.split_once("/_apis/")?;
        Some(format!("{home}/_workitems/edit/{number}"))
    };
    let actor = changed_by().or_else(|| field("System.ChangedBy"));
    let written = field("System.History").filter(|_| about.event == Normalised::IssueCommented);
    Ok(Issue {
        author: field("System.CreatedBy"),
        state: about.state(if over { State::Closed } else { State::Open }),
        link: payload.text(&["/resource/_links/html/href", "/resource/revision/_links/html/href"]).or_else(built),
        comment: written.map(|text| Comment { text, author: actor.clone(), link: None }),
        actor,
        ..about.issue(number, field("System.Title"))
    })
}

fn build(about: About<'_>, payload: Tree<'_>) -> Build {
    let run = payload.first(&["/resource/run", "/resource"]).unwrap_or(payload);
    // A build's repository has no project beside it, and its project is that of the build.
    let repository =
        || Some(format!("{}/{}", payload.str("/resource/project/name")?, payload.str("/resource/repository/name")?));
    // The first version of the resource has the result as its status.
    let build = about.build(run.str("/result").or_else(|| run.str("/status")));
    Build {
        repository: about.repository.map(str::to_owned).or_else(repository),
        name: payload.text(&["/resource/definition/name", "/resource/run/pipeline/name", "/resource/pipeline/name"]),
        number: run.number(&["/id"]),
        branch: branch(payload.str("/resource/sourceBranch")),
        commit: payload.commit(&["/resource/sourceVersion"]),
        actor: payload.text(&["/resource/requestedFor/displayName", "/resource/requests/0/requestedFor/displayName"]),
        link: run.text(&["/_links/web/href"]),
        ..build
    }
}

fn comment(payload: Tree<'_>) -> Option<Comment> {
    Some(Comment {
        text: payload.text(&["/resource/comment/content"])?,
        author: payload.text(&["/resource/comment/author/displayName"]),
        link: None,
    })
}
