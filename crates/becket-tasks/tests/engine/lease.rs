//! Leases end attempts that no longer hold their task, and fence what those attempts report.

use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use becket_tasks::{Backoff, Clock, EngineOptions, Outcome, State};
use tokio::sync::{Notify, oneshot};
use tokio::time::timeout;

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
