//! Redeliveries are recognised however long ago the first came: after keys were sealed, and after a restart.

use std::time::Duration;

use becket_tasks::query::{Page, Retention, SubmissionFilter};
use becket_tasks::store::Store;
use becket_tasks::store::sqlite::{SqliteOptions, SqliteStore};
use becket_tasks::{Clock, Submission, Timestamp};
use rusqlite::Connection;

use crate::world::{Disk, submission};

/// More than are kept in memory before they are sealed, by two segments and a half.
const MANY: usize = 80_000;
const STEP: usize = 4_000;

fn keyed(numbers: std::ops::Range<usize>) -> Vec<Submission> {
    let keyed = |number| Submission { key: Some(format!("key {number}").into()), ..submission("", Vec::new()) };
    numbers.map(keyed).collect()
}

async fn insert_many(store: &SqliteStore) {
    for first in (0..MANY).step_by(STEP) {
        let inserted = store.insert(keyed(first..first + STEP)).await.unwrap();
        assert!(inserted.iter().all(|one| !one.duplicate));
    }
}

fn segments(disk: &Disk) -> i64 {
    let look: Connection = disk.look();
    look.query_row("SELECT count(*) FROM key_segments", [], |row| row.get(0)).unwrap()
}

#[tokio::test]
async fn g2_redelivery_is_recognised_after_sealing_and_after_a_restart() {
    let disk = Disk::new();
    let store = disk.open().await;
    insert_many(&store).await;
    assert_eq!(segments(&disk), 2);
    let sampled = |first: usize| keyed(first..first + 1).remove(0);
    let firsts: Vec<_> = store.insert((0..MANY).step_by(997).map(sampled).collect()).await.unwrap();
    assert!(firsts.iter().all(|one| one.duplicate));
    store.close().await.unwrap();

    let store = disk.open().await;
    let again = store.insert((0..MANY).step_by(997).map(sampled).collect()).await.unwrap();
    for (first, again) in firsts.iter().zip(&again) {
        assert!(again.duplicate);
        assert_eq!(again.submission, first.submission);
    }
    assert!(!store.insert(keyed(MANY..MANY + 1)).await.unwrap()[0].duplicate);
    store.close().await.unwrap();
}

#[tokio::test]
async fn submission_is_found_by_its_key_wherever_the_key_lies() {
    let disk = Disk::new();
    let store = disk.open().await;
    insert_many(&store).await;
    for number in [0, 40_000, MANY - 1] {
        let key = format!("key {number}");
        let filter = SubmissionFilter { key: Some(key.as_str().into()), ..SubmissionFilter::default() };
        let found = store.submissions(filter, Page::first(10)).await.unwrap().items;
        assert_eq!(found.len(), 1, "{key}");
        assert_eq!(found[0].key.as_deref(), Some(key.as_str()));
    }
    store.close().await.unwrap();
}

#[tokio::test]
async fn keys_go_with_their_submissions() {
    let disk = Disk::new();
    let clock = Clock::manual(Timestamp::from_millis(1_800_000_000_000));
    let store = SqliteStore::open(SqliteOptions { clock: clock.clone(), ..disk.options() }).await.unwrap();
    insert_many(&store).await;
    clock.advance(Duration::from_secs(100));
    let retention = Retention { age: Duration::from_secs(10), finished_max: 0 };
    while store.prune(retention).await.unwrap().more {}
    assert_eq!(segments(&disk), 0);
    assert!(!store.insert(keyed(0..1)).await.unwrap()[0].duplicate, "what is forgotten is new again");
    store.close().await.unwrap();
}
