//! Who waits for whom in a memory store, and what an end means for those who waited.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::rows::{Log, Rows};
use crate::error::Result;
use crate::id::TaskId;
use crate::query::Family;
use crate::state::{self, Event, State};
use crate::store::ending::parent_ended_badly;
use crate::store::parents;
use crate::submission::{Inserted, NewTask, Parent, Submission};
use crate::time::Timestamp;

impl Rows {
    pub(super) fn check_parents(&self, new: &[Submission]) -> Result<()> {
        let kept_of =
            |submission: &Submission| Ok(self.known(submission).map(|first| self.submissions[&first].info.tasks.len()));
        parents::check(new, |id| Ok(self.tasks.contains_key(&id)), kept_of)
    }

    pub(super) fn check_parents_appended(&self, tasks: &[NewTask]) -> Result<()> {
        parents::check_appended(tasks, |id| Ok(self.tasks.contains_key(&id)))
    }

    /// The ids of a new task's parents, each with whether it has ended.
    pub(super) fn resolve_parents(
        &self,
        after: &[Parent],
        before: &[Inserted],
        current: &Inserted,
    ) -> BTreeMap<TaskId, bool> {
        let id_of = |parent: &Parent| match *parent {
            Parent::Task(id) => Some(id),
            Parent::Submitted { submission, task } => {
                before.get(submission).unwrap_or(current).tasks.get(task).copied()
            }
        };
        let ended = |id: &TaskId| self.tasks.get(id).is_none_or(|row| row.task.state().is_finished());
        after.iter().filter_map(id_of).map(|id| (id, ended(&id))).collect()
    }

    /// Why a new task ends before it begins: it does not survive one of its parents, which had ended before.
    pub(super) fn ended_parents_of(&self, id: TaskId) -> Option<&'static str> {
        let row = self.tasks.get(&id).filter(|row| !row.survives_parents)?;
        let states = row.parents.keys().filter_map(|parent| self.tasks.get(parent)).map(|row| row.task.state());
        states.filter_map(parent_ended_badly).next()
    }

    /// Tells the children of a task that has ended, and theirs. One after the other: families may be deep.
    pub(super) fn settle_children(&mut self, ended: TaskId, now: Timestamp, log: &mut Log) {
        self.ended.push(ended);
        if self.ended.len() > 1 {
            // Whoever told the first goes on with it.
            return;
        }
        let mut told = 0;
        while let Some(ended) = self.ended.get(told).copied() {
            self.tell_children(ended, now, log);
            told += 1;
        }
        self.ended.clear();
    }

    fn tell_children(&mut self, ended: TaskId, now: Timestamp, log: &mut Log) {
        let Some(state) = self.tasks.get(&ended).map(|row| row.task.state()).filter(|state| state.is_finished()) else {
            return;
        };
        let children: Vec<TaskId> = self.children.get(&ended).into_iter().flatten().copied().collect();
        for child in children {
            let Some(row) = self.tasks.get_mut(&child) else { continue };
            let Some(is_over) = row.parents.get_mut(&ended).filter(|is_over| !**is_over) else { continue };
            *is_over = true;
            if row.task.state() != State::Waiting {
                continue;
            }
            let bad = parent_ended_badly(state).filter(|_| !row.survives_parents);
            if let Some(reason) = bad {
                self.cancel(child, &Arc::from(reason), now, log);
            } else if row.parents.values().all(|is_over| *is_over)
                && let Ok(standing) = state::transition(row.task.standing, Event::ParentsEnded, now)
            {
                self.settle(child, standing, now);
                log.push(self.tasks[&child].transition(Some(State::Waiting), None));
            }
        }
    }

    pub(super) fn has_waiting_children(&self, id: TaskId) -> bool {
        let children = self.children.get(&id).into_iter().flatten();
        children.filter_map(|child| self.tasks.get(child)).any(|row| row.task.state() == State::Waiting)
    }

    /// Whether a child that has not ended may still ask for what the task returned.
    pub(super) fn has_unfinished_children(&self, id: TaskId) -> bool {
        let children = self.children.get(&id).into_iter().flatten();
        children.filter_map(|child| self.tasks.get(child)).any(|row| !row.task.state().is_finished())
    }

    pub(super) fn family(&self, id: TaskId) -> Option<Family> {
        let row = self.tasks.get(&id)?;
        let children = self.children.get(&id).into_iter().flatten();
        Some(Family {
            parents: row.parents.keys().copied().collect(),
            children: children.copied().take(Family::CHILDREN_MAX).collect(),
        })
    }

    /// Forgets who a task waited for, since it goes.
    pub(super) fn leave_family(&mut self, id: TaskId, parents: &BTreeMap<TaskId, bool>) {
        for parent in parents.keys() {
            if let Some(children) = self.children.get_mut(parent) {
                children.remove(&id);
                if children.is_empty() {
                    self.children.remove(parent);
                }
            }
        }
    }
}
