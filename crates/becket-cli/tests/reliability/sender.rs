//! The sender: signs and posts deliveries as GitHub does.
//!
//! Source: [Delivery headers](https://docs.github.com/en/webhooks/webhook-events-and-payloads#delivery-headers)

use std::path::Path;
use std::time::Duration;

use becket_webhooks::signature;
use bytes::Bytes;
use serde::Deserialize;

pub(crate) const SECRET: &str = "a secret for tests";

/// How long a sender waits for an answer.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A delivery to be sent, any number of times.
#[derive(Clone, Debug)]
pub(crate) struct Outgoing {
    pub(crate) id: String,
    /// Without the action, as in `X-GitHub-Event`.
    pub(crate) event: String,
    pub(crate) body: Bytes,
}

impl Outgoing {
    /// A small delivery.
    pub(crate) fn small(event: &str, id: impl Into<String>) -> Self {
        Self::new(event, id, r#"{"repository":{"id":1,"name":"harbour"}}"#)
    }

    pub(crate) fn new(event: &str, id: impl Into<String>, body: impl Into<Bytes>) -> Self {
        Self { id: id.into(), event: event.to_owned(), body: body.into() }
    }
}

/// What the server answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) retry_after: Option<String>,
    pub(crate) said: Said,
}

/// The fields of an answer that a test looks at.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Said {
    pub(crate) task_ids: Vec<String>,
    pub(crate) duplicate: bool,
}

/// Posts deliveries, over connections that are kept open.
#[derive(Clone)]
pub(crate) struct Sender(reqwest::Client);

impl Sender {
    pub(crate) fn new() -> Self {
        Self(reqwest::Client::builder().no_proxy().timeout(TIMEOUT).build().unwrap())
    }

    /// Posts a delivery, signed, to the server at `url`.
    ///
    /// # Errors
    /// No whole answer came, so the sender does not know whether it was accepted.
    pub(crate) async fn post(&self, url: &str, outgoing: &Outgoing) -> reqwest::Result<Answer> {
        let Outgoing { id, event, body } = outgoing;
        let request = self
            .0
            .post(format!("{url}/webhooks/github"))
            .header("content-type", "application/json")
            .header("user-agent", "GitHub-Hookshot/044aadd")
            .header("x-github-delivery", id)
            .header("x-github-event", event)
            .header("x-hub-signature-256", signature::github(SECRET.as_bytes(), body))
            .body(body.clone());
        let response = request.send().await?;
        let retry_after = response.headers().get("retry-after").map(|value| value.to_str().unwrap().to_owned());
        let status = response.status().as_u16();
        let said = serde_json::from_slice(&response.bytes().await?).unwrap_or_default();
        Ok(Answer { status, retry_after, said })
    }

    /// Posts a delivery that must be acknowledged; answers the ids of its tasks.
    pub(crate) async fn must_post(&self, url: &str, outgoing: &Outgoing) -> Vec<String> {
        let answer = self.post(url, outgoing).await.unwrap();
        assert!((200..300).contains(&answer.status), "{}: {answer:?}", outgoing.id);
        answer.said.task_ids
    }
}

/// The repository's samples: event, and body as GitHub would send it.
pub(crate) fn samples() -> Vec<(String, Bytes)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../samples/github");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let samples = files.iter().map(|file| {
        let name = file.file_name().unwrap().to_str().unwrap();
        (name.split('.').next().unwrap().to_owned(), std::fs::read(file).unwrap().into())
    });
    samples.collect()
}
