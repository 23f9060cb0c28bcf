//! Families: tasks that wait for others, and what an end means for those who waited.

use std::sync::Arc;

use super::change::{Change, Hold, Place};
use super::schedule::Ready;
use super::writer::{Round, Writer, transition_of};
use crate::error::Result;
use crate::id::TaskId;
use crate::state::{Event, State, transition};
use crate::store::ending::parent_ended_badly;
use crate::store::parents;
use crate::submission::{Inserted, NewTask, Parent, Submission};

/// The parents of a new task.
#[derive(Debug, Default)]
pub(super) struct Parents {
    /// Each with whether it has ended.
    pub(super) all: Vec<(TaskId, bool)>,
    /// Why the task is to be cancelled at once.
    pub(super) bad: Option<&'static str>,
}

impl Parents {
    pub(super) fn unfinished(&self) -> u32 {
        u32::try_from(self.all.iter().filter(|(_, is_over)| !is_over).count()).unwrap_or(u32::MAX)
    }
}

impl Writer {
    /// Whether the parents of new tasks can be waited for, before anything is changed.
    pub(super) fn check_parents(&self, new: &[Submission]) -> Result<()> {
        if new.iter().flat_map(|submission| &submission.tasks).all(|task| task.after.is_empty()) {
            return Ok(());
        }
        let kept_of = |submission: &Submission| {
            let Some(key) = &submission.key else { return Ok(None) };
            let first = self.duplicate_of(&submission.source, key)?;
            first.map(|first| Ok(self.rows.tasks_of(first)?.len())).transpose()
        };
        parents::check(new, |task| self.rows.is_kept(task), kept_of)
    }

    pub(super) fn check_parents_appended(&self, tasks: &[NewTask]) -> Result<()> {
        parents::check_appended(tasks, |task| self.rows.is_kept(task))
    }

    /// The parents of a new task: `before` are the submissions of the same call, `current` the tasks of its own so far.
    pub(super) fn parents_of(&self, task: &NewTask, before: &[Inserted], current: &[TaskId]) -> Result<Parents> {
        let mut found = Vec::new();
        for parent in &task.after {
            let id = match *parent {
                Parent::Task(id) => Some(id),
                Parent::Submitted { submission, task } => {
                    before.get(submission).map_or(current, |inserted| &inserted.tasks).get(task).copied()
                }
            };
            let Some(id) = id else { continue };
            found.push((id, self.ready_or_running(id)?.map(|ready| ready.standing.state)));
        }
        found.sort_unstable();
        found.dedup();
        let bad = found.iter().filter_map(|(_, state)| state.and_then(parent_ended_badly)).next();
        let all = found.into_iter().map(|(id, state)| (id, state.is_none_or(State::is_finished))).collect();
        Ok(Parents { all, bad: bad.filter(|_| !task.survives_parents) })
    }

    /// Writes down who the parents of a new task are.
    pub(super) fn join_family(&mut self, round: &mut Round, child: TaskId, parents: &Parents) -> Result<()> {
        for (parent, is_over) in &parents.all {
            self.has_families = true;
            self.apply(round, &Change::Family { child, parent: *parent, is_over: *is_over })?;
        }
        Ok(())
    }

    /// Tells the children of tasks that have ended, and theirs. One after the other: families may be deep.
    pub(super) fn settle_families(&mut self, round: &mut Round) -> Result<()> {
        while let Some((parent, state)) = round.ended.pop() {
            if self.waiting == 0 {
                round.ended.clear();
                break;
            }
            for child in self.rows.children_waiting_for(parent)? {
                self.apply(round, &Change::ParentOver { child, parent })?;
                self.settle_child(round, child, state)?;
            }
        }
        Ok(())
    }

    fn settle_child(&mut self, round: &mut Round, child: TaskId, parent: State) -> Result<()> {
        let Some(ready) = self.rows.task(child)?.filter(|ready| ready.standing.state == State::Waiting) else {
            return Ok(());
        };
        let Some((unfinished, survives)) = self.rows.waits_for(child)? else { return Ok(()) };
        if let Some(reason) = parent_ended_badly(parent).filter(|_| !survives) {
            return self.cancel_ready(round, &ready, &Arc::from(reason));
        }
        if unfinished > 0 {
            return Ok(());
        }
        let Ok(standing) = transition(ready.standing, Event::ParentsEnded, round.now) else { return Ok(()) };
        let to = Place::new(standing, ready.hold);
        self.apply(round, &Change::Move { task: child, from: State::Waiting, to, at: round.now, error: None })?;
        self.waiting = self.waiting.saturating_sub(1);
        let queued = Ready { standing, ..ready };
        let at = round.now;
        round.announce(|| transition_of(self, &queued, Some(State::Waiting), at, None));
        self.enter_schedule(round, queued)
    }

    /// Takes a queued or retrying task into the schedule, unless something holds it back.
    pub(super) fn enter_schedule(&mut self, round: &mut Round, mut ready: Ready) -> Result<()> {
        if !ready.standing.state.is_claimable() || matches!(ready.hold, Hold::Lane | Hold::Key) {
            return Ok(());
        }
        let number = self.schedule.number_of(&ready);
        if number != ready.stream {
            self.apply(round, &Change::Stream { task: ready.id, number })?;
            ready.stream = number;
        }
        if ready.standing.run_at <= round.now {
            self.limiter.note_open(&ready);
        }
        self.schedule.add_ready(ready);
        Ok(())
    }

    /// Takes a task out of the schedule, wherever it is.
    pub(super) fn leave_schedule(&mut self, ready: &Ready) {
        self.schedule.remove_ready(ready);
        if self.limiter.remove_aside(ready) {
            self.schedule.forget_aside(ready);
        }
        if ready.standing.state.is_claimable() && matches!(ready.hold, Hold::Open | Hold::Adrift) {
            let next = self.limiter.note_left(ready);
            next.into_iter().for_each(|next| self.schedule.take_back(next));
        }
    }
}
