//! Everything at once on one file: submitting, claiming, ending, cancelling, requeueing, erasing, pruning.

use std::io::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use becket_tasks::query::Retention;
use becket_tasks::store::sqlite::SqliteStore;
use becket_tasks::submission::Due;
use becket_tasks::task::{Claimed, End, Finish, Lease};
use becket_tasks::{NewTask, State, Store, Submission, SubmissionId, TaskId};
use futures_util::future::join_all;

use crate::world::{Disk, claim_of, soon, submission};

const LASTS: Duration = Duration::from_secs(3);
const KINDS: [&str; 3] = ["a", "b", "c"];

/// What all share.
struct World {
    store: SqliteStore,
    known: Mutex<Vec<(SubmissionId, TaskId)>>,
    accepted: AtomicU64,
    claimed: AtomicU64,
    is_over: AtomicBool,
}

/// The payload that goes with a key: its size, and each byte, tell which it is.
fn payload(key: &str) -> Vec<u8> {
    let number: usize = key.parse().unwrap();
    key.bytes().cycle().take(number % 3_000).collect()
}

fn check(claimed: &Claimed, erased: bool) {
    let key = claimed.key.as_ref().unwrap();
    assert!(claimed.payload == payload(key) || (erased && claimed.payload.is_empty()), "payload of {key}");
}

impl World {
    fn goes_on(&self) -> bool {
        !self.is_over.load(Ordering::Relaxed)
    }

    fn any(&self, random: &mut fastrand::Rng) -> Option<(SubmissionId, TaskId)> {
        let known = self.known.lock().unwrap();
        (!known.is_empty()).then(|| known[random.usize(..known.len())])
    }

    async fn submit(&self, mut random: fastrand::Rng) {
        while self.goes_on() {
            let some = random.usize(1..4);
            let new: Vec<Submission> = (0..some).map(|_| self.new_submission(&mut random)).collect();
            for inserted in self.store.insert(new).await.unwrap() {
                let tasks = inserted.tasks.iter().map(|task| (inserted.submission, *task));
                self.known.lock().unwrap().extend(tasks);
                self.accepted.fetch_add(u64::from(!inserted.duplicate), Ordering::Relaxed);
            }
        }
    }

    fn new_submission(&self, random: &mut fastrand::Rng) -> Submission {
        // Some come twice.
        let key = random.u64(..).to_string();
        let task = |random: &mut fastrand::Rng| NewTask {
            priority: random.i8(-1..2),
            max_attempts: random.u32(1..4),
            due: if random.u8(..4) == 0 { Due::After(Duration::from_millis(random.u64(..50))) } else { Due::Now },
            ..NewTask::new(KINDS[random.usize(..3)])
        };
        let tasks = (0..random.usize(..4)).map(|_| task(random)).collect();
        Submission { key: Some(key.as_str().into()), ..submission(payload(&key), tasks) }
    }

    async fn work(&self, mut random: fastrand::Rng) {
        while self.goes_on() {
            let wait = Duration::from_millis(random.u64(..20));
            let claim = self.store.claim(claim_of(&KINDS, random.usize(1..20), wait));
            // Some claimers lose patience.
            let patience = Duration::from_micros(if random.u8(..4) == 0 { random.u64(..2_000) } else { 10_000_000 });
            let Ok(claimed) = tokio::time::timeout(patience, claim).await else { continue };
            let claimed = claimed.unwrap();
            claimed.iter().for_each(|claimed| check(claimed, true));
            self.claimed.fetch_add(claimed.len() as u64, Ordering::Relaxed);
            let finish = |claimed: &Claimed, random: &mut fastrand::Rng| Finish {
                lease: Lease { task: claimed.id, attempt: claimed.attempt },
                end: end(random),
            };
            let finishes = claimed.iter().map(|claimed| finish(claimed, &mut random)).collect();
            self.store.finish(finishes).await.unwrap();
        }
    }

    async fn intervene(&self, mut random: fastrand::Rng) {
        while self.goes_on() {
            let Some((submission, task)) = self.any(&mut random) else {
                tokio::task::yield_now().await;
                continue;
            };
            match random.u8(..6) {
                0 => drop(self.store.cancel(vec![task], "no more".into()).await.unwrap()),
                1 => drop(self.store.requeue(vec![task]).await.unwrap()),
                2 => drop(self.store.purge(vec![task]).await.unwrap()),
                3 => drop(self.store.erase(vec![submission]).await.unwrap()),
                4 => drop(self.store.append(submission, vec![NewTask::new("a")]).await.unwrap()),
                _ => drop(self.store.task(task).await.unwrap()),
            }
        }
    }

    async fn maintain(&self) {
        while self.goes_on() {
            let retention = Retention { age: Duration::from_millis(500), finished_max: 2_000 };
            self.store.prune(retention).await.unwrap();
            self.store.reclaim_expired().await.unwrap();
            self.store.counts().await.unwrap();
        }
    }

    /// Runs all that is left to its end.
    async fn drain(&self) {
        let unfinished = || async { self.store.counts().await.unwrap().unfinished() };
        while unfinished().await > 0 {
            let claimed = self.store.claim(claim_of(&KINDS, 500, Duration::from_millis(200))).await.unwrap();
            claimed.iter().for_each(|claimed| check(claimed, true));
            let done = |claimed: &Claimed| Finish {
                lease: Lease { task: claimed.id, attempt: claimed.attempt },
                end: End::Completed { result: None, result_ttl: Duration::ZERO },
            };
            self.store.finish(claimed.iter().map(done).collect()).await.unwrap();
        }
    }
}

fn end(random: &mut fastrand::Rng) -> End {
    let due = Due::After(Duration::from_millis(random.u64(..20)));
    match random.u8(..8) {
        0 => End::Retry { due, error: "it went wrong".into() },
        1 => End::GiveUp { error: "it is no use".into() },
        2 => End::Park { due, reason: "rate limit".into() },
        3 => End::Release,
        _ => End::Completed { result: Some("1".into()), result_ttl: Duration::from_millis(random.u64(..1_000)) },
    }
}

/// What must hold in the file whenever nothing is being written.
fn check_file(disk: &Disk) {
    let none = |what: &str, query: &str| assert_eq!(disk.number(query), 0, "{what}");
    none(
        "totals out of step",
        "SELECT count(*) FROM totals o WHERE tasks <> (SELECT count(*) FROM tasks t WHERE t.state = o.state)",
    );
    none(
        "blocks that count their payloads wrongly",
        "SELECT count(*) FROM blocks b WHERE wanted <> (SELECT count(*) FROM submissions s WHERE s.block = b.id)",
    );
    none("payloads without a block", "SELECT count(*) FROM submissions WHERE block NOT IN (SELECT id FROM blocks)");
    none(
        "tasks without a submission",
        "SELECT count(*) FROM tasks WHERE submission NOT IN (SELECT id FROM submissions)",
    );
    none("results of no task", "SELECT count(*) FROM results WHERE task NOT IN (SELECT id FROM tasks)");
    none("attempts of no task", "SELECT count(*) FROM attempts WHERE task NOT IN (SELECT id FROM tasks)");
    none("replays that are gone", "SELECT count(*) FROM appended WHERE task NOT IN (SELECT id FROM tasks)");
    let sound: String = disk.look().query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(sound, "ok");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_mixed_up_or_miscounted_when_all_happens_at_once() {
    let seed = fastrand::u64(..);
    let mut out = std::io::stdout();
    writeln!(out, "seed {seed}").unwrap();
    let disk = Disk::new();
    let world = World {
        store: disk.open().await,
        known: Mutex::default(),
        accepted: AtomicU64::new(0),
        claimed: AtomicU64::new(0),
        is_over: AtomicBool::new(false),
    };
    let random = |number: u64| fastrand::Rng::with_seed(seed.wrapping_add(number));
    let began = Instant::now();
    let until = async {
        tokio::time::sleep(LASTS).await;
        world.is_over.store(true, Ordering::Relaxed);
    };
    tokio::join!(
        until,
        join_all((0..4).map(|number| world.submit(random(number)))),
        join_all((10..13).map(|number| world.work(random(number)))),
        join_all((20..22).map(|number| world.intervene(random(number)))),
        world.maintain(),
    );
    let (accepted, claimed) = (world.accepted.load(Ordering::Relaxed), world.claimed.load(Ordering::Relaxed));
    assert!(accepted > 100 && claimed > 100, "{accepted} accepted, {claimed} claimed");
    soon(world.drain()).await;
    let counts = world.store.counts().await.unwrap();
    assert_eq!(counts.unfinished(), 0);
    assert_eq!(counts.of(State::Running), 0);
    check_file(&disk);
    soon(world.store.close()).await.unwrap();
    check_file(&disk);
    assert!(began.elapsed() < Duration::from_secs(40));
}
