//! A store that fails for a while stops the work for a while, and loses nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use becket_tasks::{Clock, Outcome, State, Store};

use crate::store::Mood;
use crate::world::{World, idle, submission};

#[tokio::test(start_paused = true)]
async fn g7_claims_resume_by_themselves_when_the_store_is_back() {
    let world = World::new().task("quick", |_| async { Ok(1) });
    world.store.claim.is(Mood::Down);
    let live = world.start().await;
    let task = live.enqueue("quick").await;
    live.store.claim.called(5).await;
    assert_eq!(live.state(task).await, State::Queued);
    live.store.claim.is(Mood::Fine);
    assert_eq!(live.client.result::<u64>(task).await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn store_that_never_answers_is_asked_again() {
    let world = World::new().task("quick", |_| async { Ok(1) });
    world.store.claim.is(Mood::Hangs);
    world.store.prune.is(Mood::Hangs);
    let live = world.start().await;
    live.store.claim.called(1).await;
    live.store.prune.called(1).await;
    let task = live.enqueue("quick").await;
    live.store.claim.is(Mood::Fine);
    live.store.finish.is(Mood::Hangs);
    live.store.finish.called(2).await;
    live.store.finish.is(Mood::Fine);
    assert_eq!(live.client.wait(task).await.unwrap().attempts.len(), 1);
    live.store.prune.called(1).await;
}

#[tokio::test(start_paused = true)]
async fn end_of_an_attempt_outlives_an_outage() {
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&runs);
    let world = World::new().task("quick", move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
        async { Ok(1) }
    });
    world.store.finish.is(Mood::Down);
    let live = world.start().await;
    let tasks = live.enqueue_many("quick", 5).await;
    live.store.finish.called(4).await;
    live.store.finish.is(Mood::Fine);
    for task in tasks {
        assert_eq!(live.client.wait(task).await.unwrap().attempts.len(), 1);
    }
    assert_eq!(runs.load(Ordering::SeqCst), 5);
}

#[tokio::test(start_paused = true)]
async fn end_that_the_store_refuses_does_not_take_others_with_it() {
    let world = World::new().task("quick", |_| async { Ok(1) });
    world.store.finish.is(Mood::Waits);
    let live = world.start().await;
    // The first end is on its way alone; the next two form one commit.
    let first = live.enqueue("quick").await;
    live.store.finish.called(1).await;
    let tasks = live.client.submit(submission("two", &["quick"; 2])).await.unwrap().tasks;
    *live.store.refused.lock().unwrap() = vec![tasks[0]];
    idle(Duration::from_millis(10)).await;
    live.store.finish.is(Mood::Fine);
    for task in [first, tasks[1]] {
        assert_eq!(live.client.wait(task).await.unwrap().task.state(), State::Completed);
    }
    assert_eq!(live.state(tasks[0]).await, State::Running);
    let report = live.engine.shutdown(Duration::from_secs(1)).await;
    assert_eq!(live.engine.measures().attempts(Outcome::Lost), 1);
    assert_eq!(report.released, 1);
}

/// The renewals run in real time, on their own thread.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leases_are_renewed_again_when_the_store_is_back() {
    let world = World::with_clock(&Clock::system());
    let store = Arc::clone(&world.store);
    let world = world.task("patient", move |task| {
        let store = Arc::clone(&store);
        async move {
            store.renew.is(Mood::Down);
            store.renew.called(2).await;
            store.renew.is(Mood::Fine);
            store.renew.called(2).await;
            assert!(!task.is_cancelled());
            Ok(1)
        }
    });
    let live = world.options(|options| options.lease = Duration::from_millis(90)).start().await;
    let task = live.enqueue("patient").await;
    assert_eq!(live.client.result::<u64>(task).await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn closed_store_stops_the_claims_and_not_the_program() {
    let world = World::new().task("quick", |_| async { Ok(1) });
    let live = world.start().await;
    live.store.claim.called(1).await;
    live.store.close().await.unwrap();
    idle(Duration::from_secs(600)).await;
    // Parked when the store was closed, it was told; it did not ask again.
    assert_eq!(live.store.claim.calls(), 1);
    let report = live.engine.shutdown(Duration::ZERO).await;
    assert_eq!((report.completed, report.released), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn shutdown_ends_although_the_store_does_not_answer() {
    let world = World::new().task("quick", |_| async { Ok(1) });
    world.store.finish.is(Mood::Down);
    world.store.release.is(Mood::Hangs);
    let live = world.start().await;
    let task = live.enqueue("quick").await;
    live.store.finish.called(1).await;
    let report = live.engine.shutdown(Duration::from_secs(1)).await;
    assert_eq!((report.completed, report.released), (0, 0));
    // Not lost: its lease runs out.
    assert_eq!(live.state(task).await, State::Running);
}
