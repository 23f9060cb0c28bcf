//! Targets over a real server: for deliveries and for tasks that were enqueued by hand, against real receivers and real
//! programs.

#[cfg(unix)]
mod command;
mod http;
mod limits;
mod recipes;
mod tls;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use becket_tasks::TaskId;
use bytes::Bytes;
use http_body_util::BodyExt as _;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::world::{Answer, Post, World, configured};

/// What a receiver got.
pub(crate) type Received = (::http::request::Parts, Bytes);

/// A server that keeps what it gets, and answers as it is told.
pub(crate) struct Receiver {
    pub(crate) address: String,
    pub(crate) received: mpsc::UnboundedReceiver<Received>,
    /// The most requests that it answered at once.
    pub(crate) most_at_once: Arc<AtomicUsize>,
}

impl Receiver {
    pub(crate) async fn start(answer: impl Fn() -> Response + Clone + Send + Sync + 'static) -> Self {
        Self::slow(Duration::ZERO, answer).await
    }

    pub(crate) async fn slow(pause: Duration, answer: impl Fn() -> Response + Clone + Send + Sync + 'static) -> Self {
        let (sender, received) = mpsc::unbounded_channel();
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let most_at_once = Arc::clone(&most);
        let router = Router::new().fallback(move |request: Request| {
            let (sender, answer, now, most) = (sender.clone(), answer.clone(), Arc::clone(&now), Arc::clone(&most));
            async move {
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                let (parts, body) = request.into_parts();
                let body = body.collect().await.unwrap().to_bytes();
                tokio::time::sleep(pause).await;
                now.fetch_sub(1, Ordering::SeqCst);
                let _ = sender.send((parts, body));
                answer()
            }
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, received, most_at_once }
    }

    pub(crate) fn received(&mut self) -> Received {
        self.received.try_recv().unwrap()
    }
}

pub(crate) fn ok() -> Response {
    "thanks".into_response()
}

/// A delivery of this JSON.
pub(crate) fn delivery(id: &str, body: &Value) -> Post {
    Post::github_body("issues", id, body.to_string())
}

/// Sends a delivery of this JSON; its task.
pub(crate) async fn send(world: &World, id: &str, body: &Value) -> TaskId {
    let answer = world.post(delivery(id, body)).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    answer.tasks()[0]
}

/// Enqueues a task by hand; its id.
pub(crate) async fn enqueue(world: &World, task: Value) -> TaskId {
    let answer = call(world, "/api/v1/tasks", &task).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    serde_json::from_value(answer.body["id"].clone()).unwrap()
}

pub(crate) async fn call(world: &World, path: &str, body: &Value) -> Answer {
    let client = reqwest::Client::new();
    Answer::of(client.post(world.running.url(path)).json(body).send().await.unwrap()).await
}

pub(crate) async fn get(world: &World, path: &str) -> Value {
    Answer::of(reqwest::get(world.running.url(path)).await.unwrap()).await.body
}

/// The result of a task that must have completed.
pub(crate) async fn result(world: &World, task: TaskId) -> Value {
    let detail = world.ended(task).await;
    let result = detail.result.as_deref().unwrap_or_else(|| panic!("{detail:?}"));
    serde_json::from_slice(result).unwrap()
}

/// The error of a task that must have failed.
pub(crate) async fn error(world: &World, task: TaskId) -> String {
    let detail = world.ended(task).await;
    assert_eq!(detail.task.state(), becket_tasks::State::Failed, "{detail:?}");
    get(world, &format!("/api/v1/tasks/{task}")).await["error"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn target_of_no_use_is_told_at_the_start_with_its_name() {
    let dir = tempfile::tempdir().unwrap();
    for (text, told) in [
        ("http = 'http://127.0.0.1/'", "the target `x` cannot be used: 127.0.0.1 is a loopback address"),
        ("command = ['./no-such']", "the target `x` cannot be used: cannot run `./no-such`: there is no such program"),
        ("log = '/nowhere/x'", "the target `x` cannot be used: cannot write to `/nowhere/x`"),
        ("http = 'https://x'\nca_file = '/nowhere.pem'", "cannot read the certificates in `/nowhere.pem`"),
    ] {
        let app = configured(&format!("[targets.x]\n{text}\n[[routes]]\non = '*'\nto = 'x'"));
        let path = dir.path().join("never.db");
        let error = app.store(format!("sqlite:{}", path.display())).start().await.unwrap_err().to_string();
        assert!(error.contains(told), "{error}");
        assert!(!path.exists(), "nothing was opened");
    }
}
