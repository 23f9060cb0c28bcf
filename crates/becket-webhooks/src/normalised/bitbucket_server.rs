//! Bitbucket Server's and Data Center's events. Builds are none of them.
//!
//! Source: [Event payload](https://confluence.atlassian.com/bitbucketserver/event-payload-938025882.html).

use super::tree::{Tree, line, moved};
use super::view::{About, ChangeRequest, Comment, Family, Push, State, View, ViewError};
use super::{Normalised, is_none};
use crate::body::Found;

/// The fields that [`name`] looks at.
pub(crate) const FACTS: &[&str] = &["/changes/0/ref/id", "/changes/0/refId", "/changes/0/toHash"];

/// The name of an event. `repo:refs_changed` may be about several refs: the first names it.
pub(crate) fn name(event: &str, action: Option<&str>, found: &Found<'_>) -> Option<Normalised> {
    use Normalised as N;
    Some(match (event, action?) {
        ("repo", "refs_changed") => {
            let name = found.fact("/changes/0/ref/id").or_else(|| found.fact("/changes/0/refId"))?;
            return Normalised::of_ref(name, found.fact("/changes/0/toHash").is_some_and(is_none));
        }
        ("pr", "opened") => N::ChangeRequestOpened,
        ("pr", "reopened") => N::ChangeRequestReopened,
        ("pr", "modified" | "from_ref_updated" | "reviewer:updated") => N::ChangeRequestUpdated,
        ("pr", "reviewer:approved") => N::ChangeRequestApproved,
        ("pr", "reviewer:needs_work" | "reviewer:changes_requested") => N::ChangeRequestChangesRequested,
        ("pr", "reviewer:unapproved") => N::ChangeRequestUnapproved,
        ("pr", "comment:added") => N::ChangeRequestCommented,
        ("pr", "merged") => N::ChangeRequestMerged,
        ("pr", "declined" | "deleted") => N::ChangeRequestClosed,
        _ => return None,
    })
}

/// The view of a payload.
pub(super) fn view(about: About<'_>, payload: Tree<'_>) -> Result<View, ViewError> {
    Ok(match about.family() {
        Family::ChangeRequest => View::ChangeRequest(change_request(about, payload)?),
        Family::Push => View::Push(push(about, payload)),
        Family::Issue | Family::Build => return Err(ViewError::Missing { field: "/pullRequest" }),
    })
}

fn change_request(about: About<'_>, payload: Tree<'_>) -> Result<ChangeRequest, ViewError> {
    let number = payload.required(&["/pullRequest/id"])?;
    let said = match payload.str("/pullRequest/state") {
        Some("MERGED") => State::Merged,
        Some("DECLINED") => State::Closed,
        _ => State::Open,
    };
    Ok(ChangeRequest {
        author: payload.text(&["/pullRequest/author/user/name", "/pullRequest/author/user/displayName"]),
        actor: actor(payload),
        state: about.state(said),
        draft: payload.flag(&["/pullRequest/draft"]),
        source_branch: payload.text(&["/pullRequest/fromRef/displayId"]),
        target_branch: payload.text(&["/pullRequest/toRef/displayId"]),
        commit: payload.commit(&["/pullRequest/fromRef/latestCommit"]),
        link: payload.text(&["/pullRequest/links/self/0/href"]),
        comment: comment(payload),
        ..about.change_request(number, payload.text(&["/pullRequest/title"]))
    })
}

fn push(about: About<'_>, payload: Tree<'_>) -> Push {
    let changes = payload.items("/changes").map(|change| {
        let name = change.text(&["/ref/id", "/refId"]);
        moved(name.as_deref(), change.commit(&["/fromHash"]), change.commit(&["/toHash"]))
    });
    let push = about.push(changes);
    let head = payload.at("/toCommit").filter(|head| head.str("/id") == push.commit.as_deref());
    Push {
        title: head.and_then(|head| line(head.str("/message")?)),
        actor: actor(payload),
        link: payload.text(&["/repository/links/self/0/href"]),
        ..push
    }
}

fn actor(payload: Tree<'_>) -> Option<String> {
    payload.text(&["/actor/name", "/actor/displayName"])
}

fn comment(payload: Tree<'_>) -> Option<Comment> {
    let text = payload.text(&["/comment/text"])?;
    Some(Comment { text, author: payload.text(&["/comment/author/name", "/comment/author/displayName"]), link: None })
}
