//! What programs ask of the engine: typed work and results, waiting, and changes to many tasks.

use std::sync::Arc;
use std::time::Duration;

use becket_tasks::query::{Page, SubmissionFilter, TaskFilter};
use becket_tasks::{
    BulkChange, Client, Due, EnqueueError, EnqueueOptions, Error, Policy, Registry, State, Store, TaskContext,
    TaskError, TaskId, Timestamp, WaitError,
};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::store::Mood;
use crate::world::{World, submission};

#[derive(Serialize, Deserialize)]
struct Order {
    item: String,
    pieces: u32,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Receipt {
    text: String,
    attempt: u32,
}

fn shop() -> World {
    World::new().register(|registry: &mut Registry| {
        let sell = |order: Order, task: TaskContext| async move {
            let text = format!("{} × {}", order.pieces, order.item);
            Ok::<_, TaskError>(Receipt { text, attempt: task.attempt() })
        };
        registry.task("sell", Policy::default(), sell).unwrap();
        registry.task("clean", Policy::default(), |(): (), _| async { Ok::<_, TaskError>(()) }).unwrap();
        let delegate = |order: Order, task: TaskContext| async move {
            assert_eq!((&**task.kind(), task.max_attempts()), ("delegate", 1));
            let mine = task.client().get(task.id()).await?.ok_or_else(|| TaskError::give_up("who am I?"))?;
            assert_eq!(mine.task.submission, task.submission());
            Ok::<_, TaskError>(task.client().enqueue("sell", &order).await?)
        };
        registry.task("delegate", Policy::default(), delegate).unwrap();
    })
}

fn order() -> Order {
    Order { item: "tea".into(), pieces: 3 }
}

#[tokio::test(start_paused = true)]
async fn typed_arguments_arrive_and_typed_results_return() {
    let live = shop().start().await;
    let task = live.client.enqueue("sell", &order()).await.unwrap();
    let receipt: Receipt = live.client.result(task).await.unwrap();
    assert_eq!(receipt, Receipt { text: "3 × tea".into(), attempt: 1 });
    let task = live.client.enqueue("clean", &()).await.unwrap();
    live.client.result::<()>(task).await.unwrap();
    let error = live.client.result::<Receipt>(task).await.unwrap_err();
    assert!(matches!(error, WaitError::Result(_)), "{error}");
}

#[tokio::test(start_paused = true)]
async fn handler_submits_more_work() {
    let live = shop().start().await;
    let task = live.client.enqueue("delegate", &order()).await.unwrap();
    let sold: TaskId = live.client.result(task).await.unwrap();
    assert_eq!(live.client.result::<Receipt>(sold).await.unwrap().text, "3 × tea");
}

#[tokio::test(start_paused = true)]
async fn payload_that_does_not_fit_fails_at_once_and_is_not_quoted() {
    let live = shop().start().await;
    let options = EnqueueOptions { max_attempts: Some(9), ..EnqueueOptions::default() };
    let task = live.client.enqueue_with("sell", &["s3cret"], options).await.unwrap();
    let Err(WaitError::Failed(error)) = live.client.result::<Receipt>(task).await else { panic!("it fits") };
    assert!(error.starts_with("the payload does not fit the handler's type"), "{error}");
    assert!(!error.contains("s3cret"));
    assert_eq!(live.detail(task).await.attempts.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn enqueue_follows_its_options() {
    let live = shop().options(|options| options.concurrency = 0).start().await;
    let due = Timestamp::from_millis(1_900_000_000_000);
    let options = EnqueueOptions {
        priority: Some(-4),
        due: Due::At(due),
        max_attempts: Some(7),
        key: Some("once".into()),
        source: "cron".into(),
        ..EnqueueOptions::default()
    };
    let task = live.client.enqueue_with("sell", &order(), options.clone()).await.unwrap();
    let stored = live.detail(task).await.task;
    assert_eq!((stored.priority, stored.standing.run_at, stored.standing.max_attempts), (-4, due, 7));
    assert_eq!((&*stored.source, &*stored.event, stored.key.as_deref()), ("cron", "sell", Some("once")));
    assert_eq!(live.client.enqueue_with("sell", &order(), options).await.unwrap(), task);
    let plain = live.client.enqueue("sell", &order()).await.unwrap();
    assert_eq!(&*live.detail(plain).await.task.source, "api");
}

#[tokio::test(start_paused = true)]
async fn enqueue_says_why_it_cannot() {
    let live = shop().start().await;
    let error = live.client.enqueue("buy", &()).await.unwrap_err();
    assert_eq!(error.to_string(), "no handler is registered for tasks of kind `buy`");
    let no_json = std::collections::HashMap::from([((1, 2), 3)]);
    assert!(matches!(live.client.enqueue("sell", &no_json).await, Err(EnqueueError::Arguments(_))));
    live.store.insert.is(Mood::Down);
    assert!(matches!(live.client.enqueue("clean", &()).await, Err(EnqueueError::Store(Error::Unavailable(..)))));
}

#[tokio::test(start_paused = true)]
async fn key_whose_task_is_gone_is_told() {
    let live = shop().start().await;
    let options = || EnqueueOptions { key: Some("once".into()), ..EnqueueOptions::default() };
    let task = live.client.enqueue_with("clean", &(), options()).await.unwrap();
    live.client.wait(task).await.unwrap();
    assert_eq!(live.client.purge(&[task]).await.unwrap(), [task]);
    let again = live.client.enqueue_with("clean", &(), options()).await;
    assert!(matches!(again, Err(EnqueueError::Gone(_))), "{again:?}");
}

#[tokio::test(start_paused = true)]
async fn waiting_for_a_task_that_is_not_there_says_so() {
    let live = shop().start().await;
    let nobody = TaskId::from_u64(1);
    let error = live.client.wait(nobody).await.unwrap_err();
    assert_eq!(error.to_string(), "there is no task 0000000000001");
    assert!(matches!(live.client.result::<u64>(nobody).await, Err(WaitError::Unknown(_))));
}

#[tokio::test(start_paused = true)]
async fn result_of_a_cancelled_task_tells_the_reason() {
    let live = shop().options(|options| options.concurrency = 0).start().await;
    let task = live.client.enqueue("clean", &()).await.unwrap();
    live.client.cancel(&[task], "not today").await.unwrap();
    let error = live.client.result::<()>(task).await.unwrap_err();
    assert_eq!(error.to_string(), "the task was cancelled: not today");
}

/// The task ends after `wait` has read that it has not, and before it listens for the next announcement.
#[tokio::test(start_paused = true)]
async fn wait_hears_an_end_that_happens_between_its_steps() {
    let live = shop().options(|options| options.concurrency = 0).start().await;
    let task = live.client.enqueue("clean", &()).await.unwrap();
    let began = Instant::now();
    live.store.read.is(Mood::Waits);
    let client = live.client.clone();
    let waiting = tokio::spawn(async move { client.wait(task).await.unwrap().task.state() });
    live.store.read.called(1).await;
    live.client.cancel(&[task], "meanwhile").await.unwrap();
    live.store.read.is(Mood::Fine);
    assert_eq!(waiting.await.unwrap(), State::Cancelled);
    assert_eq!(began.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn wait_that_missed_announcements_reads_again() {
    let live = shop().options(|options| options.concurrency = 0).start().await;
    let task = live.client.enqueue("clean", &()).await.unwrap();
    let began = Instant::now();
    live.store.read.is(Mood::Waits);
    let client = live.client.clone();
    let waiting = tokio::spawn(async move { client.wait(task).await.unwrap().task.state() });
    live.store.read.called(1).await;
    live.client.cancel(&[task], "meanwhile").await.unwrap();
    // More than a listener may lag behind, so that the cancellation is lost to it.
    for part in 0..5 {
        live.client.submit(submission(&part.to_string(), &["clean"; 1_000])).await.unwrap();
    }
    live.store.read.is(Mood::Fine);
    assert_eq!(waiting.await.unwrap(), State::Cancelled);
    assert_eq!(began.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn many_tasks_are_changed_in_slices_and_progress_is_told() {
    let live = shop().options(|options| options.concurrency = 0).start().await;
    let client: &Client = &live.client;
    let submissions = (0..3).map(|part| submission(&part.to_string(), &["clean"; 400])).collect();
    client.submit_all(submissions).await.unwrap();
    let other = client.enqueue("sell", &order()).await.unwrap();
    let cleaning = || TaskFilter { kind: Some("clean".into()), ..TaskFilter::default() };

    let mut told = Vec::new();
    let cancelled = client.cancel_matching(cleaning(), "too many", |done| told.push(done)).await.unwrap();
    assert_eq!((cancelled, told), (1_200, vec![500, 1_000, 1_200]));
    assert_eq!(client.requeue_matching(cleaning(), |_| {}).await.unwrap(), 1_200);
    assert_eq!(client.purge_matching(cleaning(), |_| {}).await.unwrap(), 0, "queued tasks are not purged");
    client.cancel_matching(cleaning(), "too many", |_| {}).await.unwrap();
    let mut calls = 0;
    assert_eq!(client.purge_matching(cleaning(), |_| calls += 1).await.unwrap(), 1_200);
    assert_eq!(calls, 3);
    let left = client.list(TaskFilter::default(), Page::first(10)).await.unwrap();
    assert_eq!(left.items.iter().map(|task| task.id).collect::<Vec<_>>(), [other]);
}

#[tokio::test(start_paused = true)]
async fn change_to_many_goes_on_with_the_same_slice_after_an_outage() {
    let live = shop().options(|options| options.concurrency = 0).start().await;
    live.client.submit_all((0..3).map(|part| submission(&part.to_string(), &["clean"; 400])).collect()).await.unwrap();
    let mut bulk = live.client.bulk(TaskFilter::default(), BulkChange::Cancel("too many".into()));
    assert!(bulk.slice().await.unwrap());
    live.store.list.is(Mood::Down);
    for _ in 0..3 {
        assert!(bulk.slice().await.is_err_and(|error| error.is_temporary()));
        assert_eq!(bulk.done(), 500);
    }
    live.store.list.is(Mood::Fine);
    while bulk.slice().await.unwrap() {}
    assert_eq!(bulk.done(), 1_200);
    assert!(!bulk.slice().await.unwrap(), "there is nothing left");
    let cancelled = TaskFilter { states: vec![State::Cancelled], ..TaskFilter::default() };
    for (at_most, expected) in [(u64::MAX, 1_200), (1_100, 1_100), (7, 7), (0, 0)] {
        assert_eq!(live.client.count_tasks(&cancelled, at_most).await.unwrap(), expected);
    }
    assert_eq!(live.client.count_submissions(&SubmissionFilter::default(), u64::MAX).await.unwrap(), 3);
}

#[tokio::test]
async fn client_works_without_an_engine() {
    let mut registry = Registry::new();
    let policy = Policy { priority: 9, ..Policy::default() };
    registry.task("later", policy.clone(), |(): (), _| async { Ok::<_, TaskError>(()) }).unwrap();
    let store = World::new().store;
    let client = Client::new(Arc::clone(&store) as _, &registry);
    let task = client.enqueue("later", &()).await.unwrap();
    assert_eq!(client.get(task).await.unwrap().unwrap().task.priority, 9);
    assert_eq!(client.policy("later").as_deref(), Some(&policy));
    assert_eq!(client.store().description(), store.description());
    assert!(format!("{client:?}").contains("memory"));
}
