//! Rows: the state in SQLite, as the one write connection sees it.
//!
//! Writes what [`Change`]s say and answers the writer's questions (`questions`, `order`); decides nothing. Questions of
//! other threads go to [`read`](super::read), on connections of their own.

mod order;
mod questions;

pub(super) use self::questions::streams;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use rusqlite::{Connection, params};

use super::change::{
    AttemptEnd, BlockRow, Change, Hold, Place, SubmissionRow, TaskRow, WorkerNumber, hold_number, outcome_number,
    state_number,
};
use super::failure::failed;
use super::keys::Sealed;
use crate::error::Result;
use crate::id::{SubmissionId, TaskId};
use crate::state::State;
use crate::time::Timestamp;

/// The write connection.
pub(super) struct Rows {
    connection: Connection,
    /// How the changes of the open transaction move the totals, by state.
    deltas: [i64; State::ALL.len()],
}

impl Rows {
    pub(super) fn new(connection: Connection) -> Self {
        connection.set_prepared_statement_cache_capacity(128);
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
            Change::Source { number, name } => {
                self.execute("INSERT INTO sources VALUES (?1, ?2)", params![number, name])
            }
            Change::Worker { number, name } => {
                self.execute("INSERT INTO workers VALUES (?1, ?2)", params![number, name])
            }
            Change::ForgetWorker { number } => self.execute("DELETE FROM workers WHERE number = ?1", [number]),
            Change::Submission(row) => self.insert_submission(row),
            Change::Block(row) => self.insert_block(row),
            Change::Task(row) => self.insert_task(row),
            Change::Appended { submission, task } => self
                .execute("INSERT INTO appended VALUES (?1, ?2)", params![sql(submission.as_u64()), sql(task.as_u64())]),
            Change::StandIn { submission, task } => self.execute(
                "INSERT OR IGNORE INTO appended VALUES (?1, ?2)",
                params![sql(submission.as_u64()), sql(task.as_u64())],
            ),
            Change::Start { task, from, hold, attempt, worker, at } => {
                if *hold != Hold::Open {
                    self.hold(*task, Hold::Open)?;
                }
                self.start(*task, *from, *attempt, *worker, *at)
            }
            Change::End { task, to, at, attempt, error } => self.end(*task, *to, *at, attempt, error.as_deref()),
            Change::Move { task, from, to, at, error } => self.move_task(*task, *from, *to, *at, error.as_deref()),
            Change::Hold { task, hold } => self.hold(*task, *hold),
            Change::Stream { .. }
            | Change::LaneNumber { .. }
            | Change::HasLanes
            | Change::Linger { .. }
            | Change::LingerOver { .. }
            | Change::Family { .. }
            | Change::ParentOver { .. }
            | Change::Unique { .. }
            | Change::Started { .. }
            | Change::ForgetStarts { .. }
            | Change::Pause { .. } => self.apply_order(change),
            Change::Result { task, expires_at, body } => self.execute(
                "INSERT OR REPLACE INTO results VALUES (?1, ?2, ?3)",
                params![sql(task.as_u64()), expires_at.as_millis(), body],
            ),
            Change::ForgetResult { task } => self.execute("DELETE FROM results WHERE task = ?1", [sql(task.as_u64())]),
            Change::Step { task, name, at, body } => self.execute(
                "INSERT INTO steps VALUES (?1, ?2, ?3, ?4)",
                params![sql(task.as_u64()), name, at.as_millis(), body],
            ),
            Change::ForgetSteps { task } => self.execute("DELETE FROM steps WHERE task = ?1", [sql(task.as_u64())]),
            Change::ForgetTask { task, state } => self.forget_task(*task, *state),
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
            Change::Mark(mark) => super::marks::replace(self.connection(), mark).map_err(failed),
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
        let state = match (row.started_by, row.parents) {
            (Some(_), _) => State::Running,
            (None, 0) => State::Queued,
            (None, _) => State::Waiting,
        };
        self.deltas[place(state)] += 1;
        let started = row.started_by.map(|_| row.created_at.as_millis());
        self.execute(
            "INSERT INTO tasks VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0, ?7, ?8, ?9, ?9, ?10, ?11, NULL, NULL, NULL, NULL, \
             ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23)",
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
                row.source,
                hold_number(row.hold),
                row.tenant.as_deref().unwrap_or_default(),
                row.lane,
                row.stream,
                row.lane_number,
                row.lane_hash,
                row.passes,
                row.since.map(Timestamp::as_millis),
                row.limit_key,
                row.parents,
                row.survives,
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
        )?;
        // Whatever runs has no hold; to say so again would make SQLite look at each index of those that have one.
        if to.hold == Hold::Open { Ok(()) } else { self.hold(task, to.hold) }
    }

    fn hold(&self, task: TaskId, hold: Hold) -> Result<()> {
        let held = "UPDATE tasks SET hold = ?2 WHERE id = ?1";
        self.execute(held, params![sql(task.as_u64()), hold_number(hold)])
    }

    fn move_task(&mut self, task: TaskId, from: State, to: Place, at: Timestamp, error: Option<&str>) -> Result<()> {
        self.count(from, to.state);
        self.execute(
            "UPDATE tasks SET state = ?2, spared = ?3, run_at = ?4, updated_at = ?5, error = ?6, hold = ?7 WHERE id = ?1",
            params![
                sql(task.as_u64()),
                state_number(to.state),
                to.spared,
                to.run_at,
                at.as_millis(),
                error,
                hold_number(to.hold),
            ],
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

    fn forget_task(&mut self, task: TaskId, state: State) -> Result<()> {
        self.deltas[place(state)] -= 1;
        let number = sql(task.as_u64());
        self.execute("DELETE FROM tasks WHERE id = ?1", [number])?;
        self.execute("DELETE FROM attempts WHERE task = ?1", [number])?;
        self.execute("DELETE FROM results WHERE task = ?1", [number])?;
        self.execute("DELETE FROM families WHERE child = ?1", [number])?;
        self.execute("DELETE FROM uniques WHERE task = ?1", [number])?;
        self.execute("DELETE FROM steps WHERE task = ?1", [number])?;
        self.execute("DELETE FROM appended WHERE task = ?1", [number])
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

pub(super) fn task_id(number: i64) -> TaskId {
    TaskId::from_u64(unsigned(number))
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
