//! Handlers do not affect each other, however they end.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use becket_tasks::{Clock, Error, Outcome, Policy, Registry, State, TaskError};

use crate::world::{Live, World, submission};

/// Panics when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("boom at the end");
    }
}

async fn stop(live: &Live) {
    live.engine.shutdown(Duration::ZERO).await;
}

#[tokio::test(start_paused = true)]
async fn g6_slow_failing_or_panicking_handler_leaves_others_alone() {
    let world = World::new()
        .task("slow", |_| pending())
        .task("failing", |_| async { Err(TaskError::retry("no luck")) })
        .task("panicking", |_| async { panic!("index out of bounds") })
        .task("panicking at once", |_| -> std::future::Ready<_> { panic!("before the first await") })
        .task("good", |task| async move { Ok(task.id().as_u64()) });
    let mut live = world.start().await;
    let kinds = ["slow", "panicking", "good", "failing", "panicking at once", "good"];
    let inserted = live.client.submit(submission("mixed", &kinds)).await.unwrap();
    let [slow, panicking, good, failing, at_once, other_good] = inserted.tasks[..] else { panic!("six tasks") };
    live.until_many(&[good, other_good], State::Completed).await;
    live.client.wait(failing).await.unwrap();
    assert_eq!(live.error(failing).await, "no luck");
    live.client.wait(panicking).await.unwrap();
    assert_eq!(live.error(panicking).await, "panicked: index out of bounds");
    live.client.wait(at_once).await.unwrap();
    assert_eq!(live.error(at_once).await, "panicked: before the first await");
    assert_eq!(live.state(slow).await, State::Running);
    // While the slow one still runs, new work is acknowledged and done.
    let later = live.enqueue("good").await;
    assert_eq!(live.client.result::<u64>(later).await.unwrap(), later.as_u64());
    assert_eq!(live.state(slow).await, State::Running);
    stop(&live).await;
    assert_eq!(live.engine.measures().panics(), 2);
    assert_eq!(live.engine.measures().attempts(Outcome::Failed), 3);
}

#[tokio::test(start_paused = true)]
async fn handler_that_takes_too_long_is_stopped_and_says_so() {
    let told = Arc::new(tokio::sync::Notify::new());
    let tell = Arc::clone(&told);
    let policy = Policy { timeout: Duration::from_secs(30), ..Policy::default() };
    let world = World::new().task_with("endless", policy, move |task| {
        let tell = Arc::clone(&tell);
        async move {
            let (token, deadline) = (task.cancellation_token(), task.deadline());
            assert_eq!(deadline.duration_since(tokio::time::Instant::now()), Duration::from_secs(30));
            assert!(!task.is_cancelled());
            // What a handler leaves behind hears of the end, too.
            tokio::spawn(async move {
                token.cancelled().await;
                assert!(task.is_cancelled());
                tell.notify_one();
            });
            pending().await
        }
    });
    let live = world.start().await;
    let began = tokio::time::Instant::now();
    let task = live.enqueue("endless").await;
    let detail = live.client.wait(task).await.unwrap();
    assert_eq!(detail.task.state(), State::Failed);
    assert_eq!(live.error(task).await, "timed out after 30s");
    assert!(began.elapsed() < Duration::from_secs(31));
    told.notified().await;
    stop(&live).await;
    assert_eq!(live.engine.measures().timeouts(), 1);
}

#[tokio::test(start_paused = true)]
async fn handler_that_panics_while_it_is_dropped_fails_alone() {
    let policy = Policy { timeout: Duration::from_secs(1), ..Policy::default() };
    let world = World::new()
        .task_with("armed", policy, |_| async {
            let _bomb = Bomb;
            pending().await
        })
        .task("good", |_| async { Ok(1) });
    let live = world.options(|options| options.concurrency = 1).start().await;
    let (armed, good) = (live.enqueue("armed").await, live.enqueue("good").await);
    assert_eq!(live.client.result::<u64>(good).await.unwrap(), 1);
    assert_eq!(live.error(armed).await, "panicked: boom at the end");
}

#[tokio::test(start_paused = true)]
async fn panic_without_text_is_a_failure_like_others() {
    let world = World::new().task("odd", |_| async { std::panic::panic_any(7_u8) });
    let live = world.start().await;
    let task = live.enqueue("odd").await;
    live.client.wait(task).await.unwrap();
    assert_eq!(live.error(task).await, "panicked: no message");
}

#[tokio::test(start_paused = true)]
async fn result_that_is_too_large_fails_the_task() {
    let world = World::new().register(|registry: &mut Registry| {
        registry
            .task("talks", Policy::default(), |_: (), _| async { Ok::<_, TaskError>("many words".repeat(10)) })
            .unwrap();
    });
    let live = world.options(|options| options.result_bytes_max = 64).start().await;
    let task = live.enqueue("talks").await;
    let detail = live.client.wait(task).await.unwrap();
    assert_eq!((detail.task.state(), detail.result), (State::Failed, None));
    assert_eq!(live.error(task).await, "the result has 102 bytes, and at most 64 are kept");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_more_handlers_run_at_once_than_concurrency_allows() {
    let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (now, peak) = (Arc::clone(&running), Arc::clone(&most));
    let world = World::with_clock(&Clock::system()).task("counts", move |_| {
        let (now, peak) = (Arc::clone(&now), Arc::clone(&peak));
        async move {
            peak.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            for _ in 0..20 {
                tokio::task::yield_now().await;
            }
            now.fetch_sub(1, Ordering::SeqCst);
            Ok(0)
        }
    });
    let live = world.options(|options| options.concurrency = 3).start().await;
    for task in live.enqueue_many("counts", 300).await {
        live.client.wait(task).await.unwrap();
    }
    assert_eq!(most.load(Ordering::SeqCst), 3);
    assert_eq!(running.load(Ordering::SeqCst), 0);
}

/// Every thread of the runtime is blocked for more than two leases, so nothing that lives on it could renew them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn handlers_that_block_every_thread_keep_their_leases() {
    const LEASE: Duration = Duration::from_millis(600);
    let runs = Arc::new(AtomicUsize::new(0));
    let (counted, (ended, ends)) = (Arc::clone(&runs), mpsc::channel());
    let world = World::with_clock(&Clock::system()).task("blocks", move |_| {
        let (counted, ended) = (Arc::clone(&counted), ended.clone());
        async move {
            counted.fetch_add(1, Ordering::SeqCst);
            let began = Instant::now();
            while began.elapsed() < LEASE * 5 / 2 {
                std::thread::park_timeout(LEASE);
            }
            ended.send(()).unwrap();
            Ok(0)
        }
    });
    let live = world.options(|options| options.lease = LEASE).start().await;
    let tasks = live.enqueue_many("blocks", 4).await;
    // This thread is none of the runtime's two; it does what another process would.
    let mut missing = 4;
    while missing > 0 {
        if ends.recv_timeout(Duration::from_millis(20)).is_ok() {
            missing -= 1;
        }
        assert_eq!(live.store.reclaim().await, 0, "a lease ran out while its handler ran");
    }
    for task in tasks {
        assert_eq!(live.client.wait(task).await.unwrap().attempts.len(), 1);
    }
    assert_eq!(runs.load(Ordering::SeqCst), 4);
}

#[tokio::test]
async fn options_that_make_no_sense_are_refused() {
    use becket_tasks::{Engine, EngineOptions};
    let world = World::new();
    let zero = || EngineOptions { lease: Duration::ZERO, ..EngineOptions::default() };
    let error = Engine::start(world.store, Registry::new(), zero()).await.unwrap_err();
    assert!(matches!(&error, Error::Invalid(text) if text.contains("`lease`")), "{error}");
}
