//! Names of workers: each process has one of its own, and they must not be kept for ever.

use std::time::Duration;

use becket_tasks::query::Retention;
use becket_tasks::{NewTask, Store};

use crate::world::{Disk, add, claim, complete, submission};

const RETENTION: Retention = Retention { age: Duration::from_secs(3_600), finished_max: u64::MAX };
const NAMES: &str = "SELECT count(*) FROM workers";

/// As many processes as this come and go, and leave nothing but their names.
fn add_names(disk: &Disk, names: u32) {
    disk.tamper(&format!(
        "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < {names}) \
         INSERT INTO workers (name) SELECT 'process ' || (SELECT count(*) FROM workers) || '.' || i FROM n"
    ));
}

#[tokio::test]
async fn names_of_workers_go_unless_an_attempt_tells_of_them() {
    let disk = Disk::new();
    let store = disk.open().await;
    let (_, tasks) = add(&store, submission("", vec![NewTask::new("work")])).await;
    let claimed = claim(&store, 1).await;
    complete(&store, &claimed[0]).await;
    let worker = store.task(tasks[0]).await.unwrap().unwrap().attempts[0].worker.clone();
    store.close().await.unwrap();

    add_names(&disk, 1_999);
    let store = disk.open().await;
    store.prune(RETENTION).await.unwrap();
    assert_eq!(disk.number(NAMES), 2_000, "while there are few nobody searches");
    store.close().await.unwrap();

    add_names(&disk, 500);
    let store = disk.open().await;
    store.prune(RETENTION).await.unwrap();
    assert_eq!(disk.number(NAMES), 1_001);
    assert_eq!(store.task(tasks[0]).await.unwrap().unwrap().attempts[0].worker, worker);
    let late = "SELECT count(*) FROM workers WHERE name = 'process 2000.500'";
    assert_eq!(disk.number(late), 1, "the latest are kept");
    store.close().await.unwrap();
}
