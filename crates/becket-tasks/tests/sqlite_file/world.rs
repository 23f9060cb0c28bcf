//! A folder with one store's file in it, and the few words that the tests are written in.

use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::Arc;
use std::time::Duration;

use becket_tasks::store::sqlite::{SqliteOptions, SqliteStore};
use becket_tasks::store::{Claim, Store};
use becket_tasks::task::{Claimed, End, Finish, Finished, Lease, WorkerId};
use becket_tasks::{Error, NewTask, Submission, SubmissionId, TaskId};
use rusqlite::{Connection, OpenFlags};
use tempfile::TempDir;

pub(crate) const LEASE: Duration = Duration::from_secs(30);
/// After this long a test gives up waiting for what must happen.
const PATIENCE: Duration = Duration::from_secs(30);
/// Set in the processes that tests start of themselves.
const CHILD: &str = "BECKET_TEST_CHILD";

pub(crate) struct Disk {
    folder: TempDir,
}

impl Disk {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("tasks.db")
    }

    pub(crate) fn beside(&self, suffix: &str) -> PathBuf {
        self.folder.path().join(format!("tasks.db-{suffix}"))
    }

    pub(crate) fn options(&self) -> SqliteOptions {
        SqliteOptions::new(self.path())
    }

    pub(crate) async fn open(&self) -> SqliteStore {
        SqliteStore::open(self.options()).await.unwrap()
    }

    /// A store of a released file, with so many queued tasks in it, that is closed again.
    pub(crate) async fn with_closed_store(tasks: usize) -> Self {
        let disk = Self::new();
        let store = disk.open().await;
        for number in 0..tasks {
            add(&store, submission(number.to_string(), vec![NewTask::new("work")])).await;
        }
        store.close().await.unwrap();
        disk
    }

    /// Looks into the file as the `sqlite3` shell does.
    pub(crate) fn look(&self) -> Connection {
        Connection::open_with_flags(self.path(), OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap()
    }

    /// Changes the file behind the store's back.
    pub(crate) fn tamper(&self, statements: &str) {
        Connection::open(self.path()).unwrap().execute_batch(statements).unwrap();
    }

    pub(crate) fn number(&self, query: &str) -> i64 {
        self.look().query_row(query, [], |row| row.get(0)).unwrap()
    }
}

pub(crate) fn submission(payload: impl Into<bytes::Bytes>, tasks: Vec<NewTask>) -> Submission {
    Submission {
        source: "github".into(),
        event: "issues".into(),
        action: Some("opened".into()),
        key: None,
        meta: bytes::Bytes::from_static(b"meta"),
        payload: payload.into(),
        tasks,
    }
}

/// Bytes that do not compress, the same for each seed.
pub(crate) fn noise(seed: u64, bytes: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(seed);
    (0..bytes).map(|_| random.u8(..)).collect()
}

pub(crate) async fn add(store: &SqliteStore, submission: Submission) -> (SubmissionId, Vec<TaskId>) {
    let inserted = store.insert(vec![submission]).await.unwrap().remove(0);
    (inserted.submission, inserted.tasks)
}

pub(crate) fn claim_of(kinds: &[&str], limit: usize, wait: Duration) -> Claim {
    Claim {
        worker: WorkerId::new("w"),
        kinds: kinds.iter().map(|kind| Arc::from(*kind)).collect(),
        limit,
        lease: LEASE,
        wait,
        rules: Arc::default(),
    }
}

pub(crate) async fn claim(store: &SqliteStore, limit: usize) -> Vec<Claimed> {
    store.claim(claim_of(&["work"], limit, Duration::ZERO)).await.unwrap()
}

pub(crate) async fn complete(store: &SqliteStore, claimed: &Claimed) -> Finished {
    let end = End::Completed { result: Some("{\"done\":true}".into()), result_ttl: Duration::from_secs(3_600) };
    let lease = Lease { task: claimed.id, attempt: claimed.attempt };
    store.finish(vec![Finish { lease, end }]).await.unwrap().remove(0)
}

pub(crate) async fn payload_of(store: &SqliteStore, submission: SubmissionId) -> bytes::Bytes {
    store.payload(submission).await.unwrap().unwrap().payload
}

/// Awaits what must happen, and fails the test when it does not.
pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("what must happen did not happen")
}

/// Opens a file as soon as the one that had it open is gone.
pub(crate) async fn open_when_free(options: SqliteOptions) -> SqliteStore {
    soon(async {
        loop {
            match SqliteStore::open(options.clone()).await {
                Err(Error::Locked(_)) => tokio::task::yield_now().await,
                opened => break opened.unwrap(),
            }
        }
    })
    .await
}

/// Whether this process was started by [`child`], and for which file.
pub(crate) fn child_path() -> Option<PathBuf> {
    std::env::var_os(CHILD).map(PathBuf::from)
}

/// The command that runs the test `name` again, in a process of its own that finds `path` in [`child_path`].
///
/// Through a shell in which files may become too large without a deadly signal, as on a full disk.
pub(crate) fn child(name: &str, path: &Path) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' XFSZ; exec \"$@\"", "sh"]).arg(std::env::current_exe().unwrap());
    command.args(["--exact", name, "--nocapture", "--test-threads=1"]).env(CHILD, path);
    command
}

/// A process that ends with its test.
pub(crate) struct Process(pub(crate) Child);

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
