//! Bitbucket Cloud's events.
//!
//! Source: [Event payloads](https://support.atlassian.com/bitbucket-cloud/docs/event-payloads/).

use super::Normalised;
use super::tree::{Tree, line};
use super::view::{About, Build, ChangeRequest, Comment, Family, Issue, Moved, Push, State, View, ViewError};
use crate::body::Found;

/// The fields that [`name`] looks at.
pub(crate) const FACTS: &[&str] = &[
    "/push/changes/0/new/type",
    "/push/changes/0/old/type",
    "/commit_status/state",
    "/changes/status/old",
    "/changes/status/new",
];

/// The name of an event. `repo:push` may be about several refs: the first names it.
pub(crate) fn name(event: &str, action: Option<&str>, found: &Found<'_>) -> Option<Normalised> {
    use Normalised as N;
    Some(match (event, action?) {
        ("repo", "push") => match (found.fact("/push/changes/0/new/type"), found.fact("/push/changes/0/old/type")) {
            (Some(new), _) if is_tag(new) => N::TagPushed,
            (Some(_), _) => N::Push,
            (None, Some(old)) if is_tag(old) => N::TagDeleted,
            (None, Some(_)) => N::BranchDeleted,
            (None, None) => return None,
        },
        ("repo", "commit_status_created" | "commit_status_updated")
            if found.fact("/commit_status/state")? != "INPROGRESS" =>
        {
            N::BuildFinished
        }
        ("pullrequest", "created") => N::ChangeRequestOpened,
        ("pullrequest", "updated") => N::ChangeRequestUpdated,
        ("pullrequest", "approved") => N::ChangeRequestApproved,
        ("pullrequest", "changes_request_created") => N::ChangeRequestChangesRequested,
        ("pullrequest", "unapproved" | "changes_request_removed") => N::ChangeRequestUnapproved,
        ("pullrequest", "comment_created") => N::ChangeRequestCommented,
        ("pullrequest", "fulfilled") => N::ChangeRequestMerged,
        ("pullrequest", "rejected") => N::ChangeRequestClosed,
        ("issue", "created") => N::IssueOpened,
        ("issue", "updated") => match (found.fact("/changes/status/old"), found.fact("/changes/status/new")) {
            (Some(old), Some(new)) if is_over(new) && !is_over(old) => N::IssueClosed,
            (Some(old), Some(new)) if is_over(old) && !is_over(new) => N::IssueReopened,
            _ => N::IssueUpdated,
        },
        ("issue", "comment_created") => N::IssueCommented,
        _ => return None,
    })
}

fn is_tag(kind: &str) -> bool {
    matches!(kind, "tag" | "annotated_tag")
}

/// Whether an issue of this status is closed.
fn is_over(status: &str) -> bool {
    matches!(status, "resolved" | "closed" | "invalid" | "duplicate" | "wontfix")
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
    let number = payload.required(&["/pullrequest/id"])?;
    let said = match payload.str("/pullrequest/state") {
        Some("MERGED") => State::Merged,
        Some("DECLINED" | "SUPERSEDED") => State::Closed,
        _ => State::Open,
    };
    Ok(ChangeRequest {
        author: name_of(payload, "/pullrequest/author"),
        actor: name_of(payload, "/actor"),
        state: about.state(said),
        draft: payload.flag(&["/pullrequest/draft"]),
        source_branch: payload.text(&["/pullrequest/source/branch/name"]),
        target_branch: payload.text(&["/pullrequest/destination/branch/name"]),
        commit: payload.commit(&["/pullrequest/source/commit/hash"]),
        link: payload.text(&["/pullrequest/links/html/href"]),
        comment: comment(payload),
        ..about.change_request(number, payload.text(&["/pullrequest/title"]))
    })
}

fn issue(about: About<'_>, payload: Tree<'_>) -> Result<Issue, ViewError> {
    let number = payload.required(&["/issue/id"])?;
    let said = if payload.str("/issue/state").is_some_and(is_over) { State::Closed } else { State::Open };
    Ok(Issue {
        author: name_of(payload, "/issue/reporter"),
        actor: name_of(payload, "/actor"),
        state: about.state(said),
        link: payload.text(&["/issue/links/html/href"]),
        comment: comment(payload),
        ..about.issue(number, payload.text(&["/issue/title"]))
    })
}

fn push(about: About<'_>, payload: Tree<'_>) -> Push {
    let head = payload.at("/push/changes/0");
    Push {
        title: head.and_then(|head| line(head.str("/new/target/message")?)),
        actor: name_of(payload, "/actor"),
        link: head
            .and_then(|head| head.text(&["/links/html/href", "/new/links/html/href"]))
            .or_else(|| payload.text(&["/repository/links/html/href"])),
        ..about.push(payload.items("/push/changes").map(moved))
    }
}

fn moved(change: Tree<'_>) -> Moved {
    let name = change.text(&["/new/name", "/old/name"]);
    let is_tag = change.text(&["/new/type", "/old/type"]).is_some_and(|kind| is_tag(&kind));
    let (branch, tag) = if is_tag { (None, name) } else { (name, None) };
    Moved { branch, tag, before: change.commit(&["/old/target/hash"]), commit: change.commit(&["/new/target/hash"]) }
}

fn build(about: About<'_>, payload: Tree<'_>) -> Build {
    // The commit is there in full, or only linked to.
    let linked = || {
        let link = payload.str("/commit_status/links/commit/href")?;
        link.rsplit('/').next().filter(|id| !id.is_empty()).map(str::to_owned)
    };
    Build {
        name: payload.text(&["/commit_status/name", "/commit_status/key"]),
        branch: payload.text(&["/commit_status/refname"]),
        commit: payload.commit(&["/commit_status/commit/hash"]).or_else(linked),
        actor: name_of(payload, "/actor"),
        link: payload.text(&["/commit_status/url"]),
        ..about.build(payload.str("/commit_status/state"))
    }
}

/// User names are gone since 2019; older payloads have them.
fn name_of(payload: Tree<'_>, who: &str) -> Option<String> {
    payload.at(who)?.text(&["/nickname", "/username", "/display_name"])
}

fn comment(payload: Tree<'_>) -> Option<Comment> {
    Some(Comment {
        text: payload.text(&["/comment/content/raw"])?,
        author: name_of(payload, "/comment/user").or_else(|| name_of(payload, "/actor")),
        link: payload.text(&["/comment/links/html/href"]),
    })
}
