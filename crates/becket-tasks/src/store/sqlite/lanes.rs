//! Lanes: of the tasks in a lane at most one runs at a time, in the order of acceptance.
//!
//! At most one task of a lane is open (or held back by its limit's key only) or runs; the others are held back in the
//! rows, and when the first leaves the next one is opened. So a claim need not look at lanes at all. The exception are
//! tasks that their lane passes while they are not ready: they are adrift, and who comes first is looked at when one of
//! their lane is about to start. Who stands where is in memory ([`used`]); the rows hold the order of those behind.

mod lingering;
mod used;

pub(super) use self::lingering::Lingering;
pub(super) use self::used::{LaneRef, Lanes, Post, lane_hash};

use super::change::{Change, Hold};
use super::schedule::Ready;
use super::writer::{Round, Writer};
use crate::error::Result;
use crate::id::TaskId;
use crate::order::{Latest, SUPERSEDED, bounded_name};
use crate::state::State;
use crate::submission::{Due, NewTask};
use crate::time::Timestamp;

impl Writer {
    /// The lane that a new task comes into.
    pub(super) fn lane_of(&self, task: TaskId, new: &NewTask) -> Option<LaneRef> {
        let name = bounded_name(&new.lane.as_ref()?.name)?;
        let hash = lane_hash(&name);
        let number = self.lanes.number(hash).unwrap_or(super::rows::sql(task.as_u64()));
        Some(LaneRef { name, hash, number })
    }

    /// What holds a task back that comes into its lane.
    pub(super) fn hold_in_lane(&self, ready: &Ready, now: Timestamp) -> Hold {
        let Some(lane) = ready.lane() else { return Hold::Open };
        if ready.passes() && !ready.is_ready(now) {
            return Hold::Adrift;
        }
        if self.lanes.of(lane.hash).is_taken() { Hold::Lane } else { Hold::Open }
    }

    /// Whether a new task would be alone in its lane.
    pub(super) fn would_be_alone(&self, ready: &Ready) -> bool {
        ready.lane().is_none_or(|lane| self.lanes.number(lane.hash).is_none())
    }

    /// Notes in memory that a task comes into its lane.
    pub(super) fn enter_lane(&mut self, round: &mut Round, ready: &Ready) -> Result<()> {
        self.lanes.step_new(ready);
        if self.has_lanes || ready.lane().is_none() {
            return Ok(());
        }
        self.has_lanes = true;
        self.apply(round, &Change::HasLanes)
    }

    /// Notes in memory that a task stands elsewhere in its lane, or has left it.
    pub(super) fn step_in_lane(&mut self, before: &Ready, after: &Ready) {
        if let Some(lane) = before.lane() {
            self.lanes.step(lane, before.id, Post::of(before), Post::of(after));
        }
    }

    /// Writes down what holds a task back, and keeps memory in step.
    fn set_hold(&mut self, round: &mut Round, ready: &Ready, hold: Hold) -> Result<()> {
        self.apply(round, &Change::Hold { task: ready.id, hold })?;
        self.leave_schedule(ready);
        let held = Ready { hold, ..ready.clone() };
        self.step_in_lane(ready, &held);
        self.enter_schedule(round, held)
    }

    /// The first of a lane is gone, or lets others pass: opens the next.
    pub(super) fn leave_lane(&mut self, round: &mut Round, lane: i64) -> Result<()> {
        let used = self.lanes.of(lane);
        if used.lingering > 0 || used.first.is_some() || used.behind == 0 {
            return Ok(());
        }
        match self.rows.next_in_lane(used.number, lane)? {
            Some(next) => self.set_hold(round, &next, Hold::Open),
            None => Ok(()),
        }
    }

    /// The first of a lane does not run any more and stays the first, unless an older one has come back meanwhile.
    pub(super) fn let_older_first(&mut self, round: &mut Round, lane: i64, first: &Ready) -> Result<()> {
        let used = self.lanes.of(lane);
        if used.behind == 0 {
            return Ok(());
        }
        match self.rows.next_in_lane(used.number, lane)? {
            Some(older) if older.id < first.id => {
                self.set_hold(round, first, Hold::Lane)?;
                self.set_hold(round, &older, Hold::Open)
            }
            _ => Ok(()),
        }
    }

    /// Whether a task that is about to start comes first in its lane. If not it is held back, and the first is opened.
    pub(super) fn comes_first(&mut self, round: &mut Round, ready: &Ready) -> Result<bool> {
        let Some(lane) = ready.lane() else { return Ok(true) };
        let used = self.lanes.of(lane.hash);
        // Only where some are adrift can one be open that is not the first.
        if used.adrift == 0 {
            return Ok(true);
        }
        // Whoever runs is open, too.
        let open = used.first.map(|first| self.ready_or_running(first)).transpose()?.flatten();
        let is_busy = used.lingering > 0 || open.as_ref().is_some_and(|open| open.standing.state == State::Running);
        let first = if is_busy {
            None
        } else {
            let behind = if used.behind > 0 { self.rows.next_in_lane(used.number, lane.hash)? } else { None };
            let adrift = self.rows.first_ready_adrift(used.number, lane.hash, round.now)?;
            [open.clone(), behind, adrift].into_iter().flatten().min_by_key(|one| one.id)
        };
        if first.as_ref().is_some_and(|first| first.id == ready.id) {
            // Who was to be next waits behind it.
            if let Some(next) = open.filter(|open| open.id != ready.id) {
                self.set_hold(round, &next, Hold::Lane)?;
            }
            return Ok(true);
        }
        self.set_hold(round, ready, Hold::Lane)?;
        if let Some(first) = first.filter(|first| first.hold == Hold::Lane) {
            self.set_hold(round, &first, Hold::Open)?;
        }
        Ok(false)
    }

    /// A finished task comes into its lane again: it is older than those that are there. Answers it as it is then.
    pub(super) fn return_to_lane(&mut self, round: &mut Round, ready: Ready) -> Result<Ready> {
        let Some(lane) = ready.lane() else { return Ok(ready) };
        let used = self.lanes.of(lane.hash);
        let hold = match used.first {
            _ if used.lingering > 0 => Hold::Lane,
            None => Hold::Open,
            Some(first) => match self.ready_or_running(first)? {
                Some(first) if first.standing.state != State::Running && first.id > ready.id => {
                    self.set_hold(round, &first, Hold::Lane)?;
                    Hold::Open
                }
                _ => Hold::Lane,
            },
        };
        match self.lanes.number(lane.hash).filter(|number| *number != lane.number) {
            Some(number) => {
                self.apply(round, &Change::LaneNumber { task: ready.id, number })?;
                Ok(Ready { hold, ..ready.with_lane_number(number) })
            }
            None => Ok(Ready { hold, ..ready }),
        }
    }

    /// The unfinished tasks of a lane, in the order of acceptance.
    fn in_lane(&self, name: &str) -> Result<Vec<Ready>> {
        let hash = lane_hash(name);
        let used = self.lanes.of(hash);
        let mut tasks: Vec<Ready> = Vec::new();
        if let Some(first) = used.first {
            tasks.extend(self.ready_or_running(first)?);
        }
        if used.behind > 0 {
            tasks.extend(self.rows.behind_in_lane(used.number, hash)?);
        }
        if used.adrift > 0 {
            tasks.extend(self.rows.adrift_in_lane(used.number, hash)?);
        }
        // Two names may share a hash.
        tasks.retain(|task| task.lane().is_some_and(|lane| &*lane.name == name));
        tasks.sort_unstable_by_key(|task| task.id);
        Ok(tasks)
    }

    /// Cancels what a new task replaces in its lane, and makes it wait for quiet if that is asked for. Answers since when.
    pub(super) fn supersede(&mut self, round: &mut Round, new: &mut NewTask) -> Result<Option<Timestamp>> {
        let Some(lane) = &new.lane else { return Ok(None) };
        let Some(name) = bounded_name(&lane.name) else { return Ok(None) };
        let debounce = lane.debounce;
        let Some(latest) = lane.latest.or(debounce.map(|_| Latest::Waiting)) else { return Ok(None) };
        let kind = self.kinds.number(&new.kind);
        let mut since = round.now;
        for older in self.in_lane(&name)?.into_iter().filter(|one| Some(one.kind) == kind) {
            if older.standing.state != State::Running {
                since = since.min(self.rows.since(older.id)?.unwrap_or(round.now));
            } else if latest == Latest::Waiting {
                continue;
            }
            self.cancel_one(round, older.id, &SUPERSEDED.into())?;
        }
        let Some(debounce) = debounce else { return Ok(None) };
        new.due = Due::At(round.now.after(debounce.quiet).min(since.after(debounce.max)));
        Ok(Some(since))
    }
}
