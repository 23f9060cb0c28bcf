//! Claims whose callers go away, and what a crash leaves behind.

use std::time::Duration;

use becket_tasks::store::sqlite::SqliteOptions;
use becket_tasks::{NewTask, State, Store, TaskId};
use futures_util::poll;

use crate::world::{Disk, add, claim, claim_of, complete, open_when_free, soon, submission};

/// Claims the task again, which must be possible long before its lease ends, and puts it back.
async fn claim_again(store: &becket_tasks::store::sqlite::SqliteStore, task: TaskId) {
    let claimed = soon(store.claim(claim_of(&["work"], 9, Duration::from_secs(20)))).await.unwrap();
    assert_eq!(claimed.iter().map(|claimed| claimed.id).collect::<Vec<_>>(), [task]);
    assert_eq!(claimed[0].attempts_counted, 1, "what was given back does not count");
    assert_eq!(claimed[0].payload, "payload");
    store.release(becket_tasks::task::WorkerId::new("w")).await.unwrap();
}

#[tokio::test]
async fn claim_that_is_dropped_gives_its_tasks_back_at_once() {
    let disk = Disk::new();
    let store = disk.open().await;
    let (_, tasks) = add(&store, submission("payload", vec![NewTask::new("work")])).await;
    // Dropped at each moment of its life: after so many looks at it, and with the payload in memory or not.
    for looks in 0..60 {
        let mut claim = std::pin::pin!(store.claim(claim_of(&["work"], 9, Duration::from_secs(20))));
        let mut is_over = false;
        for _ in 0..looks {
            if poll!(&mut claim).is_ready() {
                is_over = true;
                break;
            }
            tokio::task::yield_now().await;
        }
        if is_over {
            store.release(becket_tasks::task::WorkerId::new("w")).await.unwrap();
        }
    }
    claim_again(&store, tasks[0]).await;
}

#[tokio::test]
async fn claim_that_is_dropped_while_it_reads_payloads_gives_its_tasks_back() {
    let disk = Disk::with_closed_store(0).await;
    let store = disk.open().await;
    let (_, tasks) = add(&store, submission("payload", vec![NewTask::new("work")])).await;
    store.close().await.unwrap();
    // Opened anew, the payload is not in memory, and the claim must read it.
    let store = disk.open().await;
    let mut dropped_while_reading = 0;
    for _ in 0..20 {
        let mut claim = Box::pin(store.claim(claim_of(&["work"], 9, Duration::from_secs(20))));
        assert!(poll!(&mut claim).is_pending());
        // The writer has answered once the task runs; the next look begins to read.
        soon(async {
            while store.counts().await.unwrap().of(State::Running) == 0 {
                tokio::task::yield_now().await;
            }
        })
        .await;
        dropped_while_reading += u32::from(poll!(&mut claim).is_pending());
        drop(claim);
        claim_again(&store, tasks[0]).await;
    }
    assert!(dropped_while_reading > 0);
}

#[tokio::test]
async fn tasks_that_a_crash_cut_off_are_due_when_the_store_is_open_again() {
    let disk = Disk::new();
    let store = disk.open().await;
    let (_, tasks) =
        add(&store, submission("payload", vec![NewTask { max_attempts: 2, ..NewTask::new("work") }])).await;
    let (_, ended) = add(&store, submission("ended", vec![NewTask::new("work")])).await;
    let claimed = claim(&store, 2).await;
    complete(&store, &claimed[1]).await;
    // Nobody says what became of the attempt, as after `kill -9`.
    drop(store);
    let store = open_when_free(disk.options()).await;
    let again = claim(&store, 9).await;
    assert_eq!(again.iter().map(|claimed| (claimed.id, claimed.attempts_counted)).collect::<Vec<_>>(), [(tasks[0], 2)]);
    assert_eq!(store.task(ended[0]).await.unwrap().unwrap().task.state(), State::Completed);
}

#[tokio::test]
async fn retries_wait_for_their_time_by_the_clock_of_the_system() {
    let disk = Disk::new();
    let store = disk.open().await;
    let due = becket_tasks::submission::Due::After(Duration::from_millis(50));
    add(&store, submission("later", vec![NewTask { due, ..NewTask::new("work") }])).await;
    assert_eq!(claim(&store, 1).await.len(), 0);
    let claimed = soon(store.claim(claim_of(&["work"], 1, Duration::from_secs(20)))).await.unwrap();
    assert!(claimed[0].started_at >= claimed[0].run_at);
}

#[tokio::test]
async fn limits_of_nothing_still_let_one_pass() {
    let disk = Disk::new();
    let options = SqliteOptions { waiting_max: 0, waiting_kibibytes_max: 0, ..disk.options() };
    let store = becket_tasks::store::sqlite::SqliteStore::open(options).await.unwrap();
    add(&store, submission(vec![0; 100_000], vec![NewTask::new("work")])).await;
    assert_eq!(claim(&store, 1).await.len(), 1);
}
