//! A GitHub App that thanks whoever opens an issue, labels it, and asks a day later; that answers comments, builds what is
//! pushed, and writes a report each Monday. Its tests are in `tests/`.

use std::time::Duration;

use becket::event::IssuesEvent;
use becket::{App, Event, Payload, State, TaskContext, TaskError, background};
use serde_json::{Value, json};

/// GitHub's REST API, or what stands for it.
#[derive(Clone, Debug)]
pub struct Api {
    base: String,
    http: reqwest::Client,
}

impl Api {
    /// The API at this URL.
    pub fn at(base: impl Into<String>) -> Self {
        Self { base: base.into(), http: reqwest::Client::new() }
    }

    async fn post(&self, path: String, body: Value) -> Result<Value, TaskError> {
        let response = self.http.post(format!("{}{path}", self.base)).json(&body).send().await?;
        Ok(response.error_for_status()?.json().await?)
    }
}

/// The application, with all that is the same in production and in tests.
pub fn app(app: App, api: Api) -> App {
    let quiet = Duration::from_secs(10);
    app.state(api)
        .on("issues.opened", background(welcome).retries(3))
        .on("issue_comment", background(answer).lane("{repository.full_name}#{issue.number}"))
        .on("push", background(build).debounce(quiet, 6 * quiet))
        .task("report", background(report))
        .schedule("weekly", "0 3 * * MON", "report")
        .on("ping", || async { "pong" })
}

async fn welcome(
    Event(event): Event<IssuesEvent>,
    State(api): State<Api>,
    task: TaskContext,
) -> Result<Value, TaskError> {
    let issue = format!("/repos/{}/issues/{}", event.repository.full_name, event.issue.number);
    let say = |text: &'static str| api.post(format!("{issue}/comments"), json!({"body": text}));

    let thanks = task.step("comment", || say("Thank you!")).await?;
    task.step("label", || api.post(format!("{issue}/labels"), json!({"labels": ["new"]}))).await?;
    task.sleep(Duration::from_secs(24 * 3_600)).await?;
    task.step("ask", || say("Any news?")).await?;
    Ok(thanks["id"].clone())
}

async fn answer(Payload(event): Payload, State(api): State<Api>) -> Result<Value, TaskError> {
    let comment = &event["comment"]["id"];
    api.post(format!("/repos/octo/hello/issues/comments/{comment}/reactions"), json!({"content": "eyes"})).await
}

async fn build(Payload(push): Payload, State(api): State<Api>) -> Result<Value, TaskError> {
    api.post("/repos/octo/hello/dispatches".to_owned(), json!({"event_type": "build", "commit": push["after"]})).await
}

async fn report(Payload(firing): Payload, State(api): State<Api>) -> Result<Value, TaskError> {
    let title = format!("The week until {}", firing["tick"].as_str().unwrap_or_default());
    api.post("/repos/octo/hello/issues".to_owned(), json!({"title": title})).await
}
