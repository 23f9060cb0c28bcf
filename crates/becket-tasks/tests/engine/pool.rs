//! A pool whose size follows the load.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use becket_tasks::{Engine, EngineOptions, Error, PoolSize, Registry, State, Store};

use crate::world::{Live, World, idle, submission};

const WAIT: Duration = Duration::from_millis(200);

fn waiting() -> World {
    World::new().task("waits", |_| async {
        tokio::time::sleep(WAIT).await;
        Ok(0)
    })
}

/// Lets time pass until the pool has this size.
async fn until_size(live: &Live, size: usize) {
    for _ in 0..3_600 {
        if live.engine.pool().now == size {
            return;
        }
        idle(Duration::from_secs(1)).await;
    }
    panic!("an hour later the pool is {:?}", live.engine.pool());
}

async fn busy(live: &Live, tasks: usize) {
    live.client.submit(submission("many", &vec!["waits"; tasks])).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn pool_grows_while_work_waits_and_shrinks_when_it_is_done() {
    let live =
        waiting().options(|options| (options.concurrency, options.concurrency_max) = (2, Some(24))).start().await;
    assert_eq!(live.engine.pool(), PoolSize { now: 2, min: 2, max: 24 });
    busy(&live, 2_400).await;
    until_size(&live, 24).await;
    until_size(&live, 2).await;
    assert_eq!(live.store.counts().await.unwrap().of(State::Completed), 2_400);
}

#[tokio::test(start_paused = true)]
async fn no_more_run_at_once_than_the_most() {
    let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (now, peak) = (Arc::clone(&running), Arc::clone(&most));
    let world = World::new().task("waits", move |_| {
        let (now, peak) = (Arc::clone(&now), Arc::clone(&peak));
        async move {
            peak.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::time::sleep(WAIT).await;
            now.fetch_sub(1, Ordering::SeqCst);
            Ok(0)
        }
    });
    let live = world.options(|options| (options.concurrency, options.concurrency_max) = (1, Some(8))).start().await;
    busy(&live, 2_000).await;
    until_size(&live, 8).await;
    until_size(&live, 1).await;
    assert_eq!(most.load(Ordering::SeqCst), 8);
}

#[tokio::test(start_paused = true)]
async fn burst_after_a_quiet_time_is_not_held_back_by_a_pool_that_has_shrunk() {
    let world = waiting().task("stays", |_| std::future::pending());
    let live = world.options(|options| (options.concurrency, options.concurrency_max) = (2, Some(24))).start().await;
    busy(&live, 2_400).await;
    until_size(&live, 24).await;
    until_size(&live, 2).await;
    // The claim that waits was made by a larger pool, and gets more than this one can begin.
    live.client.submit(submission("burst", &["stays"; 20])).await.unwrap();
    idle(Duration::from_millis(100)).await;
    assert_eq!(live.store.counts().await.unwrap().of(State::Running), 2);
    assert_eq!((live.engine.measures().running(), live.engine.measures().ready()), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn fixed_pool_keeps_its_size() {
    let live = waiting().options(|options| options.concurrency = 3).start().await;
    busy(&live, 200).await;
    idle(Duration::from_secs(5)).await;
    assert_eq!(live.engine.pool(), PoolSize { now: 3, min: 3, max: 3 });
}

#[tokio::test(start_paused = true)]
async fn slots_wanted_are_those_that_work_off_what_is_due_in_a_minute() {
    let live = waiting().options(|options| options.concurrency = 1).start().await;
    assert_eq!(live.engine.slots_wanted(0), 0);
    assert_eq!(live.engine.slots_wanted(9_000), 1, "nobody knows yet how long one takes");
    busy(&live, 10).await;
    idle(Duration::from_secs(30)).await;
    // 9,000 tasks of 0.2 s are half an hour of work.
    assert_eq!(live.engine.slots_wanted(9_000), 30);
}

#[tokio::test]
async fn range_that_makes_no_sense_is_refused() {
    for (min, max) in [(0, 4), (5, 4)] {
        let options = EngineOptions { concurrency: min, concurrency_max: Some(max), ..EngineOptions::default() };
        let error = Engine::start(World::new().store, Registry::new(), options).await.unwrap_err();
        assert!(matches!(&error, Error::Invalid(text) if text.contains("`concurrency_max`")), "{error}");
    }
}
