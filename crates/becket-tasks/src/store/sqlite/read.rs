//! Questions of other threads: lists, single tasks, payloads, on read connections of their own.
//!
//! Readers never wait for the writer, and see what is committed. Their number is bounded; who comes when all are at
//! work waits.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::block::{self, Span};
use super::change::{BlockRow, SubmissionRow, outcome_of, state_number, state_of};
use super::failure::{damaged, failed};
use super::rows::{place, sql, submission_id, unsigned};
use super::schedule::Key;
use crate::error::{Error, Result};
use crate::id::{SubmissionId, TaskId};
use crate::query::{Counts, Family, Listed, Page, SubmissionFilter, SubmissionInfo, TaskFilter};
use crate::state::{Standing, State};
use crate::task::{Attempt, Task, TaskDetail, WorkerId};
use crate::time::Timestamp;

/// How many questions are answered at the same time.
const READERS: usize = 3;

/// The read connections.
#[derive(Debug)]
pub(super) struct Readers {
    turns: Arc<Semaphore>,
    idle: Idle,
}

type Idle = Arc<Mutex<Vec<Reader>>>;

/// One read connection, with the block that it unpacked last: tasks that follow each other share blocks.
#[derive(Debug)]
pub(super) struct Reader {
    pub(super) connection: Connection,
    unpacked: Option<(i64, Bytes)>,
}

/// A reader at work. It goes back to the idle ones however the work ends, before its turn does.
struct Turn {
    reader: Option<Reader>,
    idle: Idle,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).extend(self.reader.take());
    }
}

impl Readers {
    pub(super) fn open(connect: impl Fn() -> Result<Connection>) -> Result<Self> {
        let idle = (0..READERS)
            .map(|_| connect().map(|connection| Reader { connection, unpacked: None }))
            .collect::<Result<Vec<_>>>()?;
        Ok(Self { turns: Arc::new(Semaphore::new(READERS)), idle: Arc::new(Mutex::new(idle)) })
    }

    /// Answers a question on a thread that may block.
    pub(super) async fn ask<T, F>(&self, question: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Reader) -> Result<T> + Send + 'static,
    {
        let permit = Arc::clone(&self.turns).acquire_owned().await.map_err(|_| Error::Closed)?;
        let reader = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut turn = Turn { reader, idle: Arc::clone(&self.idle), _permit: permit };
        let answer = tokio::task::spawn_blocking(move || turn.reader.as_mut().ok_or(Error::Closed).and_then(question));
        answer.await.map_err(|error| Error::Unavailable("a reader stopped".to_owned(), Some(Box::new(error))))?
    }

    /// Waits for the questions that are being answered, refuses all others, and closes the connections.
    pub(super) async fn close(&self) {
        // Fails when they are closed already.
        let turns = self.turns.acquire_many(u32::try_from(READERS).unwrap_or(u32::MAX)).await;
        self.turns.close();
        drop(turns);
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

impl Reader {
    /// Asks several questions that see the same state.
    pub(super) fn snapshot<T>(&mut self, questions: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        let transaction = self.connection.transaction().map_err(failed)?;
        questions(&transaction)
    }

    /// A submission with its meta and payload; both are empty once erased.
    pub(super) fn submission_with_payload(
        &mut self,
        submission: SubmissionId,
    ) -> Result<Option<(SubmissionRow, Bytes, Bytes)>> {
        self.payloads(|payloads| payloads.of(submission))
    }

    /// Reads payloads that see the same state.
    pub(super) fn payloads<T>(&mut self, read: impl FnOnce(&mut Payloads<'_>) -> Result<T>) -> Result<T> {
        let transaction = self.connection.transaction().map_err(failed)?;
        read(&mut Payloads { connection: &transaction, unpacked: &mut self.unpacked })
    }
}

/// Payloads within one transaction.
pub(super) struct Payloads<'a> {
    connection: &'a Connection,
    unpacked: &'a mut Option<(i64, Bytes)>,
}

impl Payloads<'_> {
    /// A submission with its meta and payload; both are empty once erased.
    pub(super) fn of(&mut self, submission: SubmissionId) -> Result<Option<(SubmissionRow, Bytes, Bytes)>> {
        let Some(row) = submission_row(self.connection, submission)? else { return Ok(None) };
        let Some(number) = row.block else { return Ok(Some((row, Bytes::new(), Bytes::new()))) };
        let raw = match self.unpacked.take() {
            Some((unpacked, raw)) if unpacked == number => raw,
            _ => {
                let block = block_row(self.connection, number)?
                    .ok_or_else(|| Error::Corrupt(format!("block {number} is missing")))?;
                block::unpack(number, &block.body, block.raw_bytes)?
            }
        };
        let span = Span {
            block: number,
            offset: row.block_offset,
            meta_bytes: row.meta_bytes,
            payload_bytes: row.payload_bytes,
        };
        let (meta, payload) = span.cut(&raw)?;
        // A giant is not worth keeping; its neighbours are few.
        *self.unpacked = (raw.len() <= 4 * block::RAW_BYTES_TARGET).then_some((number, raw));
        Ok(Some((row, meta, payload)))
    }
}

pub(super) fn submission_row(connection: &Connection, submission: SubmissionId) -> Result<Option<SubmissionRow>> {
    let mut query =
        connection.prepare_cached(&format!("SELECT {SUBMISSION} FROM submissions WHERE id = ?1")).map_err(failed)?;
    query.query_row([sql(submission.as_u64())], submission_of).optional().map_err(failed)
}

const SUBMISSION: &str = "id, source, event, action, key, received_at, block, block_offset, meta_bytes, payload_bytes";

fn submission_of(row: &Row<'_>) -> rusqlite::Result<SubmissionRow> {
    Ok(SubmissionRow {
        id: submission_id(row.get(0)?),
        source: row.get::<_, String>(1)?.into(),
        event: row.get::<_, String>(2)?.into(),
        action: row.get::<_, Option<String>>(3)?.map(Into::into),
        key: row.get::<_, Option<String>>(4)?.map(Into::into),
        received_at: Timestamp::from_millis(row.get(5)?),
        block: row.get(6)?,
        block_offset: unsigned(row.get(7)?),
        meta_bytes: unsigned(row.get(8)?),
        payload_bytes: unsigned(row.get(9)?),
    })
}

pub(super) fn block_row(connection: &Connection, block: i64) -> Result<Option<BlockRow>> {
    let mut query = connection
        .prepare_cached("SELECT id, first, last, wanted, raw_bytes, body FROM blocks WHERE id = ?1")
        .map_err(failed)?;
    query
        .query_row([block], |row| {
            Ok(BlockRow {
                id: row.get(0)?,
                first: submission_id(row.get(1)?),
                last: submission_id(row.get(2)?),
                wanted: unsigned(row.get(3)?),
                raw_bytes: unsigned(row.get(4)?),
                body: row.get(5)?,
            })
        })
        .optional()
        .map_err(failed)
}

/// The tasks of a submission that are still kept: those with the ids right after its own, and those appended.
pub(super) fn tasks_of(connection: &Connection, submission: SubmissionId) -> Result<Vec<TaskId>> {
    let mut tasks = Vec::new();
    let mut next = connection
        .prepare_cached("SELECT id, submission FROM tasks WHERE id > ?1 ORDER BY id LIMIT 64")
        .map_err(failed)?;
    let mut after = sql(submission.as_u64());
    loop {
        let page = next
            .query_map([after], |row| Ok((row.get::<_, i64>(0)?, submission_id(row.get(1)?))))
            .map_err(failed)?
            .collect::<rusqlite::Result<Vec<_>>>()
            .map_err(failed)?;
        let own = page.iter().take_while(|(_, owner)| *owner == submission).count();
        tasks.extend(page[..own].iter().map(|(task, _)| TaskId::from_u64(unsigned(*task))));
        match page.last() {
            Some((last, _)) if own == page.len() => after = *last,
            _ => break,
        }
    }
    let mut appended =
        connection.prepare_cached("SELECT task FROM appended WHERE submission = ?1 ORDER BY task").map_err(failed)?;
    let rows = appended
        .query_map([sql(submission.as_u64())], |row| row.get(0).map(|id| TaskId::from_u64(unsigned(id))))
        .map_err(failed)?;
    for task in rows {
        tasks.push(task.map_err(failed)?);
    }
    tasks.sort_unstable();
    tasks.dedup();
    Ok(tasks)
}

pub(super) fn totals(connection: &Connection) -> Result<[u64; State::ALL.len()]> {
    let mut totals = [0; State::ALL.len()];
    let mut query = connection.prepare_cached("SELECT state, tasks FROM totals").map_err(failed)?;
    let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).map_err(failed)?;
    for row in rows {
        let (state, tasks): (i64, i64) = row.map_err(failed)?;
        if let Some(state) = state_of(state) {
            totals[place(state)] = unsigned(tasks);
        }
    }
    Ok(totals)
}

const TASK: &str = "t.id, t.submission, k.name, t.state, t.attempt, t.spared, t.max_attempts, t.run_at, t.priority, \
                    s.source, s.event, s.action, s.key, t.created_at, t.updated_at, t.error, t.lane, \
                    nullif(t.tenant, ''), t.limit_key";

fn task_of(row: &Row<'_>) -> rusqlite::Result<Task> {
    let state = state_of(row.get(3)?).ok_or_else(|| damaged("a task's state"))?;
    Ok(Task {
        id: TaskId::from_u64(unsigned(row.get(0)?)),
        submission: submission_id(row.get(1)?),
        kind: row.get::<_, String>(2)?.into(),
        standing: Standing {
            state,
            attempt: row.get(4)?,
            spared: row.get(5)?,
            max_attempts: row.get(6)?,
            run_at: Timestamp::from_millis(row.get(7)?),
        },
        priority: row.get(8)?,
        lane: row.get::<_, Option<String>>(16)?.map(Into::into),
        tenant: row.get::<_, Option<String>>(17)?.map(Into::into),
        limit_key: row.get::<_, Option<String>>(18)?.map(Into::into),
        source: row.get::<_, String>(9)?.into(),
        event: row.get::<_, String>(10)?.into(),
        action: row.get::<_, Option<String>>(11)?.map(Into::into),
        key: row.get::<_, Option<String>>(12)?.map(Into::into),
        created_at: Timestamp::from_millis(row.get(13)?),
        updated_at: Timestamp::from_millis(row.get(14)?),
        error: row.get::<_, Option<String>>(15)?.map(Into::into),
    })
}

/// One task with its attempts and result.
pub(super) fn task(connection: &Connection, task: TaskId, now: Timestamp) -> Result<Option<TaskDetail>> {
    let number = sql(task.as_u64());
    let mut query = connection
        .prepare_cached(&format!(
            "SELECT {TASK} FROM tasks t JOIN kinds k ON k.number = t.kind \
             JOIN submissions s ON s.id = t.submission WHERE t.id = ?1"
        ))
        .map_err(failed)?;
    let Some(task) = query.query_row([number], task_of).optional().map_err(failed)? else { return Ok(None) };
    let mut result =
        connection.prepare_cached("SELECT body FROM results WHERE task = ?1 AND expires_at > ?2").map_err(failed)?;
    let result = result
        .query_row([number, now.as_millis()], |row| row.get::<_, Vec<u8>>(0).map(Bytes::from))
        .optional()
        .map_err(failed)?;
    Ok(Some(TaskDetail { task, attempts: attempts(connection, number)?, result }))
}

fn attempts(connection: &Connection, task: i64) -> Result<Vec<Attempt>> {
    let mut query = connection
        .prepare_cached(
            "SELECT a.attempt, w.name, a.started_at, a.ended_at, a.outcome, a.error FROM ( \
               SELECT attempt, worker, started_at, ended_at, outcome, error FROM attempts WHERE task = ?1 \
               UNION ALL \
               SELECT attempt, worker, started_at, ended_at, outcome, attempt_error FROM tasks \
               WHERE id = ?1 AND worker IS NOT NULL \
             ) a JOIN workers w ON w.number = a.worker ORDER BY a.attempt",
        )
        .map_err(failed)?;
    let rows = query
        .query_map([task], |row| {
            let outcome = match row.get::<_, Option<i64>>(4)? {
                Some(number) => Some(outcome_of(number).ok_or_else(|| damaged("an attempt's outcome"))?),
                None => None,
            };
            Ok(Attempt {
                attempt: row.get(0)?,
                worker: WorkerId::new(row.get::<_, String>(1)?),
                started_at: Timestamp::from_millis(row.get(2)?),
                ended_at: row.get::<_, Option<i64>>(3)?.map(Timestamp::from_millis),
                outcome,
                error: row.get::<_, Option<String>>(5)?.map(Into::into),
            })
        })
        .map_err(failed)?;
    rows.collect::<rusqlite::Result<_>>().map_err(failed)
}

/// Conditions of a list, with the values that they are compared to.
#[derive(Default)]
struct Conditions {
    text: String,
    values: Vec<Value>,
}

impl Conditions {
    fn add(&mut self, condition: &str, value: impl Into<Value>) {
        self.values.push(value.into());
        self.add_fixed(&condition.replace('?', &format!("?{}", self.values.len())));
    }

    fn add_fixed(&mut self, condition: &str) {
        self.text.push_str(if self.text.is_empty() { " WHERE " } else { " AND " });
        self.text.push_str(condition);
    }

    fn add_text(&mut self, condition: &str, value: Option<&Arc<str>>) {
        if let Some(value) = value {
            self.add(condition, value.to_string());
        }
    }

    fn add_states(&mut self, states: &[State]) {
        if states.is_empty() {
            return;
        }
        let numbers: Vec<String> = states.iter().map(|state| state_number(*state).to_string()).collect();
        self.add_fixed(&format!("t.state IN ({})", numbers.join(", ")));
    }

    fn query<T>(
        self,
        connection: &Connection,
        select: &str,
        order: &str,
        limit: usize,
        item: fn(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>> {
        let text = format!("{select}{}{order} LIMIT {limit}", self.text);
        let mut query = connection.prepare_cached(&text).map_err(failed)?;
        let rows = query.query_map(params_from_iter(self.values), item).map_err(failed)?;
        rows.collect::<rusqlite::Result<_>>().map_err(failed)
    }
}

/// Cuts the item too many, which says that another page follows.
fn page_of<T>(mut items: Vec<T>, limit: usize, number: impl Fn(&T) -> u64) -> Listed<T> {
    let has_more = items.len() > limit;
    items.truncate(limit);
    let next = if has_more { items.last().map(number) } else { None };
    Listed { items, next }
}

/// Tasks, newest first.
pub(super) fn tasks(connection: &Connection, filter: &TaskFilter, page: Page) -> Result<Listed<Task>> {
    let mut conditions = Conditions::default();
    conditions.add_states(&filter.states);
    conditions.add_text("s.source = ?", filter.source.as_ref());
    conditions.add_text("s.event = ?", filter.event.as_ref());
    conditions.add_text("s.action = ?", filter.action.as_ref());
    conditions.add_text("k.name = ?", filter.kind.as_ref());
    conditions.add_text("t.lane = ?", filter.lane.as_ref());
    conditions.add_text("nullif(t.tenant, '') = ?", filter.tenant.as_ref());
    if let Some(since) = filter.since {
        conditions.add("t.created_at >= ?", since.as_millis());
    }
    if let Some(until) = filter.until {
        conditions.add("t.created_at < ?", until.as_millis());
    }
    if let Some(after) = page.after {
        conditions.add("t.id < ?", sql(after));
    }
    // Dead letters are few among many; for the rest, walking the ids backwards needs no sorting.
    // SQLite uses the index only for a query that repeats its condition word for word.
    let is_dead = |state: &State| matches!(state, State::Failed | State::Cancelled);
    let index = if filter.states.len() == 1 && filter.states.iter().all(is_dead) {
        conditions.add_fixed("t.state IN (4, 5)");
        "INDEXED BY tasks_dead"
    } else {
        "NOT INDEXED"
    };
    let select = format!(
        "SELECT {TASK} FROM tasks t {index} CROSS JOIN kinds k ON k.number = t.kind \
         CROSS JOIN submissions s ON s.id = t.submission"
    );
    let items = conditions.query(connection, &select, " ORDER BY t.id DESC", page.limit() + 1, task_of)?;
    Ok(page_of(items, page.limit(), |task| task.id.as_u64()))
}

/// Submissions, newest first; if the filter has a key, only those of `with_key`, which the writer found.
pub(super) fn submissions(
    connection: &Connection,
    filter: &SubmissionFilter,
    with_key: Option<&[SubmissionId]>,
    page: Page,
) -> Result<Listed<SubmissionInfo>> {
    let mut conditions = Conditions::default();
    if let Some(submissions) = with_key {
        let ids: Vec<String> = submissions.iter().map(|submission| submission.as_u64().to_string()).collect();
        conditions.add_fixed(&format!("id IN ({})", ids.join(", ")));
    }
    conditions.add_text("source = ?", filter.source.as_ref());
    conditions.add_text("event = ?", filter.event.as_ref());
    conditions.add_text("action = ?", filter.action.as_ref());
    if let Some(since) = filter.since {
        conditions.add("received_at >= ?", since.as_millis());
    }
    if let Some(until) = filter.until {
        conditions.add("received_at < ?", until.as_millis());
    }
    if let Some(after) = page.after {
        conditions.add("id < ?", sql(after));
    }
    let select = format!("SELECT {SUBMISSION} FROM submissions");
    let rows = conditions.query(connection, &select, " ORDER BY id DESC", page.limit() + 1, submission_of)?;
    let rows = page_of(rows, page.limit(), |row| row.id.as_u64());
    let items = rows.items.into_iter().map(|row| submission_info(connection, row)).collect::<Result<_>>()?;
    Ok(Listed { items, next: rows.next })
}

/// A submission's row with the tasks that it still has.
pub(super) fn submission_info(connection: &Connection, row: SubmissionRow) -> Result<SubmissionInfo> {
    Ok(SubmissionInfo {
        tasks: tasks_of(connection, row.id)?,
        id: row.id,
        source: row.source,
        event: row.event,
        action: row.action,
        key: row.key,
        received_at: row.received_at,
        payload_bytes: row.payload_bytes,
    })
}

/// The due time of the task that has been waiting longest, if it is due, and how many are, up to a bound; of those that
/// nothing holds back.
pub(super) fn due(connection: &Connection, now: Timestamp) -> Result<(Option<Timestamp>, u64)> {
    // Every stream's first row, found by skipping through the index: as many look-ups as there are streams. Of each, the
    // rows up to now are counted, which are one piece of the index.
    let mut count = connection
        .prepare_cached(
            "SELECT count(*) FROM (SELECT 1 FROM tasks INDEXED BY tasks_ready WHERE state IN (0, 2) AND hold IN (0, 3) \
             AND kind = ?1 AND priority = ?2 AND source = ?3 AND stream = ?4 AND run_at <= ?5 LIMIT ?6)",
        )
        .map_err(failed)?;
    let (mut oldest, mut due) = (None, 0);
    for (stream, number, Key(first, _)) in super::rows::streams(connection)? {
        if first > now {
            continue;
        }
        oldest = Some(oldest.map_or(first, |oldest: Timestamp| oldest.min(first)));
        let left = Counts::DUE_MAX.saturating_sub(due);
        if left > 0 {
            let of = params![stream.kind, stream.priority.0, stream.source, number, now.as_millis(), sql(left)];
            due += unsigned(count.query_row(of, |row| row.get(0)).map_err(failed)?);
        }
    }
    Ok((oldest, due))
}

/// The names of what is paused in a scope, in order.
pub(super) fn paused(connection: &Connection, scope: &str) -> Result<Vec<Arc<str>>> {
    let mut query = connection.prepare("SELECT name FROM paused WHERE scope = ?1 ORDER BY name").map_err(failed)?;
    let rows = query.query_map([scope], |row| row.get::<_, String>(0).map(Into::into)).map_err(failed)?;
    rows.collect::<rusqlite::Result<_>>().map_err(failed)
}

/// What a task waits for and what waits for it.
pub(super) fn family(connection: &Connection, task: TaskId) -> Result<Option<Family>> {
    let number = sql(task.as_u64());
    let is_kept = connection.prepare_cached("SELECT 1 FROM tasks WHERE id = ?1").map_err(failed)?.exists([number]);
    if !is_kept.map_err(failed)? {
        return Ok(None);
    }
    let all = |query: &str| {
        let mut query = connection.prepare_cached(query).map_err(failed)?;
        let rows = query.query_map([number], |row| row.get(0).map(super::rows::task_id)).map_err(failed)?;
        rows.collect::<rusqlite::Result<Vec<_>>>().map_err(failed)
    };
    Ok(Some(Family {
        parents: all("SELECT parent FROM families WHERE child = ?1 ORDER BY parent")?,
        children: all(&format!(
            "SELECT child FROM families INDEXED BY families_parent WHERE parent = ?1 ORDER BY child LIMIT {}",
            Family::CHILDREN_MAX
        ))?,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn readers() -> Readers {
        Readers::open(|| Connection::open_in_memory().map_err(failed)).unwrap()
    }

    #[tokio::test]
    async fn panicking_question_costs_no_reader() {
        let readers = readers();
        for _ in 0..2 * READERS {
            let answer: Result<()> = readers.ask(|_| panic!("a question that panics")).await;
            assert!(matches!(answer, Err(Error::Unavailable(..))), "{answer:?}");
        }
        assert_eq!(readers.ask(|_| Ok(7)).await.unwrap(), 7);
        assert_eq!(readers.idle.lock().unwrap().len(), READERS);
    }

    #[tokio::test]
    async fn closing_waits_for_questions_under_way_and_leaves_no_connection_open() {
        let readers = readers();
        let (begun, has_begun) = std::sync::mpsc::channel();
        let (may_end, end) = std::sync::mpsc::channel();
        let slow = readers.ask(move |_| {
            begun.send(()).unwrap();
            end.recv().map_err(|_| Error::Closed)
        });
        let closing = async {
            has_begun.recv().unwrap();
            let mut close = std::pin::pin!(readers.close());
            assert!(futures_util::poll!(&mut close).is_pending(), "a question is under way");
            may_end.send(()).unwrap();
            close.await;
        };
        let (answer, ()) = tokio::join!(slow, closing);
        answer.unwrap();
        assert!(matches!(readers.ask(|_| Ok(())).await, Err(Error::Closed)));
        assert!(readers.idle.lock().unwrap().is_empty());
    }
}
