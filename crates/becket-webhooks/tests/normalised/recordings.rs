//! Other people's recordings: each payload that has a name has a view with all that its forge says.

use becket_webhooks::{Kind, View};

use super::{delivered, recorded};

/// Kind, event with its action as far as a header says it, and path of each recording.
fn recordings() -> Vec<(Kind, String, String)> {
    let index = String::from_utf8(recorded::read("index.tsv")).unwrap();
    let lines = index.lines().skip(1).map(|line| line.split('\t').collect::<Vec<_>>());
    // Bitbucket Server's test of a connection is no delivery.
    let lines = lines.filter(|columns| columns[2] != "diagnostics:ping");
    lines
        .map(|columns| {
            let kind = match columns[1] {
                "forgejo" => Kind::Gitea,
                forge => forge.replace('-', "_").parse().expect("the index names forges"),
            };
            (kind, columns[2].to_owned(), columns[0].to_owned())
        })
        .collect()
}

/// What a view lacks that most have: the names of its fields.
fn lacking(view: &View) -> Vec<String> {
    let json = serde_json::to_value(view).unwrap();
    let fields = json.as_object().unwrap().iter();
    fields.filter(|(_, value)| value.is_null() || *value == "").map(|(name, _)| name.clone()).collect()
}

/// Which fields may be missing, since the forge does not send them, or not always.
fn may_lack(view: &View, forge: Kind, path: &str) -> &'static [&'static str] {
    // Recordings that were cut short, or are of versions that did not send more.
    let is_old = path.contains("go-scm") || path.contains("gitlab4j") || path.contains("atlantis");
    match (view, forge) {
        // In the conversation, a pull request is shown as an issue.
        (View::ChangeRequest(_), Kind::Gitea) if path.contains("comment") => {
            &["source_branch", "target_branch", "commit", "comment"]
        }
        (View::ChangeRequest(_), Kind::Gitlab) => &["author", "comment"],
        (View::ChangeRequest(_), Kind::AzureDevops) => &["actor", "comment"],
        (View::ChangeRequest(_), Kind::BitbucketServer) if is_old => &["link", "comment"],
        (View::ChangeRequest(_), _) => &["comment"],
        (View::Issue(_), Kind::Gitlab | Kind::BitbucketCloud) => &["author", "comment"],
        (View::Issue(_), _) => &["comment"],
        (View::Push(_), Kind::BitbucketServer) => &["before", "commit", "title", "link", "branch", "tag"],
        (View::Push(_), _) => &["before", "commit", "title", "branch", "tag"],
        (View::Build(_), Kind::BitbucketCloud) => &["number", "branch"],
        (View::Build(_), _) => &["number"],
        _ => &[],
    }
}

#[test]
fn every_recording_with_a_name_has_a_view_with_all_that_its_forge_says() {
    let mut named = 0;
    for (kind, event, path) in recordings() {
        let delivery = delivered(kind, &event, recorded::read(&path));
        let Some(view) = delivery.view() else { continue };
        let view = view.unwrap_or_else(|error| panic!("{path}: {error}"));
        named += 1;
        assert_eq!(Some(view.event()), delivery.normalised(), "{path}");
        let allowed = may_lack(&view, kind, &path);
        let lacking: Vec<String> = lacking(&view).into_iter().filter(|field| !allowed.contains(&&**field)).collect();
        assert!(lacking.is_empty(), "{path} lacks {lacking:?}: {view:?}");
        if let View::Push(push) = &view {
            let is_deleted = push.event.name().ends_with("deleted");
            assert_eq!((push.branch.is_some(), push.commit.is_some()), (push.tag.is_none(), !is_deleted), "{path}");
        }
        let is_comment = view.event().name().ends_with(".commented");
        let comment = match &view {
            View::ChangeRequest(change) => change.comment.as_ref(),
            View::Issue(issue) => issue.comment.as_ref(),
            _ => None,
        };
        assert!(comment.is_some() || !is_comment, "{path}");
    }
    // GitHub's alone are there where nothing else stands beside a clone.
    assert!(named >= 50, "only {named} recordings have a name");
}
