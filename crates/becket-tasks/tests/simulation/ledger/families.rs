//! Cancels tasks, and tells children what became of their parents.

use becket_tasks::{State, TaskId};

use super::{At, Ledger};

impl Ledger {
    /// Cancels an unfinished task; its attempt keeps its place until it is over.
    pub(super) fn cancel(&mut self, id: TaskId, at: At) -> bool {
        let Some(task) = self.tasks.get_mut(&id).filter(|task| !task.state.is_finished()) else { return false };
        task.state = State::Cancelled;
        if let Some(hold) = self.holds.get_mut(&(id, task.attempt)) {
            hold.is_fenced = true;
        }
        self.tell_children(id, at);
        true
    }

    /// Each child hears of the first end of each parent, and of no later one.
    pub(super) fn tell_children(&mut self, parent: TaskId, at: At) {
        let state = self.tasks[&parent].state;
        if !state.is_finished() {
            return;
        }
        let is_told = |task: &super::Known| task.parents.get(&parent) == Some(&false);
        let children: Vec<TaskId> = self.tasks.iter().filter(|(_, task)| is_told(task)).map(|(id, _)| *id).collect();
        for id in children {
            let Some(child) = self.tasks.get_mut(&id) else { continue };
            child.parents.insert(parent, true);
            if child.state != State::Waiting {
                continue;
            }
            if state != State::Completed && !child.survives_parents {
                self.cancel(id, at);
            } else if child.parents.values().all(|is_over| *is_over) {
                child.state = State::Queued;
                child.run_at = child.run_at.max(at.now);
            }
        }
    }

    /// A new task whose parents had ended badly ends with them.
    pub(super) fn tell_of_ended_parents(&mut self, id: TaskId, at: At) {
        let task = &self.tasks[&id];
        let ended_badly = |id: &TaskId| matches!(self.tasks[id].state, State::Failed | State::Cancelled);
        if !task.survives_parents && task.parents.keys().any(ended_badly) {
            self.cancel(id, at);
        }
    }
}
