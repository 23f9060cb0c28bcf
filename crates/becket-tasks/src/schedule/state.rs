//! What a store keeps of a schedule.

use std::sync::Arc;

use crate::time::Timestamp;

/// What is kept of a schedule: how far it has come, and whether it is paused. All else is in the program that has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScheduleState {
    /// Its name.
    pub name: Arc<str>,
    /// All ticks until then are settled: fired, or passed by. `None` as long as no engine had this schedule.
    pub settled_until: Option<Timestamp>,
    /// The latest tick that was fired.
    pub last_tick: Option<Timestamp>,
    /// Whether it fires nothing for now.
    pub paused: bool,
}

impl ScheduleState {
    /// What is kept of a schedule of which nothing is known.
    #[must_use]
    pub const fn new(name: Arc<str>) -> Self {
        Self { name, settled_until: None, last_tick: None, paused: false }
    }

    /// Moves both times forwards, or leaves them where they are; answers whether one moved.
    pub fn advance(&mut self, settled_until: Timestamp, fired: Option<Timestamp>) -> bool {
        let before = (self.settled_until, self.last_tick);
        self.settled_until = self.settled_until.max(Some(settled_until));
        self.last_tick = self.last_tick.max(fired);
        before != (self.settled_until, self.last_tick)
    }
}
