//! Completion webhooks: telling a URL how a task ended.
//!
//! Whoever is to be told is told by a task of its own, of the kind [`KIND`]: a child of the task that it tells of,
//! which survives its parents, accepted with it in one commit. So it outlives crashes, is tried again as `[notify]`
//! says, and ends among the dead letters if nobody answers. What it posts goes the way of the target `http`: signed as
//! Standard Webhooks, with the telling task's id as message id, and never to an address that is not public unless
//! allowed.
//!
//! A task that stands for others ([`NewTask::unique`](becket_tasks::NewTask::unique)) is told of once where the handler or
//! the route says whom, however many deliveries it stands for; whoever enqueued one of those with a URL is told as well.
//!
//! Paths and queries of webhook URLs hold tokens. The URL of a single task is kept beside its payload, where neither
//! listings nor logs show it, and is erased with it; that of a handler or a route is kept nowhere but in the
//! configuration. The secret that signs is never kept with a task.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use becket_tasks::client::Address;
pub use becket_tasks::client::notify::KIND;
use becket_tasks::{Claimed, Run, State, TaskDetail, TaskError, Timestamp};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use secrecy::SecretString;
use serde::Serialize;

use crate::http::api::views::TaskView;
use crate::http::kept;
use crate::target::http::{HttpTarget, Poster};
use crate::target::{BuildError, Target as _};

/// Kinds that begin like this are for the framework's own tasks.
const RESERVED: &str = "becket.";
/// When a task that runs again since it was to be told of is looked at anew.
const RUNS_AGAIN_PAUSE: Duration = Duration::from_secs(30);

/// Whether a kind is one of the framework's own, which no handler of an application may have.
#[must_use]
pub fn is_reserved(kind: &str) -> bool {
    kind.starts_with(RESERVED)
}

/// Tells URLs how tasks ended.
#[derive(Clone)]
pub struct Notifier {
    poster: Poster,
    by_kind: Arc<HashMap<Arc<str>, HttpTarget>>,
}

/// What is posted.
#[derive(Serialize)]
struct Told {
    #[serde(rename = "type")]
    kind: &'static str,
    /// When the task ended.
    timestamp: Timestamp,
    data: TaskView,
}

impl Notifier {
    /// Makes one that signs with `secret`, and posts to addresses that are not public if `allow_private`.
    ///
    /// # Errors
    /// [`BuildError::Secret`] when the secret cannot sign.
    pub fn new(secret: &SecretString, allow_private: bool) -> Result<Self, BuildError> {
        let poster = Poster::new(allow_private, Some(secret))?;
        Ok(Self { poster, by_kind: Arc::default() })
    }

    /// Tells these of the ends of tasks of these kinds, where a task itself names nobody.
    #[must_use]
    pub fn with_kinds(self, by_kind: HashMap<Arc<str>, HttpTarget>) -> Self {
        Self { by_kind: Arc::new(by_kind), ..self }
    }

    /// Whether a URL can be told, and the target that it is then. The error repeats neither its path nor its query.
    ///
    /// # Errors
    /// [`BuildError::Url`] when it is not an `http` or `https` URL, holds a password, or names an address that may not
    /// be posted to.
    pub fn target(&self, url: &str) -> Result<HttpTarget, BuildError> {
        let url: reqwest::Url = url.parse().map_err(|error| BuildError::Url(format!("not a URL ({error})")))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(BuildError::Url("the URL holds a user name or a password".to_owned()));
        }
        self.poster.to(url)
    }

    /// Runs one attempt of a task of the kind [`KIND`].
    pub(crate) async fn tell(self, run: Run) -> Result<Option<Bytes>, TaskError> {
        let client = run.context.client();
        let family = client.store().family(run.task.id).await?.unwrap_or_default();
        let gone = || TaskError::give_up("the task to tell of is not kept any more");
        let parent = family.parents.first().copied().ok_or_else(gone)?;
        let detail = client.get(parent).await?.ok_or_else(gone)?;
        if detail.task.submission != run.task.submission && Address::kept_in(&run.task.meta).is_none() {
            // It stands for one of this delivery's, and whoever is to be told is told by a task of its own delivery.
            return Ok(None);
        }
        let target = self.whom(&run.task, &detail.task.kind)?;
        let body = told(detail)?;
        let headers = [(CONTENT_TYPE.as_str(), "application/json")];
        let task = Claimed { payload: body, meta: kept::encode(&headers), ..(*run.task).clone() };
        target.deliver(Arc::new(task).into()).await.map_err(TaskError::from)
    }

    fn whom(&self, task: &Claimed, kind: &str) -> Result<HttpTarget, TaskError> {
        if let Some(address) = Address::kept_in(&task.meta) {
            return self.target(address.as_str()).map_err(|error| TaskError::give_up(error.to_string()));
        }
        let nobody = || TaskError::give_up(format!("nobody is to be told of tasks of kind `{kind}` (any more)"));
        self.by_kind.get(kind).cloned().ok_or_else(nobody)
    }
}

/// What is posted of a task; the same in each attempt.
fn told(detail: TaskDetail) -> Result<Bytes, TaskError> {
    let kind = match detail.task.state() {
        State::Completed => "task.completed",
        State::Failed => "task.failed",
        State::Cancelled => "task.cancelled",
        State::Waiting | State::Queued | State::Running | State::Retrying => {
            return Err(TaskError::park_for("the task runs again", RUNS_AGAIN_PAUSE));
        }
    };
    let timestamp = detail.task.updated_at;
    Ok(serde_json::to_vec(&Told { kind, timestamp, data: TaskView::with_result(detail).0 })?.into())
}

impl fmt::Debug for Notifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notifier").field("kinds", &self.by_kind.keys()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn url_that_cannot_be_told_is_refused_without_being_quoted() {
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".into();
        let notifier = Notifier::new(&secret, false).unwrap();
        for url in [
            "t0ken",
            "ftp://example.org/t0ken",
            "https://user:t0ken@example.org/",
            "http://127.0.0.1/t0ken",
            "http://[::1]/?t0ken",
            "http://169.254.169.254/t0ken",
        ] {
            let error = notifier.target(url).unwrap_err().to_string();
            assert!(!error.contains("t0ken"), "{error}");
        }
        assert!(notifier.target("https://example.org/t0ken").is_ok());
        assert!(Notifier::new(&secret, true).unwrap().target("http://127.0.0.1/t0ken").is_ok());
        assert!(Notifier::new(&"short".into(), true).is_err());
    }

    #[test]
    fn kinds_of_the_framework_are_known() {
        assert!(is_reserved(KIND) && is_reserved("becket.anything"));
        assert!(!is_reserved("becket") && !is_reserved("my.becket.task"));
    }
}
