//! Order within a lane, with handlers that really run: on both stores, with more slots than a lane may use.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use becket_tasks::store::memory::MemoryStore;
use becket_tasks::{
    Backoff, Client, Engine, EngineOptions, Lane, NewTask, Notice, OnRetry, Policy, Registry, RetryPolicy, Run, State,
    Store, Subscription, TaskError, TaskId,
};

use crate::world::{SOON, submission};

const LANES: usize = 12;
const TASKS: usize = 24;

/// Who runs in which lane, and in which order tasks began first.
#[derive(Default)]
struct Watched {
    running: HashMap<String, TaskId>,
    begun: BTreeMap<String, Vec<TaskId>>,
    overlaps: Vec<String>,
}

/// Notes the end of a handler however it comes: by an answer, or by being dropped.
struct Inside(Arc<Mutex<Watched>>, String);

impl Inside {
    fn enter(watched: &Arc<Mutex<Watched>>, lane: &str, task: TaskId) -> Self {
        let mut now = watched.lock().unwrap();
        if let Some(other) = now.running.insert(lane.to_owned(), task) {
            now.overlaps.push(format!("{task} began in `{lane}` while {other} ran"));
        }
        let begun = now.begun.entry(lane.to_owned()).or_default();
        if !begun.contains(&task) {
            begun.push(task);
        }
        Self(Arc::clone(watched), lane.to_owned())
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        self.0.lock().unwrap().running.remove(&self.1);
    }
}

/// What a task does follows from its number in its lane, which is the length of its key.
fn handler(watched: Arc<Mutex<Watched>>) -> Registry {
    let mut registry = Registry::new();
    let retry = RetryPolicy { max_attempts: 2, backoff: Backoff::Fixed(Duration::from_millis(2)) };
    let policy = Policy { retry, ..Policy::default() };
    let work = move |run: Run| {
        let watched = Arc::clone(&watched);
        async move {
            let (lane, number) = (run.task.event.to_string(), run.task.key.as_deref().unwrap().len());
            let _inside = Inside::enter(&watched, &lane, run.task.id);
            for _ in 0..10 {
                tokio::task::yield_now().await;
            }
            match number % 8 {
                1 if run.context.attempt() == 1 => Err(TaskError::retry("not yet")),
                3 => Err(TaskError::retry("never")),
                4 => panic!("as a handler may"),
                // Does not heed its cancellation: it is dropped when its time is up.
                5 => std::future::pending().await,
                6 => {
                    run.context.cancelled().await;
                    Ok(None)
                }
                _ => Ok(None),
            }
        }
    };
    registry.insert("work", policy, work).unwrap();
    registry
}

/// Tasks 5 and 6 of each eight never end by themselves; they are cancelled while they run, and some before.
async fn lanes_hold(store: Arc<dyn Store>) {
    let watched: Arc<Mutex<Watched>> = Arc::default();
    let options = EngineOptions {
        concurrency: 8,
        lease: Duration::from_millis(900),
        cancel_grace: Duration::from_millis(5),
        ..EngineOptions::default()
    };
    let mut changes = store.events().subscribe();
    let engine = Engine::start(Arc::clone(&store), handler(Arc::clone(&watched)), options).await.unwrap();
    let client = engine.client();
    let mut accepted: BTreeMap<String, Vec<TaskId>> = BTreeMap::new();
    let mut endless = Vec::new();
    for number in 1..=TASKS {
        // One call for all lanes: the order within a lane is that of the calls.
        let round = (0..LANES).map(|lane| {
            let name = format!("lane {lane}");
            let task = NewTask {
                lane: Some(Lane { on_retry: OnRetry::Hold, ..Lane::new(name.as_str()) }),
                ..client.new_task("work").unwrap()
            };
            let mut new = submission(&"x".repeat(number), &[]);
            (new.event, new.source, new.tasks) = (name.as_str().into(), name.into(), vec![task]);
            new
        });
        for (lane, inserted) in client.submit_all(round.collect()).await.unwrap().into_iter().enumerate() {
            accepted.entry(format!("lane {lane}")).or_default().push(inserted.tasks[0]);
            if matches!(number % 8, 5 | 6) {
                endless.push(inserted.tasks[0]);
            }
        }
    }
    let missing: Vec<TaskId> = accepted.values().flatten().copied().collect();
    let never_begun: Vec<TaskId> = accepted.values().map(|tasks| tasks[TASKS - 1]).collect();
    assert_eq!(client.cancel(&never_begun, "before it began").await.unwrap().len(), LANES);
    all_end(client, &mut changes, missing, &endless).await;
    engine.shutdown(Duration::from_secs(5)).await;
    store.close().await.unwrap();

    let watched = watched.lock().unwrap();
    assert_eq!(watched.overlaps, Vec::<String>::new(), "two of one lane ran at once");
    for (lane, tasks) in &accepted {
        let begun = &watched.begun[lane];
        let expected: Vec<_> = tasks.iter().filter(|task| begun.contains(task)).copied().collect();
        assert_eq!(*begun, expected, "{lane} began out of order");
        // What was cancelled between its claim and its start never began; all others did.
        assert!(begun.len() >= TASKS - 1 - endless.len() / LANES, "{lane}: only {} began", begun.len());
    }
}

/// Waits until all have ended; of those that never end by themselves, cancels each when it runs.
async fn all_end(client: &Client, changes: &mut Subscription, mut missing: Vec<TaskId>, endless: &[TaskId]) {
    while !missing.is_empty() {
        match tokio::time::timeout(SOON, changes.next()).await {
            Ok(Some(Notice::Transition(change))) if change.to == State::Running && endless.contains(&change.task) => {
                client.cancel(&[change.task], "while it ran").await.unwrap();
            }
            Ok(Some(Notice::Transition(change))) if change.to.is_finished() => {
                missing.retain(|id| *id != change.task);
            }
            Ok(Some(Notice::Transition(_))) => {}
            // Too much happened to be told: look, and go on.
            Ok(Some(Notice::Missed(_))) => {
                for task in std::mem::take(&mut missing) {
                    let state = client.get(task).await.unwrap().unwrap().task.state();
                    if state == State::Running && endless.contains(&task) {
                        client.cancel(&[task], "while it ran").await.unwrap();
                    } else if !state.is_finished() {
                        missing.push(task);
                    }
                }
            }
            other => panic!("{missing:?} never end: {other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn g5_handlers_of_a_lane_never_overlap_and_begin_in_order_of_acceptance() {
    lanes_hold(Arc::new(MemoryStore::default())).await;
    #[cfg(feature = "sqlite")]
    {
        use becket_tasks::store::sqlite::{SqliteOptions, SqliteStore};
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(SqliteOptions::new(folder.path().join("becket.db"))).await.unwrap();
        lanes_hold(Arc::new(store)).await;
    }
}
