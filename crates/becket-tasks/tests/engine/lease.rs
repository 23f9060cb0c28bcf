//! Leases end attempts that no longer hold their task, and fence what those attempts report.

use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use becket_tasks::{Backoff, Clock, EngineOptions, EnqueueOptions, Lane, Latest, Outcome, State, TaskId};
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, timeout};

use crate::store::Mood;
use crate::world::{SOON, World, retries};

const LEASE: Duration = Duration::from_millis(90);

fn short_lease(options: &mut EngineOptions) {
    options.lease = LEASE;
    options.cancel_grace = Duration::from_millis(10);
}

/// Tells when it is dropped.
struct Told(Option<oneshot::Sender<()>>);

impl Drop for Told {
    fn drop(&mut self) {
        let _ = self.0.take().unwrap().send(());
    }
}

#[tokio::test(start_paused = true)]
async fn g4_finish_from_a_lost_lease_changes_nothing() {
    let go_on = Arc::new(Notify::new());
    let wait = Arc::clone(&go_on);
    let world = World::new().task_with("twice", retries(1, Backoff::DEFAULT), move |task| {
        let wait = Arc::clone(&wait);
        async move {
            if task.attempt() == 1 {
                wait.notified().await;
            }
            Ok(u64::from(task.attempt()))
        }
    });
    let mut live = world.start().await;
    let task = live.enqueue("twice").await;
    live.until(task, State::Running).await;
    live.clock.advance(Duration::from_secs(31));
    assert_eq!(live.store.reclaim().await, 1);
    assert_eq!(live.client.result::<u64>(task).await.unwrap(), 2);
    go_on.notify_one();
    live.engine.shutdown(Duration::from_secs(1)).await;
    assert_eq!(live.client.result::<u64>(task).await.unwrap(), 2);
    let outcomes: Vec<_> = live.detail(task).await.attempts.iter().filter_map(|attempt| attempt.outcome).collect();
    assert_eq!(outcomes, [Outcome::Lost, Outcome::Completed]);
    assert_eq!(live.engine.measures().attempts(Outcome::Lost), 1);
}

/// The renewals run in real time, on their own thread.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cancelled_task_is_told_and_then_dropped() {
    let (heard, hears) = oneshot::channel();
    let (dropped, drops) = oneshot::channel();
    let senders = Mutex::new(Some((heard, dropped)));
    let world = World::with_clock(&Clock::system()).task("stubborn", move |task| {
        let (heard, dropped) = senders.lock().unwrap().take().unwrap();
        async move {
            let _told = Told(Some(dropped));
            task.cancelled().await;
            heard.send(()).unwrap();
            pending().await
        }
    });
    let mut live = world.options(short_lease).start().await;
    let task = live.enqueue("stubborn").await;
    live.until(task, State::Running).await;
    assert_eq!(live.client.cancel(&[task], "changed my mind").await.unwrap(), [task]);
    timeout(SOON, hears).await.expect("the handler was not told").unwrap();
    timeout(SOON, drops).await.expect("the handler was not dropped").unwrap();
    assert_eq!(live.state(task).await, State::Cancelled);
    live.engine.shutdown(SOON).await;
    assert_eq!(live.engine.measures().attempts(Outcome::Lost), 1);
}

/// A handler that ends when it hears that it was cancelled, and tells that it did.
fn heeding() -> (World, tokio::sync::mpsc::UnboundedReceiver<TaskId>) {
    let (heard, hears) = tokio::sync::mpsc::unbounded_channel();
    let world = World::new().task("heeding", move |task| {
        let heard = heard.clone();
        async move {
            task.cancelled().await;
            heard.send(task.id()).unwrap();
            Ok(0)
        }
    });
    (world, hears)
}

/// Neither is any time needed for it, nor a renewal: they hang.
#[tokio::test(start_paused = true)]
async fn running_task_hears_of_its_cancellation_at_once() {
    let (world, mut hears) = heeding();
    let mut live = world.start_in_virtual_time().await;
    live.store.renew.is(Mood::Hangs);
    let tasks = live.enqueue_many("heeding", 3).await;
    live.until_many(&tasks, State::Running).await;
    let before = Instant::now();
    live.client.cancel(&tasks[..1], "changed my mind").await.unwrap();
    assert_eq!(hears.recv().await, Some(tasks[0]));
    assert_eq!(Instant::now(), before, "no time has passed");
    assert!(hears.try_recv().is_err(), "the others go on");
    live.client.cancel(&tasks[1..], "changed my mind").await.unwrap();
    live.engine.shutdown(SOON).await;
    assert_eq!((Instant::now(), live.engine.measures().attempts(Outcome::Lost)), (before, 3));
}

/// The thread of the leases runs in real time, and its renewals hang.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replaced_task_hears_at_once_what_a_newer_one_of_its_lane_does() {
    let (world, mut hears) = heeding();
    let mut live = world.start().await;
    live.store.renew.is(Mood::Hangs);
    let lane = || Some(Lane { latest: Some(Latest::Running), ..Lane::new("l") });
    let options = || EnqueueOptions { lane: lane(), ..EnqueueOptions::default() };
    let first = live.client.enqueue_with("heeding", &(), options()).await.unwrap();
    live.until(first, State::Running).await;
    let second = live.client.enqueue_with("heeding", &(), options()).await.unwrap();
    assert_eq!(timeout(SOON, hears.recv()).await.expect("the handler was not told"), Some(first));
    live.until(second, State::Running).await;
    live.engine.shutdown(Duration::ZERO).await;
}

/// The renewals run in real time, on their own thread.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn task_that_is_cancelled_before_it_begins_never_begins() {
    let go_on = Arc::new(Notify::new());
    let (wait, ran) = (Arc::clone(&go_on), Arc::new(Mutex::new(Vec::new())));
    let seen = Arc::clone(&ran);
    let world = World::with_clock(&Clock::system()).task("quick", |_| async { Ok(0) }).task("held", move |task| {
        seen.lock().unwrap().push(task.id());
        let wait = Arc::clone(&wait);
        async move {
            wait.notified().await;
            Ok(0)
        }
    });
    let world = world.options(short_lease).options(|options| {
        options.concurrency = 1;
        options.prefetch = 1;
    });
    let mut live = world.start().await;
    // Until quick handlers have run, nothing is claimed ahead; many, so that one that was held up does not matter.
    for quick in live.enqueue_many("quick", 50).await {
        live.client.wait(quick).await.unwrap();
    }
    let tasks = live.enqueue_many("held", 2).await;
    live.until_many(&tasks, State::Running).await;
    let mut lost = live.store.lost.subscribe();
    let before = *lost.borrow();
    live.client.cancel(&tasks[1..], "not needed").await.unwrap();
    timeout(SOON, lost.wait_for(|lost| *lost > before)).await.expect("the lease was not found lost").unwrap();
    // The worker has read that answer when it renews again.
    live.store.renew.is(Mood::Fine);
    live.store.renew.called(1).await;
    go_on.notify_one();
    live.client.wait(tasks[0]).await.unwrap();
    live.engine.shutdown(SOON).await;
    assert_eq!(*ran.lock().unwrap(), tasks[..1]);
    assert_eq!(live.engine.measures().attempts(Outcome::Lost), 1);
}
