//! A store with a clock, and the few words that requirements are written in.

use std::future::Future;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::factory::Factory;
use crate::id::{SubmissionId, TaskId};
use crate::query::{Retention, SubmissionInfo};
use crate::state::State;
use crate::store::{Claim, Store};
use crate::submission::{Due, Inserted, NewTask, Parent, Start, Submission};
use crate::task::{Claimed, End, Finish, Finished, Lease, TaskDetail, WorkerId};
use crate::time::{Clock, Timestamp};

pub(super) const SEC: Duration = Duration::from_secs(1);
pub(super) const HOUR: Duration = Duration::from_secs(3_600);
/// How long leases last unless a requirement says otherwise.
pub(super) const LEASE: Duration = Duration::from_secs(30);
/// 2026-01-01T00:00:00Z.
pub(super) const START: Timestamp = Timestamp::from_millis(1_767_225_600_000);
/// After this long a test gives up waiting for what must happen.
const PATIENCE: Duration = Duration::from_secs(20);

/// A store under test, and its clock.
pub(super) struct World {
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: Clock,
}

impl Deref for World {
    type Target = dyn Store;

    fn deref(&self) -> &Self::Target {
        &*self.store
    }
}

/// A submission from `test` with one payload and no key.
pub(super) fn submission(tasks: Vec<NewTask>) -> Submission {
    Submission {
        source: "test".into(),
        event: "issues".into(),
        action: Some("opened".into()),
        key: None,
        meta: Bytes::from_static(b"meta"),
        payload: Bytes::from_static(b"payload"),
        tasks,
    }
}

pub(super) fn keyed(key: &str, tasks: Vec<NewTask>) -> Submission {
    Submission { key: Some(key.into()), ..submission(tasks) }
}

pub(super) fn task(kind: &str) -> NewTask {
    NewTask::new(kind)
}

pub(super) fn task_with_attempts(max_attempts: u32) -> NewTask {
    NewTask { max_attempts, ..task("work") }
}

pub(super) fn task_started_by(name: &str) -> NewTask {
    NewTask { start: Some(Start { worker: worker(name), lease: LEASE }), ..task("work") }
}

pub(super) fn worker(name: &str) -> WorkerId {
    WorkerId::new(name)
}

/// Asks once for as many tasks of kind `work` as there are.
pub(super) fn claim_by(name: &str) -> Claim {
    Claim {
        worker: worker(name),
        kinds: kinds(&["work"]),
        limit: 1_000,
        lease: LEASE,
        wait: Duration::ZERO,
        rules: Arc::default(),
    }
}

pub(super) fn kinds(names: &[&str]) -> Arc<[Arc<str>]> {
    names.iter().map(|name| Arc::from(*name)).collect()
}

pub(super) fn lease_of(claimed: &Claimed) -> Lease {
    Lease { task: claimed.id, attempt: claimed.attempt }
}

pub(super) fn completed() -> End {
    End::Completed { result: None, result_ttl: HOUR }
}

pub(super) fn completed_with(result: &'static str, result_ttl: Duration) -> End {
    End::Completed { result: Some(Bytes::from_static(result.as_bytes())), result_ttl }
}

pub(super) fn retry_after(delay: Duration) -> End {
    End::Retry { due: Due::After(delay), error: "it went wrong".into() }
}

pub(super) fn give_up() -> End {
    End::GiveUp { error: "it is no use".into() }
}

pub(super) const fn keep(age: Duration, finished_max: u64) -> Retention {
    Retention { age, finished_max }
}

/// Awaits what must happen, and fails the test when it does not.
pub(super) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("what must happen did not happen")
}

impl World {
    /// A new store whose manual clock stands at [`START`].
    pub(super) async fn new(factory: &dyn Factory) -> Self {
        let clock = Clock::manual(START);
        Self { store: factory.open(clock.clone()).await, clock }
    }

    /// A new store with the system's clock, for what happens by itself.
    pub(super) async fn in_real_time(factory: &dyn Factory) -> Self {
        let clock = Clock::system();
        Self { store: factory.open(clock.clone()).await, clock }
    }

    pub(super) async fn submit(&self, submission: Submission) -> Inserted {
        let mut inserted = self.insert(vec![submission]).await.unwrap();
        assert_eq!(inserted.len(), 1);
        inserted.remove(0)
    }

    /// A new queued task of its own submission.
    pub(super) async fn add(&self, task: NewTask) -> TaskId {
        self.submit(submission(vec![task])).await.tasks[0]
    }

    /// A new task of kind `work` that may be attempted so often, claimed by worker `w`.
    pub(super) async fn running(&self, max_attempts: u32) -> Claimed {
        let id = self.add(task_with_attempts(max_attempts)).await;
        self.claim_one("w", id).await
    }

    /// A new task in `state`.
    pub(super) async fn task_in(&self, state: State) -> TaskId {
        if state == State::Queued {
            return self.add(task("work")).await;
        }
        if state == State::Waiting {
            let parent = self.add(NewTask { due: Due::After(1_000 * HOUR), ..task("parent") }).await;
            return self.add(NewTask { after: vec![Parent::Task(parent)], ..task("work") }).await;
        }
        let claimed = self.running(2).await;
        match state {
            State::Waiting | State::Queued | State::Running => {}
            State::Retrying => drop(self.end(&claimed, retry_after(HOUR)).await),
            State::Completed => drop(self.end(&claimed, completed()).await),
            State::Failed => drop(self.end(&claimed, give_up()).await),
            State::Cancelled => drop(self.cancel(vec![claimed.id], "no more".into()).await.unwrap()),
        }
        assert_eq!(self.state(claimed.id).await, state);
        claimed.id
    }

    /// Claims all that is due, in the order answered.
    pub(super) async fn claim_all(&self, name: &str) -> Vec<Claimed> {
        self.claim(claim_by(name)).await.unwrap()
    }

    /// Claims, and expects exactly this task.
    pub(super) async fn claim_one(&self, name: &str, id: TaskId) -> Claimed {
        let mut claimed = self.claim_all(name).await;
        assert_eq!(claimed.iter().map(|claimed| claimed.id).collect::<Vec<_>>(), [id]);
        claimed.remove(0)
    }

    pub(super) async fn end(&self, claimed: &Claimed, end: End) -> Finished {
        self.end_lease(lease_of(claimed), end).await
    }

    pub(super) async fn end_lease(&self, lease: Lease, end: End) -> Finished {
        let finished = self.finish(vec![Finish { lease, end }]).await.unwrap();
        assert_eq!(finished.len(), 1);
        finished[0]
    }

    /// Lets all leases end, of which there must be so many.
    pub(super) async fn go_silent(&self, leases: u64) {
        self.clock.advance(LEASE);
        assert_eq!(self.reclaim_expired().await.unwrap(), leases);
    }

    pub(super) async fn detail(&self, id: TaskId) -> TaskDetail {
        self.task(id).await.unwrap().expect("the task is there")
    }

    pub(super) async fn state(&self, id: TaskId) -> State {
        self.detail(id).await.task.state()
    }

    pub(super) async fn error(&self, id: TaskId) -> Option<String> {
        self.detail(id).await.task.error.map(|error| error.to_string())
    }

    pub(super) async fn info(&self, id: SubmissionId) -> SubmissionInfo {
        self.submission(id).await.unwrap().expect("the submission is there")
    }

    /// Prunes slice after slice until nothing is left to do; answers how many tasks and submissions went.
    pub(super) async fn prune_all(&self, retention: Retention) -> (u64, u64) {
        let (mut tasks, mut submissions) = (0, 0);
        for _ in 0..1_000 {
            let pruned = self.prune(retention).await.unwrap();
            tasks += pruned.tasks;
            submissions += pruned.submissions;
            if !pruned.more {
                return (tasks, submissions);
            }
        }
        panic!("pruning does not come to an end");
    }
}
