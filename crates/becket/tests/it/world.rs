//! A world for one test: an application on a free port with an empty store, and a sender that signs.

use std::net::Ipv4Addr;
use std::sync::Arc;

use becket::{App, Config, Running};
use becket_tasks::query::{Page, SubmissionFilter, SubmissionInfo, TaskFilter};
use becket_tasks::store::memory::MemoryStore;
use becket_tasks::{Store, Task, TaskDetail, TaskId};
use becket_webhooks::signature;
use serde_json::{Value, json};

pub(crate) const SECRET: &str = "a secret for tests";

pub(crate) struct World {
    pub(crate) running: Running,
    pub(crate) store: Arc<MemoryStore>,
    client: reqwest::Client,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) async fn of(response: reqwest::Response) -> Self {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.unwrap();
        Self { status, headers, body: serde_json::from_str(&text).unwrap_or(Value::String(text)) }
    }

    /// The ids in `task_ids`.
    pub(crate) fn tasks(&self) -> Vec<TaskId> {
        serde_json::from_value(self.body["task_ids"].clone()).unwrap()
    }
}

/// A delivery to be sent.
#[derive(Clone, Debug)]
pub(crate) struct Post {
    pub(crate) path: String,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
}

impl Post {
    /// GitHub's delivery of `event`, e.g. `issues` or `issues.opened`, under an id.
    pub(crate) fn github(event: &str, id: &str) -> Self {
        let (event, action) = event.split_once('.').map_or((event, None), |(event, action)| (event, Some(action)));
        let mut body = json!({"repository": {"id": 1, "name": "hello", "full_name": "octo/hello"}});
        if let Some(action) = action {
            body["action"] = action.into();
        }
        Self::github_body(event, id, serde_json::to_vec(&body).unwrap())
    }

    pub(crate) fn github_body(event: &str, id: &str, body: impl Into<Vec<u8>>) -> Self {
        let headers = vec![
            ("content-type", "application/json".to_owned()),
            ("x-github-event", event.to_owned()),
            ("x-github-delivery", id.to_owned()),
        ];
        Self { path: "/webhooks/github".to_owned(), headers, body: body.into() }.signed(SECRET)
    }

    pub(crate) fn path(mut self, path: &str) -> Self {
        path.clone_into(&mut self.path);
        self
    }

    /// Sets a header, or takes it away where the value is empty.
    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.retain(|(one, _)| *one != name);
        if !value.is_empty() {
            self.headers.push((name, value.to_owned()));
        }
        self
    }

    pub(crate) fn signed(self, secret: &str) -> Self {
        let signature = signature::github(secret.as_bytes(), &self.body);
        self.header("x-hub-signature-256", &signature)
    }
}

/// An application that takes GitHub's webhooks, on a free port, with a store in memory.
pub(crate) fn app() -> App {
    configured("")
}

/// The same with a configuration.
pub(crate) fn configured(toml: &str) -> App {
    let config = Config::from_toml(toml).unwrap_or_else(|errors| panic!("{errors}"));
    App::new().config(config).github(SECRET).listen((Ipv4Addr::LOCALHOST, 0))
}

impl World {
    pub(crate) async fn start(app: App) -> Self {
        Self::start_on(app, Arc::new(MemoryStore::default())).await
    }

    pub(crate) async fn start_on(app: App, store: Arc<MemoryStore>) -> Self {
        let running = app.store(Arc::clone(&store)).start().await.unwrap_or_else(|error| panic!("{error}"));
        Self { running, store, client: reqwest::Client::new() }
    }

    pub(crate) async fn post(&self, post: Post) -> Answer {
        Answer::of(self.send(post).await.unwrap()).await
    }

    pub(crate) async fn send(&self, post: Post) -> reqwest::Result<reqwest::Response> {
        send(&self.client, &self.running.url(&post.path), post).await
    }

    /// Waits until a task has ended.
    pub(crate) async fn ended(&self, task: TaskId) -> TaskDetail {
        self.running.client().wait(task).await.unwrap()
    }

    pub(crate) async fn deliveries(&self) -> Vec<SubmissionInfo> {
        self.store.submissions(SubmissionFilter::default(), Page::first(1_000)).await.unwrap().items
    }

    pub(crate) async fn tasks(&self) -> Vec<Task> {
        self.store.tasks(TaskFilter::default(), Page::first(1_000)).await.unwrap().items
    }
}

pub(crate) async fn send(client: &reqwest::Client, url: &str, post: Post) -> reqwest::Result<reqwest::Response> {
    let request = post.headers.iter().fold(client.post(url), |request, (name, value)| request.header(*name, value));
    request.body(post.body).send().await
}
