//! The samples of this project.

use std::collections::BTreeMap;
use std::path::PathBuf;

use becket_webhooks::{BuildResult, ChangeRequest, Issue, Kind, Normalised, State, View};

use super::delivered;
use super::names::NAMES;

/// Every sample: its kind, its event, and what it says.
fn samples() -> Vec<(Kind, String, Vec<u8>)> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../samples");
    let files =
        Kind::ALL.into_iter().filter_map(|kind| Some((kind, std::fs::read_dir(root.join(kind.as_str())).ok()?)));
    let files = files.flat_map(|(kind, files)| files.map(move |file| (kind, file.unwrap().path())));
    files
        .map(|(kind, path)| {
            (kind, path.file_stem().unwrap().to_str().unwrap().to_owned(), std::fs::read(path).unwrap())
        })
        .collect()
}

/// The views of all samples that have one, by the name of their files.
fn views() -> BTreeMap<String, View> {
    let views = samples().into_iter().filter_map(|(kind, event, body)| {
        let name = format!("{kind}/{event}");
        let view = delivered(kind, &event, body).view()?;
        Some((name.clone(), view.unwrap_or_else(|error| panic!("{name}: {error}"))))
    });
    views.collect()
}

#[test]
fn every_sample_has_the_name_of_what_it_tells_and_the_others_have_none() {
    let mut expected: BTreeMap<&str, &str> = NAMES.iter().copied().collect();
    for (kind, event, body) in samples() {
        let name = format!("{kind}/{event}");
        let normalised = delivered(kind, &event, body).normalised();
        assert_eq!(normalised.map(Normalised::name), expected.remove(&*name), "{name}");
    }
    assert!(expected.is_empty(), "these are no samples: {expected:?}");
}

/// What the samples of all forges tell of the one pull request that they are about.
fn assert_is_the_pull_request(name: &str, change: &ChangeRequest) {
    assert_eq!((change.number, change.draft), (418, false), "{name}");
    assert_eq!(change.title, "Compute tide windows in UTC and convert at the edge", "{name}");
    assert!(change.repository.as_ref().is_some_and(|repository| repository.ends_with("/harbour")), "{name}");
    assert_eq!(change.source_branch.as_deref(), Some("utc-tide-windows"), "{name}");
    assert_eq!(change.target_branch.as_deref(), Some("main"), "{name}");
    assert!(change.commit.as_ref().is_some_and(|commit| commit.len() >= 12), "{name}: {:?}", change.commit);
    assert!(change.link.as_ref().is_some_and(|link| link.starts_with("https://") && link.contains("/418")), "{name}");
    let expected = match change.event.name() {
        "change_request.merged" => State::Merged,
        "change_request.closed" => State::Closed,
        _ => State::Open,
    };
    assert_eq!(change.state, expected, "{name}");
    if change.event.name() == "change_request.commented" {
        let comment = change.comment.as_ref().unwrap_or_else(|| panic!("{name} has no comment"));
        assert!(!comment.text.is_empty() && comment.author.is_some(), "{name}: {comment:?}");
    }
    // GitLab names whoever opened it by a number, and Azure DevOps says who did it of some events alone.
    let (author, actor) = (change.author.is_some(), change.actor.is_some());
    assert!(author || change.forge == Kind::Gitlab, "{name} has no author");
    assert!(actor || change.forge == Kind::AzureDevops, "{name} has no actor");
}

fn assert_is_the_issue(name: &str, issue: &Issue) {
    assert_eq!(issue.number, 412, "{name}");
    assert_eq!(
        issue.title,
        "Tide window of a berth with its own time zone is an hour late on the day the clocks change"
    );
    assert!(issue.link.as_ref().is_some_and(|link| link.ends_with("/412")), "{name}: {:?}", issue.link);
    assert!(issue.actor.is_some(), "{name}");
    assert!(issue.author.is_some() || issue.forge == Kind::Gitlab, "{name}");
    assert_eq!(issue.state == State::Closed, issue.event.name() == "issue.closed", "{name}");
    assert_eq!(issue.comment.is_some(), issue.event.name() == "issue.commented", "{name}");
}

#[test]
fn all_forges_tell_the_same_story() {
    let views = views();
    assert_eq!(views.len(), NAMES.len());
    for (name, view) in &views {
        match view {
            View::ChangeRequest(change) => assert_is_the_pull_request(name, change),
            View::Issue(issue) => assert_is_the_issue(name, issue),
            View::Push(push) => {
                let is_deleted = push.event.name() == "branch.deleted";
                assert!(push.branch.is_some() != push.tag.is_some(), "{name}: {push:?}");
                assert_eq!(push.commit.is_none(), is_deleted, "{name}: {push:?}");
                assert_eq!(push.title.is_none(), is_deleted, "{name}: {push:?}");
                assert!(push.actor.is_some() && push.repository.is_some() && push.link.is_some(), "{name}: {push:?}");
                assert!(push.others.is_empty(), "{name}: {push:?}");
            }
            View::Build(build) => {
                assert!(build.name.is_some() && build.commit.is_some() && build.link.is_some(), "{name}: {build:?}");
                assert!(build.repository.as_ref().is_some_and(|repository| repository.ends_with("/harbour")), "{name}");
                assert!(build.branch.is_some() && build.actor.is_some(), "{name}: {build:?}");
                assert_eq!(build.result, BuildResult::Succeeded, "{name}");
            }
            other => panic!("{name}: {other:?}"),
        }
    }
}

#[test]
fn opened_pull_request_is_a_change_request_with_everything() {
    let View::ChangeRequest(change) = &views()["gitlab/merge_request.open"] else { panic!("it is one") };
    let json = serde_json::to_value(change).unwrap();
    assert_eq!(
        json,
        serde_json::json!({
            "forge": "gitlab", "event": "change_request.opened", "repository": "lighthouse-works/quay/harbour", "number": 418,
            "title": "Compute tide windows in UTC and convert at the edge", "author": "quiet-anchor", "actor": "quiet-anchor",
            "state": "open", "draft": false, "source_branch": "utc-tide-windows", "target_branch": "main",
            "commit": "b46eb3ed2e113eb3f9ea2934777366520dd5804b",
            "link": "https://gitlab.lighthouse-works.example/lighthouse-works/quay/harbour/-/merge_requests/418", "comment": null,
        })
    );
}
