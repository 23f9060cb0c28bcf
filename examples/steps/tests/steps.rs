//! The example, run as its reader would run it, killed while it sleeps, and started again.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command};
use std::time::Duration;

use becket_webhooks::signature;
use serde_json::{Value, json};

const SECRET: &str = "a secret for tests";

/// Ends the process with the test, also when it fails.
struct Process(Child);

impl Drop for Process {
    /// As `kill -9` does.
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(folder: &Path, address: &str) -> Process {
    let child = Command::new(env!("CARGO_BIN_EXE_steps"))
        .current_dir(folder)
        .env("BECKET_SERVER__LISTEN", address)
        .env("GITHUBAPP_WEBHOOK_SECRET", SECRET)
        .env("PAUSE_SECS", "2")
        .spawn();
    Process(child.unwrap())
}

/// Asks until the process listens.
async fn asked(request: impl Fn() -> reqwest::RequestBuilder) -> Value {
    loop {
        match request().send().await {
            Ok(response) => return response.json().await.unwrap(),
            Err(error) if error.is_connect() => tokio::task::yield_now().await,
            Err(error) => panic!("{error:?}"),
        }
    }
}

async fn open_issue(address: &str) -> String {
    let issue = json!({
        "action": "opened",
        "issue": {"id": 1, "number": 12, "title": "It breaks"},
        "repository": {"id": 1, "name": "hello", "full_name": "octo/hello"},
        "sender": {"id": 2, "login": "mona"},
    });
    let body = issue.to_string();
    let post = || {
        reqwest::Client::new()
            .post(format!("http://{address}/webhooks/github"))
            .header("content-type", "application/json")
            .header("x-github-event", "issues")
            .header("x-github-delivery", "issues-1")
            .header("x-hub-signature-256", signature::github(SECRET.as_bytes(), body.as_bytes()))
            .body(body.clone())
    };
    asked(post).await["task_ids"][0].as_str().unwrap().to_owned()
}

/// The task once it is as `wanted`, as the API shows it.
async fn task(address: &str, id: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let url = format!("http://{address}/api/v1/tasks/{id}");
    loop {
        let task = asked(|| reqwest::Client::new().get(&url)).await;
        if wanted(&task) {
            return task;
        }
        tokio::task::yield_now().await;
    }
}

fn steps(task: &Value) -> Vec<&str> {
    let mut names: Vec<&str> =
        task["steps"].as_array().unwrap().iter().map(|step| step["name"].as_str().unwrap()).collect();
    names.sort_unstable();
    names
}

async fn follows_up(folder: &Path) {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let first = start(folder, &address);
    let id = open_issue(&address).await;
    task(&address, &id, |task| steps(task).contains(&"@sleep 1")).await;
    drop(first);

    let _second = start(folder, &address);
    let task = task(&address, &id, |task| task["state"] == "completed").await;
    assert_eq!(steps(&task), ["@sleep 1", "comment", "label bug", "label needs-triage", "reminder"]);
    let asked = std::fs::read_to_string(folder.join("asked.txt")).unwrap();
    let once = ["comment on #12: thank you!", "label #12 bug", "label #12 needs-triage", "comment on #12: any news?"];
    assert_eq!(asked.lines().collect::<Vec<_>>(), once);
    assert_eq!(task["result"], once[0].len() + 1, "what the first attempt was answered");
}

#[tokio::test]
async fn killed_while_it_sleeps_it_goes_on_and_asks_for_nothing_twice() {
    let folder = tempfile::tempdir().unwrap();
    tokio::time::timeout(Duration::from_secs(60), follows_up(folder.path())).await.unwrap();
}

#[test]
fn guide_shows_the_handler_of_the_example() {
    let example = include_str!("../src/main.rs");
    let begin = example.find("async fn follow_up").unwrap();
    let handler = &example[begin..begin + example[begin..].find("\n}\n").unwrap()];
    assert!(include_str!("../../../docs/guides/steps.md").contains(handler), "docs/guides/steps.md shows another one");
}
