//! What a listener of one task is told, in which order, and when it is over.
//!
//! It begins with where the task stands, so that a late listener is no worse off. Announcements follow; they are for
//! watching and may be missed, so the task is read again when some were, and now and then: what they did not say, a fresh
//! look at the task does.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use becket_tasks::{Notice, Progress, State, Subscription, Task, TaskId, Timestamp, Transition};
use serde::Serialize;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout_at};
use utoipa::ToSchema;

use crate::http::api::detail::TaskProgressView;
use crate::http::api::events::TransitionView;
use crate::http::api::views::TaskView;
use crate::http::api::{Shared, find};
use crate::http::problem::Problem;

/// How often the task is read without a reason.
const REREAD: Duration = Duration::from_secs(5);

/// The data of one event.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
#[schema(as = TaskEvent)]
pub(super) enum Said {
    /// Where it stands; no result is in it.
    Task(TaskView),
    /// It changed its state.
    Transition(TransitionView),
    /// Its running attempt has come so far.
    Progress(TaskProgressView),
}

impl Said {
    /// The event's name.
    pub(super) const fn event(&self) -> &'static str {
        match self {
            Self::Task(_) => "task",
            Self::Transition(_) => "transition",
            Self::Progress(_) => "progress",
        }
    }
}

/// What happens to one task, for one listener.
pub(super) struct Story {
    api: Shared,
    task: TaskId,
    subscription: Subscription,
    seen: Seen,
    progress: Option<Arc<Progress>>,
    /// What is to be said next.
    next: VecDeque<Said>,
    reread_at: Instant,
    /// Announcements were missed, so where the task stands is told anew.
    has_missed: bool,
    is_over: bool,
    /// The listener's place, until it is gone.
    _place: OwnedSemaphorePermit,
}

/// Where the task stood when it was last told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seen {
    state: State,
    attempt: u32,
    at: Timestamp,
}

impl Seen {
    const fn task(task: &Task) -> Self {
        Self { state: task.standing.state, attempt: task.standing.attempt, at: task.updated_at }
    }

    const fn transition(transition: &Transition) -> Self {
        Self { state: transition.to, attempt: transition.attempt, at: transition.at }
    }
}

impl Story {
    /// Listens first and looks then, so that nothing falls between the two.
    pub(super) async fn begin(api: &Shared, id: &str, place: OwnedSemaphorePermit) -> Result<Self, Problem> {
        let subscription = api.store().events().subscribe();
        let found = find::task(api.store(), id).await?.task;
        let mut story = Self {
            api: Arc::clone(api),
            task: found.id,
            subscription,
            seen: Seen::task(&found),
            progress: None,
            next: VecDeque::new(),
            reread_at: Instant::now() + REREAD,
            has_missed: false,
            is_over: false,
            _place: place,
        };
        story.stands(found);
        Ok(story)
    }

    /// What is said next; `None` when the task has ended or is gone. Cancelling it loses nothing.
    pub(super) async fn next(&mut self) -> Option<Said> {
        loop {
            if let Some(said) = self.next.pop_front() {
                return Some(said);
            }
            if self.is_over {
                return None;
            }
            // Asked for first: where much is announced there is always another notice.
            if Instant::now() >= self.reread_at {
                self.reread().await;
                continue;
            }
            match timeout_at(self.reread_at, self.subscription.next()).await {
                Ok(Some(Notice::Transition(transition))) if transition.task == self.task => self.changed(&transition),
                Ok(Some(Notice::Progress(progress))) if progress.task == self.task => self.came(progress),
                Ok(Some(Notice::Transition(_) | Notice::Progress(_))) => {}
                Ok(Some(Notice::Missed(_))) => (self.has_missed, self.reread_at) = (true, Instant::now()),
                Ok(None) => self.is_over = true,
                Err(_) => self.reread_at = Instant::now(),
            }
        }
    }

    async fn reread(&mut self) {
        match self.api.store().task(self.task).await {
            Ok(Some(found)) if self.has_missed || Seen::task(&found.task) != self.seen => self.stands(found.task),
            Ok(Some(_)) => self.latest_progress(),
            Ok(None) => self.is_over = true,
            Err(error) => self.is_over = !error.is_temporary(),
        }
        self.reread_at = Instant::now() + REREAD;
    }

    fn stands(&mut self, task: Task) {
        self.seen = Seen::task(&task);
        self.has_missed = false;
        self.is_over = task.state().is_finished();
        self.next.push_back(Said::Task(task.into()));
        self.latest_progress();
    }

    fn latest_progress(&mut self) {
        if let Some(progress) = self.api.store().events().progress(self.task) {
            self.came(progress);
        }
    }

    fn came(&mut self, progress: Arc<Progress>) {
        if self.progress.as_ref() != Some(&progress) {
            self.next.push_back(Said::Progress(TaskProgressView::from(&*progress)));
            self.progress = Some(progress);
        }
    }

    fn changed(&mut self, transition: &Transition) {
        let seen = Seen::transition(transition);
        // Announced while the task was looked at, and told of already.
        if seen == self.seen || seen.at < self.seen.at {
            return;
        }
        self.seen = seen;
        self.is_over = seen.state.is_finished();
        self.next.push_back(Said::Transition(transition.into()));
    }
}
