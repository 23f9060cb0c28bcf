//! Gitea's, Forgejo's and Gogs's events. Their payloads are [GitHub's](super::github), but for a few fields.
//!
//! Gitea and Forgejo send a `push` for tags, too, whether they come or go, and beside it `create` and `delete`; for a branch
//! that is deleted there is only `delete`. Gogs sends a `push` for branches alone, and `create` and `delete` for tags.
//!
//! Sources: [`modules/webhook/type.go`](https://github.com/go-gitea/gitea/blob/main/modules/webhook/type.go) and
//! [`services/repository/push.go`](https://github.com/go-gitea/gitea/blob/main/services/repository/push.go) of Gitea,
//! [`services/webhook/notifier.go`](https://codeberg.org/forgejo/forgejo/src/branch/forgejo/services/webhook/notifier.go) of
//! Forgejo, [`internal/database/actions.go`](https://github.com/gogs/gogs/blob/main/internal/database/actions.go) of Gogs.

use super::{Normalised, github};
use crate::body::Found;

/// The fields that [`name`] looks at.
pub(crate) const FACTS: &[&str] =
    &["/ref", "/ref_type", "/after", "/pull_request/merged", "/issue/pull_request/merged", "/review/type", "/state"];

/// The name of an event; `is_gogs` tells the one that sends no `push` for tags from the others.
///
/// None have, for Gitea and Forgejo, `create` and the `delete` of a tag, since a `push` says the same; and Forgejo's
/// `action_run_recover`, since `action_run_success` does.
pub(crate) fn name(event: &str, action: Option<&str>, found: &Found<'_>, is_gogs: bool) -> Option<Normalised> {
    use Normalised as N;
    let action = action.unwrap_or_default();
    Some(match event {
        "push" => return github::pushed(found),
        "create" if is_gogs && found.fact("/ref_type")? == "tag" => N::TagPushed,
        "delete" => match found.fact("/ref_type")? {
            "branch" => N::BranchDeleted,
            "tag" if is_gogs => N::TagDeleted,
            _ => return None,
        },
        // Reviews come under several events, and say the same in the body.
        _ if action == "reviewed" => match found.fact("/review/type")? {
            review if review.ends_with("_approved") => N::ChangeRequestApproved,
            review if review.ends_with("_rejected") => N::ChangeRequestChangesRequested,
            _ => N::ChangeRequestCommented,
        },
        "issue_comment" | "pull_request_comment" if action == "created" => {
            let is_change = event == "pull_request_comment" || found.has("/issue/pull_request/merged");
            if is_change { N::ChangeRequestCommented } else { N::IssueCommented }
        }
        "issue_comment" | "pull_request_comment" => return None,
        "issues" | "issue_assign" | "issue_label" | "issue_milestone" => github::issue(action),
        "pull_request" if action == "closed" && found.flag("/pull_request/merged") => N::ChangeRequestMerged,
        "pull_request"
        | "pull_request_assign"
        | "pull_request_label"
        | "pull_request_milestone"
        | "pull_request_sync"
        | "pull_request_review_request" => github::change_request(action),
        "workflow_run" if action == "completed" => N::BuildFinished,
        "action_run_success" | "action_run_failure" => N::BuildFinished,
        "status" if found.fact("/state")? != "pending" => N::BuildFinished,
        _ => return None,
    })
}
