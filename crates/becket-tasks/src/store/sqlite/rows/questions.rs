//! The writer's questions about tasks, submissions and blocks. They see the open transaction.

use std::cmp::Reverse;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{Rows, sql, submission_id, task_id, unsigned};
use crate::error::Result;
use crate::id::{SubmissionId, TaskId};
use crate::state::Standing;
use crate::store::sqlite::block::Span;
use crate::store::sqlite::change::{
    BlockRow, KindNumber, StreamNumber, SubmissionRow, WorkerNumber, hold_of, outcome_number, state_of,
};
use crate::store::sqlite::failure::{damaged, failed};
use crate::store::sqlite::lanes::LaneRef;
use crate::store::sqlite::schedule::{Key, Ready, StreamKey, Ties, Unread};
use crate::task::Outcome;
use crate::time::Timestamp;

impl Rows {
    /// Of `candidates`, those whose key is `key`, with their source.
    pub(in super::super) fn with_key(
        &self,
        candidates: &[SubmissionId],
        key: &str,
    ) -> Result<Vec<(SubmissionId, String)>> {
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
    pub(in super::super) fn key_part(&self, segment: i64, part: usize) -> Result<Vec<u8>> {
        let mut query = self
            .connection
            .prepare_cached("SELECT entries FROM key_parts WHERE segment = ?1 AND part = ?2")
            .map_err(failed)?;
        query.query_row(params![segment, part], |row| row.get(0)).map_err(failed)
    }

    /// The segments of keys, oldest first, with their latest submission.
    pub(in super::super) fn key_segments(&self) -> Result<Vec<(i64, SubmissionId)>> {
        let mut query =
            self.connection.prepare("SELECT number, last FROM key_segments ORDER BY number").map_err(failed)?;
        let rows = query.query_map([], |row| Ok((row.get(0)?, submission_id(row.get(1)?)))).map_err(failed)?;
        rows.collect::<rusqlite::Result<_>>().map_err(failed)
    }

    /// Calls `each` with the keys of all submissions after `last`.
    pub(in super::super) fn keys_after(
        &self,
        last: SubmissionId,
        mut each: impl FnMut(SubmissionId, &str),
    ) -> Result<()> {
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

    pub(in super::super) fn tasks_of(&self, submission: SubmissionId) -> Result<Vec<TaskId>> {
        super::super::read::tasks_of(&self.connection, submission)
    }

    /// Whether a submission still has tasks.
    pub(in super::super) fn has_tasks(&self, submission: SubmissionId) -> Result<bool> {
        let has = "SELECT coalesce((SELECT submission FROM tasks WHERE id > ?1 ORDER BY id LIMIT 1) = ?1, 0) \
                   OR EXISTS (SELECT 1 FROM appended WHERE submission = ?1)";
        let mut query = self.connection.prepare_cached(has).map_err(failed)?;
        query.query_row([sql(submission.as_u64())], |row| row.get(0)).map_err(failed)
    }

    /// The submissions that a task is listed at beside its own.
    pub(in super::super) fn stood_for(&self, task: TaskId) -> Result<Vec<SubmissionId>> {
        let of = "SELECT submission FROM appended WHERE task = ?1";
        let mut query = self.connection.prepare_cached(of).map_err(failed)?;
        let rows = query.query_map([sql(task.as_u64())], |row| row.get(0).map(submission_id)).map_err(failed)?;
        rows.collect::<rusqlite::Result<_>>().map_err(failed)
    }

    /// How many tasks are finished, those of the open transaction included.
    pub(in super::super) fn finished(&self) -> Result<u64> {
        let mut totals = super::super::read::totals(&self.connection)?;
        for (total, delta) in totals.iter_mut().zip(self.deltas) {
            *total = total.saturating_add_signed(delta);
        }
        Ok(super::super::outdated::finished(&totals))
    }

    /// When a task last changed.
    pub(in super::super) fn updated_at(&self, task: TaskId) -> Result<Option<Timestamp>> {
        self.time("SELECT updated_at FROM tasks WHERE id = ?1", task)
    }

    /// When a task's result ends, if it has one.
    pub(in super::super) fn result_expires_at(&self, task: TaskId) -> Result<Option<Timestamp>> {
        self.time("SELECT expires_at FROM results WHERE task = ?1", task)
    }

    fn time(&self, query: &str, task: TaskId) -> Result<Option<Timestamp>> {
        let mut query = self.connection.prepare_cached(query).map_err(failed)?;
        let time = query.query_row([sql(task.as_u64())], |row| row.get(0).map(Timestamp::from_millis));
        time.optional().map_err(failed)
    }

    /// A submission as its row says, for tasks whose payload is not in memory.
    pub(in super::super) fn submission(&self, submission: SubmissionId) -> Result<Option<SubmissionRow>> {
        super::super::read::submission_row(&self.connection, submission)
    }

    /// A task that is not running, wherever it stands, with its state.
    pub(in super::super) fn task(&self, task: TaskId) -> Result<Option<Ready>> {
        let mut query =
            self.connection.prepare_cached(&format!("SELECT {READY} FROM tasks WHERE id = ?1")).map_err(failed)?;
        query.query_row([sql(task.as_u64())], ready_of).optional().map_err(failed)
    }

    /// The earliest claimable tasks of a stream after a key, at most `limit`.
    pub(in super::super) fn ready_after(&self, unread: &Unread) -> Result<Vec<Ready>> {
        let Unread { stream, number, after: Key(run_at, id), limit, .. } = unread;
        let mut query = self
            .connection
            .prepare_cached(&format!(
                "SELECT {READY} FROM tasks INDEXED BY tasks_ready WHERE state IN (0, 2) AND hold IN (0, 3) \
                 AND kind = ?1 AND priority = ?2 AND source = ?3 AND stream = ?4 AND (run_at, id) > (?5, ?6) \
                 ORDER BY run_at, id LIMIT ?7"
            ))
            .map_err(failed)?;
        let of =
            params![stream.kind, stream.priority.0, stream.source, number, run_at.as_millis(), sql(id.as_u64()), limit];
        let rows = query.query_map(of, ready_of).map_err(failed)?;
        rows.collect::<rusqlite::Result<_>>().map_err(failed)
    }

    /// The earliest claimable tasks of the streams that come after this one in the index, stream by stream.
    pub(in super::super) fn ready_beside(&self, unread: &Unread) -> Result<Vec<Ready>> {
        let query = format!(
            "SELECT {READY} FROM tasks INDEXED BY tasks_ready WHERE state IN (0, 2) AND hold IN (0, 3) \
             AND kind = ?1 AND priority = ?2 AND source = ?3 AND stream > ?4 ORDER BY stream, run_at, id LIMIT ?5"
        );
        let StreamKey { kind, priority, source, .. } = &unread.stream;
        self.several(&query, params![kind, priority.0, source, unread.number, unread.along])
    }

    /// Which streams have claimable tasks, with their numbers and the first of each.
    pub(in super::super) fn streams(&self) -> Result<Vec<(StreamKey, StreamNumber, Key)>> {
        streams(&self.connection)
    }

    /// All tasks whose rows say that they run, with the number of their worker.
    pub(in super::super) fn running(&self) -> Result<Vec<(Ready, WorkerNumber)>> {
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
    pub(in super::super) fn attempts_ended(&self, task: TaskId, outcome: Outcome) -> Result<u32> {
        let mut query = self
            .connection
            .prepare_cached("SELECT count(*) FROM attempts WHERE task = ?1 AND outcome = ?2")
            .map_err(failed)?;
        query.query_row(params![sql(task.as_u64()), outcome_number(outcome)], |row| row.get(0)).map_err(failed)
    }

    /// Why a task's latest attempt ended badly, as its row says.
    pub(in super::super) fn error_of(&self, task: TaskId) -> Result<Option<Arc<str>>> {
        let mut query = self.connection.prepare_cached("SELECT error FROM tasks WHERE id = ?1").map_err(failed)?;
        let error = query.query_row([sql(task.as_u64())], |row| row.get::<_, Option<String>>(0));
        Ok(error.optional().map_err(failed)?.flatten().map(Into::into))
    }

    pub(in super::super) fn names(&self, table: &str) -> Result<Vec<(KindNumber, Arc<str>)>> {
        let mut query = self.connection.prepare(&format!("SELECT number, name FROM {table}")).map_err(failed)?;
        let rows = query.query_map([], |row| Ok((row.get(0)?, row.get::<_, String>(1)?.into()))).map_err(failed)?;
        rows.collect::<rusqlite::Result<_>>().map_err(failed)
    }

    /// The body of a block, packed, with its unpacked size and the range of its submissions.
    pub(in super::super) fn block(&self, block: i64) -> Result<Option<BlockRow>> {
        super::super::read::block_row(&self.connection, block)
    }

    /// Where the payloads of a block lie, in the order of their offsets.
    pub(in super::super) fn spans_of(&self, block: &BlockRow) -> Result<Vec<(SubmissionId, Span)>> {
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
    pub(in super::super) fn number(&self, query: &str) -> Result<Option<i64>> {
        self.connection.query_row(query, [], |row| row.get(0)).optional().map(Option::flatten).map_err(failed)
    }
}

/// Which streams have claimable tasks, with their numbers and the first of each: one look-up in the index for each.
pub(in super::super) fn streams(connection: &Connection) -> Result<Vec<(StreamKey, StreamNumber, Key)>> {
    let mut query = connection
        .prepare_cached(
            "SELECT kind, priority, source, stream, run_at, id, tenant FROM tasks INDEXED BY tasks_ready \
             WHERE state IN (0, 2) AND hold IN (0, 3) AND (kind, priority, source, stream) > (?1, ?2, ?3, ?4) \
             ORDER BY kind, priority, source, stream, run_at, id LIMIT 1",
        )
        .map_err(failed)?;
    let mut streams = Vec::new();
    let mut last = (i64::MIN, i64::from(i8::MIN), i64::MIN, i64::MIN);
    while let Some((next, key, tenant)) = query
        .query_row(params![last.0, last.1, last.2, last.3], |row| {
            let stream = (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
            let key = Key(Timestamp::from_millis(row.get(4)?), task_id(row.get(5)?));
            Ok((stream, key, row.get::<_, String>(6)?))
        })
        .optional()
        .map_err(failed)?
    {
        let priority = Reverse(i8::try_from(next.1).unwrap_or_default());
        let tenant = (!tenant.is_empty()).then(|| tenant.into());
        streams.push((StreamKey { kind: next.0, priority, source: next.2, tenant }, next.3, key));
        last = next;
    }
    Ok(streams)
}

pub(super) const READY: &str = "id, submission, kind, priority, state, attempt, spared, max_attempts, run_at, created_at, \
                                source, hold, lane, passes, tenant, limit_key, stream, lane_number, lane_hash";
const READY_COLUMNS: usize = 19;

pub(super) fn ready_of(row: &Row<'_>) -> rusqlite::Result<Ready> {
    let state = state_of(row.get(4)?).ok_or_else(|| damaged("a task's state"))?;
    let hold = hold_of(row.get(11)?).ok_or_else(|| damaged("what holds a task"))?;
    Ok(Ready {
        id: task_id(row.get(0)?),
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
        source: row.get(10)?,
        hold,
        stream: row.get(16)?,
        ties: ties_of(row)?,
    })
}

/// Most tasks have none, and cost no memory for it.
fn ties_of(row: &Row<'_>) -> rusqlite::Result<Option<Arc<Ties>>> {
    let text = |place: usize| -> rusqlite::Result<Option<Arc<str>>> {
        let text = row.get_ref(place)?.as_str_or_null()?;
        Ok(text.filter(|text| !text.is_empty()).map(Arc::from))
    };
    let (lane, tenant, limit_key) = (text(12)?, text(14)?, text(15)?);
    if lane.is_none() && tenant.is_none() && limit_key.is_none() {
        return Ok(None);
    }
    let lane = match lane {
        Some(name) => Some(LaneRef { name, number: row.get(17)?, hash: row.get(18)? }),
        None => None,
    };
    Ok(Some(Arc::new(Ties { lane, passes: row.get(13)?, tenant, limit_key })))
}
