//! The embedded default: one SQLite file, nothing else to install.
//!
//! One writer thread owns the only write connection and commits in groups; see `writer`. Three ideas are kept apart
//! inside: `commit` (what makes a change durable), `rows` (the state in SQLite) and `schedule` (what is due, in
//! memory, in bounded windows). What the writer decides are plain `change`s. Payloads lie apart from the narrow rows,
//! in one compressed `block` a commit. Lists and single tasks are read on connections of their own (`read`).
//!
//! One process owns the file, by a lock beside it. So a running task's lease lives in memory, and whatever the rows say
//! is running when the file is opened was cut off by a crash: it is retried at once, its attempt counted.
//!
//! The file can be read with the `sqlite3` shell while it is in use; the views `task_list` and `delivery_list` are made
//! for that.

mod block;
mod change;
mod checkpoint;
mod claiming;
mod command;
mod commit;
mod failure;
mod family;
mod filter;
mod forget;
mod intake;
mod keys;
mod lanes;
mod limiter;
mod marks;
mod names;
mod open;
mod outdated;
mod pauses;
mod read;
mod recent;
mod rows;
mod schedule;
mod schedule_states;
mod steps;
mod verbs;
mod writer;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use rusqlite::Connection;
use tokio::sync::oneshot;

use self::block::Packer;
use self::checkpoint::Checkpoints;
use self::command::{Command, Gate, Reply, Ticket};
use self::commit::Commits;
use self::keys::Keys;
use self::lanes::{Lanes, Lingering};
use self::limiter::Limiter;
use self::names::Names;
use self::open::Lock;
use self::read::Readers;
use self::recent::RecentPayloads;
use self::rows::Rows;
use self::schedule::Schedule;
use self::schedule_states::ScheduleStep;
use self::writer::Writer;
use crate::error::{Error, Result};
use crate::events::Events;
use crate::id::{IdGenerator, SubmissionId, TaskId};
use crate::mark::{self, Mark};
use crate::measure::CommitMeasures;
use crate::order::Scope;
use crate::query::{
    Counts, Family, Listed, Page, Payload, Pruned, Retention, SubmissionFilter, SubmissionInfo, TaskFilter,
};
use crate::schedule::ScheduleState;
use crate::step::{Saved, Step};
use crate::store::{Claim, Description, Durability, Store};
use crate::submission::{Inserted, NewTask, Submission};
use crate::task::{Claimed, Finish, Finished, Lease, Task, TaskDetail, WorkerId};
use crate::time::{Clock, Timestamp};

/// How to open a [`SqliteStore`].
#[derive(Clone, Debug)]
pub struct SqliteOptions {
    /// The file. It is made if it is not there; its folder is not.
    pub path: PathBuf,
    /// What an acknowledged submission survives. Default: [`Durability::PowerLoss`].
    pub durability: Durability,
    /// The clock at the store's edge. Default: the system's.
    pub clock: Clock,
    /// How many calls may wait for the writer; more are told that the store is busy. Default: 4,096.
    pub waiting_max: usize,
    /// How many KiB of payloads may wait for the writer; a single larger one may pass alone. Default: 32,768.
    pub waiting_kibibytes_max: u32,
}

impl SqliteOptions {
    /// The defaults, for the file at `path`.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            durability: Durability::default(),
            clock: Clock::system(),
            waiting_max: 4_096,
            waiting_kibibytes_max: 32 * 1024,
        }
    }
}

/// Keeps submissions and tasks in one SQLite file.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use becket_tasks::Store;
/// use becket_tasks::store::sqlite::{SqliteOptions, SqliteStore};
///
/// let folder = tempfile::tempdir()?;
/// let store = SqliteStore::open(SqliteOptions::new(folder.path().join("tasks.db"))).await?;
/// assert_eq!(store.counts().await?.unfinished(), 0);
/// store.close().await?;
/// # Ok(())
/// # }
/// ```
pub struct SqliteStore {
    /// The only strong handle: the writer ends when it goes.
    commands: Arc<Sender<Ticket>>,
    gate: Gate,
    readers: Readers,
    clock: Clock,
    events: Events,
    measures: Arc<CommitMeasures>,
    durability: Durability,
    writer: Mutex<Option<std::thread::JoinHandle<()>>>,
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore").field("durability", &self.durability).finish_non_exhaustive()
    }
}

impl SqliteStore {
    /// Opens the store: locks it, brings its tables up to date, and retries what a crash cut off.
    ///
    /// What is checked first: the file's header, our application id in it, its length, and the hash of each step that its
    /// tables went through. Nothing is written to the file before. Its pages are not all read, which would take long:
    /// damage inside one is found, and is [`Error::Corrupt`], when that page is read, be it now or later.
    ///
    /// # Errors
    /// [`Error::Locked`] when another process has it open; [`Error::Corrupt`] when the file is not a store of ours, is cut
    /// off, or was written by a newer version (it is then left untouched), or when a page that opening reads is damaged;
    /// [`Error::Unavailable`] when it cannot be opened or written.
    pub async fn open(options: SqliteOptions) -> Result<Self> {
        let opened = tokio::task::spawn_blocking(move || Self::open_blocking(options)).await;
        opened.map_err(|error| Error::Unavailable("opening the store was cut off".to_owned(), Some(Box::new(error))))?
    }

    fn open_blocking(options: SqliteOptions) -> Result<Self> {
        let options = SqliteOptions { path: open::resolve(&options.path)?, ..options };
        let lock = Lock::take(&options.path)?;
        open::inspect(&options.path)?;
        let (commands, received) = channel();
        let commands = Arc::new(commands);
        let events = Events::default();
        let measures = Arc::new(CommitMeasures::default());
        let mut writer = make_writer(&options, events.clone(), Arc::clone(&measures))?;
        retry_what_was_cut_off(&mut writer)?;
        let readers = Readers::open(|| open::reader(&options.path))?;
        wake_with(&options.clock, &commands);
        let writer = std::thread::Builder::new()
            .name("becket-store".to_owned())
            .spawn(move || run_writer(writer, &received, lock))
            .map_err(|error| Error::Unavailable("cannot start a thread".to_owned(), Some(Box::new(error))))?;
        Ok(Self {
            commands,
            gate: Gate::new(options.waiting_max, options.waiting_kibibytes_max),
            readers,
            clock: options.clock,
            events,
            measures,
            durability: options.durability,
            writer: Mutex::new(Some(writer)),
        })
    }

    fn send(&self, ticket: Ticket) -> Result<()> {
        self.commands.send(ticket).map_err(|_| Error::Closed)
    }

    /// Asks the writer something from outside: refused when too much waits already.
    async fn ask<T>(&self, bytes: usize, command: impl FnOnce(Reply<T>) -> Command) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        self.send(self.gate.admit(command(reply), bytes)?)?;
        answer.await.map_err(|_| self.unanswered())?
    }

    /// Asks the writer something of our own: waits for its turn.
    async fn ask_patiently<T>(&self, command: impl FnOnce(Reply<T>) -> Command) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        self.send(self.gate.admit_when_possible(command(reply)).await?)?;
        answer.await.map_err(|_| self.unanswered())?
    }

    /// Why the writer dropped a question: it was closed meanwhile, or it failed in the middle of it.
    fn unanswered(&self) -> Error {
        match self.send(Gate::pass(Command::Tick)) {
            Ok(()) => Error::Unavailable("the store's writer gave no answer".to_owned(), None),
            Err(error) => error,
        }
    }

    async fn close_store(&self) -> Result<()> {
        // Readers first: a claim that is still being loaded can then give its tasks back before the writer ends.
        self.readers.close().await;
        let (reply, answer) = oneshot::channel();
        self.send(Gate::pass(Command::Close(reply)))?;
        let outcome = answer.await.map_err(|_| self.unanswered()).and_then(|answer| answer);
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(writer) = writer {
            let joined = tokio::task::spawn_blocking(move || writer.join()).await;
            if !matches!(joined, Ok(Ok(()))) {
                tracing::error!("the writer's thread panicked");
            }
        }
        outcome
    }
}

fn make_writer(options: &SqliteOptions, events: Events, measures: Arc<CommitMeasures>) -> Result<Writer> {
    let path: &Path = &options.path;
    let now = options.clock.now();
    let mut rows = Rows::new(open::writer(path, now)?);
    rows.connection().execute("UPDATE process SET epoch = epoch + 1", []).map_err(failure::failed)?;
    let epoch = rows.number("SELECT epoch FROM process")?.unwrap_or(0);
    let last_task = rows.number("SELECT max(id) FROM tasks")?.unwrap_or(0);
    let last_submission = rows.number("SELECT max(id) FROM submissions")?.unwrap_or(0);
    let last_block = rows.number("SELECT max(id) FROM blocks")?.unwrap_or(0);
    let packer = Packer::new(last_block + 1)
        .map_err(|error| Error::Unavailable("cannot compress payloads".to_owned(), Some(Box::new(error))))?;
    let checkpoints = Checkpoints::start(&mut rows, open::checkpointer(path)?)?;
    let mut writer = Writer {
        rows,
        schedule: Schedule::default(),
        packer,
        ids: IdGenerator::new(rows::unsigned(epoch), rows::unsigned(last_task.max(last_submission))),
        kinds: Names::default(),
        sources: Names::default(),
        workers: Names::default(),
        recent: RecentPayloads::default(),
        keys: Keys::default(),
        limiter: Limiter::default(),
        rules: None,
        lingering: Lingering::default(),
        lanes: Lanes::default(),
        has_lanes: false,
        waiting: 0,
        has_families: false,
        parked: Vec::new(),
        clock: options.clock.clone(),
        runtime: tokio::runtime::Handle::try_current().ok(),
        events,
        measures,
        commits: Commits::new(options.durability),
        checkpoints,
        unclaimed: Vec::new(),
        is_failing: false,
        is_stale: false,
    };
    writer.reload()?;
    Ok(writer)
}

/// Whatever the rows say is running was cut off by a crash: this process has begun nothing yet.
fn retry_what_was_cut_off(writer: &mut Writer) -> Result<()> {
    let retried = writer.retry_all_running()?;
    if retried > 0 {
        tracing::warn!(tasks = retried, "the process before this one crashed; what it was running is retried");
    }
    Ok(())
}

fn run_writer(writer: Writer, commands: &Receiver<Ticket>, lock: Lock) {
    writer.run(commands);
    drop(lock);
}

/// Lets the writer look at a manual clock whenever it was set.
fn wake_with(clock: &Clock, commands: &Arc<Sender<Ticket>>) {
    // The clock may outlive the store, and must not keep the writer from ending with it.
    let commands = Arc::downgrade(commands);
    clock.on_set(move || commands.upgrade().is_some_and(|commands| commands.send(Gate::pass(Command::Tick)).is_ok()));
}

/// How many bytes submissions bring along.
fn bytes_of(submissions: &[Submission]) -> usize {
    submissions.iter().map(|submission| submission.payload.len() + submission.meta.len()).sum()
}

impl Store for SqliteStore {
    fn insert(&self, submissions: Vec<Submission>) -> BoxFuture<'_, Result<Vec<Inserted>>> {
        let bytes = bytes_of(&submissions);
        Box::pin(self.ask(bytes, |reply| Command::Insert(submissions, reply)))
    }

    fn append(&self, submission: SubmissionId, tasks: Vec<NewTask>) -> BoxFuture<'_, Result<Option<Inserted>>> {
        Box::pin(async move {
            let Some(added) = self.ask(0, |reply| Command::Append(submission, tasks, reply)).await? else {
                return Ok(None);
            };
            let started = self.load(added.started).await?;
            Ok(Some(Inserted { submission, tasks: added.tasks, duplicate: false, started, reused: added.reused }))
        })
    }

    fn claim(&self, claim: Claim) -> BoxFuture<'_, Result<Vec<Claimed>>> {
        Box::pin(self.claim_tasks(claim))
    }

    fn renew(&self, leases: Vec<Lease>, lease: Duration) -> BoxFuture<'_, Result<Vec<bool>>> {
        Box::pin(self.ask_patiently(move |reply| Command::Renew(leases, lease, reply)))
    }

    fn finish(&self, finishes: Vec<Finish>) -> BoxFuture<'_, Result<Vec<Finished>>> {
        Box::pin(self.ask_patiently(|reply| Command::Finish(finishes, reply)))
    }

    fn save_step(&self, lease: Lease, name: Arc<str>, body: Bytes) -> BoxFuture<'_, Result<Saved>> {
        Box::pin(self.save(lease, name, body))
    }

    fn release(&self, worker: WorkerId) -> BoxFuture<'_, Result<u64>> {
        Box::pin(self.ask_patiently(|reply| Command::Release(worker, reply)))
    }

    fn reclaim_expired(&self) -> BoxFuture<'_, Result<u64>> {
        Box::pin(self.ask_patiently(Command::ReclaimExpired))
    }

    fn cancel(&self, tasks: Vec<TaskId>, reason: Arc<str>) -> BoxFuture<'_, Result<Vec<TaskId>>> {
        Box::pin(self.ask(0, |reply| Command::Cancel(tasks, reason, reply)))
    }

    fn requeue(&self, tasks: Vec<TaskId>) -> BoxFuture<'_, Result<Vec<TaskId>>> {
        Box::pin(self.ask(0, |reply| Command::Requeue(tasks, reply)))
    }

    fn purge(&self, tasks: Vec<TaskId>) -> BoxFuture<'_, Result<Vec<TaskId>>> {
        Box::pin(self.ask(0, |reply| Command::Purge(tasks, reply)))
    }

    fn erase(&self, submissions: Vec<SubmissionId>) -> BoxFuture<'_, Result<Vec<SubmissionId>>> {
        Box::pin(self.ask(0, |reply| Command::Erase(submissions, reply)))
    }

    fn prune(&self, retention: Retention) -> BoxFuture<'_, Result<Pruned>> {
        Box::pin(self.prune_outdated(retention))
    }

    fn task(&self, task: TaskId) -> BoxFuture<'_, Result<Option<TaskDetail>>> {
        let now = self.clock.now();
        Box::pin(self.readers.ask(move |reader| reader.snapshot(|connection| read::task(connection, task, now))))
    }

    fn steps(&self, task: TaskId) -> BoxFuture<'_, Result<Vec<Step>>> {
        Box::pin(self.readers.ask(move |reader| steps::of(&reader.connection, task)))
    }

    fn tasks(&self, filter: TaskFilter, page: Page) -> BoxFuture<'_, Result<Listed<Task>>> {
        Box::pin(self.readers.ask(move |reader| read::tasks(&reader.connection, &filter, page)))
    }

    fn submission(&self, submission: SubmissionId) -> BoxFuture<'_, Result<Option<SubmissionInfo>>> {
        Box::pin(self.readers.ask(move |reader| {
            reader.snapshot(|connection| {
                let row = read::submission_row(connection, submission)?;
                row.map(|row| read::submission_info(connection, row)).transpose()
            })
        }))
    }

    fn submissions(&self, filter: SubmissionFilter, page: Page) -> BoxFuture<'_, Result<Listed<SubmissionInfo>>> {
        Box::pin(async move {
            let with_key = match &filter.key {
                Some(key) => Some(self.ask_patiently(|reply| Command::Find(Arc::clone(key), reply)).await?),
                None => None,
            };
            let question =
                move |connection: &Connection| read::submissions(connection, &filter, with_key.as_deref(), page);
            self.readers.ask(|reader| reader.snapshot(question)).await
        })
    }

    fn family(&self, task: TaskId) -> BoxFuture<'_, Result<Option<Family>>> {
        Box::pin(self.readers.ask(move |reader| reader.snapshot(|connection| read::family(connection, task))))
    }

    fn set_paused(&self, scope: Scope, is_paused: bool) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.ask_patiently(move |reply| Command::SetPaused(scope, is_paused, reply)))
    }

    fn paused(&self) -> BoxFuture<'_, Result<Vec<Scope>>> {
        Box::pin(self.readers.ask(|reader| reader.snapshot(pauses::all)))
    }

    fn payload(&self, submission: SubmissionId) -> BoxFuture<'_, Result<Option<Payload>>> {
        Box::pin(self.readers.ask(move |reader| {
            let found = reader.submission_with_payload(submission)?;
            Ok(found.map(|(_, meta, payload)| Payload { meta, payload }))
        }))
    }

    fn counts(&self) -> BoxFuture<'_, Result<Counts>> {
        let now = self.clock.now();
        Box::pin(self.readers.ask(move |reader| {
            reader.snapshot(|connection| {
                let (oldest_due, due) = read::due(connection, now)?;
                Ok(Counts { by_state: read::totals(connection)?, oldest_due, due })
            })
        }))
    }

    fn schedule_states(&self) -> BoxFuture<'_, Result<Vec<ScheduleState>>> {
        Box::pin(self.readers.ask(|reader| schedule_states::all(&reader.connection)))
    }

    fn advance_schedule(
        &self,
        name: Arc<str>,
        settled_until: Timestamp,
        fired: Option<Timestamp>,
    ) -> BoxFuture<'_, Result<()>> {
        let step = ScheduleStep::Advance { settled_until, fired };
        Box::pin(self.ask_patiently(move |reply| Command::Schedule(name, step, reply)))
    }

    fn mark(&self, marks: Vec<Mark>) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            mark::check(&marks)?;
            self.ask_patiently(move |reply| Command::Mark(marks, reply)).await
        })
    }

    fn marks(&self) -> BoxFuture<'_, Result<Vec<Mark>>> {
        Box::pin(self.readers.ask(|reader| marks::all(&reader.connection)))
    }

    fn pause_schedule(&self, name: Arc<str>, paused: bool) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.ask(0, move |reply| Command::Schedule(name, ScheduleStep::Pause(paused), reply)))
    }

    fn probe(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.ask(0, Command::Probe))
    }

    fn close(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.close_store())
    }

    fn events(&self) -> &Events {
        &self.events
    }

    fn clock(&self) -> &Clock {
        &self.clock
    }

    fn description(&self) -> Description {
        Description { kind: "sqlite", durability: self.durability }
    }

    fn measures(&self) -> &CommitMeasures {
        &self.measures
    }
}
