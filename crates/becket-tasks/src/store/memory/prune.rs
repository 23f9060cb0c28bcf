//! What a memory store forgets: results whose time has ended, finished tasks, and what came with
//! them once no task is left.

use super::rows::Rows;
use crate::id::{SubmissionId, TaskId};
use crate::query::{Pruned, Retention};
use crate::time::Timestamp;

/// How many of each one slice removes at the most, so that no caller holds the lock for long.
const SLICE: usize = 1_000;

impl Rows {
    pub(super) fn prune(&mut self, retention: Retention, now: Timestamp) -> Pruned {
        let oldest_kept = now.before(retention.age);
        let mut more = false;
        let results = self.forget_results(now, &mut more);
        let tasks = self.outdated_tasks(oldest_kept, retention.finished_max, &mut more);
        let bereft: Vec<SubmissionId> = tasks.iter().flat_map(|id| self.remove_task(*id)).collect();
        let submissions = self.forget_submissions(oldest_kept, &mut more);
        self.drop_payloads(bereft);
        Pruned { tasks: tasks.len() as u64, submissions, results, more }
    }

    fn forget_results(&mut self, now: Timestamp, more: &mut bool) -> u64 {
        let ended = |id: &TaskId| self.tasks[id].result.as_ref().is_some_and(|result| result.expires_at <= now);
        let ids = slice(self.tasks.keys().copied().filter(ended), more);
        for id in &ids {
            if let Some(row) = self.tasks.get_mut(id) {
                row.result = None;
            }
        }
        ids.len() as u64
    }

    /// Both rules remove the oldest, counted from their end: what is too old, and what is too many.
    fn outdated_tasks(&self, oldest_kept: Timestamp, finished_max: u64, more: &mut bool) -> Vec<TaskId> {
        let finished = || self.tasks.values().filter(|row| row.task.state().is_finished());
        let unwanted = finished().filter(|row| !self.has_unfinished_children(row.task.id));
        let mut by_end: Vec<(Timestamp, TaskId)> = unwanted.map(|row| (row.task.updated_at, row.task.id)).collect();
        by_end.sort_unstable();
        let too_many = finished().count().saturating_sub(usize::try_from(finished_max).unwrap_or(usize::MAX));
        let too_old = by_end.partition_point(|(ended_at, _)| *ended_at < oldest_kept);
        slice(by_end.into_iter().take(too_many.max(too_old)).map(|(_, id)| id), more)
    }

    /// Drops the payloads of those of the submissions that have no tasks any more. What else is known of them stays:
    /// it is how a redelivery is recognised.
    fn drop_payloads(&mut self, submissions: Vec<SubmissionId>) {
        for id in submissions {
            if self.submissions.get(&id).is_some_and(|row| row.info.tasks.is_empty()) {
                self.erase(id);
            }
        }
    }

    fn forget_submissions(&mut self, oldest_kept: Timestamp, more: &mut bool) -> u64 {
        let over = self.submissions.values().filter(|row| row.info.tasks.is_empty());
        let ids: Vec<SubmissionId> =
            slice(over.filter(|row| row.info.received_at < oldest_kept).map(|row| row.info.id), more);
        for id in &ids {
            self.erase(*id);
            if let Some(row) = self.submissions.remove(id)
                && let Some(key) = row.info.key
            {
                self.keys.remove(&(row.info.source, key));
            }
        }
        ids.len() as u64
    }
}

fn slice<T>(mut ids: impl Iterator<Item = T>, more: &mut bool) -> Vec<T> {
    let taken = ids.by_ref().take(SLICE).collect();
    *more |= ids.next().is_some();
    taken
}
