//! The steps of tasks in a memory store.

use std::sync::Arc;

use bytes::Bytes;

use super::rows::Rows;
use crate::id::TaskId;
use crate::state::State;
use crate::step::{Saved, Step};
use crate::task::Lease;
use crate::time::Timestamp;

impl Rows {
    pub(super) fn save_step(&mut self, lease: Lease, name: Arc<str>, body: Bytes, now: Timestamp) -> Saved {
        let Some(row) = self.tasks.get_mut(&lease.task) else { return Saved::Unknown };
        if row.task.state() != State::Running || row.task.standing.attempt != lease.attempt {
            return Saved::LeaseLost;
        }
        if row.steps.iter().any(|step| step.name == name) {
            return Saved::Already;
        }
        row.steps.push(Step { name, at: now, body });
        Saved::Now
    }

    pub(super) fn steps(&self, task: TaskId) -> Vec<Step> {
        let mut steps = self.tasks.get(&task).map(|row| row.steps.clone()).unwrap_or_default();
        // The clock may have been set back between two of them.
        steps.sort_by(|one, other| (one.at, &one.name).cmp(&(other.at, &other.name)));
        steps
    }
}
