//! GitHub's events, and the payloads of those who write as it does.
//!
//! Sources: [Webhook events and payloads](https://docs.github.com/en/webhooks/webhook-events-and-payloads);
//! conclusions and states of builds:
//! [Check suites](https://docs.github.com/en/rest/checks/suites),
//! [Commit statuses](https://docs.github.com/en/rest/commits/statuses).

use super::tree::{Tree, line, moved};
use super::view::{About, Build, ChangeRequest, Comment, Family, Issue, Push, State, View, ViewError};
use super::{Normalised, is_none};
use crate::body::Found;

/// The fields that [`name`] looks at.
pub(crate) const FACTS: &[&str] = &[
    "/ref",
    "/after",
    "/pull_request/merged",
    "/issue/pull_request/url",
    "/review/state",
    "/review/body",
    "/state",
    "/check_suite/app/slug",
];

/// What GitHub's checks of its own are called, of which `workflow_run` tells as well.
const ACTIONS: &str = "github-actions";

/// The name of an event.
///
/// None have `create` and `delete`, since a `push` says the same, and the checks of GitHub Actions, since a `workflow_run`
/// does. Nor has a review that only comments and has no text: each of its comments is a delivery of its own.
pub(crate) fn name(event: &str, action: Option<&str>, found: &Found<'_>) -> Option<Normalised> {
    use Normalised as N;
    Some(match (event, action.unwrap_or_default()) {
        ("push", _) => return pushed(found),
        ("pull_request", "closed") if found.flag("/pull_request/merged") => N::ChangeRequestMerged,
        ("pull_request", action) => change_request(action),
        ("pull_request_review", "submitted") => match found.fact("/review/state")? {
            "approved" => N::ChangeRequestApproved,
            "changes_requested" => N::ChangeRequestChangesRequested,
            _ => found.fact("/review/body").map(|_| N::ChangeRequestCommented)?,
        },
        ("pull_request_review", "dismissed") => N::ChangeRequestUnapproved,
        ("pull_request_review_comment", "created") => N::ChangeRequestCommented,
        ("issue_comment", "created") => match found.fact("/issue/pull_request/url") {
            Some(_) => N::ChangeRequestCommented,
            None => N::IssueCommented,
        },
        ("issues", action) => issue(action),
        ("workflow_run", "completed") => N::BuildFinished,
        ("check_suite", "completed") if found.fact("/check_suite/app/slug") != Some(ACTIONS) => N::BuildFinished,
        ("status", _) if found.fact("/state")? != "pending" => N::BuildFinished,
        _ => return None,
    })
}

/// What a `push` is.
pub(super) fn pushed(found: &Found<'_>) -> Option<Normalised> {
    Normalised::of_ref(found.fact("/ref")?, found.fact("/after").is_some_and(is_none))
}

/// What an action does to a pull request that it does not merge. New actions change something.
pub(super) fn change_request(action: &str) -> Normalised {
    match action {
        "opened" => Normalised::ChangeRequestOpened,
        "reopened" => Normalised::ChangeRequestReopened,
        "closed" => Normalised::ChangeRequestClosed,
        _ => Normalised::ChangeRequestUpdated,
    }
}

/// What an action does to an issue. New actions change something.
pub(super) fn issue(action: &str) -> Normalised {
    match action {
        "opened" => Normalised::IssueOpened,
        "reopened" => Normalised::IssueReopened,
        "closed" | "deleted" | "transferred" => Normalised::IssueClosed,
        _ => Normalised::IssueUpdated,
    }
}

/// The view of a payload of GitHub, Gitea, Forgejo or Gogs: the younger ones leave out or add a field here and there, and
/// none gives a name that another one has another meaning.
pub(super) fn view(about: About<'_>, payload: Tree<'_>) -> Result<View, ViewError> {
    Ok(match about.family() {
        Family::ChangeRequest => View::ChangeRequest(change_request_of(about, payload)?),
        Family::Push => View::Push(push_of(about, payload)),
        Family::Issue => View::Issue(issue_of(about, payload)?),
        Family::Build => View::Build(build_of(about, payload)),
    })
}

fn change_request_of(about: About<'_>, payload: Tree<'_>) -> Result<ChangeRequest, ViewError> {
    let number = payload.required(&["/pull_request/number", "/issue/number", "/number"])?;
    // In the conversation a pull request is shown as the issue that it is, too.
    let Some(change) = payload.first(&["/pull_request", "/issue"]) else {
        return Err(ViewError::Missing { field: "/pull_request" });
    };
    let is_merged = change.flag(&["/merged", "/pull_request/merged"])
        || change.text(&["/merged_at", "/pull_request/merged_at"]).is_some();
    let said = if is_merged { State::Merged } else { state(change) };
    Ok(ChangeRequest {
        author: login(change, "/user"),
        actor: login(payload, "/sender"),
        state: about.state(said),
        draft: change.flag(&["/draft"]),
        source_branch: change.text(&["/head/ref", "/head_branch"]),
        target_branch: change.text(&["/base/ref", "/base_branch"]),
        commit: change.commit(&["/head/sha"]),
        link: page(change, payload, "pulls", number),
        comment: comment(payload),
        ..about.change_request(number, change.text(&["/title"]))
    })
}

fn issue_of(about: About<'_>, payload: Tree<'_>) -> Result<Issue, ViewError> {
    let number = payload.required(&["/issue/number", "/number"])?;
    let Some(issue) = payload.at("/issue") else { return Err(ViewError::Missing { field: "/issue" }) };
    Ok(Issue {
        author: login(issue, "/user"),
        actor: login(payload, "/sender"),
        state: about.state(state(issue)),
        link: page(issue, payload, "issues", number),
        comment: comment(payload),
        ..about.issue(number, issue.text(&["/title"]))
    })
}

fn push_of(about: About<'_>, payload: Tree<'_>) -> Push {
    // `create` and `delete` name a ref by its last part and its type.
    let name = payload.str("/ref").map(|name| match payload.str("/ref_type") {
        Some("tag") => format!("refs/tags/{name}"),
        Some("branch") => format!("refs/heads/{name}"),
        _ => name.to_owned(),
    });
    let commit = match about.event {
        Normalised::BranchDeleted | Normalised::TagDeleted => None,
        _ => payload.commit(&["/after", "/sha"]),
    };
    let head = payload.at("/head_commit");
    let head = head.or_else(|| payload.item("/commits", "/id", commit.as_deref()?));
    let head_page = head.and_then(|head| head.text(&["/url"]));
    let page = payload.text(&["/compare", "/compare_url"]).or(head_page);
    Push {
        title: head.and_then(|head| line(head.str("/message")?)),
        actor: login(payload, "/sender").or_else(|| payload.text(&["/pusher/login", "/pusher/name"])),
        link: page.or_else(|| payload.text(&["/repository/html_url"])),
        ..about.push([moved(name.as_deref(), payload.commit(&["/before"]), commit)])
    }
}

fn build_of(about: About<'_>, payload: Tree<'_>) -> Build {
    let actor = login(payload, "/sender");
    if let Some(run) = payload.at("/workflow_run") {
        return Build {
            name: run.text(&["/name", "/path"]),
            number: run.number(&["/run_number", "/id"]),
            branch: run.text(&["/head_branch"]),
            commit: run.commit(&["/head_sha"]),
            actor: login(run, "/actor").or(actor),
            link: run.text(&["/html_url"]),
            ..about.build(run.str("/conclusion"))
        };
    }
    // Forgejo's.
    if let Some(run) = payload.at("/run") {
        return Build {
            name: run.text(&["/workflow_id", "/title"]),
            number: run.number(&["/index_in_repo", "/id"]),
            branch: run.text(&["/prettyref"]),
            commit: run.commit(&["/commit_sha"]),
            actor: login(run, "/trigger_user").or(actor),
            link: run.text(&["/html_url"]),
            ..about.build(run.str("/status"))
        };
    }
    let commit_page =
        |id: &Option<String>| Some(format!("{}/commit/{}", payload.str("/repository/html_url")?, id.as_deref()?));
    if let Some(suite) = payload.at("/check_suite") {
        let commit = suite.commit(&["/head_sha"]);
        return Build {
            name: suite.text(&["/app/name", "/app/slug"]),
            branch: suite.text(&["/head_branch"]),
            link: commit_page(&commit),
            commit,
            actor,
            ..about.build(suite.str("/conclusion"))
        };
    }
    let commit = payload.commit(&["/sha"]);
    Build {
        name: payload.text(&["/context"]),
        branch: payload.text(&["/branches/0/name"]),
        link: payload.text(&["/target_url"]).or_else(|| commit_page(&commit)),
        commit,
        actor,
        ..about.build(payload.str("/state"))
    }
}

fn state(of: Tree<'_>) -> State {
    if of.str("/state") == Some("closed") { State::Closed } else { State::Open }
}

/// The page of a pull request or an issue. Older versions of Gitea leave it out.
fn page(of: Tree<'_>, payload: Tree<'_>, folder: &str, number: u64) -> Option<String> {
    let built = || Some(format!("{}/{folder}/{number}", payload.str("/repository/html_url")?));
    of.text(&["/html_url"]).or_else(built)
}

/// What was written: a comment, or the text of a review.
fn comment(payload: Tree<'_>) -> Option<Comment> {
    let of = payload.first(&["/comment", "/review"])?;
    Some(Comment {
        text: of.text(&["/body", "/content"])?,
        author: login(of, "/user").or_else(|| login(payload, "/sender")),
        link: of.text(&["/html_url"]),
    })
}

fn login(of: Tree<'_>, who: &str) -> Option<String> {
    of.at(who)?.text(&["/login", "/username", "/name"])
}
