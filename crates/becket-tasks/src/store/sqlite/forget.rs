//! What leaves the store: purged and outdated tasks, submissions that nothing needs, erased payloads.

use rusqlite::{Connection, params};

use super::block;
use super::change::{BlockRow, Change};
use super::command::Outdated;
use super::failure::failed;
use super::rows::{place, sql, submission_id, unsigned};
use super::writer::{Round, Writer};
use crate::error::Result;
use crate::id::{SubmissionId, TaskId};
use crate::query::{Pruned, Retention};
use crate::state::State;
use crate::time::Timestamp;

/// How many of each one slice of pruning removes at the most, so that the writer is never kept for long.
const SLICE: usize = 1_000;

/// A block without one payload (`None` if nothing is left in it), and where the others now lie.
type Rewritten = (Option<BlockRow>, Vec<(SubmissionId, u64)>);

impl Writer {
    pub(super) fn purge(&mut self, round: &mut Round, tasks: Vec<TaskId>) -> Result<Vec<TaskId>> {
        let mut purged = Vec::new();
        for task in tasks {
            if self.forget_if_finished(round, task)?.is_some() {
                purged.push(task);
            }
        }
        Ok(purged)
    }

    fn forget_if_finished(&mut self, round: &mut Round, task: TaskId) -> Result<Option<SubmissionId>> {
        let Some(ready) = self.rows.task(task)?.filter(|ready| ready.standing.state.is_finished()) else {
            return Ok(None);
        };
        let (submission, state) = (ready.submission, ready.standing.state);
        self.apply(round, &Change::ForgetTask { task, submission, state })?;
        Ok(Some(submission))
    }

    /// Removes what a reader found outdated, as far as it still is.
    pub(super) fn prune(&mut self, round: &mut Round, retention: Retention, outdated: Outdated) -> Result<Pruned> {
        let mut pruned = Pruned { more: outdated.more, ..Pruned::default() };
        for task in outdated.results {
            if self.rows.result_expires_at(task)?.is_some_and(|expires_at| expires_at <= round.now) {
                self.apply(round, &Change::ForgetResult { task })?;
                pruned.results += 1;
            }
        }
        let mut submissions = outdated.submissions;
        for (task, seen) in outdated.tasks {
            if self.rows.updated_at(task)? == Some(seen)
                && let Some(submission) = self.forget_if_finished(round, task)?
            {
                pruned.tasks += 1;
                submissions.push(submission);
            }
        }
        submissions.sort_unstable();
        submissions.dedup();
        let oldest_kept = round.now.before(retention.age);
        for submission in submissions {
            pruned.submissions += u64::from(self.forget_if_outdated(round, submission, oldest_kept)?);
        }
        self.forget_keys(round)?;
        Ok(pruned)
    }

    /// Removes the keys of submissions that are all gone.
    fn forget_keys(&mut self, round: &mut Round) -> Result<()> {
        let oldest = self.rows.number("SELECT min(id) FROM submissions")?;
        for segment in self.keys.outdated(oldest.map(submission_id)) {
            self.apply(round, &Change::ForgetKeys { segment })?;
            self.keys.forget(segment);
        }
        Ok(())
    }

    fn forget_if_outdated(
        &mut self,
        round: &mut Round,
        submission: SubmissionId,
        oldest_kept: Timestamp,
    ) -> Result<bool> {
        let Some(row) = self.rows.submission(submission)? else { return Ok(false) };
        if row.received_at >= oldest_kept || self.rows.has_tasks(submission)? {
            return Ok(false);
        }
        self.apply(round, &Change::ForgetSubmission { submission, block: row.block })?;
        Ok(true)
    }

    pub(super) fn erase(&mut self, round: &mut Round, submissions: Vec<SubmissionId>) -> Result<Vec<SubmissionId>> {
        // What came in this very round must lie in a block before it can be cut out of it.
        self.cut_block(round)?;
        let mut erased = Vec::new();
        for submission in submissions {
            if self.erase_one(round, submission)? {
                erased.push(submission);
            }
        }
        Ok(erased)
    }

    fn erase_one(&mut self, round: &mut Round, submission: SubmissionId) -> Result<bool> {
        let Some(row) = self.rows.submission(submission)? else { return Ok(false) };
        self.recent.forget(submission);
        let Some(number) = row.block else { return Ok(true) };
        let (rewritten, moved) = match self.rows.block(number)? {
            Some(block) => self.without(&block, submission)?,
            None => (None, Vec::new()),
        };
        self.apply(round, &Change::Erase { submission, block: number, rewritten, moved })?;
        Ok(true)
    }

    /// The block without one of its payloads, under a new number: readers may know the old one by heart.
    fn without(&mut self, block: &BlockRow, submission: SubmissionId) -> Result<Rewritten> {
        let old = block::unpack(block.id, &block.body, block.raw_bytes)?;
        let mut raw = Vec::with_capacity(old.len());
        let mut moved = Vec::new();
        for (other, span) in self.rows.spans_of(block)? {
            if other != submission {
                let (meta, payload) = span.cut(&old)?;
                moved.push((other, raw.len() as u64));
                raw.extend_from_slice(&meta);
                raw.extend_from_slice(&payload);
            }
        }
        if moved.is_empty() {
            return Ok((None, moved));
        }
        let rewritten = BlockRow {
            id: self.packer.take_id(),
            first: block.first,
            last: block.last,
            wanted: moved.len() as u64,
            raw_bytes: raw.len() as u64,
            body: block::pack(&raw)?,
        };
        Ok((Some(rewritten), moved))
    }
}

/// Looks for what is outdated, on a read connection: the search may be long, and the writer must not wait for it.
pub(super) fn outdated(connection: &Connection, retention: Retention, now: Timestamp) -> Result<Outdated> {
    let oldest_kept = now.before(retention.age);
    let mut outdated = Outdated::default();
    let results = "SELECT task, expires_at FROM results WHERE expires_at <= ?1 ORDER BY task LIMIT ?2";
    let results = slice(connection, results, now.as_millis(), SLICE, &mut outdated.more)?;
    outdated.results = results.into_iter().map(|(task, _)| TaskId::from_u64(task)).collect();
    outdated.tasks = outdated_tasks(connection, retention, oldest_kept, &mut outdated.more)?;
    // The tasks of a submission have the ids between its own and the next submission's; others are in `appended`.
    let submissions = "SELECT s.id, s.received_at FROM submissions s INDEXED BY submissions_received \
        WHERE s.received_at < ?1 \
        AND NOT EXISTS (SELECT 1 FROM appended WHERE submission = s.id) \
        AND NOT EXISTS (SELECT 1 FROM tasks t WHERE t.id > s.id AND t.submission = s.id AND t.id < \
            coalesce((SELECT n.id FROM submissions n WHERE n.id > s.id ORDER BY n.id LIMIT 1), 9223372036854775807)) \
        ORDER BY s.received_at, s.id LIMIT ?2";
    let submissions = slice(connection, submissions, oldest_kept.as_millis(), SLICE, &mut outdated.more)?;
    outdated.submissions = submissions.into_iter().map(|(id, _)| submission_id(sql(id))).collect();
    Ok(outdated)
}

/// Both rules remove the oldest, counted from their end: what is too old, and what is too many.
fn outdated_tasks(
    connection: &Connection,
    retention: Retention,
    oldest_kept: Timestamp,
    more: &mut bool,
) -> Result<Vec<(TaskId, Timestamp)>> {
    let totals = super::read::totals(connection)?;
    let finished: u64 = State::ALL.iter().filter(|state| state.is_finished()).map(|state| totals[place(*state)]).sum();
    let too_many = finished.saturating_sub(retention.finished_max);
    let oldest = "SELECT id, updated_at FROM tasks INDEXED BY tasks_finished \
        WHERE state IN (3, 4, 5) AND updated_at < ?1 ORDER BY updated_at, id LIMIT ?2";
    let mut tasks = slice(connection, oldest, oldest_kept.as_millis(), SLICE, more)?;
    if too_many > tasks.len() as u64 {
        *more |= too_many > SLICE as u64;
        let limit = usize::try_from(too_many).unwrap_or(SLICE).min(SLICE);
        tasks = slice(connection, oldest, i64::MAX, limit, &mut false)?;
    }
    Ok(tasks.into_iter().map(|(id, updated_at)| (TaskId::from_u64(id), Timestamp::from_millis(updated_at))).collect())
}

/// The first `limit` ids that a query finds with their times, and whether there are more.
fn slice(connection: &Connection, query: &str, before: i64, limit: usize, more: &mut bool) -> Result<Vec<(u64, i64)>> {
    let mut query = connection.prepare_cached(query).map_err(failed)?;
    let rows =
        query.query_map(params![before, limit + 1], |row| Ok((unsigned(row.get(0)?), row.get(1)?))).map_err(failed)?;
    let mut found = rows.collect::<rusqlite::Result<Vec<_>>>().map_err(failed)?;
    *more |= found.len() > limit;
    found.truncate(limit);
    Ok(found)
}
