//! Lanes: of the tasks in a lane at most one runs at a time, in the order of acceptance.
//!
//! At most one task of a lane is open (or held back by its limit's key only) or runs; the others are held back in the
//! rows, and when the first leaves the next one is opened. So a claim need not look at lanes at all. The exception are
//! tasks that their lane passes while they are not ready: they are adrift, and who comes first is looked at when one of
//! their lane is about to start.

use std::sync::Arc;

use super::change::{Change, Hold};
use super::schedule::Ready;
use super::writer::{Round, Writer};
use crate::error::Result;
use crate::order::{Latest, SUPERSEDED, bounded_name};
use crate::state::State;
use crate::submission::{Due, NewTask};
use crate::time::Timestamp;

impl Writer {
    /// What holds a task back that comes into its lane.
    pub(super) fn hold_in_lane(&self, ready: &Ready, now: Timestamp) -> Result<Hold> {
        let Some(lane) = ready.lane() else { return Ok(Hold::Open) };
        if ready.passes() && !ready.is_ready(now) {
            return Ok(Hold::Adrift);
        }
        let is_taken = self.has_lingering(lane) || self.rows.is_lane_taken(lane)?;
        Ok(if is_taken { Hold::Lane } else { Hold::Open })
    }

    fn has_lingering(&self, lane: &Arc<str>) -> bool {
        self.lingering.values().any(|one| one.ready.lane() == Some(lane))
    }

    /// Whether a new task would be alone in its lane.
    pub(super) fn would_be_alone(&self, ready: &Ready) -> Result<bool> {
        match ready.lane() {
            Some(lane) => Ok(!self.has_lingering(lane) && !self.rows.is_lane_used(lane)?),
            None => Ok(true),
        }
    }

    /// Counts those adrift in their lanes, for what is looked at before a start.
    pub(super) fn count_adrift(&mut self, lane: &Arc<str>, before: Hold, after: Hold) {
        if before != Hold::Adrift && after == Hold::Adrift {
            *self.adrift.entry(Arc::clone(lane)).or_default() += 1;
        } else if before == Hold::Adrift
            && after != Hold::Adrift
            && let Some(count) = self.adrift.get_mut(lane)
        {
            *count -= 1;
            if *count == 0 {
                self.adrift.remove(lane);
            }
        }
    }

    /// Writes down what holds a task back, and keeps the schedule in step.
    fn set_hold(&mut self, round: &mut Round, ready: &Ready, hold: Hold) -> Result<()> {
        self.apply(round, &Change::Hold { task: ready.id, hold })?;
        if let Some(lane) = ready.lane() {
            self.count_adrift(&Arc::clone(lane), ready.hold, hold);
        }
        self.leave_schedule(ready);
        let held = Ready { hold, ..ready.clone() };
        self.enter_schedule(round, held);
        Ok(())
    }

    /// The first of a lane is gone, or lets others pass: opens the next.
    pub(super) fn leave_lane(&mut self, round: &mut Round, lane: &Arc<str>) -> Result<()> {
        if self.has_lingering(lane) {
            return Ok(());
        }
        match self.rows.next_in_lane(lane)? {
            Some(next) if !self.is_first_taken(lane)? => self.set_hold(round, &next, Hold::Open),
            _ => Ok(()),
        }
    }

    /// One that was adrift is gone. It may have been the one that the others waited for.
    pub(super) fn leave_lane_adrift(&mut self, round: &mut Round, lane: &Arc<str>) -> Result<()> {
        if self.rows.has_first(lane)? { Ok(()) } else { self.leave_lane(round, lane) }
    }

    /// The first of a lane does not run any more and stays the first, unless an older one has come back meanwhile.
    pub(super) fn let_older_first(&mut self, round: &mut Round, lane: &Arc<str>, first: &Ready) -> Result<()> {
        match self.rows.next_in_lane(lane)? {
            Some(older) if older.id < first.id => {
                self.set_hold(round, first, Hold::Lane)?;
                self.set_hold(round, &older, Hold::Open)
            }
            _ => Ok(()),
        }
    }

    /// Whether one of the lane is open, held back by its key, or runs.
    fn is_first_taken(&self, lane: &Arc<str>) -> Result<bool> {
        // Only where some are adrift can one leave that was not the first.
        if self.adrift.contains_key(lane) { self.rows.has_first(lane) } else { Ok(false) }
    }

    /// Whether a task that is about to start comes first in its lane. If not it is held back, and the first is opened.
    pub(super) fn comes_first(&mut self, round: &mut Round, ready: &Ready) -> Result<bool> {
        let Some(lane) = ready.lane() else { return Ok(true) };
        if !self.adrift.contains_key(lane) {
            return Ok(true);
        }
        let lane = Arc::clone(lane);
        // Whoever runs is open, too.
        let open = self.rows.first_of_lane(&lane)?;
        let is_busy =
            self.has_lingering(&lane) || open.as_ref().is_some_and(|open| open.standing.state == State::Running);
        let first = if is_busy { None } else { self.rows.first_ready_of_lane(&lane, round.now)? };
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

    /// What holds a finished task back that comes into its lane again: it is older than those that are there.
    pub(super) fn hold_in_lane_again(&mut self, round: &mut Round, ready: &Ready) -> Result<Hold> {
        let Some(lane) = ready.lane() else { return Ok(Hold::Open) };
        if self.has_lingering(lane) {
            return Ok(Hold::Lane);
        }
        let Some(first) = self.rows.first_of_lane(lane)? else { return Ok(Hold::Open) };
        if first.standing.state == State::Running || first.id < ready.id {
            return Ok(Hold::Lane);
        }
        self.set_hold(round, &first, Hold::Lane)?;
        Ok(Hold::Open)
    }

    /// Cancels what a new task replaces in its lane, and makes it wait for quiet if that is asked for. Answers since when.
    pub(super) fn supersede(&mut self, round: &mut Round, new: &mut NewTask) -> Result<Option<Timestamp>> {
        let Some(lane) = &new.lane else { return Ok(None) };
        let Some(name) = bounded_name(&lane.name) else { return Ok(None) };
        let debounce = lane.debounce;
        let Some(latest) = lane.latest.or(debounce.map(|_| Latest::Waiting)) else { return Ok(None) };
        let kind = self.kinds.number(&new.kind);
        let mut since = round.now;
        for older in self.rows.in_lane(&name)?.into_iter().filter(|one| Some(one.kind) == kind) {
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
