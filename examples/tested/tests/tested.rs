//! The application's handlers, tested in process; `docs/guides/testing.md` walks through these tests.

use std::time::Duration;

use becket::App;
use becket::testing::{Outgoing, Reply, TestApp};
use serde_json::{Value, json};
use tested::{Api, app};

const DAY: Duration = Duration::from_secs(24 * 3_600);

fn issue(number: u64) -> Value {
    json!({
        "issue": {"id": 1, "number": number, "title": "It breaks"},
        "repository": repository(),
        "sender": {"id": 2, "login": "mona"},
    })
}

fn comment(issue: u64, id: u64) -> Value {
    json!({"issue": {"number": issue}, "comment": {"id": id}, "repository": repository()})
}

fn repository() -> Value {
    json!({"id": 1, "name": "hello", "full_name": "octo/hello"})
}

async fn start() -> (TestApp, Outgoing) {
    let github = Outgoing::start().await;
    github.respond(Reply::new(201).json(json!({"id": 7})));
    let app = TestApp::start(app(App::new(), Api::at(github.url("")))).await;
    (app, github)
}

#[tokio::test]
async fn whoever_opens_an_issue_is_thanked_and_asked_a_day_later() {
    let (app, github) = start().await;
    app.deliver("issues.opened", issue(12)).await.assert_status(202);
    app.drain().await;
    github.assert_called(2);
    assert_eq!(github.calls()[0].json::<Value>(), json!({"body": "Thank you!"}));
    app.tasks("welcome").only().assert_step("label").assert_no_step("ask");

    app.advance(DAY).await;
    app.drain().await;
    github.assert_called_at("/repos/octo/hello/issues/12/comments", 2);
    app.tasks("welcome").only().assert_completed().assert_attempts(1).assert_result(7);
}

#[tokio::test]
async fn comment_is_tried_again_and_made_once() {
    let (app, github) = start().await;
    github.respond(502).then(Reply::new(201).json(json!({"id": 7})));
    app.deliver("issues.opened", issue(12)).await;
    app.drain().await;
    app.tasks("welcome").only().assert_retrying().assert_attempts(1);

    app.drain_all().await;
    app.tasks("welcome").only().assert_completed().assert_attempts(2);
    github.assert_called_at("/repos/octo/hello/issues/12/comments", 3); // one failed
}

#[tokio::test]
async fn crash_in_the_middle_comments_no_second_time() {
    let (app, github) = start().await;
    github.respond_at("/repos/octo/hello/issues/12/labels", Reply::hang()).then(Reply::new(201).json(json!({})));
    app.deliver("issues.opened", issue(12)).await;
    github.until_called(2).await; // the comment was made, and the label hangs

    app.crash().await;
    app.drain().await;
    github.assert_called_at("/repos/octo/hello/issues/12/comments", 1);
    app.tasks("welcome").only().assert_step("label").assert_attempts(1);
}

#[tokio::test(start_paused = true)]
async fn api_that_hangs_uses_up_the_attempts() {
    let (app, github) = start().await;
    github.respond(Reply::hang());
    app.deliver("issues.opened", issue(12)).await;
    app.drain_all().await;
    app.tasks("welcome").only().assert_failed_with("timed out after 5m").assert_attempts(4);
}

#[tokio::test]
async fn redelivery_thanks_nobody_twice() {
    let (app, github) = start().await;
    let first = app.deliver("issues.opened", issue(12)).await;
    app.drain_all().await;
    app.delivery("issues.opened", issue(12)).id(&first.delivery_id).send().await.assert_duplicate();
    app.drain_all().await;
    github.assert_called(3);
}

#[tokio::test]
async fn comments_on_one_issue_are_answered_one_after_the_other() {
    let (app, github) = start().await;
    let reactions = |comment: u64| format!("/repos/octo/hello/issues/comments/{comment}/reactions");
    github.respond_at(&reactions(1), 502).then(Reply::new(201).json(json!({})));
    let first = app.deliver("issue_comment.created", comment(12, 1)).await.task_id();
    let second = app.deliver("issue_comment.created", comment(12, 2)).await.task_id();
    let other = app.deliver("issue_comment.created", comment(13, 3)).await.task_id();
    app.drain().await;
    app.task(first).assert_retrying();
    app.task(second).assert_attempts(0); // it waits behind the first
    app.task(other).assert_completed(); // another issue, another lane

    app.drain_all().await;
    app.assert_ran_in_order(&[first, second]);
    github.assert_called_at(&reactions(2), 1);
}

#[tokio::test]
async fn of_a_burst_of_pushes_the_last_is_built() {
    let (app, github) = start().await;
    for commit in ["a1", "b2", "c3"] {
        app.deliver("push", json!({"ref": "refs/heads/main", "after": commit, "repository": repository()})).await;
        app.advance(Duration::from_secs(4)).await;
        app.drain().await;
    }
    github.assert_called(0); // it is not quiet yet
    assert_eq!(app.advance_to_next().await, Some(Duration::from_secs(6)));
    app.drain().await;
    github.assert_called(1);
    assert_eq!(github.calls()[0].json::<Value>()["commit"], "c3");
}

#[tokio::test]
async fn each_monday_a_report_is_written() {
    let (app, github) = start().await; // a test begins on a Thursday, at midnight
    app.advance(4 * DAY + Duration::from_secs(3 * 3_600)).await;
    app.drain().await;
    app.tasks("report").only().assert_completed();
    app.advance(7 * DAY).await;
    app.drain().await;
    app.tasks("report").assert_count(2).assert_completed();
    assert_eq!(github.calls()[1].json::<Value>(), json!({"title": "The week until 2026-01-12T03:00:00.000Z"}));
}

#[test]
fn guide_shows_these_tests() {
    let (tests, guide) = (include_str!("tested.rs"), include_str!("../../../docs/guides/testing.md"));
    for name in [
        "whoever_opens",
        "comment_is_tried",
        "crash_in_the_middle",
        "api_that_hangs",
        "redelivery_thanks",
        "comments_on_one_issue",
        "of_a_burst",
        "each_monday",
    ] {
        let begin = tests.find(&format!("async fn {name}")).unwrap_or_else(|| panic!("{name} is gone"));
        let end = tests[begin..].find("\n}\n").map_or(tests.len(), |end| begin + end);
        assert!(guide.contains(&tests[begin..end]), "docs/guides/testing.md shows another {name}");
    }
}
