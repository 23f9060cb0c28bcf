//! How tasks come to their handlers: at once, in bounded numbers, and only to who knows them.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use becket_tasks::{Clock, EnqueueOptions, Outcome, State, WorkerId};
use tokio::time::Instant;

use crate::store::Mood;
use crate::world::{World, idle, submission};

#[tokio::test(start_paused = true)]
async fn idle_worker_is_woken_at_once() {
    let live = World::new().task("quick", |_| async { Ok(1) }).start().await;
    live.store.claim.called(1).await;
    idle(Duration::from_secs(3)).await;
    let began = Instant::now();
    let task = live.enqueue("quick").await;
    assert_eq!(live.client.result::<u64>(task).await.unwrap(), 1);
    assert_eq!(began.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn slow_handlers_are_never_claimed_ahead() {
    let world = World::new().task("slow", |_| pending());
    let mut live = world.options(|options| options.concurrency = 3).start().await;
    let tasks = live.enqueue_many("slow", 20).await;
    live.until_many(&tasks[..3], State::Running).await;
    idle(Duration::from_secs(90)).await;
    assert_eq!(live.store.claimed.load(Ordering::SeqCst), 3);
    assert_eq!((live.engine.measures().running(), live.engine.measures().ready()), (3, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_more_tasks_are_claimed_ahead_than_prefetch_allows() {
    const CONCURRENCY: usize = 3;
    const PREFETCH: usize = 5;
    let world = World::with_clock(&Clock::system());
    let (begun, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (began, ahead, store) = (Arc::clone(&begun), Arc::clone(&most), Arc::clone(&world.store));
    let world = world.task("quick", move |_| {
        let begun = began.fetch_add(1, Ordering::SeqCst) + 1;
        ahead.fetch_max(store.claimed.load(Ordering::SeqCst).saturating_sub(begun), Ordering::SeqCst);
        async { Ok(0) }
    });
    let options = |options: &mut becket_tasks::EngineOptions| {
        options.concurrency = CONCURRENCY;
        options.prefetch = PREFETCH;
    };
    let live = world.options(options).start().await;
    for round in 0..10 {
        let inserted = live.client.submit(submission(&round.to_string(), &["quick"; 100])).await.unwrap();
        for task in inserted.tasks {
            live.client.wait(task).await.unwrap();
        }
    }
    let most = most.load(Ordering::SeqCst);
    assert!(most <= CONCURRENCY + PREFETCH, "{most} were claimed and not begun");
    assert!(most > CONCURRENCY, "nothing was claimed ahead, so the test shows nothing");
}

#[tokio::test(start_paused = true)]
async fn task_of_an_unknown_kind_stays_queued_for_who_knows_it() {
    let world = World::new().task("known", |_| async { Ok(1) });
    let store = Arc::clone(&world.store);
    let mut live = world.start().await;
    let inserted = live.client.submit(submission("both", &["unknown", "known"])).await.unwrap();
    live.until(inserted.tasks[1], State::Completed).await;
    assert_eq!(live.state(inserted.tasks[0]).await, State::Queued);
    let other = World::over(store).task("unknown", |_| async { Ok(2) }).start().await;
    assert_eq!(other.client.result::<u64>(inserted.tasks[0]).await.unwrap(), 2);
}

#[tokio::test(start_paused = true)]
async fn more_urgent_tasks_run_first() {
    let order = Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = Arc::clone(&order);
    let world = World::new().task("noted", move |task| {
        seen.lock().unwrap().push(task.id());
        async { Ok(0) }
    });
    world.store.claim.is(Mood::Waits);
    let live = world.options(|options| options.concurrency = 1).start().await;
    let plain = live.enqueue("noted").await;
    let urgent = EnqueueOptions { priority: Some(5), ..EnqueueOptions::default() };
    let urgent = live.client.enqueue_with("noted", &(), urgent).await.unwrap();
    live.store.claim.is(Mood::Fine);
    for task in [plain, urgent] {
        live.client.wait(task).await.unwrap();
    }
    assert_eq!(*order.lock().unwrap(), [urgent, plain]);
}

#[tokio::test(start_paused = true)]
async fn engine_without_concurrency_claims_nothing() {
    let world = World::new().task("quick", |_| async { Ok(1) });
    let live = world.options(|options| options.concurrency = 0).start().await;
    let task = live.enqueue("quick").await;
    idle(Duration::from_secs(90)).await;
    assert_eq!(live.state(task).await, State::Queued);
    assert_eq!(live.store.claimed.load(Ordering::SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn task_handed_out_against_the_contract_is_put_off_uncounted() {
    let world = World::new().task("known", |_| async { Ok(1) });
    *world.store.stray_kind.lock().unwrap() = Some("stray".into());
    let mut live = world.start().await;
    let task = live.client.submit(submission("stray", &["stray"])).await.unwrap().tasks[0];
    live.until(task, State::Running).await;
    live.until(task, State::Queued).await;
    let detail = live.detail(task).await;
    assert_eq!((detail.attempts[0].outcome, detail.task.standing.attempts_counted()), (Some(Outcome::Parked), 0));
}

#[tokio::test(start_paused = true)]
async fn maintenance_reclaims_what_another_worker_left() {
    use becket_tasks::Store;
    use becket_tasks::store::Claim;
    let world = World::new().task("left", |_| async { Ok(1) });
    let task = world.store.insert(vec![submission("left", &["left"])]).await.unwrap();
    let lease = Duration::from_secs(5);
    let claim = Claim {
        worker: WorkerId::new("gone"),
        kinds: ["left".into()].into(),
        limit: 1,
        lease,
        wait: Duration::ZERO,
        rules: Arc::default(),
    };
    world.store.claim(claim).await.unwrap();
    let mut live = world.start().await;
    live.store.prune.called(1).await;
    let task = task[0].tasks[0];
    assert_eq!(live.state(task).await, State::Running);
    live.clock.advance(lease * 2);
    // One attempt was all it had, and the lost one counts; but a crash alone fails no task so soon.
    live.until(task, State::Retrying).await;
    let detail = live.client.wait(task).await.unwrap();
    assert_eq!((detail.task.state(), detail.task.standing.attempts_counted()), (State::Completed, 2));
    let outcomes: Vec<_> = detail.attempts.iter().filter_map(|attempt| attempt.outcome).collect();
    assert_eq!(outcomes, [Outcome::Lost, Outcome::Completed]);
}

#[tokio::test(start_paused = true)]
async fn maintenance_prunes_what_is_older_than_the_retention() {
    let live = World::new().task("quick", |_| async { Ok(1) }).start().await;
    let task = live.enqueue("quick").await;
    live.client.wait(task).await.unwrap();
    live.clock.advance(Duration::from_secs(8 * 24 * 3_600));
    live.store.prune.is(Mood::Fine);
    live.store.prune.called(2).await;
    assert_eq!(live.client.get(task).await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn quick_tasks_are_claimed_and_ended_many_at_a_time() {
    let live = World::new().task("quick", |_| async { Ok(1) }).start().await;
    let tasks = live.client.submit(submission("many", &["quick"; 5_000])).await.unwrap().tasks;
    for task in tasks {
        live.client.wait(task).await.unwrap();
    }
    let (claims, commits) = (live.store.claim.calls(), live.store.finish.calls());
    // This store commits at once; one that takes its time gets more ends a commit.
    assert!(claims < 100 && commits < 500, "{claims} claims and {commits} commits");
}

#[tokio::test(start_paused = true)]
async fn attempts_bear_the_name_of_their_worker() {
    let world = World::new().task("quick", |_| async { Ok(1) });
    let live = world.options(|options| options.worker = Some(WorkerId::new("host-7"))).start().await;
    let task = live.enqueue("quick").await;
    let attempt = live.client.wait(task).await.unwrap().attempts.remove(0);
    assert_eq!(&attempt.worker, live.engine.worker_id());
    assert!(format!("{:?}", live.engine).contains("host-7"));
}
