//! Payloads: in blocks, one a commit; gone when none of a block is wanted, and nowhere once erased.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use becket_tasks::query::Retention;
use becket_tasks::store::sqlite::SqliteOptions;
use becket_tasks::{Clock, Store, Timestamp};
use futures_util::future::join_all;

use crate::world::{Disk, add, noise, payload_of, submission};

fn contains(file: &[u8], bytes: &[u8]) -> bool {
    file.windows(bytes.len()).any(|window| window == bytes)
}

#[tokio::test]
async fn concurrent_submissions_share_blocks() {
    let disk = Disk::new();
    let store = disk.open().await;
    let payload = |number: u64| noise(number, 200 + usize::try_from(number).unwrap());
    let inserts = (0..400).map(|number| store.insert(vec![submission(payload(number), Vec::new())]));
    let inserted = join_all(inserts).await;
    let blocks = disk.number("SELECT count(*) FROM blocks");
    assert!(blocks <= 40, "{blocks} blocks for 400 submissions");
    for (number, inserted) in inserted.into_iter().enumerate() {
        let submission = inserted.unwrap()[0].submission;
        assert_eq!(payload_of(&store, submission).await, payload(number as u64));
    }
}

#[tokio::test]
async fn block_is_cut_at_its_target_size() {
    let disk = Disk::new();
    let store = disk.open().await;
    let all = (0..30).map(|number| submission(noise(number, 50_000), Vec::new())).collect();
    let inserted = store.insert(all).await.unwrap();
    // The sixth payload makes it 300 KB, the first size beyond 256 KiB.
    assert_eq!(disk.number("SELECT count(*) FROM blocks"), 5);
    assert_eq!(disk.number("SELECT max(raw_bytes) FROM blocks"), 6 * (50_000 + 4));
    for (number, inserted) in inserted.into_iter().enumerate() {
        assert_eq!(payload_of(&store, inserted.submission).await, noise(number as u64, 50_000));
    }
}

#[tokio::test]
async fn block_goes_when_none_of_its_payloads_is_wanted() {
    let disk = Disk::new();
    let clock = Clock::manual(Timestamp::from_millis(1_767_225_600_000));
    let options = SqliteOptions { clock: clock.clone(), ..disk.options() };
    let store = becket_tasks::store::sqlite::SqliteStore::open(options).await.unwrap();
    let task = becket_tasks::NewTask::new("work");
    let three = [vec![], vec![task], vec![]].map(|tasks| submission(noise(1, 1_000), tasks));
    let inserted = store.insert(three.into()).await.unwrap();
    clock.advance(Duration::from_secs(10));
    let retention = Retention { age: Duration::from_secs(5), finished_max: u64::MAX };
    assert_eq!(store.prune(retention).await.unwrap().submissions, 2);
    assert_eq!(disk.number("SELECT wanted FROM blocks"), 1);
    assert_eq!(payload_of(&store, inserted[1].submission).await, noise(1, 1_000));
    store.cancel(inserted[1].tasks.clone(), "no more".into()).await.unwrap();
    store.purge(inserted[1].tasks.clone()).await.unwrap();
    assert_eq!(store.prune(retention).await.unwrap().submissions, 1);
    assert_eq!(disk.number("SELECT count(*) FROM blocks"), 0);
}

#[tokio::test]
async fn block_goes_with_the_last_finished_task_that_is_kept() {
    let disk = Disk::new();
    let store = disk.open().await;
    let three = [1, 2, 3].map(|number| submission(noise(number, 1_000), vec![becket_tasks::NewTask::new("work")]));
    let inserted = store.insert(three.into()).await.unwrap();
    for (ended, left) in [(0, Some(2)), (1, Some(1)), (2, None)] {
        store.cancel(inserted[ended].tasks.clone(), "no more".into()).await.unwrap();
        let pruned = store.prune(Retention { age: Duration::from_secs(3_600), finished_max: 0 }).await.unwrap();
        assert_eq!((pruned.tasks, pruned.submissions), (1, 0));
        assert_eq!(payload_of(&store, inserted[ended].submission).await, "");
        match left {
            Some(wanted) => assert_eq!(disk.number("SELECT wanted FROM blocks"), wanted),
            None => assert_eq!(disk.number("SELECT count(*) FROM blocks"), 0),
        }
    }
    assert_eq!(disk.number("SELECT count(*) FROM submissions"), 3, "redeliveries are still recognised");
}

#[tokio::test]
async fn erased_payload_is_nowhere_in_the_file() {
    let disk = Disk::new();
    let store = disk.open().await;
    let secret = noise(7, 9_000);
    let all = [noise(1, 5_000), secret.clone(), noise(2, 5_000)].map(|payload| submission(payload, Vec::new()));
    let inserted = store.insert(all.into()).await.unwrap();
    store.close().await.unwrap();
    let pieces: Vec<&[u8]> = secret.chunks(24).take(300).collect();
    let file = std::fs::read(disk.path()).unwrap();
    assert!(pieces.iter().filter(|piece| contains(&file, piece)).count() > 250, "noise is stored as it is");

    let store = disk.open().await;
    assert_eq!(store.erase(vec![inserted[1].submission]).await.unwrap(), [inserted[1].submission]);
    assert_eq!(payload_of(&store, inserted[0].submission).await, noise(1, 5_000));
    assert_eq!(payload_of(&store, inserted[1].submission).await, "");
    assert_eq!(payload_of(&store, inserted[2].submission).await, noise(2, 5_000));
    store.close().await.unwrap();
    let file = std::fs::read(disk.path()).unwrap();
    assert!(!pieces.iter().any(|piece| contains(&file, piece)), "neither in the new block nor in a free page");
    assert!(std::fs::metadata(disk.beside("wal")).is_err(), "nor in a log");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_never_see_wrong_bytes_while_payloads_are_erased() {
    let disk = Disk::new();
    let store = disk.open().await;
    let payload = |number: usize| noise(number as u64, 500 + 13 * number);
    let inserted = store.insert((0..60).map(|number| submission(payload(number), Vec::new())).collect()).await.unwrap();
    let submissions: Vec<_> = inserted.iter().map(|inserted| inserted.submission).collect();
    let is_over = AtomicBool::new(false);
    let read = async {
        let mut read = 0;
        while !is_over.load(Ordering::SeqCst) {
            for (number, submission) in submissions.iter().enumerate() {
                let found = payload_of(&store, *submission).await;
                assert!(found.is_empty() || found == payload(number), "payload {number}");
                read += 1;
            }
        }
        read
    };
    let erase = async {
        for submission in submissions.iter().step_by(2) {
            store.erase(vec![*submission]).await.unwrap();
        }
        is_over.store(true, Ordering::SeqCst);
    };
    let (read, ()) = tokio::join!(read, erase);
    assert!(read >= submissions.len());
    for (number, submission) in submissions.iter().enumerate() {
        let expected = if number % 2 == 0 { Vec::new() } else { payload(number) };
        assert_eq!(payload_of(&store, *submission).await, expected);
    }
    // What is claimed again goes through the same blocks.
    add(&store, submission("still here", Vec::new())).await;
}
