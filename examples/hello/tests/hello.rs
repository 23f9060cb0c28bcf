//! The example, run as its reader would run it: as a process, with a signed delivery over HTTP.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command};
use std::time::Duration;

use becket_webhooks::signature;
use serde_json::{Value, json};

const SECRET: &str = "a secret for tests";

/// Ends the process with the test, also when it fails.
struct Hello(Child);

impl Drop for Hello {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Hello {
    fn start(folder: &Path, address: &str) -> Self {
        let child = Command::new(env!("CARGO_BIN_EXE_hello"))
            .current_dir(folder)
            .env("BECKET_SERVER__LISTEN", address)
            .env("GITHUBAPP_WEBHOOK_SECRET", SECRET)
            .spawn()
            .unwrap();
        Self(child)
    }

    /// Asks it to end, as a service manager would, and waits until it has.
    fn end_gracefully(&mut self) {
        let asked = Command::new("kill").args(["-TERM", &self.0.id().to_string()]).status().unwrap();
        assert!(asked.success());
        assert!(self.0.wait().unwrap().success(), "it did not end well");
    }
}

/// An address that was free a moment ago.
fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

async fn post(url: &str, event: &str, body: &Value) -> (u16, Value) {
    let body = body.to_string();
    let client = reqwest::Client::new();
    loop {
        let sent = client
            .post(url)
            .header("content-type", "application/json")
            .header("x-github-event", event)
            .header("x-github-delivery", format!("{event}-1"))
            .header("x-hub-signature-256", signature::github(SECRET.as_bytes(), body.as_bytes()))
            .body(body.clone())
            .send()
            .await;
        match sent {
            Ok(response) => return (response.status().as_u16(), response.json().await.unwrap()),
            // The process has not begun to listen.
            Err(error) if error.is_connect() => tokio::task::yield_now().await,
            Err(error) => panic!("{error:?}"),
        }
    }
}

/// The task once it has ended, as the API shows it to programs on this machine.
async fn ended(url: &str) -> Value {
    loop {
        let task: Value = reqwest::get(url).await.unwrap().json().await.unwrap();
        match task["state"].as_str().unwrap() {
            "queued" | "running" => tokio::task::yield_now().await,
            _ => return task,
        }
    }
}

async fn pings_and_greets(folder: &Path) {
    let address = free_address();
    let url = format!("http://{address}/webhooks/github");
    let mut hello = Hello::start(folder, &address);

    let pinged = post(&url, "ping", &json!({"zen": "Design for failure."})).await;
    assert_eq!(pinged, (200, json!({"status": "HIT", "calls": {"ping": "pong"}})));

    let issue = json!({
        "action": "opened",
        "issue": {"id": 1, "number": 12, "title": "It breaks"},
        "repository": {"id": 1, "name": "hello", "full_name": "octo/hello"},
        "sender": {"id": 2, "login": "mona"},
    });
    let (status, answer) = post(&url, "issues", &issue).await;
    assert_eq!((status, &answer["status"]), (202, &json!("ACCEPTED")));
    let task = answer["task_ids"][0].as_str().unwrap();
    let task = ended(&format!("http://{address}/api/v1/tasks/{task}")).await;
    assert_eq!((&task["kind"], &task["state"]), (&json!("greet"), &json!("completed")));
    assert_eq!(task["result"], "Thank you for #12, mona! (attempt 1)");
    assert!(folder.join("becket.db").exists(), "the delivery is on disk");
    hello.end_gracefully();
}

#[tokio::test]
async fn hello_answers_a_ping_and_greets_whoever_opens_an_issue() {
    let folder = tempfile::tempdir().unwrap();
    tokio::time::timeout(Duration::from_secs(60), pings_and_greets(folder.path())).await.unwrap();
}
