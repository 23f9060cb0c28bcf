//! Claims whose callers go away, and what a crash leaves behind.

use std::task::Poll;
use std::time::Duration;

use becket_tasks::store::sqlite::{SqliteOptions, SqliteStore};
use becket_tasks::task::{Claimed, End, Finish, Lease};
use becket_tasks::{NewTask, State, Store, TaskId};
use futures_util::poll;

use crate::world::{Disk, add, claim, claim_of, complete, open_when_free, soon, submission};

/// Claims the task again, which must be possible long before its lease ends, and puts it back.
async fn claim_again(store: &SqliteStore, task: TaskId) {
    let claimed = soon(store.claim(claim_of(&["work"], 9, Duration::from_secs(20)))).await.unwrap();
    assert_eq!(claimed.iter().map(|claimed| claimed.id).collect::<Vec<_>>(), [task]);
    assert_eq!(claimed[0].attempts_counted, 1, "what was given back does not count");
    assert_eq!(claimed[0].payload, "payload");
    put_back(store, &claimed).await;
}

async fn put_back(store: &SqliteStore, claimed: &[Claimed]) {
    let lease = |claimed: &Claimed| Lease { task: claimed.id, attempt: claimed.attempt };
    let release = |claimed| Finish { lease: lease(claimed), end: End::Release };
    store.finish(claimed.iter().map(release).collect()).await.unwrap();
}

#[tokio::test]
async fn claim_that_is_dropped_gives_its_tasks_back_at_once() {
    let disk = Disk::new();
    let store = disk.open().await;
    let (_, tasks) = add(&store, submission("payload", vec![NewTask::new("work")])).await;
    // Dropped at each moment of its life: after so many looks at it, and with the payload in memory or not.
    for looks in 0..60 {
        let mut claim = std::pin::pin!(store.claim(claim_of(&["work"], 9, Duration::from_secs(20))));
        for _ in 0..looks {
            if let Poll::Ready(claimed) = poll!(&mut claim) {
                put_back(&store, &claimed.unwrap()).await;
                break;
            }
            tokio::task::yield_now().await;
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
        if let Poll::Ready(claimed) = poll!(&mut claim) {
            // All others were quicker than we.
            put_back(&store, &claimed.unwrap()).await;
            continue;
        }
        // The writer has answered once the task runs; the next look begins to read.
        soon(async {
            while store.counts().await.unwrap().of(State::Running) == 0 {
                tokio::task::yield_now().await;
            }
        })
        .await;
        match poll!(&mut claim) {
            Poll::Pending => dropped_while_reading += 1,
            // The reader was quick, and we hold the task now.
            Poll::Ready(claimed) => put_back(&store, &claimed.unwrap()).await,
        }
        drop(claim);
        claim_again(&store, tasks[0]).await;
    }
    assert!(dropped_while_reading > 0, "not once in 20 times");
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
    let store = SqliteStore::open(options).await.unwrap();
    add(&store, submission(vec![0; 100_000], vec![NewTask::new("work")])).await;
    assert_eq!(claim(&store, 1).await.len(), 1);
}
