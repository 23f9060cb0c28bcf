//! A small world for tests: a store in memory with a manual clock, a registry, an engine, and a listener to wait on.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use becket_tasks::store::memory::{Limits, MemoryStore};
use becket_tasks::{
    Backoff, Client, Clock, Engine, EngineOptions, NewTask, Notice, Policy, Registry, RetryPolicy, State, Store,
    Submission, Subscription, TaskContext, TaskDetail, TaskError, TaskId, Timestamp,
};

use crate::store::Unsteady;

/// No test takes longer, unless it hangs.
pub(crate) const SOON: Duration = Duration::from_secs(120);

pub(crate) struct World {
    pub(crate) clock: Clock,
    pub(crate) store: Arc<Unsteady>,
    registry: Registry,
    options: EngineOptions,
}

/// A world whose engine runs.
pub(crate) struct Live {
    pub(crate) clock: Clock,
    pub(crate) store: Arc<Unsteady>,
    pub(crate) engine: Engine,
    pub(crate) client: Client,
    changes: Subscription,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with_clock(&Clock::manual(Timestamp::from_millis(1_800_000_000_000)))
    }

    pub(crate) fn with_clock(clock: &Clock) -> Self {
        let store = MemoryStore::new(clock.clone(), 1, Limits::default());
        Self::over(Arc::new(Unsteady::new(store)))
    }

    /// Another process' world over the same store.
    pub(crate) fn over(store: Arc<Unsteady>) -> Self {
        let clock = store.clock().clone();
        Self { clock, store, registry: Registry::new(), options: EngineOptions::default() }
    }

    pub(crate) fn task<F, Fut>(self, kind: &str, handler: F) -> Self
    where
        F: Fn(TaskContext) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<u64, TaskError>> + Send + 'static,
    {
        self.task_with(kind, Policy::default(), handler)
    }

    pub(crate) fn task_with<F, Fut>(mut self, kind: &str, policy: Policy, handler: F) -> Self
    where
        F: Fn(TaskContext) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<u64, TaskError>> + Send + 'static,
    {
        self.registry.task(kind, policy, move |_: serde_json::Value, context| handler(context)).unwrap();
        self
    }

    pub(crate) fn register(mut self, with: impl FnOnce(&mut Registry)) -> Self {
        with(&mut self.registry);
        self
    }

    pub(crate) fn options(mut self, change: impl FnOnce(&mut EngineOptions)) -> Self {
        change(&mut self.options);
        self
    }

    /// Starts with leases that are renewed in the test's own, paused time.
    pub(crate) async fn start_in_virtual_time(self) -> Live {
        let changes = self.store.events().subscribe();
        let store = Arc::clone(&self.store) as Arc<dyn Store>;
        let engine = Engine::start_in_virtual_time(store, self.registry, self.options).await.unwrap();
        Live { clock: self.clock, store: self.store, client: engine.client().clone(), engine, changes }
    }

    pub(crate) async fn start(self) -> Live {
        let changes = self.store.events().subscribe();
        let engine = Engine::start(Arc::clone(&self.store) as _, self.registry, self.options).await.unwrap();
        Live { clock: self.clock, store: self.store, client: engine.client().clone(), engine, changes }
    }
}

impl Live {
    pub(crate) async fn enqueue(&self, kind: &str) -> TaskId {
        self.client.enqueue(kind, &()).await.unwrap()
    }

    pub(crate) async fn enqueue_many(&self, kind: &str, count: usize) -> Vec<TaskId> {
        let mut tasks = Vec::new();
        for _ in 0..count {
            tasks.push(self.enqueue(kind).await);
        }
        tasks
    }

    pub(crate) async fn detail(&self, task: TaskId) -> TaskDetail {
        self.client.get(task).await.unwrap().unwrap()
    }

    pub(crate) async fn state(&self, task: TaskId) -> State {
        self.detail(task).await.task.state()
    }

    pub(crate) async fn error(&self, task: TaskId) -> String {
        self.detail(task).await.task.error.unwrap_or_default().to_string()
    }

    pub(crate) async fn store_family(&self, task: TaskId) -> becket_tasks::query::Family {
        self.store.family(task).await.unwrap().unwrap()
    }

    /// Waits until `task` has changed to `state`, since the last change that was waited for.
    pub(crate) async fn until(&mut self, task: TaskId, state: State) {
        self.until_many(&[task], state).await;
    }

    /// Waits until each of `tasks` has changed to `state`.
    pub(crate) async fn until_many(&mut self, tasks: &[TaskId], state: State) {
        let mut missing = tasks.to_vec();
        while !missing.is_empty() {
            match tokio::time::timeout(SOON, self.changes.next()).await {
                Ok(Some(Notice::Transition(change))) if change.to == state => missing.retain(|id| *id != change.task),
                Ok(Some(Notice::Transition(_) | Notice::Progress(_))) => {}
                other => panic!("{missing:?} never became {state}: {other:?}"),
            }
        }
    }
}

/// Lets paused time pass, and everything happen that happens in it.
pub(crate) async fn idle(duration: Duration) {
    tokio::time::sleep(duration).await;
}

pub(crate) fn retries(retries: u32, backoff: Backoff) -> Policy {
    let retry = RetryPolicy { backoff, ..RetryPolicy::retries(retries) };
    Policy { retry, ..Policy::default() }
}

pub(crate) fn submission(key: &str, tasks: &[&str]) -> Submission {
    Submission {
        source: "test".into(),
        event: "event".into(),
        action: None,
        key: Some(key.into()),
        meta: Default::default(),
        payload: "null".into(),
        tasks: tasks.iter().map(|kind| NewTask::new(*kind)).collect(),
    }
}
