//! Cancelled attempts whose workers have not reported yet: they keep their places in lanes and limits.
//!
//! They are in memory only, since a process that opens the file has none; so what a round changed is undone here when its
//! commit fails.

use std::collections::HashMap;

use crate::id::TaskId;
use crate::store::sqlite::schedule::Running;

#[derive(Debug, Default)]
pub(in super::super) struct Lingering {
    attempts: HashMap<TaskId, Running>,
    /// What the round under way has changed, and what was there before; the latest last.
    undo: Vec<(TaskId, Option<Running>)>,
}

impl Lingering {
    pub(in super::super) fn insert(&mut self, task: TaskId, attempt: Running) {
        let before = self.attempts.insert(task, attempt);
        self.undo.push((task, before));
    }

    pub(in super::super) fn remove(&mut self, task: TaskId) -> Option<Running> {
        let before = self.attempts.remove(&task)?;
        self.undo.push((task, Some(before.clone())));
        Some(before)
    }

    /// All of them, in no order.
    pub(in super::super) fn all(&self) -> impl Iterator<Item = &Running> {
        self.attempts.values()
    }

    /// The round was committed.
    pub(in super::super) fn keep(&mut self) {
        self.undo.clear();
    }

    /// The round was not.
    pub(in super::super) fn undo(&mut self) {
        while let Some((task, before)) = self.undo.pop() {
            match before {
                Some(attempt) => drop(self.attempts.insert(task, attempt)),
                None => drop(self.attempts.remove(&task)),
            }
        }
    }
}
