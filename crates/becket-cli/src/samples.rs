//! The payloads that are built in: one for each file of `samples/<kind>`.
//!
//! `becket send` and `becket demo` post them when they are given none. A test compares the table with the folders.

use becket_webhooks::Kind;

/// A built-in payload.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    /// Who sends it.
    pub(crate) kind: Kind,
    /// The file's name without `.json`: `issues.opened`, or `push` for an event without actions. Where the sender joins
    /// event and action with a colon, a full stop stands for it.
    pub(crate) name: &'static str,
    /// The payload: compact JSON.
    pub(crate) body: &'static str,
}

macro_rules! samples {
    ($($kind:ident in $folder:literal: [$($name:literal,)*],)*) => {
        &[$($(Sample {
            kind: Kind::$kind,
            name: $name,
            body: include_str!(concat!("../../../samples/", $folder, "/", $name, ".json")),
        },)*)*]
    };
}

/// All samples, by kind and name.
pub(crate) const SAMPLES: &[Sample] = samples![
    Github in "github": [
        "branch_protection_rule.created",
        "check_run.completed",
        "check_suite.completed",
        "commit_comment.created",
        "create",
        "delete",
        "deployment.created",
        "deployment_status.created",
        "discussion.created",
        "discussion_comment.created",
        "fork",
        "gollum",
        "installation.created",
        "installation_repositories.added",
        "issue_comment.created",
        "issues.closed",
        "issues.labeled",
        "issues.opened",
        "label.created",
        "member.added",
        "milestone.created",
        "page_build",
        "ping",
        "pull_request.closed",
        "pull_request.opened",
        "pull_request.synchronize",
        "pull_request_review.submitted",
        "pull_request_review_comment.created",
        "pull_request_review_thread.resolved",
        "push",
        "release.published",
        "repository.created",
        "repository_dispatch.tide-bundle-published",
        "star.created",
        "status",
        "watch.started",
        "workflow_dispatch",
        "workflow_job.completed",
        "workflow_run.completed",
    ],
    Gitlab in "gitlab": [
        "build",
        "deployment",
        "issue.close",
        "issue.open",
        "merge_request.approved",
        "merge_request.close",
        "merge_request.merge",
        "merge_request.open",
        "merge_request.update",
        "note.create",
        "pipeline",
        "project_create",
        "push",
        "release.create",
        "tag_push",
        "wiki_page.create",
    ],
    BitbucketServer in "bitbucket_server": [
        "pr.comment.added",
        "pr.declined",
        "pr.deleted",
        "pr.from_ref_updated",
        "pr.merged",
        "pr.opened",
        "pr.reviewer.approved",
        "repo.refs_changed",
    ],
    BitbucketCloud in "bitbucket_cloud": [
        "issue.comment_created",
        "issue.created",
        "pullrequest.approved",
        "pullrequest.comment_created",
        "pullrequest.created",
        "pullrequest.fulfilled",
        "pullrequest.rejected",
        "pullrequest.updated",
        "repo.commit_status_created",
        "repo.commit_status_updated",
        "repo.push",
    ],
    AzureDevops in "azure_devops": [
        "build.complete",
        "git.pullrequest.created",
        "git.pullrequest.merged",
        "git.pullrequest.updated",
        "git.push",
        "ms.vss-code.git-pullrequest-comment-event",
        "workitem.created",
        "workitem.updated",
    ],
    Gitea in "gitea": [
        "create",
        "delete",
        "fork",
        "issue_comment.created",
        "issues.closed",
        "issues.opened",
        "pull_request.closed",
        "pull_request.label_updated",
        "pull_request.opened",
        "pull_request.synchronized",
        "pull_request_approved.reviewed",
        "push",
        "release.published",
        "repository.created",
    ],
    Slack in "slack": [
        "app_home_opened",
        "app_mention",
        "message",
        "message.channel_join",
        "reaction_added",
        "team_join",
    ],
    Stripe in "stripe": [
        "charge.refunded",
        "checkout.session.completed",
        "customer.created",
        "customer.subscription.created",
        "customer.subscription.updated",
        "invoice.paid",
        "invoice.payment_failed",
        "payment_intent.succeeded",
    ],
];

impl Sample {
    /// The event, without the action.
    pub(crate) fn event(&self) -> &'static str {
        self.name.split_once('.').map_or(self.name, |(event, _)| event)
    }
}

/// What people most likely mean by an event without an action.
const BEGINNINGS: [&str; 3] = ["opened", "open", "created"];

/// The sample of an event as people write it: `issues.opened`, `pullrequest:created`, or `issues` for the action that people
/// most likely mean.
pub(crate) fn find(kind: Kind, event: &str) -> Option<&'static Sample> {
    let event = event.replace(':', ".");
    let of_kind = || SAMPLES.iter().filter(move |sample| sample.kind == kind);
    let named = |name: &str| of_kind().find(|sample| sample.name == name);
    let begun = || BEGINNINGS.iter().find_map(|action| named(&format!("{event}.{action}")));
    let any = || of_kind().find(|sample| sample.event() == event);
    named(&event).or_else(begun).or_else(any)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(kind: Kind, event: &str) -> Option<&'static str> {
        find(kind, event).map(|sample| sample.name)
    }

    #[test]
    fn event_alone_means_what_begins_it() {
        for (kind, event, expected) in [
            (Kind::Github, "issues.closed", "issues.closed"),
            (Kind::Github, "issues", "issues.opened"),
            (Kind::Github, "label", "label.created"),
            (Kind::Github, "release", "release.published"),
            (Kind::Gitlab, "merge_request", "merge_request.open"),
            (Kind::BitbucketServer, "pr:reviewer:approved", "pr.reviewer.approved"),
            (Kind::BitbucketCloud, "pullrequest", "pullrequest.created"),
            (Kind::AzureDevops, "git.pullrequest.created", "git.pullrequest.created"),
        ] {
            assert_eq!(name(kind, event), Some(expected), "{event}");
        }
        assert_eq!(name(Kind::Github, "issues.exploded"), None);
        assert_eq!(name(Kind::Gitlab, "issues.opened"), None, "that is another's");
    }

    #[test]
    fn samples_are_sorted_and_each_is_a_json_object() {
        assert!(SAMPLES.is_sorted_by_key(|sample| (sample.kind, sample.name)));
        for sample in SAMPLES {
            let parsed: serde_json::Value = serde_json::from_str(sample.body).unwrap();
            assert!(parsed.is_object(), "{}", sample.name);
        }
    }
}
