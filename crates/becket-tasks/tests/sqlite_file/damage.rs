//! Damage that shows only at run time: an error that says so, never a panic, never other bytes than were stored.

use becket_tasks::query::{Page, SubmissionFilter, TaskFilter};
use becket_tasks::store::sqlite::SqliteStore;
use becket_tasks::{Error, NewTask, State, Store};

use crate::world::{Disk, add, claim, claim_of, complete, noise, submission};

#[tokio::test]
async fn damaged_payload_fails_its_tasks_alone_and_says_why() {
    let disk = Disk::new();
    let store = disk.open().await;
    let payload = noise(1, 20_000);
    let (damaged, tasks) = add(&store, submission(payload.clone(), vec![NewTask::new("work")])).await;
    let (_, whole) = add(&store, submission("whole", vec![NewTask::new("work")])).await;
    store.close().await.unwrap();

    let mut file = std::fs::read(disk.path()).unwrap();
    let place = file.windows(16).position(|bytes| *bytes == payload[10_000..10_016]).unwrap();
    file[place] ^= 1;
    std::fs::write(disk.path(), file).unwrap();

    let store = disk.open().await;
    let claimed = claim(&store, 10).await;
    assert_eq!(claimed.iter().map(|claimed| claimed.id).collect::<Vec<_>>(), whole);
    assert_eq!(claimed[0].payload, "whole");
    let task = store.task(tasks[0]).await.unwrap().unwrap().task;
    assert_eq!(task.state(), State::Failed);
    assert!(task.error.unwrap().starts_with("its payload cannot be read: block "));
    assert!(matches!(store.payload(damaged).await, Err(Error::Corrupt(_))));
}

/// Everything that touches rows; the errors that come of it.
async fn use_all(store: &SqliteStore) -> Vec<Error> {
    let mut errors = Vec::new();
    let listed = store.tasks(TaskFilter::default(), Page::first(1_000)).await.map_err(|error| errors.push(error));
    for task in listed.map_or(Vec::new(), |listed| listed.items) {
        errors.extend(store.task(task.id).await.err());
        errors.extend(store.payload(task.submission).await.err());
    }
    errors.extend(store.submissions(SubmissionFilter::default(), Page::first(1_000)).await.err());
    errors.extend(store.counts().await.err());
    errors.extend(store.insert(vec![submission("new", vec![NewTask::new("work")])]).await.err());
    match store.claim(claim_of(&["work"], 1_000, std::time::Duration::ZERO)).await {
        Ok(claimed) => {
            let ids = claimed.iter().map(|claimed| claimed.id).collect();
            errors.extend(store.cancel(ids, "no more".into()).await.err());
        }
        Err(error) => errors.push(error),
    }
    errors.extend(store.probe().await.err());
    errors
}

#[tokio::test]
async fn whichever_page_is_damaged_it_is_an_error_that_says_so() {
    let disk = Disk::with_closed_store(40).await;
    let store = disk.open().await;
    for claimed in claim(&store, 20).await {
        complete(&store, &claimed).await;
    }
    add(&store, submission(noise(1, 20_000), vec![NewTask::new("work")])).await;
    store.close().await.unwrap();
    let whole = std::fs::read(disk.path()).unwrap();
    let mut told = 0;
    for page in 1..whole.len() / 4_096 {
        let damaged = Disk::new();
        let mut file = whole.clone();
        file[page * 4_096..(page + 1) * 4_096].fill(0xa5);
        std::fs::write(damaged.path(), file).unwrap();
        let errors = match SqliteStore::open(damaged.options()).await {
            Ok(store) => use_all(&store).await,
            Err(error) => vec![error],
        };
        told += usize::from(!errors.is_empty());
        let is_said = |error: &Error| matches!(error, Error::Corrupt(_));
        assert!(errors.iter().all(is_said), "page {page}: {errors:?}");
    }
    assert!(told > 10, "{told} of {} pages", whole.len() / 4_096);
}
