//! GitLab's events.
//!
//! Sources: [Webhook events](https://docs.gitlab.com/user/project/integrations/webhook_events/),
//! [System hooks](https://docs.gitlab.com/administration/system_hooks/); statuses of pipelines that can still change:
//! [`has_status.rb`](https://github.com/gitlabhq/gitlabhq/blob/master/app/models/concerns/ci/has_status.rb).

use super::tree::{Tree, branch, line, moved};
use super::view::{About, Build, ChangeRequest, Comment, Family, Issue, Push, State, View, ViewError};
use super::{Normalised, is_none};
use crate::body::Found;

/// The fields that [`name`] looks at.
pub(crate) const FACTS: &[&str] =
    &["/ref", "/after", "/object_attributes/noteable_type", "/object_attributes/status", "/object_attributes/action"];

/// The statuses of a pipeline that has ended.
const ENDED: [&str; 4] = ["success", "failed", "canceled", "skipped"];

/// The name of an event.
///
/// None has a job (`build`), since its pipeline does.
pub(crate) fn name(event: &str, action: Option<&str>, found: &Found<'_>) -> Option<Normalised> {
    use Normalised as N;
    Some(match (event, action.unwrap_or_default()) {
        ("push" | "tag_push", _) => {
            return Normalised::of_ref(found.fact("/ref")?, found.fact("/after").is_some_and(is_none));
        }
        ("merge_request", action) => match action {
            "open" => N::ChangeRequestOpened,
            "reopen" => N::ChangeRequestReopened,
            "close" => N::ChangeRequestClosed,
            "merge" => N::ChangeRequestMerged,
            // The one where all approvals are there that it takes, the other where some are still missing.
            "approved" | "approval" => N::ChangeRequestApproved,
            "unapproved" | "unapproval" => N::ChangeRequestUnapproved,
            _ => N::ChangeRequestUpdated,
        },
        ("issue" | "work_item", action) => match action {
            "open" => N::IssueOpened,
            "reopen" => N::IssueReopened,
            "close" => N::IssueClosed,
            _ => N::IssueUpdated,
        },
        // Older versions say no action, and send new notes alone.
        ("note", _) if !matches!(found.fact("/object_attributes/action"), None | Some("create")) => return None,
        ("note", _) => match found.fact("/object_attributes/noteable_type")? {
            "MergeRequest" => N::ChangeRequestCommented,
            "Issue" | "WorkItem" => N::IssueCommented,
            _ => return None,
        },
        ("pipeline", _) if ENDED.contains(&found.fact("/object_attributes/status")?) => N::BuildFinished,
        _ => return None,
    })
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
    // A note has the merge request beside it, everything else is about it.
    let (change, is_note) =
        of_note(payload, "/merge_request").ok_or(ViewError::Missing { field: "/object_attributes" })?;
    let number = change.required(&["/iid"])?;
    let said = match change.str("/state") {
        Some("merged") => State::Merged,
        Some("closed") => State::Closed,
        _ => State::Open,
    };
    Ok(ChangeRequest {
        author: author(change, payload),
        actor: actor(payload),
        state: about.state(said),
        draft: change.flag(&["/draft", "/work_in_progress"]),
        source_branch: change.text(&["/source_branch"]),
        target_branch: change.text(&["/target_branch"]),
        commit: change.commit(&["/last_commit/id"]),
        link: page(change, payload, is_note, "merge_requests", number),
        comment: comment(payload, is_note),
        ..about.change_request(number, change.text(&["/title"]))
    })
}

fn issue(about: About<'_>, payload: Tree<'_>) -> Result<Issue, ViewError> {
    let (issue, is_note) = of_note(payload, "/issue").ok_or(ViewError::Missing { field: "/object_attributes" })?;
    let number = issue.required(&["/iid"])?;
    let said = if issue.str("/state") == Some("closed") { State::Closed } else { State::Open };
    Ok(Issue {
        author: author(issue, payload),
        actor: actor(payload),
        state: about.state(said),
        link: page(issue, payload, is_note, "issues", number),
        comment: comment(payload, is_note),
        ..about.issue(number, issue.text(&["/title"]))
    })
}

fn push(about: About<'_>, payload: Tree<'_>) -> Push {
    let commit = payload.commit(&["/after"]);
    // A tag with a message is an object of its own; what it marks is `checkout_sha`.
    let head = [commit.as_deref(), payload.str("/checkout_sha")];
    let head = head.into_iter().flatten().find_map(|id| payload.item("/commits", "/id", id));
    let head_page = head.and_then(|head| head.text(&["/url"]));
    Push {
        title: head.and_then(|head| line(head.str("/message")?)),
        actor: payload.text(&["/user_username", "/user_name"]),
        link: head_page.or_else(|| payload.text(&["/project/web_url", "/project/homepage", "/repository/homepage"])),
        ..about.push([moved(payload.str("/ref"), payload.commit(&["/before"]), commit)])
    }
}

fn build(about: About<'_>, payload: Tree<'_>) -> Build {
    let number = payload.number(&["/object_attributes/id"]);
    let name = payload.str("/object_attributes/ref");
    // The ref has its last part alone, or is one of a merge request's: `refs/merge-requests/7/head`.
    let branch = match name {
        Some(name) if name.starts_with("refs/") => {
            branch(Some(name)).or_else(|| payload.text(&["/merge_request/source_branch"]))
        }
        _ if payload.flag(&["/object_attributes/tag"]) => None,
        name => name.map(str::to_owned),
    };
    let built = || Some(format!("{}/-/pipelines/{}", payload.str("/project/web_url")?, number?));
    Build {
        name: payload.text(&["/object_attributes/name"]),
        number,
        branch,
        commit: payload.commit(&["/object_attributes/sha"]),
        actor: actor(payload),
        link: payload.text(&["/object_attributes/url"]).or_else(built),
        ..about.build(payload.str("/object_attributes/status"))
    }
}

/// What an event is about, and whether it is a note on that.
fn of_note<'v>(payload: Tree<'v>, subject: &str) -> Option<(Tree<'v>, bool)> {
    match payload.str("/object_kind") {
        Some("note") => payload.at(subject).map(|subject| (subject, true)),
        _ => payload.at("/object_attributes").map(|subject| (subject, false)),
    }
}

/// Whoever opened it is named by a number alone; the name is known where they are involved in something else, too.
fn author(of: Tree<'_>, payload: Tree<'_>) -> Option<String> {
    let id = of.number(&["/author_id", "/author/id"])?;
    let involved = ["/assignees", "/reviewers"].into_iter().flat_map(|list| payload.items(list));
    let mut involved = payload.at("/user").into_iter().chain(involved);
    involved.find(|user| user.number(&["/id"]) == Some(id))?.text(&["/username", "/name"])
}

fn actor(payload: Tree<'_>) -> Option<String> {
    payload.text(&["/user/username", "/user/name"])
}

/// The page; that of what is noted is where the note is, in older versions.
fn page(of: Tree<'_>, payload: Tree<'_>, is_note: bool, folder: &str, number: u64) -> Option<String> {
    let around = || payload.str("/object_attributes/url")?.split('#').next().filter(|_| is_note).map(str::to_owned);
    let built = || Some(format!("{}/-/{folder}/{number}", payload.str("/project/web_url")?));
    of.text(&["/url"]).or_else(around).or_else(built)
}

fn comment(payload: Tree<'_>, is_note: bool) -> Option<Comment> {
    let text = payload.text(&["/object_attributes/note"]).filter(|_| is_note)?;
    Some(Comment { text, author: actor(payload), link: payload.text(&["/object_attributes/url"]) })
}
