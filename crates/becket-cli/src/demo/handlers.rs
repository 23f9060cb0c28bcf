//! The example application: two sources and four handlers, made with the public API only.

use std::path::Path;
use std::time::Duration;

use becket::{App, Backoff, Delivery, Json, Payload, TaskContext, TaskError, background};
use secrecy::SecretString;
use serde_json::{Value, json};

/// The source that follows Standard Webhooks.
pub(super) const BILLING: &str = "billing";

/// The kinds of the four handlers' tasks.
pub(super) const QUICK: &str = "quick";
pub(super) const SLOW: &str = "slow";
pub(super) const FLAKY: &str = "flaky";
pub(super) const BROKEN: &str = "broken";

/// The attempt at which a `flaky` task succeeds.
pub(super) const FLAKY_SUCCEEDS_AT: u32 = 3;

/// What the others want beside `quick`, which wants everything. Each list has an event of billing's, so that every
/// handler has work whatever payloads are given.
const SLOW_EVENTS: [&str; 4] = ["check_suite", "deployment", "workflow_run", "invoice.sent"];
const FLAKY_EVENTS: [&str; 3] = ["pull_request", "push", "invoice.paid"];
const BROKEN_EVENTS: [&str; 3] = ["issue_comment", "installation", "invoice.payment_failed"];

/// The secrets of the two sources.
pub(super) struct Secrets {
    pub(super) github: SecretString,
    pub(super) billing: SecretString,
}

impl Secrets {
    /// Made anew for each demo. They keep apart what listens on a loopback address for a minute; a generator that can
    /// be predicted is good enough for that.
    pub(super) fn random() -> Self {
        // 32 letters are the base64 of 24 bytes.
        let text = || std::iter::repeat_with(fastrand::alphanumeric).take(32).collect::<String>();
        Self { github: text().into(), billing: format!("whsec_{}", text()).into() }
    }
}

/// The application, which keeps everything in the SQLite file `store`.
pub(super) fn app(secrets: &Secrets, store: &Path) -> App {
    let soon = |ms| Backoff::Fixed(Duration::from_millis(ms));
    App::new()
        .listen(([127, 0, 0, 1], 0))
        .store(format!("sqlite:{}", store.display()))
        .github(secrets.github.clone())
        .standard_webhooks(BILLING, secrets.billing.clone())
        .on("*", background(quick).named(QUICK))
        .on(SLOW_EVENTS, background(slow).named(SLOW))
        .on(FLAKY_EVENTS, background(flaky).named(FLAKY).retries(3).backoff(soon(150)))
        .on(BROKEN_EVENTS, background(broken).named(BROKEN).retries(1).backoff(soon(100)))
}

/// Reads the payload and is done.
async fn quick(delivery: Delivery, Payload(payload): Payload) -> Json<Value> {
    Json(json!({"event": delivery.event(), "sender": payload["sender"]["login"]}))
}

/// Takes a fifth of a second, as a call to another service does.
async fn slow() -> &'static str {
    tokio::time::sleep(Duration::from_millis(200)).await;
    "took its time"
}

/// Fails twice, as if a service behind it were restarting, and then succeeds.
async fn flaky(task: TaskContext) -> Result<String, TaskError> {
    match task.attempt() {
        attempt if attempt < FLAKY_SUCCEEDS_AT => Err(TaskError::retry("the service behind does not answer")),
        attempt => Ok(format!("succeeded at attempt {attempt}")),
    }
}

/// Always fails: its tasks end among the dead letters.
async fn broken(delivery: Delivery) -> Result<(), TaskError> {
    Err(TaskError::retry(format!("nobody knows what to do with {}", delivery.event())))
}
