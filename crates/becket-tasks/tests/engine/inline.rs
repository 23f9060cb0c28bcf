//! Tasks that begin in this process as they are submitted, and whose end can be awaited.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use becket_tasks::{Backoff, Due, Ended, Error, NewTask, State, TaskError};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::store::Mood;
use crate::world::{World, retries, submission};

#[tokio::test(start_paused = true)]
async fn run_here_answers_results_and_errors_before_they_are_committed() {
    let world = World::new()
        .task("adds", |_| async { Ok(41 + 1) })
        .task("fails", |_| async { Err(TaskError::retry("no luck")) });
    let live = world.start().await;
    live.store.finish.is(Mood::Waits);
    let (inserted, running) = live.engine.run_here(submission("a", &["adds", "fails"])).await.unwrap();
    assert!(!inserted.duplicate);
    let [adds, fails] = <[_; 2]>::try_from(running).unwrap();
    assert_eq!((adds.id, &*adds.kind), (inserted.tasks[0], "adds"));
    let ended = Ended { state: State::Completed, result: Some("42".into()), error: None };
    assert_eq!(adds.ended().await, ended);
    let ended = Ended { state: State::Failed, result: None, error: Some("no luck".into()) };
    assert_eq!(fails.ended().await, ended);
    assert_eq!(live.state(inserted.tasks[0]).await, State::Running);
    live.store.finish.is(Mood::Fine);
    assert_eq!(live.client.result::<u64>(inserted.tasks[0]).await.unwrap(), 42);
}

#[tokio::test(start_paused = true)]
async fn duplicate_runs_nothing() {
    let live = World::new().task("once", |_| async { Ok(1) }).start().await;
    let (first, running) = live.engine.run_here(submission("same", &["once"])).await.unwrap();
    assert_eq!(running.len(), 1);
    let (second, running) = live.engine.run_here(submission("same", &["once"])).await.unwrap();
    assert!(second.duplicate && running.is_empty());
    assert_eq!(second.tasks, first.tasks);
}

#[tokio::test(start_paused = true)]
async fn failed_attempt_is_repeated_by_the_pool() {
    let policy = retries(1, Backoff::Fixed(Duration::ZERO));
    let world = World::new().task_with("second try", policy.clone(), |task| async move {
        if task.attempt() == 1 { Err(TaskError::retry("not yet")) } else { Ok(2) }
    });
    let live = world.start().await;
    let mut work = submission("a", &[]);
    work.tasks.push(live.client.new_task("second try").unwrap());
    let (inserted, mut running) = live.engine.run_here(work).await.unwrap();
    assert_eq!(running.remove(0).ended().await.state, State::Retrying);
    assert_eq!(live.client.result::<u64>(inserted.tasks[0]).await.unwrap(), 2);
}

#[tokio::test(start_paused = true)]
async fn tasks_beyond_the_bound_or_not_for_here_are_queued() {
    let world = World::new().task("endless", |_| pending());
    let options = |options: &mut becket_tasks::EngineOptions| {
        options.concurrency = 0;
        options.inline_max = 2;
    };
    let live = world.options(options).start().await;
    let later = NewTask { due: Due::After(Duration::from_secs(9)), ..NewTask::new("endless") };
    let mut work = submission("a", &["unknown", "endless", "endless", "endless"]);
    work.tasks.insert(0, later);
    let (inserted, running) = live.engine.run_here(work).await.unwrap();
    let ids: Vec<_> = running.iter().map(|running| running.id).collect();
    assert_eq!(ids, inserted.tasks[2..4]);
    for (task, state) in inserted.tasks.iter().zip(["queued", "queued", "running", "running", "queued"]) {
        assert_eq!(live.state(*task).await.as_str(), state);
    }
}

#[tokio::test(start_paused = true)]
async fn only_chosen_tasks_begin_here() {
    let world = World::new().task("inline", |_| async { Ok(1) }).task("background", |_| async { Ok(2) });
    let live = world.options(|options| options.concurrency = 0).start().await;
    let work = submission("a", &["background", "inline"]);
    let (inserted, running) = live.engine.run_some_here(work, |task| &*task.kind == "inline").await.unwrap();
    assert_eq!(running.len(), 1);
    assert_eq!(live.client.result::<u64>(inserted.tasks[1]).await.unwrap(), 1);
    assert_eq!(live.state(inserted.tasks[0]).await, State::Queued);
}

#[tokio::test(start_paused = true)]
async fn inline_tasks_run_although_the_pool_is_full() {
    let world = World::new().task("endless", |_| pending()).task("quick", |_| async { Ok(1) });
    let mut live = world.options(|options| options.concurrency = 1).start().await;
    let endless = live.enqueue("endless").await;
    live.until(endless, State::Running).await;
    let began = Instant::now();
    let (_, mut running) = live.engine.run_here(submission("a", &["quick"])).await.unwrap();
    assert_eq!(running.remove(0).ended().await.state, State::Completed);
    assert_eq!(began.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn caller_that_hangs_up_stops_nothing() {
    let live = World::new().task("quick", |_| async { Ok(1) }).start().await;
    live.store.insert.is(Mood::Waits);
    {
        let submitting = live.engine.run_here(submission("hang up", &["quick"]));
        tokio::select! {
            _ = submitting => panic!("the store waits"),
            () = live.store.insert.called(1) => {}
        }
    }
    live.store.insert.is(Mood::Fine);
    let (inserted, running) = live.engine.run_here(submission("hang up", &["quick"])).await.unwrap();
    assert!(inserted.duplicate && running.is_empty());
    assert_eq!(live.client.wait(inserted.tasks[0]).await.unwrap().attempts.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn submission_that_the_store_refuses_begins_nothing() {
    let live = World::new().task("quick", |_| async { Ok(1) }).options(|options| options.inline_max = 1).start().await;
    live.store.insert.is(Mood::Down);
    let error = live.engine.run_here(submission("a", &["quick"])).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable(..)));
    // The place that it would have taken is free again.
    live.store.insert.is(Mood::Fine);
    let (_, running) = live.engine.run_here(submission("a", &["quick"])).await.unwrap();
    assert_eq!(running.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn interrupted_inline_task_says_that_it_is_queued() {
    let began = Arc::new(Notify::new());
    let tell = Arc::clone(&began);
    let world = World::new().task("endless", move |_| {
        tell.notify_one();
        pending()
    });
    let live = world.start().await;
    let (_, mut running) = live.engine.run_here(submission("a", &["endless"])).await.unwrap();
    began.notified().await;
    let report = live.engine.shutdown(Duration::ZERO).await;
    assert_eq!(report.released, 1);
    assert_eq!(running.remove(0).ended().await.state, State::Queued);
}

#[test]
fn inline_task_whose_runtime_is_gone_says_that_it_is_queued() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let running = runtime().block_on(async {
        let live = World::new().task("endless", |_| pending()).start().await;
        live.engine.run_here(submission("a", &["endless"])).await.unwrap().1.remove(0)
    });
    let ended = runtime().block_on(running.ended());
    assert_eq!(ended.state, State::Queued);
    assert_eq!(ended.error.as_deref(), Some("the worker stopped before the task ended"));
}
