//! What happens to tasks, as it happens: server-sent events.
//!
//! Announcements are for watching. A listener that is too slow is told how many it missed (`missed`), and asks the lists.
//!
//! Source: <https://html.spec.whatwg.org/multipage/server-sent-events.html>

#![expect(unused_qualifications, reason = "what utoipa makes of `params(…)` has them")]

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use becket_tasks::{Notice, State as TaskState, Subscription, Timestamp, Transition};
use futures_util::{Stream, StreamExt as _, stream};
use serde::{Deserialize, Serialize};
use tokio::sync::OwnedSemaphorePermit;
use utoipa::{IntoParams, ToSchema};

use super::detail::{OfAttempt, TaskProgressView};
use super::params::{Params, States};
use super::{Api, Shared};
use crate::http::problem::Problem;

/// How often an idle stream says that it is alive. Proxies give up on a silent one after a minute or so.
pub(super) const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// What to hear of.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Asked {
    /// Into one of these states, separated by commas.
    #[param(value_type = Option<String>, example = "failed")]
    state: Option<States>,
    /// Of tasks of this kind.
    kind: Option<String>,
    /// Whether to hear of the progress of running tasks, too. Default: no.
    #[param(value_type = Option<bool>)]
    #[serde(default)]
    progress: bool,
}

/// One change of one task's state: the data of an event named `transition`.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Transition)]
pub(super) struct TransitionView {
    #[serde(flatten)]
    of: OfAttempt,
    /// Where it stood; `null` when it is new.
    #[schema(value_type = Option<String>)]
    from: Option<TaskState>,
    /// Where it stands now.
    #[schema(value_type = String, example = "completed")]
    state: TaskState,
    /// When the store took the change.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// What went wrong, if anything did.
    #[schema(value_type = Option<String>)]
    error: Option<Arc<str>>,
}

/// The data of an event named `missed`.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Missed {
    /// How many announcements are lost to this listener.
    missed: u64,
}

/// Streams the transitions of tasks from now on: events `transition` and `missed`, and `progress` if asked for.
#[utoipa::path(get, path = "/api/v1/events", tag = "events", operation_id = "listen", params(Asked), responses(
    (status = 200, description = "The stream, until the server stops.", content_type = "text/event-stream",
        body = TransitionView),
    (status = "default", response = Problem),
))]
pub(super) async fn listen(
    State(api): State<Shared>,
    Params(query): Params<Asked>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let place = place(&api).map_err(|problem| problem.at("/api/v1/events"))?;
    let stop = api.context.shutdown.clone().cancelled_owned();
    let notices = notices(api.store().events().subscribe(), place).take_until(stop);
    let events = notices.filter_map(move |notice| std::future::ready(query.event_of(notice)));
    Ok(Sse::new(events.map(Ok)).keep_alive(KeepAlive::new().interval(KEEP_ALIVE).text("alive")))
}

/// A listener's place, of which there are few.
pub(super) fn place(api: &Api) -> Result<OwnedSemaphorePermit, Problem> {
    Arc::clone(&api.lasting.listeners).try_acquire_owned().map_err(|_| Problem::unavailable("too many listen already"))
}

/// All notices, holding the listener's place until the stream is dropped.
fn notices(subscription: Subscription, place: OwnedSemaphorePermit) -> impl Stream<Item = Notice> {
    stream::unfold((subscription, place), |(mut subscription, place)| async {
        subscription.next().await.map(|notice| (notice, (subscription, place)))
    })
}

impl Asked {
    fn event_of(&self, notice: Notice) -> Option<Event> {
        match notice {
            Notice::Missed(missed) => Event::default().event("missed").json_data(Missed { missed }).ok(),
            Notice::Transition(transition) if self.wants(&transition) => {
                Event::default().event("transition").json_data(TransitionView::from(&*transition)).ok()
            }
            Notice::Progress(progress) if self.progress && self.wants_kind(&progress.kind) => {
                Event::default().event("progress").json_data(TaskProgressView::from(&*progress)).ok()
            }
            Notice::Transition(_) | Notice::Progress(_) => None,
        }
    }

    fn wants(&self, transition: &Transition) -> bool {
        self.state.as_ref().is_none_or(|states| states.0.is_empty() || states.0.contains(&transition.to))
            && self.wants_kind(&transition.kind)
    }

    fn wants_kind(&self, of: &str) -> bool {
        self.kind.as_deref().is_none_or(|kind| kind == of)
    }
}

impl From<&Transition> for TransitionView {
    fn from(transition: &Transition) -> Self {
        let (kind, attempt) = (Arc::clone(&transition.kind), transition.attempt);
        Self {
            of: OfAttempt { id: transition.task, delivery: transition.submission, kind, attempt },
            from: transition.from,
            state: transition.to,
            at: transition.at,
            error: transition.error.clone(),
        }
    }
}
