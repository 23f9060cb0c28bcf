//! Outgoing calls: targets, and handlers with a client of their own.

use std::time::Duration;

use becket::testing::{Outgoing, Reply, TestApp};
use becket::{App, Config, State, TaskContext, TaskError, background};
use serde_json::json;

use crate::failure;

const WHSEC: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const OTHER: &str = "whsec_dGhpcyBpcyBub3QgdGhlIHNlY3JldCBvZiB0aGUgdGVzdA==";

fn routed(outgoing: &Outgoing) -> App {
    let url = outgoing.url("/hook");
    let toml = format!(
        "[[routes]]\non = 'push'\nto = {{ http = '{url}', allow_private = true, secret = '{WHSEC}' }}\nretries = 3\n"
    );
    App::new().config(Config::from_toml(&toml).unwrap_or_else(|errors| panic!("{errors}")))
}

async fn target_obeys_its_receiver() {
    let outgoing = Outgoing::start().await;
    outgoing.respond(Reply::new(503).header("retry-after", "60")).then(200);
    let app = TestApp::start(routed(&outgoing)).await;
    let task = app.deliver("push", json!({"ref": "main"})).await.task_id();
    app.drain().await;
    outgoing.assert_called(1);
    app.task(task).assert_retrying();
    assert_eq!(app.drain_all().await, Duration::from_secs(60), "as it was asked to");
    app.task(task).assert_completed().assert_attempts(2);
    outgoing.assert_called(2).assert_called_at("/hook", 2).assert_called_at("/", 0);
    let call = outgoing.calls().swap_remove(1);
    call.assert_signed_with(WHSEC);
    assert_eq!((call.method.as_str(), &*call.path, call.header("becket-attempt")), ("POST", "/hook", Some("2")));
    assert_eq!(call.json::<serde_json::Value>(), json!({"ref": "main"}));
}

#[tokio::test]
async fn target_is_answered_by_the_script_and_obeys_it() {
    target_obeys_its_receiver().await;
}

#[tokio::test(start_paused = true)]
async fn target_is_answered_by_the_script_also_where_tokio_is_paused() {
    target_obeys_its_receiver().await;
}

#[tokio::test]
async fn signature_of_another_secret_fails_the_test() {
    let outgoing = Outgoing::start().await;
    let app = TestApp::start(routed(&outgoing)).await;
    app.deliver("push", json!({})).await;
    app.drain().await;
    let call = outgoing.only_call();
    let message = failure(async {
        _ = call.assert_signed_with(OTHER);
    })
    .await;
    assert!(message.starts_with("the call is not signed with this secret: "), "{message}");
}

/// Comments, then labels; what GitHub's API would be asked.
async fn welcome(State(api): State<String>, task: TaskContext) -> Result<(), TaskError> {
    let post = |path: &'static str| {
        let url = format!("{api}{path}");
        async move {
            let response = reqwest::Client::new().post(url).body(path).send().await?.error_for_status()?;
            Ok(response.status().as_u16())
        }
    };
    task.step("comment", || post("/comments")).await?;
    task.step("label", || post("/labels")).await?;
    Ok(())
}

async fn asks_once_through_a_crash() {
    let outgoing = Outgoing::start().await;
    outgoing.respond_at("/labels", Reply::hang()).then(200);
    let app = App::new().state(outgoing.url("")).on("issues.opened", background(welcome));
    let app = TestApp::start(app).await;
    app.deliver("issues.opened", json!({})).await;
    outgoing.until_called(2).await;
    app.crash().await;
    app.drain().await;
    app.tasks("welcome").only().assert_completed().assert_attempts(2).assert_step("comment").assert_step("label");
    outgoing.assert_called_at("/comments", 1).assert_called_at("/labels", 2);
}

#[tokio::test]
async fn step_that_was_done_before_a_crash_asks_nobody_again() {
    asks_once_through_a_crash().await;
}

#[tokio::test(start_paused = true)]
async fn step_that_was_done_before_a_crash_asks_nobody_again_also_where_tokio_is_paused() {
    asks_once_through_a_crash().await;
}

#[tokio::test]
async fn calls_that_were_not_made_fail_the_test_and_those_that_were_are_listed() {
    let outgoing = Outgoing::start().await;
    outgoing.respond(Reply::new(201).json(json!({"id": 7})));
    let answer = reqwest::Client::new().put(outgoing.url("/a?b=c")).body("hello").send().await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.text().await.unwrap().as_str()), (201, "{\"id\":7}"));
    let message = failure(async {
        _ = outgoing.assert_called(2);
    })
    .await;
    assert_eq!(message, "expected 2 calls, and there were 1: [\n    PUT /a?b=c hello,\n]");
    assert!(
        failure(async {
            _ = outgoing.assert_called_at("/b", 1);
        })
        .await
        .contains("PUT /a?b=c hello")
    );
}
