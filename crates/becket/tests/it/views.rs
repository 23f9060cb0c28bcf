//! Typed views read the samples, and lose nothing.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use becket::event::{
    CheckRunEvent, InstallationEvent, IssueCommentEvent, IssuesEvent, PingEvent, PullRequestEvent,
    PullRequestReviewEvent, PushEvent, ReleaseEvent, WorkflowRunEvent,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

fn samples(event: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../samples/github");
    let files = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let of_event = |path: &PathBuf| path.file_stem().unwrap().to_str().unwrap().split('.').next() == Some(event);
    files.filter(of_event).collect()
}

/// Every field of `all` is in `view` with the same value; a view may add fields that are `null` or empty.
fn assert_kept(path: &str, all: &Value, view: &Value) {
    match (all, view) {
        (Value::Object(all), Value::Object(view)) => {
            for (key, value) in all {
                let kept = view.get(key).unwrap_or(&Value::Null);
                assert_kept(&format!("{path}.{key}"), value, kept);
            }
        }
        (Value::Array(all), Value::Array(view)) => {
            assert_eq!(all.len(), view.len(), "{path}");
            all.iter().zip(view).for_each(|(all, view)| assert_kept(path, all, view));
        }
        _ => assert_eq!(all, view, "{path}"),
    }
}

fn assert_view<T: DeserializeOwned + Serialize>(event: &str) {
    let files = samples(event);
    assert!(!files.is_empty(), "there is no sample of {event}");
    for file in files {
        let name = file.display().to_string();
        let all: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        let view: T = serde_json::from_value(all.clone()).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_kept(&name, &all, &serde_json::to_value(&view).unwrap());
    }
}

#[test]
fn views_read_every_sample_of_their_event_and_keep_every_field() {
    assert_view::<CheckRunEvent>("check_run");
    assert_view::<InstallationEvent>("installation");
    assert_view::<IssueCommentEvent>("issue_comment");
    assert_view::<IssuesEvent>("issues");
    assert_view::<PingEvent>("ping");
    assert_view::<PullRequestEvent>("pull_request");
    assert_view::<PullRequestReviewEvent>("pull_request_review");
    assert_view::<PushEvent>("push");
    assert_view::<ReleaseEvent>("release");
    assert_view::<WorkflowRunEvent>("workflow_run");
}

#[test]
fn a_field_that_a_view_loses_is_noticed() {
    let all = serde_json::json!({"a": {"b": [1]}, "c": 2});
    let lost: BTreeSet<_> = ["{\"a\":{\"b\":[1]}}", "{\"a\":{},\"c\":2}", "{\"a\":{\"b\":[2]},\"c\":2}"].into();
    for view in lost {
        let view: Value = serde_json::from_str(view).unwrap();
        assert!(std::panic::catch_unwind(|| assert_kept("", &all, &view)).is_err(), "{view}");
    }
}
