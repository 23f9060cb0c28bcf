//! The verbs of a memory store that only look.

use std::ops::Bound;

use super::rows::Rows;
use crate::id::{SubmissionId, TaskId};
use crate::query::{Counts, Listed, Page, Payload, SubmissionFilter, SubmissionInfo, TaskFilter};
use crate::state::State;
use crate::task::{Task, TaskDetail};
use crate::time::Timestamp;

impl Rows {
    pub(super) fn task(&self, id: TaskId, now: Timestamp) -> Option<TaskDetail> {
        let row = self.tasks.get(&id)?;
        let result = row.result.as_ref().filter(|result| result.expires_at > now);
        Some(TaskDetail {
            task: row.task.clone(),
            attempts: row.attempts.clone(),
            result: result.map(|result| result.bytes.clone()),
        })
    }

    pub(super) fn tasks(&self, filter: &TaskFilter, page: Page) -> Listed<Task> {
        let older = (Bound::Unbounded, page.after.map_or(Bound::Unbounded, |id| Bound::Excluded(TaskId::from_u64(id))));
        let newest_first = self.tasks.range(older).rev().map(|(_, row)| &row.task);
        listed(newest_first.filter(|task| has_task(filter, task)).cloned(), page, |task| task.id.as_u64())
    }

    pub(super) fn submission(&self, id: SubmissionId) -> Option<SubmissionInfo> {
        self.submissions.get(&id).map(|row| row.info.clone())
    }

    pub(super) fn submissions(&self, filter: &SubmissionFilter, page: Page) -> Listed<SubmissionInfo> {
        let end = page.after.map_or(Bound::Unbounded, |id| Bound::Excluded(SubmissionId::from_u64(id)));
        let newest_first = self.submissions.range((Bound::Unbounded, end)).rev().map(|(_, row)| &row.info);
        listed(newest_first.filter(|info| has_submission(filter, info)).cloned(), page, |info| info.id.as_u64())
    }

    pub(super) fn payload(&self, id: SubmissionId) -> Option<Payload> {
        self.submissions.get(&id).map(|row| row.payload.clone())
    }

    pub(super) fn counts(&self, now: Timestamp) -> Counts {
        let of = |state: State| self.tasks.values().filter(|row| row.task.state() == state).count() as u64;
        let due = || self.claimable.iter().map(|(_, run_at, _)| *run_at).filter(|run_at| *run_at <= now);
        Counts { by_state: State::ALL.map(of), oldest_due: due().min(), due: due().count() as u64 }
    }
}

/// Takes a page, and looks one item further to know whether it is the last.
fn listed<T>(mut items: impl Iterator<Item = T>, page: Page, number: impl Fn(&T) -> u64) -> Listed<T> {
    let taken: Vec<T> = items.by_ref().take(page.limit()).collect();
    let next = if items.next().is_some() { taken.last().map(number) } else { None };
    Listed { items: taken, next }
}

/// Whether a wanted value, if any, is the given one.
fn is<T: PartialEq>(wanted: Option<&T>, given: Option<&T>) -> bool {
    wanted.is_none() || wanted == given
}

fn within(since: Option<Timestamp>, until: Option<Timestamp>, time: Timestamp) -> bool {
    since.is_none_or(|since| time >= since) && until.is_none_or(|until| time < until)
}

fn has_task(filter: &TaskFilter, task: &Task) -> bool {
    (filter.states.is_empty() || filter.states.contains(&task.state()))
        && is(filter.source.as_ref(), Some(&task.source))
        && is(filter.event.as_ref(), Some(&task.event))
        && is(filter.action.as_ref(), task.action.as_ref())
        && is(filter.kind.as_ref(), Some(&task.kind))
        && is(filter.lane.as_ref(), task.lane.as_ref())
        && is(filter.tenant.as_ref(), task.tenant.as_ref())
        && within(filter.since, filter.until, task.created_at)
}

fn has_submission(filter: &SubmissionFilter, info: &SubmissionInfo) -> bool {
    is(filter.source.as_ref(), Some(&info.source))
        && is(filter.event.as_ref(), Some(&info.event))
        && is(filter.action.as_ref(), info.action.as_ref())
        && is(filter.key.as_ref(), info.key.as_ref())
        && within(filter.since, filter.until, info.received_at)
}
