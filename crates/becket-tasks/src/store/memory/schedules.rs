//! What a memory store keeps of schedules, and of marks.

use std::sync::Arc;

use super::rows::Rows;
use crate::mark::Mark;
use crate::schedule::ScheduleState;
use crate::time::Timestamp;

impl Rows {
    pub(super) fn schedule_states(&self) -> Vec<ScheduleState> {
        self.schedules.values().cloned().collect()
    }

    pub(super) fn advance_schedule(&mut self, name: Arc<str>, settled_until: Timestamp, fired: Option<Timestamp>) {
        self.schedule(name).advance(settled_until, fired);
    }

    pub(super) fn pause_schedule(&mut self, name: Arc<str>, paused: bool) {
        self.schedule(name).paused = paused;
    }

    pub(super) fn mark(&mut self, marks: Vec<Mark>) {
        for mark in marks {
            match self.marks.get_mut(&mark.name) {
                Some(known) => known.add(&mark),
                None => drop(self.marks.insert(Arc::clone(&mark.name), mark)),
            }
        }
    }

    fn schedule(&mut self, name: Arc<str>) -> &mut ScheduleState {
        self.schedules.entry(Arc::clone(&name)).or_insert_with(|| ScheduleState::new(name))
    }
}
