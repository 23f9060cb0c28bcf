//! Rows: the state in SQLite, as the one write connection sees it.
//!
//! Writes what [`Change`]s say and answers the writer's questions; decides nothing. Questions of other threads go to
//! [`read`](super::read), on connections of their own.

use std::cmp::Reverse;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::block::Span;
use super::change::{
    AttemptEnd, BlockRow, Change, KindNumber, Place, SubmissionRow, TaskRow, WorkerNumber, outcome_number,
    state_number, state_of,
};
use super::failure::{damaged, failed};
use super::keys::Sealed;
use super::schedule::{Level, Ready};
use crate::error::Result;
use crate::id::{SubmissionId, TaskId};
use crate::state::{Standing, State};
use crate::task::Outcome;
use crate::time::Timestamp;

/// The write connection.
pub(super) struct Rows {
    connection: Connection,
    /// How the changes of the open transaction move the totals, by state.
    deltas: [i64; State::ALL.len()],
}

impl Rows {
    pub(super) fn new(connection: Connection) -> Self {
        connection.set_prepared_statement_cache_capacity(64);
        Self { connection, deltas: [0; State::ALL.len()] }
    }

    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Keeps the number of pages in the write-ahead log up to date with each commit.
    pub(super) fn watch_log(&mut self, pages: Arc<AtomicI64>) -> Result<()> {
        let hook = move |_: &mut rusqlite::hooks::Wal, in_log: i32| -> rusqlite::Result<()> {
            pages.store(i64::from(in_log), Ordering::Relaxed);
            Ok(())
        };
        self.connection.wal_hook(Some(hook)).map_err(failed)
    }

    pub(super) fn begin(&mut self) -> Result<()> {
        self.execute("BEGIN IMMEDIATE", [])
    }

    /// Writes the totals and commits. When it fails the transaction is still open, or SQLite rolled it back already.
    pub(super) fn commit(&mut self) -> Result<()> {
        for state in State::ALL {
            let number = state_number(state);
            let delta = self.deltas[place(state)];
            if delta != 0 {
                self.execute("UPDATE totals SET tasks = tasks + ?2 WHERE state = ?1", params![number, delta])?;
            }
        }
        self.execute("COMMIT", [])?;
        self.deltas = [0; State::ALL.len()];
        Ok(())
    }

    /// Undoes the open transaction, if there is one.
    pub(super) fn rollback(&mut self) {
        self.deltas = [0; State::ALL.len()];
        if !self.connection.is_autocommit()
            && let Err(error) = self.connection.execute_batch("ROLLBACK")
        {
            tracing::error!(%error, "cannot roll back");
        }
    }

    /// Writes one change down.
    pub(super) fn apply(&mut self, change: &Change) -> Result<()> {
        match change {
            Change::Kind { number, name } => self.execute("INSERT INTO kinds VALUES (?1, ?2)", params![number, name]),
            Change::Worker { number, name } => {
                self.execute("INSERT INTO workers VALUES (?1, ?2)", params![number, name])
            }
            Change::ForgetWorker { number } => self.execute("DELETE FROM workers WHERE number = ?1", [number]),
            Change::Submission(row) => self.insert_submission(row),
            Change::Block(row) => self.insert_block(row),
            Change::Task(row) => self.insert_task(row),
            Change::Appended { submission, task } => self
                .execute("INSERT INTO appended VALUES (?1, ?2)", params![sql(submission.as_u64()), sql(task.as_u64())]),
            Change::Start { task, from, attempt, worker, at } => self.start(*task, *from, *attempt, *worker, *at),
            Change::End { task, to, at, attempt, error } => self.end(*task, *to, *at, attempt, error.as_deref()),
            Change::Move { task, from, to, at, error } => self.move_task(*task, *from, *to, *at, error.as_deref()),
            Change::Result { task, expires_at, body } => self.execute(
                "INSERT OR REPLACE INTO results VALUES (?1, ?2, ?3)",
                params![sql(task.as_u64()), expires_at.as_millis(), body],
            ),
            Change::ForgetResult { task } => self.execute("DELETE FROM results WHERE task = ?1", [sql(task.as_u64())]),
            Change::ForgetTask { task, submission, state } => self.forget_task(*task, *submission, *state),
            Change::ForgetSubmissions { submissions, block } => self.forget_submissions(submissions, *block),
            Change::DropPayloads { submissions, block } => self.drop_payloads(submissions, *block),
            Change::Erase { submission, block, rewritten, moved } => {
                self.erase(*submission, *block, rewritten.as_ref(), moved)
            }
            Change::Keys(sealed) => self.insert_keys(sealed),
            Change::ForgetKeys { segment } => {
                self.execute("DELETE FROM key_parts WHERE segment = ?1", [segment])?;
                self.execute("DELETE FROM key_segments WHERE number = ?1", [segment])
            }
            Change::Schedule(row) => self.execute(super::schedule_states::REPLACE, row.params()),
            Change::Probe { at } => self.execute("UPDATE process SET probe = ?1", [at.as_millis()]),
        }
    }

    fn insert_submission(&mut self, row: &SubmissionRow) -> Result<()> {
        self.execute(
            "INSERT INTO submissions VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            params![
                sql(row.id.as_u64()),
                row.source,
                row.event,
                row.action,
                row.key,
                row.received_at.as_millis(),
                row.block,
                sql(row.block_offset),
                sql(row.meta_bytes),
                sql(row.payload_bytes),
            ],
        )
    }

    fn insert_keys(&mut self, sealed: &Sealed) -> Result<()> {
        let segment = "INSERT INTO key_segments VALUES (?1, ?2)";
        self.execute(segment, params![sealed.number, sql(sealed.last.as_u64())])?;
        for (part, entries) in sealed.parts.iter().enumerate() {
            self.execute("INSERT INTO key_parts VALUES (?1, ?2, ?3)", params![sealed.number, part, entries])?;
        }
        Ok(())
    }

    fn insert_block(&mut self, row: &BlockRow) -> Result<()> {
        self.execute(
            "INSERT INTO blocks VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![
                row.id,
                sql(row.first.as_u64()),
                sql(row.last.as_u64()),
                sql(row.wanted),
                sql(row.raw_bytes),
                row.body,
            ],
        )
    }

    fn insert_task(&mut self, row: &TaskRow) -> Result<()> {
        let state = if row.started_by.is_some() { State::Running } else { State::Queued };
        self.deltas[place(state)] += 1;
        let started = row.started_by.map(|_| row.created_at.as_millis());
        self.execute(
            "INSERT INTO tasks VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0, ?7, ?8, ?9, ?9, ?10, ?11, NULL, NULL, NULL, NULL)",
            params![
                sql(row.id.as_u64()),
                sql(row.submission.as_u64()),
                row.kind,
                state_number(state),
                row.priority,
                i64::from(row.started_by.is_some()),
                row.max_attempts,
                row.run_at.as_millis(),
                row.created_at.as_millis(),
                row.started_by,
                started,
            ],
        )
    }

    fn start(&mut self, task: TaskId, from: State, attempt: u32, worker: WorkerNumber, at: Timestamp) -> Result<()> {
        if attempt > 1 {
            self.archive(task)?;
        }
        self.count(from, State::Running);
        self.execute(
            "UPDATE tasks SET state = 1, attempt = ?2, worker = ?3, started_at = ?4, updated_at = ?4, \
             ended_at = NULL, outcome = NULL, attempt_error = NULL WHERE id = ?1",
            params![sql(task.as_u64()), attempt, worker, at.as_millis()],
        )
    }

    fn end(&mut self, task: TaskId, to: Place, at: Timestamp, attempt: &AttemptEnd, error: Option<&str>) -> Result<()> {
        self.count(State::Running, to.state);
        self.execute(
            "UPDATE tasks SET state = ?2, spared = ?3, run_at = ?4, updated_at = ?5, ended_at = ?5, outcome = ?6, \
             attempt_error = ?7, error = ?8 WHERE id = ?1",
            params![
                sql(task.as_u64()),
                state_number(to.state),
                to.spared,
                to.run_at,
                at.as_millis(),
                outcome_number(attempt.outcome),
                attempt.error,
                error,
            ],
        )
    }

    fn move_task(&mut self, task: TaskId, from: State, to: Place, at: Timestamp, error: Option<&str>) -> Result<()> {
        self.count(from, to.state);
        self.execute(
            "UPDATE tasks SET state = ?2, spared = ?3, run_at = ?4, updated_at = ?5, error = ?6 WHERE id = ?1",
            params![sql(task.as_u64()), state_number(to.state), to.spared, to.run_at, at.as_millis(), error,],
        )
    }

    /// Moves the latest attempt, if the task's row holds one, to the history.
    fn archive(&mut self, task: TaskId) -> Result<()> {
        self.execute(
            "INSERT INTO attempts SELECT id, attempt, worker, started_at, ended_at, outcome, attempt_error \
             FROM tasks WHERE id = ?1 AND worker IS NOT NULL",
            [sql(task.as_u64())],
        )
    }

    fn forget_task(&mut self, task: TaskId, submission: SubmissionId, state: State) -> Result<()> {
        self.deltas[place(state)] -= 1;
        let number = sql(task.as_u64());
        self.execute("DELETE FROM tasks WHERE id = ?1", [number])?;
        self.execute("DELETE FROM attempts WHERE task = ?1", [number])?;
        self.execute("DELETE FROM results WHERE task = ?1", [number])?;
        self.execute("DELETE FROM appended WHERE submission = ?1 AND task = ?2", [sql(submission.as_u64()), number])
    }

    fn forget_submissions(&mut self, submissions: &[SubmissionId], block: Option<i64>) -> Result<()> {
        for submission in submissions {
            self.execute("DELETE FROM submissions WHERE id = ?1", [sql(submission.as_u64())])?;
        }
        block.map_or(Ok(()), |block| self.want_less(block, submissions.len()))
    }

    fn drop_payloads(&mut self, submissions: &[SubmissionId], block: i64) -> Result<()> {
        for submission in submissions {
            self.drop_payload(*submission)?;
        }
        self.want_less(block, submissions.len())
    }

    fn drop_payload(&self, submission: SubmissionId) -> Result<()> {
        let dropped = "UPDATE submissions SET block = NULL, meta_bytes = 0 WHERE id = ?1";
        self.execute(dropped, [sql(submission.as_u64())])
    }

    /// So many payloads of a block are not wanted any more. Once for all of them: SQLite reads the whole block to change
    /// a number in its row.
    fn want_less(&self, block: i64, payloads: usize) -> Result<()> {
        self.execute("UPDATE blocks SET wanted = wanted - ?2 WHERE id = ?1", params![block, payloads])?;
        self.execute("DELETE FROM blocks WHERE id = ?1 AND wanted <= 0", [block])
    }

    fn erase(
        &mut self,
        submission: SubmissionId,
        block: i64,
        rewritten: Option<&BlockRow>,
        moved: &[(SubmissionId, u64)],
    ) -> Result<()> {
        self.drop_payload(submission)?;
        self.delete_overwriting(block)?;
        let Some(row) = rewritten else { return Ok(()) };
        for (other, offset) in moved {
            let shift = "UPDATE submissions SET block = ?2, block_offset = ?3 WHERE id = ?1";
            self.execute(shift, [sql(other.as_u64()), row.id, sql(*offset)])?;
        }
        self.insert_block(row)
    }

    /// Deletes a block and overwrites its pages, which would otherwise keep its bytes until they are used again.
    fn delete_overwriting(&self, block: i64) -> Result<()> {
        let overwrite = |is_on: bool| self.connection.pragma_update(None, "secure_delete", is_on).map_err(failed);
        overwrite(true)?;
        let deleted = self.execute("DELETE FROM blocks WHERE id = ?1", [block]);
        overwrite(false)?;
        deleted
    }

    fn count(&mut self, from: State, to: State) {
        self.deltas[place(from)] -= 1;
        self.deltas[place(to)] += 1;
    }

    fn execute(&self, statement: &str, params: impl rusqlite::Params) -> Result<()> {
        let mut statement = self.connection.prepare_cached(statement).map_err(failed)?;
        // Some statements (COMMIT, pragmas) answer no count, others one; neither matters here.
        statement.execute(params).map_err(failed)?;
        Ok(())
    }
}

/// The writer's questions. They see the open transaction.
impl Rows {
    /// Of `candidates`, those whose key is `key`, with their source.
    pub(super) fn with_key(&self, candidates: &[SubmissionId], key: &str) -> Result<Vec<(SubmissionId, String)>> {
        let mut query = self
            .connection
            .prepare_cached("SELECT source FROM submissions WHERE id = ?1 AND key = ?2")
            .map_err(failed)?;
        let mut found = Vec::new();
        for candidate in candidates {
            let source = query.query_row(params![sql(candidate.as_u64()), key], |row| row.get(0)).optional();
            found.extend(source.map_err(failed)?.map(|source| (*candidate, source)));
        }
        Ok(found)
    }

    /// The entries of one part of a segment of keys.
    pub(super) fn key_part(&self, segment: i64, part: usize) -> Result<Vec<u8>> {
        let mut query = self
            .connection
            .prepare_cached("SELECT entries FROM key_parts WHERE segment = ?1 AND part = ?2")
            .map_err(failed)?;
        query.query_row(params![segment, part], |row| row.get(0)).map_err(failed)
    }

    /// The segments of keys, oldest first, with their latest submission.
    pub(super) fn key_segments(&self) -> Result<Vec<(i64, SubmissionId)>> {
        let mut query =
            self.connection.prepare("SELECT number, last FROM key_segments ORDER BY number").map_err(failed)?;
        let rows = query.query_map([], |row| Ok((row.get(0)?, submission_id(row.get(1)?)))).map_err(failed)?;
        rows.collect::<rusqlite::Result<_>>().map_err(failed)
    }

    /// Calls `each` with the keys of all submissions after `last`.
    pub(super) fn keys_after(&self, last: SubmissionId, mut each: impl FnMut(SubmissionId, &str)) -> Result<()> {
        let mut query = self
            .connection
            .prepare("SELECT id, key FROM submissions WHERE id > ?1 AND key IS NOT NULL")
            .map_err(failed)?;
        let mut rows = query.query([sql(last.as_u64())]).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            let key = row.get_ref(1).map_err(failed)?;
            each(submission_id(row.get(0).map_err(failed)?), key.as_str().map_err(|error| failed(error.into()))?);
        }
        Ok(())
    }

    pub(super) fn tasks_of(&self, submission: SubmissionId) -> Result<Vec<TaskId>> {
        super::read::tasks_of(&self.connection, submission)
    }

    /// Whether a submission still has tasks.
    pub(super) fn has_tasks(&self, submission: SubmissionId) -> Result<bool> {
        let has = "SELECT coalesce((SELECT submission FROM tasks WHERE id > ?1 ORDER BY id LIMIT 1) = ?1, 0) \
                   OR EXISTS (SELECT 1 FROM appended WHERE submission = ?1)";
        let mut query = self.connection.prepare_cached(has).map_err(failed)?;
        query.query_row([sql(submission.as_u64())], |row| row.get(0)).map_err(failed)
    }

    /// How many tasks are finished, those of the open transaction included.
    pub(super) fn finished(&self) -> Result<u64> {
        let mut totals = super::read::totals(&self.connection)?;
        for (total, delta) in totals.iter_mut().zip(self.deltas) {
            *total = total.saturating_add_signed(delta);
        }
        Ok(super::outdated::finished(&totals))
    }

    /// When a task last changed.
    pub(super) fn updated_at(&self, task: TaskId) -> Result<Option<Timestamp>> {
        self.time("SELECT updated_at FROM tasks WHERE id = ?1", task)
    }

    /// When a task's result ends, if it has one.
    pub(super) fn result_expires_at(&self, task: TaskId) -> Result<Option<Timestamp>> {
        self.time("SELECT expires_at FROM results WHERE task = ?1", task)
    }

    fn time(&self, query: &str, task: TaskId) -> Result<Option<Timestamp>> {
        let mut query = self.connection.prepare_cached(query).map_err(failed)?;
        let time = query.query_row([sql(task.as_u64())], |row| row.get(0).map(Timestamp::from_millis));
        time.optional().map_err(failed)
    }

    /// A submission as its row says, for tasks whose payload is not in memory.
    pub(super) fn submission(&self, submission: SubmissionId) -> Result<Option<SubmissionRow>> {
        super::read::submission_row(&self.connection, submission)
    }

    /// A task that is not running, wherever it stands, with its state.
    pub(super) fn task(&self, task: TaskId) -> Result<Option<Ready>> {
        let mut query =
            self.connection.prepare_cached(&format!("SELECT {READY} FROM tasks WHERE id = ?1")).map_err(failed)?;
        query.query_row([sql(task.as_u64())], ready_of).optional().map_err(failed)
    }

    /// The earliest claimable tasks of a level, at most `limit`.
    pub(super) fn ready_of_level(&self, level: Level, limit: usize) -> Result<Vec<Ready>> {
        let mut query = self
            .connection
            .prepare_cached(&format!(
                "SELECT {READY} FROM tasks INDEXED BY tasks_ready \
                 WHERE state IN (0, 2) AND kind = ?1 AND priority = ?2 ORDER BY run_at, id LIMIT ?3"
            ))
            .map_err(failed)?;
        let rows = query.query_map(params![level.kind, level.priority.0, limit], ready_of).map_err(failed)?;
        rows.collect::<rusqlite::Result<_>>().map_err(failed)
    }

    /// Which levels have claimable tasks: one look-up in the index for each.
    pub(super) fn levels(&self) -> Result<Vec<Level>> {
        let mut query = self
            .connection
            .prepare_cached(
                "SELECT kind, priority FROM tasks INDEXED BY tasks_ready \
                 WHERE state IN (0, 2) AND (kind, priority) > (?1, ?2) ORDER BY kind, priority LIMIT 1",
            )
            .map_err(failed)?;
        let mut levels = Vec::new();
        let (mut kind, mut priority) = (i64::MIN, i64::from(i8::MIN));
        while let Some(level) = query
            .query_row(params![kind, priority], |row| Ok(Level { kind: row.get(0)?, priority: Reverse(row.get(1)?) }))
            .optional()
            .map_err(failed)?
        {
            (kind, priority) = (level.kind, i64::from(level.priority.0));
            levels.push(level);
        }
        Ok(levels)
    }

    /// All tasks whose rows say that they run, with the number of their worker.
    pub(super) fn running(&self) -> Result<Vec<(Ready, WorkerNumber)>> {
        let mut query = self
            .connection
            .prepare_cached(&format!(
                "SELECT {READY}, worker FROM tasks INDEXED BY tasks_running WHERE state = 1 ORDER BY id"
            ))
            .map_err(failed)?;
        let rows = query.query_map([], |row| Ok((ready_of(row)?, row.get(READY_COLUMNS)?))).map_err(failed)?;
        rows.collect::<rusqlite::Result<_>>().map_err(failed)
    }

    /// How many of a task's earlier attempts ended with `outcome`, those before a requeue included.
    pub(super) fn attempts_ended(&self, task: TaskId, outcome: Outcome) -> Result<u32> {
        let mut query = self
            .connection
            .prepare_cached("SELECT count(*) FROM attempts WHERE task = ?1 AND outcome = ?2")
            .map_err(failed)?;
        query.query_row(params![sql(task.as_u64()), outcome_number(outcome)], |row| row.get(0)).map_err(failed)
    }

    /// Why a task's latest attempt ended badly, as its row says.
    pub(super) fn error_of(&self, task: TaskId) -> Result<Option<Arc<str>>> {
        let mut query = self.connection.prepare_cached("SELECT error FROM tasks WHERE id = ?1").map_err(failed)?;
        let error = query.query_row([sql(task.as_u64())], |row| row.get::<_, Option<String>>(0));
        Ok(error.optional().map_err(failed)?.flatten().map(Into::into))
    }

    pub(super) fn names(&self, table: &str) -> Result<Vec<(KindNumber, Arc<str>)>> {
        let mut query = self.connection.prepare(&format!("SELECT number, name FROM {table}")).map_err(failed)?;
        let rows = query.query_map([], |row| Ok((row.get(0)?, row.get::<_, String>(1)?.into()))).map_err(failed)?;
        rows.collect::<rusqlite::Result<_>>().map_err(failed)
    }

    /// The body of a block, packed, with its unpacked size and the range of its submissions.
    pub(super) fn block(&self, block: i64) -> Result<Option<BlockRow>> {
        super::read::block_row(&self.connection, block)
    }

    /// Where the payloads of a block lie, in the order of their offsets.
    pub(super) fn spans_of(&self, block: &BlockRow) -> Result<Vec<(SubmissionId, Span)>> {
        let mut query = self
            .connection
            .prepare_cached(
                "SELECT id, block_offset, meta_bytes, payload_bytes FROM submissions \
                 WHERE id BETWEEN ?1 AND ?2 AND block = ?3 ORDER BY block_offset, id",
            )
            .map_err(failed)?;
        let rows = query
            .query_map(params![sql(block.first.as_u64()), sql(block.last.as_u64()), block.id], |row| {
                let span = Span {
                    block: block.id,
                    offset: unsigned(row.get(1)?),
                    meta_bytes: unsigned(row.get(2)?),
                    payload_bytes: unsigned(row.get(3)?),
                };
                Ok((submission_id(row.get(0)?), span))
            })
            .map_err(failed)?;
        rows.collect::<rusqlite::Result<_>>().map_err(failed)
    }

    /// One number that a query answers, or `None`.
    pub(super) fn number(&self, query: &str) -> Result<Option<i64>> {
        self.connection.query_row(query, [], |row| row.get(0)).optional().map(Option::flatten).map_err(failed)
    }
}

const READY: &str = "id, submission, kind, priority, state, attempt, spared, max_attempts, run_at, created_at";
const READY_COLUMNS: usize = 10;

fn ready_of(row: &Row<'_>) -> rusqlite::Result<Ready> {
    let state = state_of(row.get(4)?).ok_or_else(|| damaged("a task's state"))?;
    Ok(Ready {
        id: TaskId::from_u64(unsigned(row.get(0)?)),
        submission: submission_id(row.get(1)?),
        kind: row.get(2)?,
        priority: row.get(3)?,
        standing: Standing {
            state,
            attempt: row.get(5)?,
            spared: row.get(6)?,
            max_attempts: row.get(7)?,
            run_at: Timestamp::from_millis(row.get(8)?),
        },
        created_at: Timestamp::from_millis(row.get(9)?),
    })
}

pub(super) fn submission_id(number: i64) -> SubmissionId {
    SubmissionId::from_u64(unsigned(number))
}

/// The place of a state in arrays like [`Rows::totals`].
pub(super) fn place(state: State) -> usize {
    State::ALL.iter().position(|one| *one == state).unwrap_or(0)
}

/// SQLite's integers are signed; ids and sizes fit in 63 bits.
pub(super) fn sql(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

#[cfg(test)]
mod tests;
