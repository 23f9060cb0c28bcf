//! Steps: what attempts have done, saved by the writer for whoever holds the task, read by readers.

use std::sync::Arc;

use bytes::Bytes;
use rusqlite::{Connection, params};
use tokio::sync::oneshot;

use super::SqliteStore;
use super::change::Change;
use super::command::Command;
use super::failure::failed;
use super::rows::{Rows, sql};
use super::writer::{Round, Writer};
use crate::error::Result;
use crate::id::TaskId;
use crate::step::{Saved, Step};
use crate::task::Lease;
use crate::time::Timestamp;

impl SqliteStore {
    /// Steps wait for their turn like all that workers bring, and for room: many large ones must not come together.
    pub(super) async fn save(&self, lease: Lease, name: Arc<str>, body: Bytes) -> Result<Saved> {
        let bytes = body.len();
        let (reply, answer) = oneshot::channel();
        let command = Command::SaveStep(lease, name, body, reply);
        self.send(self.gate.admit_bytes_when_possible(command, bytes).await?)?;
        answer.await.map_err(|_| self.unanswered())?
    }
}

impl Writer {
    pub(super) fn save_step(
        &mut self,
        round: &mut Round,
        lease: Lease,
        name: Arc<str>,
        body: Vec<u8>,
    ) -> Result<Saved> {
        let Lease { task, attempt } = lease;
        match self.schedule.running(task) {
            Some(running) if running.ready.standing.attempt == attempt => {}
            Some(_) => return Ok(Saved::LeaseLost),
            None => {
                let is_known = self.rows.task(task)?.is_some();
                return Ok(if is_known { Saved::LeaseLost } else { Saved::Unknown });
            }
        }
        if self.rows.has_step(task, &name)? {
            return Ok(Saved::Already);
        }
        let at = round.now;
        self.apply(round, &Change::Step { task, name, at, body })?;
        Ok(Saved::Now)
    }
}

impl Rows {
    fn has_step(&self, task: TaskId, name: &str) -> Result<bool> {
        let has = "SELECT EXISTS (SELECT 1 FROM steps WHERE task = ?1 AND name = ?2)";
        let mut query = self.connection().prepare_cached(has).map_err(failed)?;
        query.query_row(params![sql(task.as_u64()), name], |row| row.get(0)).map_err(failed)
    }
}

/// The steps of a task, oldest first.
pub(super) fn of(connection: &Connection, task: TaskId) -> Result<Vec<Step>> {
    let mut query = connection
        .prepare_cached("SELECT name, at, body FROM steps WHERE task = ?1 ORDER BY at, name")
        .map_err(failed)?;
    let rows = query
        .query_map([sql(task.as_u64())], |row| {
            Ok(Step {
                name: row.get::<_, String>(0)?.into(),
                at: Timestamp::from_millis(row.get(1)?),
                body: row.get::<_, Vec<u8>>(2)?.into(),
            })
        })
        .map_err(failed)?;
    rows.collect::<rusqlite::Result<_>>().map_err(failed)
}
