//! Which ticks to fire now.
//!
//! Pure: what is kept of the schedule, when this process looked last, and the time are arguments.

use super::state::ScheduleState;
use super::{LATE_MAX, Missed, Schedule};
use crate::time::Timestamp;

/// How many ticks there can be within [`LATE_MAX`]: one a second, and both ends.
const LATE_TICKS_MAX: usize = 61;

/// What becomes of the ticks that nobody has settled.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Due {
    /// To be fired now, oldest first.
    pub(crate) fire: Vec<Timestamp>,
    /// The latest of those before them that are never fired.
    pub(crate) passed_by: Option<Timestamp>,
}

/// Decides at `now` what becomes of the ticks that nobody has settled.
///
/// `looked` is when this process looked last; at its first look, its start.
pub(crate) fn due(schedule: &Schedule, state: &ScheduleState, looked: Timestamp, now: Timestamp) -> Due {
    let Some(settled) = state.settled_until.filter(|_| !state.paused) else { return Due::default() };
    // The clock was set back. What it had passed by then is not fired a second time, as the store knows those ticks;
    // but to wait until the clock is there again could take years.
    let settled = if settled > now { looked.min(now) } else { settled };
    let fire = match schedule.missed {
        Missed::CatchUp { max } => schedule.ticks(settled, now, max),
        Missed::Skip => not_missed(schedule, settled, looked, now),
    };
    let before = match fire.first() {
        Some(first) => schedule.latest_before(*first),
        None => schedule.latest_until(now),
    };
    Due { fire, passed_by: before.filter(|tick| *tick > settled) }
}

fn not_missed(schedule: &Schedule, settled: Timestamp, looked: Timestamp, now: Timestamp) -> Vec<Timestamp> {
    let late = schedule.ticks(settled.max(now.before(LATE_MAX)), now, LATE_TICKS_MAX);
    if !late.is_empty() {
        return late;
    }
    // This process was there all the time, and could not look: it slept, or the store was out of reach.
    let passed = |tick: &Timestamp| *tick > settled && *tick > looked;
    schedule.latest_until(now).filter(passed).into_iter().collect()
}
