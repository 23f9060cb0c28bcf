//! G2: a delivery id is accepted once per source.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use becket::{Configured, TaskError, background, inline};
use becket_webhooks::{Secrets, Source};
use futures_util::future::join_all;
use serde_json::json;

use crate::world::{Post, SECRET, World, app};

fn counting(wrap: fn(Arc<AtomicUsize>) -> Configured) -> (Arc<AtomicUsize>, Configured) {
    let count = Arc::new(AtomicUsize::new(0));
    (Arc::clone(&count), wrap(count))
}

fn in_background(count: Arc<AtomicUsize>) -> Configured {
    background(move || std::future::ready(count.fetch_add(1, Ordering::SeqCst).to_string())).named("count")
}

fn inlined(count: Arc<AtomicUsize>) -> Configured {
    inline(move || std::future::ready(count.fetch_add(1, Ordering::SeqCst).to_string())).named("count")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g2_delivery_id_is_accepted_once_however_many_times_it_arrives() {
    let (runs, handler) = counting(in_background);
    let world = World::start(app().on("push", handler)).await;
    let answers = join_all((0..50).map(|_| world.post(Post::github("push", "same")))).await;
    let first = answers[0].tasks();
    assert!(answers.iter().all(|answer| answer.status == 202 && answer.tasks() == first));
    let duplicates = answers.iter().filter(|answer| answer.body["duplicate"] == true).count();
    assert_eq!(duplicates, 49);
    world.ended(first[0]).await;
    assert_eq!(world.post(Post::github("push", "same")).await.body["duplicate"], true);
    assert_eq!((world.deliveries().await.len(), world.tasks().await.len()), (1, 1));
    assert_eq!(runs.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn redelivered_webhook_is_answered_in_the_shape_of_the_first() {
    let (runs, handler) = counting(inlined);
    let world = World::start(app().on("push", handler)).await;
    let first = world.post(Post::github("push", "same")).await;
    assert_eq!(first.body, json!({"status": "HIT", "calls": {"count": "0"}}));
    let task = world.tasks().await[0].id;
    world.ended(task).await;

    let again = world.post(Post::github("push", "same")).await;
    assert_eq!(again.status, 200);
    assert_eq!(again.body, json!({"status": "HIT", "calls": {"count": "0"}, "task_ids": [task], "duplicate": true}));
    assert_eq!(runs.load(Ordering::SeqCst), 1);

    assert_eq!(world.post(Post::github("fork", "missed")).await.body["duplicate"], json!(null));
    let again = world.post(Post::github("fork", "missed")).await;
    assert_eq!(again.body, json!({"status": "MISS", "calls": {}, "duplicate": true}));
}

#[tokio::test]
async fn redelivered_webhook_whose_tasks_are_gone_is_still_accepted() {
    for handler in [in_background as fn(_) -> _, inlined] {
        let (runs, handler) = counting(handler);
        let world = World::start(app().on("push", handler)).await;
        world.post(Post::github("push", "same")).await;
        let task = world.tasks().await[0].id;
        world.ended(task).await;
        assert_eq!(world.running.client().purge(&[task]).await.unwrap(), [task]);

        let again = world.post(Post::github("push", "same")).await;
        assert_eq!(again.status, 202);
        let expected = json!({"status": "ACCEPTED", "delivery_id": "same", "task_ids": [], "duplicate": true});
        assert_eq!((again.body, runs.load(Ordering::SeqCst)), (expected, 1));
    }
}

#[tokio::test]
async fn redelivered_webhook_whose_inline_handler_failed_is_accepted_with_its_tasks() {
    async fn broken() -> Result<(), TaskError> {
        Err(TaskError::retry("broken"))
    }
    let world = World::start(app().on("push", inline(broken)).on("push", inline(|| async {}).named("fine"))).await;
    assert_eq!(world.post(Post::github("push", "same")).await.status, 500);
    let again = world.post(Post::github("push", "same")).await;
    assert_eq!((again.status, &again.body["status"]), (202, &json!("ACCEPTED")));
    assert_eq!((again.tasks().len(), &again.body["duplicate"]), (2, &json!(true)));
}

#[tokio::test]
async fn calls_of_a_redelivered_webhook_are_those_of_inline_handlers() {
    let (_, later) = counting(in_background);
    let app = app().on("push", later).on("push", inline(|| async { "now" }).named("now"));
    let world = World::start(app).await;
    let first = world.post(Post::github("push", "same")).await;
    world.ended(first.tasks()[0]).await;
    let again = world.post(Post::github("push", "same")).await;
    assert_eq!((again.status, &again.body["calls"]), (200, &json!({"now": "now"})));
    assert_eq!(again.tasks().len(), 2);
}

#[tokio::test]
async fn same_id_from_another_source_is_another_delivery() {
    let other = Source::github("other", Secrets::new([SECRET]).unwrap());
    let world = World::start(app().source(other).on("push", background(|| async {}).named("any"))).await;
    for path in ["/webhooks/github", "/webhooks/other"] {
        let answer = world.post(Post::github("push", "same").path(path)).await;
        assert_eq!((answer.status, &answer.body["duplicate"]), (202, &json!(null)));
    }
    assert_eq!(world.deliveries().await.len(), 2);
}
