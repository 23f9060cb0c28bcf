//! More tasks than a window of the schedule holds (4,096 for each kind and priority) come out in exact order.

use std::time::Duration;

use becket_tasks::store::sqlite::{SqliteOptions, SqliteStore};
use becket_tasks::submission::Due;
use becket_tasks::task::{Claimed, End, Finish, Lease};
use becket_tasks::{Clock, NewTask, Store, TaskId, Timestamp};

use crate::world::{Disk, claim_of, submission};

const NOW: i64 = 1_767_225_600_000;
const KINDS: [&str; 3] = ["a", "b", "c"];

/// What orders a task: the higher priority, then the earlier time, then the smaller id.
type Place = (i16, i64, TaskId);

struct World {
    disk: Disk,
    clock: Clock,
    store: SqliteStore,
    waiting: Vec<Place>,
}

impl World {
    async fn new() -> Self {
        let (disk, clock) = (Disk::new(), Clock::manual(Timestamp::from_millis(NOW)));
        let store = SqliteStore::open(SqliteOptions { clock: clock.clone(), ..disk.options() }).await.unwrap();
        Self { disk, clock, store, waiting: Vec::new() }
    }

    /// Adds tasks of which each has its kind, its priority and its time, in milliseconds before now.
    async fn add(&mut self, tasks: impl IntoIterator<Item = (&'static str, i8, i64)>) {
        let new: Vec<(NewTask, i8, i64)> = tasks
            .into_iter()
            .map(|(kind, priority, ago)| {
                let due = Due::At(Timestamp::from_millis(NOW - ago));
                (NewTask { priority, due, ..NewTask::new(kind) }, priority, NOW - ago)
            })
            .collect();
        let tasks = new.iter().map(|(task, ..)| task.clone()).collect();
        let inserted = self.store.insert(vec![submission("", tasks)]).await.unwrap().remove(0);
        let placed = inserted.tasks.into_iter().zip(new);
        self.waiting.extend(placed.map(|(id, (_, priority, due))| (-i16::from(priority), due, id)));
    }

    /// Claims some, which must be the best ones.
    async fn drain(&mut self, limit: usize) {
        self.waiting.sort_unstable();
        let claimed = self.store.claim(claim_of(&KINDS, limit, Duration::ZERO)).await.unwrap();
        let rest = self.waiting.split_off(limit.min(self.waiting.len()));
        let expected: Vec<TaskId> = std::mem::replace(&mut self.waiting, rest).into_iter().map(|(.., id)| id).collect();
        let end = || End::Completed { result: None, result_ttl: Duration::ZERO };
        let lease = |claimed: &Claimed| Lease { task: claimed.id, attempt: claimed.attempt };
        let finishes = claimed.iter().map(|claimed| Finish { lease: lease(claimed), end: end() }).collect();
        self.store.finish(finishes).await.unwrap();
        let claimed: Vec<TaskId> = claimed.into_iter().map(|claimed| claimed.id).collect();
        let differs = claimed.iter().zip(&expected).position(|(claimed, expected)| claimed != expected);
        assert_eq!(differs, None, "with {} left", self.waiting.len());
        assert_eq!(claimed.len(), expected.len());
    }

    async fn drain_all(&mut self) {
        while !self.waiting.is_empty() {
            self.drain(997).await;
        }
        assert!(self.store.claim(claim_of(&KINDS, 9, Duration::ZERO)).await.unwrap().is_empty());
    }

    async fn reopen(&mut self) {
        self.store.close().await.unwrap();
        let options = SqliteOptions { clock: self.clock.clone(), ..self.disk.options() };
        self.store = SqliteStore::open(options).await.unwrap();
    }
}

/// One large level, and smaller ones beside it; `ago` gives the order of insertion.
fn tasks(ago: impl Fn(i64) -> i64) -> Vec<(&'static str, i8, i64)> {
    let task = |number: i64| match number % 10 {
        0 => ("b", 0, ago(number)),
        1 => ("a", 3, ago(number)),
        2 => ("c", -1, ago(number)),
        _ => ("a", 0, ago(number)),
    };
    (0..8_000).map(task).collect()
}

#[tokio::test]
async fn tasks_inserted_in_the_order_of_their_times() {
    let mut world = World::new().await;
    world.add(tasks(|number| 10_000 - number)).await;
    world.drain_all().await;
}

#[tokio::test]
async fn tasks_inserted_in_reverse_order() {
    let mut world = World::new().await;
    world.add(tasks(|number| number)).await;
    world.drain_all().await;
}

#[tokio::test]
async fn tasks_of_one_time_come_in_the_order_of_their_ids() {
    let mut world = World::new().await;
    world.add(tasks(|_| 0)).await;
    world.drain_all().await;
}

#[tokio::test]
async fn tasks_read_back_after_a_restart() {
    let mut world = World::new().await;
    world.add(tasks(|number| number * 7_919 % 8_000)).await;
    world.drain(2_500).await;
    world.reopen().await;
    world.drain_all().await;
}

#[tokio::test]
async fn tasks_inserted_while_others_are_claimed() {
    let mut world = World::new().await;
    world.add(tasks(|number| number * 7_919 % 8_000)).await;
    for turn in 0..8_i64 {
        world.drain(400).await;
        // Some before all others, some among them, some after; and some that are no longer wanted.
        world.add((0..300).map(|number| ("a", 0, (number * 37 + turn * 1_009) % 12_000))).await;
        world.add([("c", 9, 1), ("b", 3, 20_000)]).await;
        let unwanted: Vec<TaskId> = world.waiting.iter().skip(3).step_by(53).map(|(.., id)| *id).collect();
        assert_eq!(world.store.cancel(unwanted.clone(), "no more".into()).await.unwrap(), unwanted);
        world.waiting.retain(|(.., id)| !unwanted.contains(id));
    }
    world.drain_all().await;
}
