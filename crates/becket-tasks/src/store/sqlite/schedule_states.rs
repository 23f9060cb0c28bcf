//! What the store keeps of schedules that fire by the clock. (What is due among tasks is kept by `schedule`.)

use std::sync::Arc;

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, ParamsFromIter, Row, params_from_iter};
use serde::{Deserialize, Serialize};

use super::change::Change;
use super::failure::failed;
use super::writer::{Round, Writer};
use crate::error::Result;
use crate::schedule::ScheduleState;
use crate::time::Timestamp;

const COLUMNS: &str = "name, settled_until, last_tick, paused";
/// Writes a [`ScheduleRow`], whether or not there is one of its name.
pub(super) const REPLACE: &str = "INSERT OR REPLACE INTO schedules VALUES (?1, ?2, ?3, ?4)";

/// One step of a schedule.
#[derive(Clone, Copy, Debug)]
pub(super) enum ScheduleStep {
    Advance { settled_until: Timestamp, fired: Option<Timestamp> },
    Pause(bool),
}

impl ScheduleStep {
    /// Whether it must wait for the disk. A lost advance fires the same ticks again, which are known as duplicates.
    pub(super) const fn is_durable(self) -> bool {
        matches!(self, Self::Pause(_))
    }
}

/// A schedule's row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ScheduleRow {
    name: Arc<str>,
    settled_until: Option<Timestamp>,
    last_tick: Option<Timestamp>,
    paused: bool,
}

impl ScheduleRow {
    pub(super) fn params(&self) -> ParamsFromIter<[Value; 4]> {
        let time = |time: Option<Timestamp>| Value::from(time.map(Timestamp::as_millis));
        let name = Value::from(self.name.to_string());
        params_from_iter([name, time(self.settled_until), time(self.last_tick), Value::from(self.paused)])
    }
}

impl From<ScheduleState> for ScheduleRow {
    fn from(state: ScheduleState) -> Self {
        let ScheduleState { name, settled_until, last_tick, paused } = state;
        Self { name, settled_until, last_tick, paused }
    }
}

impl Writer {
    /// Takes a step, and writes it down if it changes anything.
    pub(super) fn step_schedule(&mut self, round: &mut Round, name: Arc<str>, step: ScheduleStep) -> Result<()> {
        let before = one(self.rows.connection(), &name)?;
        let mut state = before.clone().unwrap_or_else(|| ScheduleState::new(name));
        match step {
            ScheduleStep::Advance { settled_until, fired } => drop(state.advance(settled_until, fired)),
            ScheduleStep::Pause(paused) => state.paused = paused,
        }
        if before.as_ref() == Some(&state) {
            return Ok(());
        }
        self.apply(round, &Change::Schedule(state.into()))
    }
}

/// All of them, by name.
pub(super) fn all(connection: &Connection) -> Result<Vec<ScheduleState>> {
    let mut query =
        connection.prepare_cached(&format!("SELECT {COLUMNS} FROM schedules ORDER BY name")).map_err(failed)?;
    let rows = query.query_map([], state_of).map_err(failed)?;
    rows.collect::<rusqlite::Result<_>>().map_err(failed)
}

fn one(connection: &Connection, name: &str) -> Result<Option<ScheduleState>> {
    let mut query =
        connection.prepare_cached(&format!("SELECT {COLUMNS} FROM schedules WHERE name = ?1")).map_err(failed)?;
    query.query_row([name], state_of).optional().map_err(failed)
}

fn state_of(row: &Row<'_>) -> rusqlite::Result<ScheduleState> {
    let time = |column| row.get::<_, Option<i64>>(column).map(|millis| millis.map(Timestamp::from_millis));
    Ok(ScheduleState {
        name: row.get::<_, String>(0)?.into(),
        settled_until: time(1)?,
        last_tick: time(2)?,
        paused: row.get(3)?,
    })
}
