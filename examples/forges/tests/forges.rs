//! The example, in process: the samples of all forges reach the same three handlers.

#![expect(clippy::expect_used, reason = "a test that cannot go on may panic")]

use std::path::Path;

use becket::testing::TestApp;
use becket::{App, AzureAuth, Dialect, Secrets, Source};
use forges::app;
use serde_json::Value;

async fn start() -> TestApp {
    let secrets = |secret: &str| Secrets::new([secret]).expect("it is one");
    let sources = [
        ("github", Dialect::Github),
        ("gitlab", Dialect::Gitlab),
        ("bitbucket_server", Dialect::BitbucketServer),
        ("bitbucket_cloud", Dialect::BitbucketCloud),
        ("azure_devops", Dialect::AzureDevops(AzureAuth::Basic)),
        ("gitea", Dialect::Gitea),
    ];
    let app = sources.into_iter().fold(app(App::new()), |app, (name, dialect)| {
        app.source(Source::new(name, dialect, secrets("user:password")).expect("the secret is one"))
    });
    TestApp::start(app).await
}

/// What this project's sample of an event says.
fn sample(source: &str, event: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../samples/{source}/{event}.json"));
    serde_json::from_slice(&std::fs::read(path).expect("it is a sample")).expect("it is JSON")
}

/// What the handler made of a sample.
async fn told(app: &TestApp, source: &str, event: &str) -> String {
    let delivered = app.delivery(event, sample(source, event)).source(source).send().await;
    assert_eq!((delivered.status, delivered.task_ids.len()), (202, 1), "{source} {event}: {delivered:?}");
    app.drain().await;
    app.task(delivered.task_id()).result()
}

#[tokio::test]
async fn change_requests_of_all_forges_are_reviewed_by_one_handler() {
    let app = start().await;
    let title = "\"Compute tide windows in UTC and convert at the edge\"";
    for (source, event, author) in [
        ("github", "pull_request.opened", "quiet-anchor"),
        ("gitlab", "merge_request.open", "quiet-anchor"),
        ("bitbucket_server", "pr.opened", "tomas.quay"),
        ("bitbucket_cloud", "pullrequest.created", "quiet-anchor"),
        ("azure_devops", "git.pullrequest.created", "Tomas Quay"),
        ("gitea", "pull_request.opened", "quiet-anchor"),
    ] {
        let expected = format!("change_request.opened: #418 {title} of {author}, into main");
        assert_eq!(told(&app, source, event).await, expected, "{source}");
    }
}

#[tokio::test]
async fn pushes_and_builds_have_a_handler_each() {
    let app = start().await;
    for (source, event) in [
        ("github", "push"),
        ("gitlab", "push"),
        ("bitbucket_server", "repo.refs_changed"),
        ("bitbucket_cloud", "repo.push"),
        ("azure_devops", "git.push"),
        ("gitea", "push"),
    ] {
        let said = told(&app, source, event).await;
        assert!(said.starts_with("deploy main at "), "{source}: {said}");
    }
    assert!(told(&app, "gitlab", "tag_push").await.starts_with("release v2.7.0 at "));
    let said = told(&app, "azure_devops", "build.complete").await;
    assert_eq!(said, "harbour is no reason to worry");
}
