//! The payloads that are built in: one for each file of `samples/github`.
//!
//! `becket send` and `becket demo` post them when they are given none. A test compares the table with the folder.

/// A built-in payload of GitHub's.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    /// The file's name without `.json`: `issues.opened`, or `push` for an event without actions.
    pub(crate) name: &'static str,
    /// The payload: compact JSON.
    pub(crate) body: &'static str,
}

macro_rules! samples {
    ($($name:literal,)*) => {
        &[$(Sample { name: $name, body: include_str!(concat!("../../../samples/github/", $name, ".json")) },)*]
    };
}

/// All samples, by name.
pub(crate) const SAMPLES: &[Sample] = samples![
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
];

impl Sample {
    /// The event, without the action.
    pub(crate) fn event(&self) -> &'static str {
        self.name.split_once('.').map_or(self.name, |(event, _)| event)
    }
}

/// The sample of an event as people write it: `issues.opened`, or `issues` for the action that people most likely mean.
pub(crate) fn find(name: &str) -> Option<&'static Sample> {
    let named = |name: &str| SAMPLES.iter().find(|sample| sample.name == name);
    let begun = |action: &str| named(&format!("{name}.{action}"));
    let any = || SAMPLES.iter().find(|sample| sample.event() == name);
    named(name).or_else(|| begun("opened")).or_else(|| begun("created")).or_else(any)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn event_alone_means_what_begins_it() {
        assert_eq!(find("issues.closed").unwrap().name, "issues.closed");
        assert_eq!(find("issues").unwrap().name, "issues.opened");
        assert_eq!(find("label").unwrap().name, "label.created");
        assert_eq!(find("release").unwrap().name, "release.published");
        assert_eq!(find("push").unwrap().event(), "push");
        assert!(find("issues.exploded").is_none());
    }

    #[test]
    fn samples_are_sorted_and_each_is_a_json_object() {
        assert!(SAMPLES.is_sorted_by_key(|sample| sample.name));
        for sample in SAMPLES {
            let parsed: serde_json::Value = serde_json::from_str(sample.body).unwrap();
            assert!(parsed.is_object(), "{}", sample.name);
        }
    }
}
