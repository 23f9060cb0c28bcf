//! Group commit: its bound, its measures, its levels, and a log that somebody reads.

use std::task::Poll;
use std::time::{Duration, Instant};

use becket_tasks::store::sqlite::{SqliteOptions, SqliteStore};
use becket_tasks::store::{Description, Durability};
use becket_tasks::{Error, NewTask, Store};
use futures_util::future::join_all;
use futures_util::poll;

use crate::world::{Disk, add, claim, complete, noise, open_when_free, soon, submission};

#[tokio::test]
async fn full_queue_is_busy_until_the_writer_goes_on() {
    let disk = Disk::new();
    let options = SqliteOptions { waiting_max: 8, waiting_kibibytes_max: 64, ..disk.options() };
    let store = SqliteStore::open(options).await.unwrap();
    // Another program holds the file, so that the writer waits.
    let other = rusqlite::Connection::open(disk.path()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();

    // Before it comes to wait, it may take all that is there a few times.
    let mut waiting = Vec::new();
    let mut full_since = Instant::now();
    while full_since.elapsed() < Duration::from_millis(200) {
        let mut next = Box::pin(store.insert(vec![submission(vec![b'x'; 1_000], Vec::new())]));
        match poll!(&mut next) {
            Poll::Pending => {
                waiting.push(next);
                full_since = Instant::now();
            }
            Poll::Ready(Err(Error::Busy)) => std::thread::yield_now(),
            Poll::Ready(answer) => panic!("{answer:?}"),
        }
    }
    assert!((8..100).contains(&waiting.len()), "{}", waiting.len());
    let large = store.insert(vec![submission(vec![b'x'; 1_000_000], Vec::new())]).await;
    assert!(matches!(large, Err(Error::Busy)));

    other.execute_batch("COMMIT").unwrap();
    let accepted = waiting.len();
    for answer in soon(join_all(waiting)).await {
        answer.unwrap();
    }
    assert_eq!(disk.number("SELECT count(*) FROM submissions"), i64::try_from(accepted).unwrap());
    add(&store, submission(vec![b'x'; 1_000_000], Vec::new())).await;
}

#[tokio::test]
async fn measures_tell_size_and_time_of_commits() {
    let disk = Disk::new();
    let store = disk.open().await;
    assert_eq!(store.measures().size.snapshot().count(), 0);
    join_all((0..100).map(|_| store.insert(vec![submission("", Vec::new())]))).await;
    let (size, seconds) = (store.measures().size.snapshot(), store.measures().seconds.snapshot());
    assert!((size.sum - 100.0).abs() < 0.5, "each operation counts once: {size:?}");
    assert!(size.count() < 100, "many commit together: {size:?}");
    assert_eq!(seconds.count(), size.count());
    assert!(seconds.sum > 0.0);
    // What changes nothing is no commit, once the names that a claim brings are known.
    let commits_of_a_claim = async || {
        let before = store.measures().size.snapshot().count();
        claim(&store, 1).await;
        // A round is measured before it is answered, unless it has nothing to commit.
        store.counts().await.unwrap();
        store.probe().await.unwrap();
        store.measures().size.snapshot().count() - before
    };
    assert_eq!(commits_of_a_claim().await, 2, "the claim's and the probe's");
    assert_eq!(commits_of_a_claim().await, 1, "the probe's");
}

#[tokio::test]
async fn every_durability_is_described_and_survives_its_process() {
    for durability in [Durability::PowerLoss, Durability::ProcessCrash, Durability::Memory] {
        let disk = Disk::new();
        let options = SqliteOptions { durability, ..disk.options() };
        let store = SqliteStore::open(options.clone()).await.unwrap();
        assert_eq!(store.description(), Description { kind: "sqlite", durability });
        add(&store, submission("payload", vec![NewTask::new("work")])).await;
        drop(store);
        let store = open_when_free(options).await;
        let claimed = claim(&store, 1).await;
        assert_eq!(claimed[0].payload, "payload");
        complete(&store, &claimed[0]).await;
    }
}

/// A program that reads for long makes the log grow; nothing else suffers, and afterwards the log is short again.
#[tokio::test]
async fn long_reader_stops_nothing_and_leaves_no_large_log_behind() {
    const KEPT: u64 = 64 * 1024 * 1024;
    let disk = Disk::new();
    let options = SqliteOptions { durability: Durability::ProcessCrash, ..disk.options() };
    let store = SqliteStore::open(options).await.unwrap();
    let log = || std::fs::metadata(disk.beside("wal")).unwrap().len();
    let payload = noise(1, 1024 * 1024);
    let reader = disk.look();
    reader.execute_batch("BEGIN; SELECT count(*) FROM submissions").unwrap();
    while log() <= KEPT + KEPT / 8 {
        add(&store, submission(payload.clone(), Vec::new())).await;
    }
    let held = log();
    drop(reader);
    soon(async {
        while log() > KEPT {
            add(&store, submission("", Vec::new())).await;
        }
    })
    .await;
    assert!(log() <= KEPT && held > KEPT);
    // And it does not grow again.
    for _ in 0..16 {
        add(&store, submission(payload.clone(), Vec::new())).await;
    }
    assert!(log() <= KEPT);
    soon(store.close()).await.unwrap();
    assert!(std::fs::metadata(disk.beside("wal")).is_err());
}

/// A person who reads with the shell while work goes on.
#[tokio::test]
async fn short_readers_do_not_keep_the_log_from_being_moved() {
    let disk = Disk::new();
    let store = disk.open().await;
    let payload = noise(1, 128 * 1024);
    for _ in 0..256 {
        add(&store, submission(payload.clone(), Vec::new())).await;
        assert!(disk.number("SELECT count(*) FROM submissions") > 0);
    }
    // 32 MiB went through it.
    let log = std::fs::metadata(disk.beside("wal")).unwrap().len();
    assert!(log < 24 * 1024 * 1024, "{log}");
    assert!(tokio::time::timeout(Duration::from_secs(20), store.close()).await.is_ok());
}
