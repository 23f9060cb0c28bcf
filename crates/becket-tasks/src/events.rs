//! A bounded broadcast of what happens to tasks, and the latest progress of those that run.
//!
//! Each store owns one [`Events`] and announces every transition after its commit; workers in the same process report
//! [`progress`](crate::progress) there, which no store keeps. A listener that is too slow loses the
//! oldest announcements and is told how many; nobody waits for it. Announcements are for watching, never for truth:
//! whoever must not miss anything asks the store.
//!
//! Apart from these a store tells which running attempts have just lost their task because it was cancelled: the workers of
//! its process stop them at once. That costs nothing as long as nothing that runs is cancelled, and it is a shortcut, no
//! more: a worker that misses it, as those of other processes do, learns the same when it renews its leases.

use std::sync::Arc;

use tokio::sync::broadcast;

use crate::id::{SubmissionId, TaskId};
use crate::progress::{Latest, Progress};
use crate::state::State;
use crate::task::Lease;
use crate::time::Timestamp;

/// How many announcements a listener may lag behind.
const CAPACITY: usize = 4_096;
/// How many cancelled attempts a worker may lag behind.
const CANCELLED_CAPACITY: usize = 1_024;

/// One change of one task's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transition {
    /// The task.
    pub task: TaskId,
    /// Its submission.
    pub submission: SubmissionId,
    /// Its handler.
    pub kind: Arc<str>,
    /// Where it stood; `None` when it is new.
    pub from: Option<State>,
    /// Where it stands now.
    pub to: State,
    /// Its running or latest attempt.
    pub attempt: u32,
    /// When the store took the change.
    pub at: Timestamp,
    /// What went wrong, if anything did.
    pub error: Option<Arc<str>>,
}

/// What a listener hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// A task changed.
    Transition(Arc<Transition>),
    /// A running task has come so far. The last report of an attempt comes before the transition that ends it.
    Progress(Arc<Progress>),
    /// The listener was too slow, and this many announcements are lost to it.
    Missed(u64),
}

/// The announcing end. Cloning gives a handle to the same broadcast.
#[derive(Clone, Debug)]
pub struct Events {
    sender: broadcast::Sender<Notice>,
    cancelled: broadcast::Sender<Lease>,
    progress: Arc<Latest>,
}

impl Default for Events {
    fn default() -> Self {
        Self {
            sender: broadcast::Sender::new(CAPACITY),
            cancelled: broadcast::Sender::new(CANCELLED_CAPACITY),
            progress: Arc::default(),
        }
    }
}

impl Events {
    /// Whether anybody listens; announcements need not be made up for nobody.
    #[must_use]
    pub fn has_listeners(&self) -> bool {
        self.sender.receiver_count() > 0
    }

    /// Announces a transition; never waits.
    pub fn announce(&self, transition: Transition) {
        // An error means that nobody listens.
        let _ = self.sender.send(Notice::Transition(Arc::new(transition)));
    }

    /// Tells workers that a running attempt has lost its task, because that was cancelled; never waits.
    pub fn cancelled(&self, attempt: Lease) {
        // An error means that no worker listens.
        let _ = self.cancelled.send(attempt);
    }

    /// Hears of running attempts whose tasks are cancelled from now on.
    #[must_use]
    pub fn cancellations(&self) -> Cancellations {
        Cancellations(self.cancelled.subscribe())
    }

    /// Announces progress, and keeps it as the task's latest; never waits.
    pub fn report(&self, progress: Progress) {
        let progress = Arc::new(progress);
        self.progress.keep(&progress);
        // An error means that nobody listens.
        let _ = self.sender.send(Notice::Progress(progress));
    }

    /// The latest progress of a task that runs in this process; `None` when it has reported none, or does not run.
    #[must_use]
    pub fn progress(&self, task: TaskId) -> Option<Arc<Progress>> {
        self.progress.of(task)
    }

    /// Forgets the progress of an attempt that has ended.
    pub fn forget_progress(&self, task: TaskId, attempt: u32) {
        self.progress.forget(task, attempt);
    }

    /// Listens from now on.
    #[must_use]
    pub fn subscribe(&self) -> Subscription {
        Subscription(self.sender.subscribe())
    }
}

/// A listener.
#[derive(Debug)]
pub struct Subscription(broadcast::Receiver<Notice>);

impl Subscription {
    /// Waits for the next notice; `None` when the store is gone. Cancelling it loses nothing.
    pub async fn next(&mut self) -> Option<Notice> {
        match self.0.recv().await {
            Ok(notice) => Some(notice),
            Err(broadcast::error::RecvError::Lagged(missed)) => Some(Notice::Missed(missed)),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}

/// Hears of attempts whose tasks were cancelled.
#[derive(Debug)]
pub struct Cancellations(broadcast::Receiver<Lease>);

impl Cancellations {
    /// Waits for the next attempt; `None` when the store is gone. One that lags behind by 1,024 misses the oldest.
    pub async fn next(&mut self) -> Option<Lease> {
        loop {
            match self.0.recv().await {
                Ok(attempt) => return Some(attempt),
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transition(number: u64) -> Transition {
        Transition {
            task: TaskId::from_u64(number),
            submission: SubmissionId::from_u64(1),
            kind: "k".into(),
            from: None,
            to: State::Queued,
            attempt: 0,
            at: Timestamp::default(),
            error: None,
        }
    }

    #[tokio::test]
    async fn slow_listener_is_told_how_many_it_missed() {
        let events = Events::default();
        let mut slow = events.subscribe();
        for number in 0..CAPACITY as u64 + 10 {
            events.announce(transition(number));
        }
        assert_eq!(slow.next().await, Some(Notice::Missed(10)));
        assert_eq!(slow.next().await, Some(Notice::Transition(Arc::new(transition(10)))));
    }

    #[tokio::test]
    async fn listener_ends_when_the_store_is_gone() {
        let events = Events::default();
        let mut listener = events.subscribe();
        assert!(events.has_listeners());
        drop(events);
        assert_eq!(listener.next().await, None);
    }
}
