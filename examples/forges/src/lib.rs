//! One application behind all forges: it says what a change request is about, what was pushed, and which build broke. Its test
//! is in `tests/`; `docs/guides/events.md` has the names.

use becket::normalised::{Build, BuildResult, ChangeRequest, Push};
use becket::{App, background};

/// The application, with all that is the same in production and in tests.
pub fn app(app: App) -> App {
    app.on("change_request.*", background(review))
        .on(["push", "tag.pushed"], background(deploy))
        .on("build.finished", background(alarm))
}

async fn review(change: ChangeRequest) -> String {
    let by = change.author.unwrap_or_else(|| "somebody".to_owned());
    let into = change.target_branch.unwrap_or_default();
    format!("{}: #{} {:?} of {by}, into {into}", change.event, change.number, change.title)
}

async fn deploy(push: Push) -> String {
    match (push.commit, push.tag, push.branch) {
        (Some(commit), Some(tag), _) => format!("release {tag} at {commit}"),
        (Some(commit), None, Some(branch)) => format!("deploy {branch} at {commit}"),
        // GitHub calls it a push as well when a branch is deleted.
        _ => "nothing to deploy".to_owned(),
    }
}

async fn alarm(build: Build) -> String {
    let name = build.name.unwrap_or_else(|| "a build".to_owned());
    match build.result {
        BuildResult::Failed => format!("{name} is broken: {}", build.link.unwrap_or_default()),
        _ => format!("{name} is no reason to worry"),
    }
}
