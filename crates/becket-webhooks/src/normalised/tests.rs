//! Which event of which forge is which, and what a view says of it.

use serde_json::{Value, json};

use super::*;
use crate::kind::Kind;
use crate::{AzureAuth, Delivery, Dialect, Secrets, Sender, Source};

const BEFORE: &str = "99437b0dd9860f214ca4a5efe8cf04a530424d98";
const AFTER: &str = "b1bebe64be5fc64aac2e5e1102c17e14d71751c8";
const NONE: &str = "0000000000000000000000000000000000000000";

/// A delivery of `event` with this payload.
fn delivery(dialect: Dialect, event: &str, mut payload: Value) -> Delivery {
    let sender = Sender::new(dialect.clone(), None).unwrap();
    sender.complete(&mut payload, event, "a:1").unwrap();
    let body = payload.to_string();
    let headers = sender.headers(event, "a:1", 0, body.as_bytes()).unwrap();
    let source = Source::new("source", dialect, Secrets::insecure_accept_unsigned()).unwrap();
    source.receive(&headers, body.into(), 0).unwrap()
}

fn name(dialect: Dialect, event: &str, payload: Value) -> Option<&'static str> {
    delivery(dialect, event, payload).normalised().map(Normalised::name)
}

fn azure() -> Dialect {
    Dialect::AzureDevops(AzureAuth::Basic)
}

#[test]
fn every_event_has_one_name_in_text_and_in_json() {
    for event in Normalised::ALL {
        assert_eq!(event.name().parse(), Ok(event));
        assert_eq!(event.to_string(), event.name());
        let json = serde_json::to_string(&event).unwrap();
        assert_eq!(json, format!("\"{event}\""));
        assert_eq!(serde_json::from_str::<Normalised>(&json).unwrap(), event);
    }
    let error = "change_request".parse::<Normalised>().unwrap_err().to_string();
    assert!(
        error.starts_with("unknown normalised event `change_request`; known are change_request.opened, "),
        "{error}"
    );
}

#[test]
fn github_s_events_have_their_names() {
    let on_pull_request = json!({"issue": {"number": 7, "pull_request": {"url": "https://api.github.com/…"}}});
    for (event, payload, expected) in [
        ("push", json!({"ref": "refs/heads/main", "after": AFTER}), Some("push")),
        ("push", json!({"ref": "refs/heads/a/b", "before": BEFORE, "after": NONE}), Some("branch.deleted")),
        ("push", json!({"ref": "refs/tags/v1", "after": AFTER}), Some("tag.pushed")),
        ("push", json!({"ref": "refs/tags/v1", "after": NONE}), Some("tag.deleted")),
        ("push", json!({"ref": "refs/notes/commits", "after": AFTER}), None),
        ("push", json!({}), None),
        ("create", json!({"ref": "v1", "ref_type": "tag"}), None),
        ("pull_request.opened", json!({}), Some("change_request.opened")),
        ("pull_request.reopened", json!({}), Some("change_request.reopened")),
        ("pull_request.synchronize", json!({}), Some("change_request.updated")),
        ("pull_request.an_action_of_tomorrow", json!({}), Some("change_request.updated")),
        ("pull_request.closed", json!({"pull_request": {"merged": true}}), Some("change_request.merged")),
        ("pull_request.closed", json!({"pull_request": {"merged": false}}), Some("change_request.closed")),
        ("pull_request.closed", json!({"pull_request": {"merged": "true"}}), Some("change_request.closed")),
        ("pull_request_review.submitted", json!({"review": {"state": "approved"}}), Some("change_request.approved")),
        (
            "pull_request_review.submitted",
            json!({"review": {"state": "changes_requested"}}),
            Some("change_request.changes_requested"),
        ),
        (
            "pull_request_review.submitted",
            json!({"review": {"state": "commented", "body": "Nice"}}),
            Some("change_request.commented"),
        ),
        ("pull_request_review.submitted", json!({"review": {"state": "commented", "body": null}}), None),
        ("pull_request_review.dismissed", json!({"review": {"state": "dismissed"}}), Some("change_request.unapproved")),
        ("pull_request_review_comment.created", json!({}), Some("change_request.commented")),
        ("pull_request_review_comment.edited", json!({}), None),
        ("issue_comment.created", on_pull_request.clone(), Some("change_request.commented")),
        ("issue_comment.created", json!({"issue": {"number": 7}}), Some("issue.commented")),
        ("issue_comment.edited", on_pull_request, None),
        ("issues.opened", json!({}), Some("issue.opened")),
        ("issues.labeled", json!({}), Some("issue.updated")),
        ("issues.closed", json!({}), Some("issue.closed")),
        ("issues.transferred", json!({}), Some("issue.closed")),
        ("issues.reopened", json!({}), Some("issue.reopened")),
        ("workflow_run.completed", json!({}), Some("build.finished")),
        ("workflow_run.requested", json!({}), None),
        ("workflow_job.completed", json!({}), None),
        ("check_suite.completed", json!({"check_suite": {"app": {"slug": "breakwater"}}}), Some("build.finished")),
        ("check_suite.completed", json!({"check_suite": {"app": {"slug": "github-actions"}}}), None),
        ("check_run.completed", json!({}), None),
        ("status", json!({"state": "failure"}), Some("build.finished")),
        ("status", json!({"state": "pending"}), None),
        ("star.created", json!({}), None),
    ] {
        assert_eq!(name(Dialect::Github, event, payload.clone()), expected, "{event} {payload}");
    }
}

#[test]
fn gitlab_s_events_have_their_names() {
    let note = |on: &str| json!({"object_attributes": {"noteable_type": on}});
    for (event, payload, expected) in [
        ("push", json!({"ref": "refs/heads/main", "after": AFTER}), Some("push")),
        ("push", json!({"ref": "refs/heads/main", "after": NONE}), Some("branch.deleted")),
        ("tag_push", json!({"ref": "refs/tags/v1", "after": AFTER}), Some("tag.pushed")),
        ("tag_push", json!({"ref": "refs/tags/v1", "after": NONE}), Some("tag.deleted")),
        ("push", json!({"event_name": "push", "ref": "refs/heads/main", "after": AFTER}), Some("push")),
        ("merge_request.open", json!({}), Some("change_request.opened")),
        ("merge_request.reopen", json!({}), Some("change_request.reopened")),
        ("merge_request.update", json!({}), Some("change_request.updated")),
        ("merge_request", json!({}), Some("change_request.updated")),
        ("merge_request.approved", json!({}), Some("change_request.approved")),
        ("merge_request.approval", json!({}), Some("change_request.approved")),
        ("merge_request.unapproval", json!({}), Some("change_request.unapproved")),
        ("merge_request.merge", json!({}), Some("change_request.merged")),
        ("merge_request.close", json!({}), Some("change_request.closed")),
        ("issue.open", json!({}), Some("issue.opened")),
        ("issue.close", json!({}), Some("issue.closed")),
        ("issue.reopen", json!({}), Some("issue.reopened")),
        ("work_item.update", json!({}), Some("issue.updated")),
        ("note", note("MergeRequest"), Some("change_request.commented")),
        ("note.create", note("Issue"), Some("issue.commented")),
        ("note.update", note("Issue"), None),
        ("note.create", note("Commit"), None),
        ("note.create", note("Snippet"), None),
        ("pipeline", json!({"object_attributes": {"status": "canceled"}}), Some("build.finished")),
        ("pipeline", json!({"object_attributes": {"status": "running"}}), None),
        ("build", json!({"build_status": "success"}), None),
        ("release.create", json!({}), None),
    ] {
        assert_eq!(name(Dialect::Gitlab, event, payload.clone()), expected, "{event} {payload}");
    }
}

#[test]
fn bitbucket_server_s_events_have_their_names() {
    let change = |name: &str, to: &str| json!({"changes": [{"ref": {"id": name}, "fromHash": BEFORE, "toHash": to}]});
    for (event, payload, expected) in [
        ("repo:refs_changed", change("refs/heads/main", AFTER), Some("push")),
        ("repo:refs_changed", change("refs/heads/main", NONE), Some("branch.deleted")),
        ("repo:refs_changed", change("refs/tags/v1", AFTER), Some("tag.pushed")),
        ("repo:refs_changed", change("refs/tags/v1", NONE), Some("tag.deleted")),
        ("repo:refs_changed", json!({"changes": [{"refId": "refs/heads/a", "toHash": AFTER}]}), Some("push")),
        ("repo:refs_changed", json!({"changes": []}), None),
        ("repo:modified", json!({}), None),
        ("pr:opened", json!({}), Some("change_request.opened")),
        ("pr:modified", json!({}), Some("change_request.updated")),
        ("pr:from_ref_updated", json!({}), Some("change_request.updated")),
        ("pr:reviewer:updated", json!({}), Some("change_request.updated")),
        ("pr:reviewer:approved", json!({}), Some("change_request.approved")),
        ("pr:reviewer:unapproved", json!({}), Some("change_request.unapproved")),
        ("pr:reviewer:needs_work", json!({}), Some("change_request.changes_requested")),
        ("pr:comment:added", json!({}), Some("change_request.commented")),
        ("pr:comment:edited", json!({}), None),
        ("pr:merged", json!({}), Some("change_request.merged")),
        ("pr:declined", json!({}), Some("change_request.closed")),
        ("pr:deleted", json!({}), Some("change_request.closed")),
    ] {
        assert_eq!(name(Dialect::BitbucketServer, event, payload.clone()), expected, "{event} {payload}");
    }
}

#[test]
fn bitbucket_cloud_s_events_have_their_names() {
    let push = |old: Option<&str>, new: Option<&str>| {
        let side = |kind: Option<&str>| kind.map(|kind| json!({"type": kind, "name": "x"}));
        json!({"push": {"changes": [{"old": side(old), "new": side(new)}]}})
    };
    let status = |old: &str, new: &str| json!({"changes": {"status": {"old": old, "new": new}}});
    for (event, payload, expected) in [
        ("repo:push", push(Some("branch"), Some("branch")), Some("push")),
        ("repo:push", push(None, Some("named_branch")), Some("push")),
        ("repo:push", push(Some("branch"), None), Some("branch.deleted")),
        ("repo:push", push(None, Some("tag")), Some("tag.pushed")),
        ("repo:push", push(Some("annotated_tag"), None), Some("tag.deleted")),
        ("repo:push", json!({"push": {"changes": []}}), None),
        ("repo:commit_status_created", json!({"commit_status": {"state": "INPROGRESS"}}), None),
        ("repo:commit_status_updated", json!({"commit_status": {"state": "STOPPED"}}), Some("build.finished")),
        ("pullrequest:created", json!({}), Some("change_request.opened")),
        ("pullrequest:updated", json!({}), Some("change_request.updated")),
        ("pullrequest:approved", json!({}), Some("change_request.approved")),
        ("pullrequest:unapproved", json!({}), Some("change_request.unapproved")),
        ("pullrequest:changes_request_created", json!({}), Some("change_request.changes_requested")),
        ("pullrequest:changes_request_removed", json!({}), Some("change_request.unapproved")),
        ("pullrequest:comment_created", json!({}), Some("change_request.commented")),
        ("pullrequest:comment_updated", json!({}), None),
        ("pullrequest:fulfilled", json!({}), Some("change_request.merged")),
        ("pullrequest:rejected", json!({}), Some("change_request.closed")),
        ("issue:created", json!({}), Some("issue.opened")),
        ("issue:updated", json!({}), Some("issue.updated")),
        ("issue:updated", status("open", "wontfix"), Some("issue.closed")),
        ("issue:updated", status("resolved", "open"), Some("issue.reopened")),
        ("issue:updated", status("resolved", "closed"), Some("issue.updated")),
        ("issue:comment_created", json!({}), Some("issue.commented")),
        ("repo:fork", json!({}), None),
    ] {
        assert_eq!(name(Dialect::BitbucketCloud, event, payload.clone()), expected, "{event} {payload}");
    }
}

#[test]
fn azure_devops_events_have_their_names() {
    let push = |name: &str, to: &str| json!({"resource": {"refUpdates": [{"name": name, "newObjectId": to}]}});
    let status = |status: &str| json!({"resource": {"status": status}});
    let state =
        |old: &str, new: &str| json!({"resource": {"fields": {"System.State": {"oldValue": old, "newValue": new}}}});
    let comment = |changed: &str, is_deleted: bool| {
        let dates = ("2026-06-18T09:00:00Z", changed);
        json!({"resource": {"comment": {
            "publishedDate": dates.0, "lastContentUpdatedDate": dates.1, "isDeleted": is_deleted,
        }}})
    };
    let commented = "ms.vss-code.git-pullrequest-comment-event";
    let run = "ms.vss-pipelines.run-state-changed-event";
    for (event, payload, expected) in [
        ("git.push", push("refs/heads/main", AFTER), Some("push")),
        ("git.push", push("refs/heads/main", NONE), Some("branch.deleted")),
        ("git.push", push("refs/tags/v1", AFTER), Some("tag.pushed")),
        ("git.push", push("refs/tags/v1", NONE), Some("tag.deleted")),
        ("git.push", json!({"resource": {"refUpdates": []}}), None),
        ("git.pullrequest.created", status("active"), Some("change_request.opened")),
        ("git.pullrequest.updated", status("active"), Some("change_request.updated")),
        ("git.pullrequest.updated", status("completed"), Some("change_request.merged")),
        ("git.pullrequest.updated", status("abandoned"), Some("change_request.closed")),
        ("git.pullrequest.merged", status("completed"), Some("change_request.merged")),
        ("git.pullrequest.merged", status("active"), Some("change_request.updated")),
        (commented, comment("2026-06-18T09:00:00Z", false), Some("change_request.commented")),
        (commented, comment("2026-06-18T09:00:00Z", true), None),
        (commented, comment("2026-06-18T09:05:00Z", false), None),
        ("workitem.created", json!({}), Some("issue.opened")),
        ("workitem.updated", state("New", "Active"), Some("issue.updated")),
        ("workitem.updated", state("Active", "Done"), Some("issue.closed")),
        ("workitem.updated", state("Closed", "Active"), Some("issue.reopened")),
        ("workitem.updated", json!({}), Some("issue.updated")),
        ("workitem.commented", json!({}), Some("issue.commented")),
        ("workitem.deleted", json!({}), Some("issue.closed")),
        ("workitem.restored", json!({}), Some("issue.reopened")),
        ("build.complete", json!({}), Some("build.finished")),
        (run, json!({"resource": {"run": {"state": "completed"}}}), Some("build.finished")),
        (run, json!({"resource": {"run": {"state": "inProgress"}}}), None),
        ("tfvc.checkin", json!({}), None),
    ] {
        assert_eq!(name(azure(), event, payload.clone()), expected, "{event} {payload}");
    }
}

#[test]
fn gitea_s_events_have_their_names() {
    let review = |kind: &str| json!({"review": {"type": format!("pull_request_review_{kind}")}});
    let on_pull_request = json!({"is_pull": true, "issue": {"pull_request": {"merged": false, "merged_at": null}}});
    for (event, payload, expected) in [
        ("push", json!({"ref": "refs/heads/main", "after": AFTER}), Some("push")),
        ("push", json!({"ref": "refs/tags/v1", "after": AFTER}), Some("tag.pushed")),
        ("push", json!({"ref": "refs/tags/v1", "after": NONE}), Some("tag.deleted")),
        ("create", json!({"ref": "v1", "ref_type": "tag"}), None),
        ("delete", json!({"ref": "lamp", "ref_type": "branch"}), Some("branch.deleted")),
        ("delete", json!({"ref": "v1", "ref_type": "tag"}), None),
        ("pull_request.opened", json!({}), Some("change_request.opened")),
        ("pull_request.synchronized", json!({}), Some("change_request.updated")),
        ("pull_request_assign.assigned", json!({}), Some("change_request.updated")),
        ("pull_request.closed", json!({"pull_request": {"merged": true}}), Some("change_request.merged")),
        ("pull_request.closed", json!({"pull_request": {"merged": false}}), Some("change_request.closed")),
        ("pull_request_approved.reviewed", review("approved"), Some("change_request.approved")),
        ("pull_request_rejected.reviewed", review("rejected"), Some("change_request.changes_requested")),
        ("pull_request_comment.reviewed", review("comment"), Some("change_request.commented")),
        ("issue_comment.created", on_pull_request.clone(), Some("change_request.commented")),
        ("pull_request_comment.created", on_pull_request.clone(), Some("change_request.commented")),
        ("issue_comment.created", json!({"issue": {"pull_request": null}}), Some("issue.commented")),
        ("issue_comment.edited", on_pull_request, None),
        ("issues.opened", json!({}), Some("issue.opened")),
        ("issue_label.label_updated", json!({}), Some("issue.updated")),
        ("issues.closed", json!({}), Some("issue.closed")),
        ("workflow_run.completed", json!({}), Some("build.finished")),
        ("action_run_failure.failure", json!({}), Some("build.finished")),
        ("action_run_recover.recover", json!({}), None),
        ("status", json!({"state": "error"}), Some("build.finished")),
        ("release.published", json!({}), None),
    ] {
        assert_eq!(name(Dialect::Gitea, event, payload.clone()), expected, "{event} {payload}");
    }
}

#[test]
fn gogs_says_create_and_delete_of_a_tag_where_the_others_push() {
    let source = Source::new("gogs", Dialect::Gitea, Secrets::insecure_accept_unsigned()).unwrap();
    let name = |event: &'static str, kind: &str| {
        let headers = [("x-gogs-event", event), ("x-gogs-delivery", "1"), ("x-github-event", event)];
        let headers = headers.map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap()));
        let body = json!({"ref": "v1", "ref_type": kind}).to_string();
        let delivery = source.receive(&headers.into_iter().collect(), body.into(), 0).unwrap();
        delivery.normalised().map(Normalised::name)
    };
    assert_eq!(name("create", "tag"), Some("tag.pushed"));
    assert_eq!(name("delete", "tag"), Some("tag.deleted"));
    assert_eq!(name("delete", "branch"), Some("branch.deleted"));
    assert_eq!(name("create", "branch"), None, "a push says so");
}

#[test]
fn senders_that_are_no_forges_have_none() {
    for (dialect, event) in
        [(Dialect::Slack, "push"), (Dialect::Stripe, "push"), (Dialect::StandardWebhooks, "issue.opened")]
    {
        let delivery = delivery(dialect, event, json!({"ref": "refs/heads/main", "after": AFTER}));
        assert_eq!(delivery.normalised(), None);
        assert!(delivery.view().is_none());
    }
    let read = View::read(Kind::Stripe, Normalised::Push, None, b"{}");
    assert_eq!(read, Err(ViewError::NoForge { kind: Kind::Stripe }));
}

#[test]
fn deleted_pull_request_is_closed_though_its_payload_says_open() {
    let payload = json!({"pullRequest": {"id": 7, "title": "Light", "state": "OPEN", "open": true}});
    let view = delivery(Dialect::BitbucketServer, "pr:deleted", payload).view();
    let Some(Ok(View::ChangeRequest(change))) = view else { panic!("{view:?}") };
    assert_eq!((change.number, change.state), (7, State::Closed));
}

#[test]
fn push_of_several_refs_is_named_by_the_first_and_tells_of_all() {
    let change =
        |kind: &str, name: &str, to: &str| json!({"ref": {"id": name}, "type": kind, "fromHash": NONE, "toHash": to});
    let payload = json!({"changes": [
        change("ADD", "refs/heads/lamp", AFTER), change("ADD", "refs/tags/v1", AFTER), change("DELETE", "refs/heads/x", NONE),
    ]});
    let delivery = delivery(Dialect::BitbucketServer, "repo:refs_changed", payload);
    let Some(Ok(View::Push(push))) = delivery.view() else { panic!("{delivery:?}") };
    assert_eq!(
        (push.event, push.branch.as_deref(), push.commit.as_deref()),
        (Normalised::Push, Some("lamp"), Some(AFTER))
    );
    let others: Vec<_> = push.others.iter().map(|one| (one.branch.as_deref(), one.tag.as_deref())).collect();
    assert_eq!(others, [(None, Some("v1")), (Some("x"), None)]);
    assert_eq!(push.others[1].commit, None);
}

#[test]
fn words_of_all_forges_say_how_a_build_ended() {
    let result = |status: &str| {
        let payload = json!({"state": status, "sha": AFTER, "context": "ci"});
        let view = View::read(Kind::Github, Normalised::BuildFinished, None, payload.to_string().as_bytes());
        let Ok(View::Build(build)) = view else { panic!("{view:?}") };
        build.result
    };
    for (words, expected) in [
        (&["success", "SUCCESSFUL", "succeeded", "neutral"][..], BuildResult::Succeeded),
        (&["failure", "FAILED", "error", "timed_out"], BuildResult::Failed),
        (&["cancelled", "canceled", "STOPPED"], BuildResult::Cancelled),
        (&["skipped"], BuildResult::Skipped),
        (&["partiallySucceeded", "action_required", ""], BuildResult::Other),
    ] {
        words.iter().for_each(|word| assert_eq!(result(word), expected, "{word}"));
    }
}

#[test]
fn payload_without_a_number_says_what_it_lacks() {
    let read =
        |kind, event, json: &str| View::read(kind, event, None, json.as_bytes()).map(|_| ()).unwrap_err().to_string();
    let opened = Normalised::ChangeRequestOpened;
    assert_eq!(read(Kind::Github, opened, "{}"), "the payload has no `/pull_request/number`");
    assert_eq!(read(Kind::Gitlab, opened, "{}"), "the payload has no `/object_attributes`");
    assert_eq!(read(Kind::AzureDevops, Normalised::IssueOpened, "{}"), "the payload has no `/resource/workItemId`");
    assert_eq!(
        read(Kind::BitbucketCloud, opened, r#"{"pullrequest":{"id":"7"}}"#),
        "the payload has no `/pullrequest/id`"
    );
    assert_eq!(read(Kind::Github, opened, "s3cret"), "the payload is not JSON");
}
