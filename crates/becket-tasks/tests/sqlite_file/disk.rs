//! A disk that is full.

#![cfg(target_os = "linux")]

use std::process::Command;
use std::time::Duration;

use becket_tasks::query::{Page, SubmissionFilter};
use becket_tasks::store::sqlite::{SqliteOptions, SqliteStore};
use becket_tasks::{Error, NewTask, State, Store};
use futures_util::poll;

use crate::world::{Disk, add, child, child_path, claim_of, complete, noise, payload_of, soon, submission};

/// Lets no file of this process become larger than `bytes`. The hard limit stays, so that this can be undone.
fn limit_files(bytes: &str) {
    let (pid, limit) = (std::process::id().to_string(), format!("--fsize={bytes}:"));
    let limited = Command::new("prlimit").args(["--pid", &pid, &limit]).status();
    assert!(limited.expect("prlimit, of util-linux, is there").success());
}

/// The disk is made full by a limit on this process' files, so the test has a process of its own.
#[tokio::test]
async fn g7_full_disk_refuses_then_resumes() {
    if let Some(path) = child_path() {
        return refuse_then_resume(SqliteOptions::new(path)).await;
    }
    let disk = Disk::new();
    let status = child("disk::g7_full_disk_refuses_then_resumes", &disk.path()).status().unwrap();
    assert!(status.success(), "{status}");
    let sound: String = disk.look().query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(sound, "ok");
}

async fn refuse_then_resume(options: SqliteOptions) {
    let store = SqliteStore::open(options.clone()).await.unwrap();
    let payload = |number: usize| noise(number as u64, 30_000);
    let (_, running) = add(&store, submission("running", vec![NewTask::new("work")])).await;
    let held = store.claim(claim_of(&["work"], 1, Duration::ZERO)).await.unwrap();
    let mut parked = Box::pin(store.claim(claim_of(&["later"], 9, Duration::from_secs(3_600))));
    assert!(poll!(&mut parked).is_pending());

    limit_files("1000000");
    let mut accepted = Vec::new();
    let refused = loop {
        let number = accepted.len();
        let key = Some(number.to_string().into());
        let next = becket_tasks::Submission { key, ..submission(payload(number), vec![NewTask::new("late")]) };
        match store.insert(vec![next]).await {
            Ok(inserted) => accepted.push(inserted[0].submission),
            Err(error) => break error,
        }
    };
    assert!(refused.is_temporary(), "{refused:?}");
    assert!(accepted.len() > 3, "there was room at first");
    // What needs little room is refused as well, in the end: nothing waits, nothing is tried without end.
    let small = loop {
        match store.probe().await {
            Ok(()) => {}
            Err(error) => break error,
        }
    };
    assert!(small.is_temporary(), "{small:?}");
    assert!(matches!(soon(&mut parked).await, Err(Error::Unavailable(..))), "who waits for work is told");
    let claim = store.claim(claim_of(&["late"], 1, Duration::ZERO)).await;
    assert!(matches!(claim, Err(Error::Unavailable(..))), "{claim:?}");

    // Reading goes on, and nothing is there by halves.
    let counts = store.counts().await.unwrap();
    assert_eq!((counts.of(State::Queued), counts.of(State::Running)), (accepted.len() as u64, 1));
    let listed = store.submissions(SubmissionFilter::default(), Page::first(1_000)).await.unwrap().items;
    assert_eq!(listed.len(), accepted.len() + 1);
    assert!(listed.iter().all(|one| one.tasks.len() == 1));

    limit_files("unlimited");
    // The same store, without a restart: the refused one comes again, and what ran meanwhile ends.
    let number = accepted.len();
    let key = Some(number.to_string().into());
    let next = becket_tasks::Submission { key, ..submission(payload(number), vec![NewTask::new("late")]) };
    let again = store.insert(vec![next]).await.unwrap().remove(0);
    assert!(!again.duplicate, "what was refused was not kept");
    accepted.push(again.submission);
    assert_eq!(complete(&store, &held[0]).await, becket_tasks::task::Finished::Now(State::Completed));
    assert_eq!(store.task(running[0]).await.unwrap().unwrap().attempts.len(), 1);
    let claimed = store.claim(claim_of(&["late"], 1_000, Duration::ZERO)).await.unwrap();
    assert_eq!(claimed.iter().map(|claimed| claimed.submission).collect::<Vec<_>>(), accepted);

    store.close().await.unwrap();
    let store = SqliteStore::open(options).await.unwrap();
    for (number, submission) in accepted.iter().enumerate() {
        assert_eq!(payload_of(&store, *submission).await, payload(number));
    }
    store.close().await.unwrap();
}
