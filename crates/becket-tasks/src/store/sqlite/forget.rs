//! What leaves the store: purged and outdated tasks, payloads and submissions that nothing needs, erased payloads.

use super::block;
use super::change::{BlockRow, Change, SubmissionRow, WorkerNumber};
use super::outdated::Outdated;
use super::rows::submission_id;
use super::writer::{Round, Writer};
use crate::error::Result;
use crate::id::{SubmissionId, TaskId};
use crate::order::Rate;
use crate::query::{Pruned, Retention};
use crate::time::Timestamp;

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

    /// Removes a task, unless it is still needed; answers which submissions it was listed at.
    fn forget_if_finished(&mut self, round: &mut Round, task: TaskId) -> Result<Option<Vec<SubmissionId>>> {
        let Some(ready) = self.rows.task(task)?.filter(|ready| ready.standing.state.is_finished()) else {
            return Ok(None);
        };
        if self.has_families && self.rows.has_unfinished_children(task)? {
            return Ok(None);
        }
        let mut bereft = self.rows.stood_for(task)?;
        bereft.push(ready.submission);
        self.apply(round, &Change::ForgetTask { task, state: ready.standing.state })?;
        Ok(Some(bereft))
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
        let oldest_kept = round.now.before(retention.age);
        let mut too_many = self.rows.finished()?.saturating_sub(retention.finished_max);
        let mut bereft = Vec::new();
        for (task, seen) in outdated.tasks {
            if (seen < oldest_kept || too_many > 0)
                && self.rows.updated_at(task)? == Some(seen)
                && let Some(submissions) = self.forget_if_finished(round, task)?
            {
                pruned.tasks += 1;
                too_many = too_many.saturating_sub(1);
                bereft.extend(submissions);
            }
        }
        bereft.sort_unstable();
        bereft.dedup();
        let mut submissions = outdated.submissions;
        submissions.extend(&bereft);
        submissions.sort_unstable();
        submissions.dedup();
        pruned.submissions = self.forget_outdated(round, &submissions, oldest_kept)?;
        self.drop_payloads(round, &bereft)?;
        self.forget_keys(round)?;
        self.forget_workers(round, &outdated.workers)?;
        let before = round.now.before(2 * Rate::PERIOD_MAX);
        if self.rows.number("SELECT min(at) FROM starts")?.is_some_and(|oldest| oldest < before.as_millis()) {
            self.apply(round, &Change::ForgetStarts { before })?;
        }
        Ok(pruned)
    }

    /// Removes the names that no row referred to when a reader looked, unless a row may by now.
    fn forget_workers(&mut self, round: &mut Round, unused: &[WorkerNumber]) -> Result<()> {
        for number in unused {
            if self.workers.is_unused(*number) {
                self.apply(round, &Change::ForgetWorker { number: *number })?;
                self.workers.forget(*number);
            }
        }
        Ok(())
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

    /// Removes those of the submissions that are outdated and have no tasks; answers how many.
    fn forget_outdated(
        &mut self,
        round: &mut Round,
        submissions: &[SubmissionId],
        oldest_kept: Timestamp,
    ) -> Result<u64> {
        let outdated = self.without_tasks(submissions, |row| row.received_at < oldest_kept)?;
        // Those of one block come together, as they did when they were accepted.
        for of_block in outdated.chunk_by(|one, next| one.0 == next.0) {
            let submissions = of_block.iter().map(|(_, submission)| *submission).collect();
            self.apply(round, &Change::ForgetSubmissions { submissions, block: of_block[0].0 })?;
        }
        Ok(outdated.len() as u64)
    }

    /// Drops the payloads of those of the submissions that have no tasks any more. Their rows stay: they are how a
    /// redelivery is recognised.
    fn drop_payloads(&mut self, round: &mut Round, submissions: &[SubmissionId]) -> Result<()> {
        let unwanted = self.without_tasks(submissions, |row| row.block.is_some())?;
        for of_block in unwanted.chunk_by(|one, next| one.0 == next.0) {
            let Some(block) = of_block[0].0 else { continue };
            let submissions: Vec<_> = of_block.iter().map(|(_, submission)| *submission).collect();
            for submission in &submissions {
                self.recent.forget(*submission);
            }
            self.apply(round, &Change::DropPayloads { submissions, block })?;
        }
        Ok(())
    }

    /// Those of the submissions that have no tasks and are `wanted`, with their blocks.
    fn without_tasks(
        &self,
        submissions: &[SubmissionId],
        wanted: impl Fn(&SubmissionRow) -> bool,
    ) -> Result<Vec<(Option<i64>, SubmissionId)>> {
        let mut found = Vec::with_capacity(submissions.len());
        for submission in submissions {
            if let Some(row) = self.rows.submission(*submission)?.filter(&wanted)
                && !self.rows.has_tasks(*submission)?
            {
                found.push((row.block, *submission));
            }
        }
        Ok(found)
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
