//! Lanes, limits, families and pauses in the rows: what changes say of them, and the writer's questions.

use std::sync::Arc;

use rusqlite::{OptionalExtension, params};

use super::questions::{READY, ready_of};
use super::{Rows, sql, task_id};
use crate::error::Result;
use crate::id::TaskId;
use crate::store::sqlite::change::{Change, KindNumber};
use crate::store::sqlite::failure::failed;
use crate::store::sqlite::lanes::{Lanes, Post};
use crate::store::sqlite::limiter::KeptStart;
use crate::store::sqlite::schedule::Ready;
use crate::time::Timestamp;

/// The tasks that their lane holds back.
const BEHIND: &str = "FROM tasks INDEXED BY tasks_lane WHERE hold = 1 AND lane_number = ?1 AND lane_hash = ?2";
/// The tasks that their lane passes.
const ADRIFT: &str = "FROM tasks INDEXED BY tasks_adrift WHERE hold = 3 AND lane_number = ?1 AND lane_hash = ?2";

impl Rows {
    pub(super) fn apply_order(&self, change: &Change) -> Result<()> {
        match change {
            Change::Stream { task, number } => {
                self.execute("UPDATE tasks SET stream = ?2 WHERE id = ?1", params![sql(task.as_u64()), number])
            }
            Change::LaneNumber { task, number } => {
                self.execute("UPDATE tasks SET lane_number = ?2 WHERE id = ?1", params![sql(task.as_u64()), number])
            }
            Change::HasLanes => self.execute("UPDATE process SET has_lanes = 1", []),
            Change::Linger { task, lane } => {
                self.execute("INSERT OR REPLACE INTO lingering VALUES (?1, ?2)", params![sql(task.as_u64()), lane])
            }
            Change::LingerOver { task } => self.execute("DELETE FROM lingering WHERE task = ?1", [sql(task.as_u64())]),
            Change::Family { child, parent, is_over } => self.execute(
                "INSERT OR IGNORE INTO families VALUES (?1, ?2, ?3)",
                params![sql(child.as_u64()), sql(parent.as_u64()), is_over],
            ),
            Change::Unique { kind, key, task } => self
                .execute("INSERT OR REPLACE INTO uniques VALUES (?1, ?2, ?3)", params![kind, key, sql(task.as_u64())]),
            Change::ParentOver { child, parent } => {
                let (child, parent) = (sql(child.as_u64()), sql(parent.as_u64()));
                self.execute("UPDATE families SET is_over = 1 WHERE child = ?1 AND parent = ?2", [child, parent])?;
                self.execute("UPDATE tasks SET parents = parents - 1 WHERE id = ?1", [child])
            }
            Change::Started { kind, limit_key, at, kept } => {
                let key = limit_key.as_deref().unwrap_or_default();
                let insert = "INSERT INTO starts (kind, limit_key, at) VALUES (?1, ?2, ?3)";
                self.execute(insert, params![kind, key, at.as_millis()])?;
                self.execute(
                    "DELETE FROM starts WHERE kind = ?1 AND limit_key = ?2 AND number <= (SELECT number FROM starts \
                     WHERE kind = ?1 AND limit_key = ?2 ORDER BY number DESC LIMIT 1 OFFSET ?3)",
                    params![kind, key, kept],
                )
            }
            Change::ForgetStarts { before } => self.execute("DELETE FROM starts WHERE at < ?1", [before.as_millis()]),
            Change::Pause { scope, name, is_paused: true } => {
                self.execute("INSERT OR IGNORE INTO paused VALUES (?1, ?2)", params![scope, name])
            }
            Change::Pause { scope, name, is_paused: false } => {
                self.execute("DELETE FROM paused WHERE scope = ?1 AND name = ?2", params![scope, name])
            }
            _ => Ok(()),
        }
    }

    /// The first task that its lane holds back.
    pub(in super::super) fn next_in_lane(&self, number: i64, hash: i64) -> Result<Option<Ready>> {
        self.one(&format!("SELECT {READY} {BEHIND} ORDER BY id LIMIT 1"), params![number, hash])
    }

    /// The first task that its lane passes and that is ready all the same.
    pub(in super::super) fn first_ready_adrift(&self, number: i64, hash: i64, now: Timestamp) -> Result<Option<Ready>> {
        let query = format!("SELECT {READY} {ADRIFT} AND state <> 6 AND run_at <= ?3 ORDER BY id LIMIT 1");
        self.one(&query, params![number, hash, now.as_millis()])
    }

    /// The tasks that their lane holds back.
    pub(in super::super) fn behind_in_lane(&self, number: i64, hash: i64) -> Result<Vec<Ready>> {
        self.several(&format!("SELECT {READY} {BEHIND}"), params![number, hash])
    }

    /// The tasks that their lane passes.
    pub(in super::super) fn adrift_in_lane(&self, number: i64, hash: i64) -> Result<Vec<Ready>> {
        self.several(&format!("SELECT {READY} {ADRIFT}"), params![number, hash])
    }

    fn one(&self, query: &str, params: impl rusqlite::Params) -> Result<Option<Ready>> {
        let mut query = self.connection.prepare_cached(query).map_err(failed)?;
        query.query_row(params, ready_of).optional().map_err(failed)
    }

    pub(super) fn several(&self, query: &str, params: impl rusqlite::Params) -> Result<Vec<Ready>> {
        let mut query = self.connection.prepare_cached(query).map_err(failed)?;
        let rows = query.query_map(params, ready_of).map_err(failed)?;
        rows.collect::<rusqlite::Result<_>>().map_err(failed)
    }

    /// All lanes that are in use, but for those of tasks that run.
    pub(in super::super) fn lanes(&self) -> Result<Lanes> {
        let mut lanes = Lanes::default();
        let query = |index: &str, condition: &str| {
            format!("SELECT lane_hash, lane_number, id FROM tasks INDEXED BY {index} WHERE {condition}")
        };
        for (post, query) in [
            (Post::Adrift, query("tasks_adrift", "hold = 3")),
            (Post::Behind, query("tasks_lane", "hold = 1")),
            (Post::First, query("tasks_waiting", "state = 6 AND lane_hash IS NOT NULL AND hold NOT IN (1, 3)")),
            (Post::First, query("tasks_held", "hold = 2 AND lane_hash IS NOT NULL")),
            (
                Post::First,
                query("tasks_ready", "state IN (0, 2) AND hold IN (0, 3) AND hold <> 3 AND lane_hash IS NOT NULL"),
            ),
        ] {
            let mut query = self.connection.prepare(&query).map_err(failed)?;
            let mut rows = query.query([]).map_err(failed)?;
            while let Some(row) = rows.next().map_err(failed)? {
                let (hash, number, id) = row.try_into().map_err(failed)?;
                lanes.read(hash, number, post, task_id(id));
            }
        }
        Ok(lanes)
    }

    /// The cancelled attempts that keep their lanes, by what the rows say.
    pub(in super::super) fn lingering(&self) -> Result<Vec<(TaskId, Arc<str>)>> {
        let mut query = self.connection.prepare("SELECT task, lane FROM lingering ORDER BY task").map_err(failed)?;
        let rows = query.query_map([], |row| Ok((task_id(row.get(0)?), row.get::<_, String>(1)?.into())));
        rows.map_err(failed)?.collect::<rusqlite::Result<_>>().map_err(failed)
    }

    /// When the burst of a debounced task began.
    pub(in super::super) fn since(&self, task: TaskId) -> Result<Option<Timestamp>> {
        let mut query = self.connection.prepare_cached("SELECT since FROM tasks WHERE id = ?1").map_err(failed)?;
        let since = query.query_row([sql(task.as_u64())], |row| row.get::<_, Option<i64>>(0)).optional();
        Ok(since.map_err(failed)?.flatten().map(Timestamp::from_millis))
    }

    /// The best tasks that are held back by their limit's key, at most `limit`.
    pub(in super::super) fn held_by_key(&self, kind: KindNumber, key: &str, limit: usize) -> Result<Vec<Ready>> {
        let query = format!(
            "SELECT {READY} FROM tasks INDEXED BY tasks_held WHERE hold = 2 AND kind = ?1 AND limit_key = ?2 \
             ORDER BY priority DESC, run_at, id LIMIT ?3"
        );
        self.several(&query, params![kind, key, limit])
    }

    /// Tasks of a kind that are held back by any key, at most `limit`.
    pub(in super::super) fn held_of_kind(&self, kind: KindNumber, limit: usize) -> Result<Vec<Ready>> {
        let query = format!("SELECT {READY} FROM tasks INDEXED BY tasks_held WHERE hold = 2 AND kind = ?1 LIMIT ?2");
        self.several(&query, params![kind, limit])
    }

    /// The kept starts of what has a limited rate, in their order.
    pub(in super::super) fn starts(&self) -> Result<Vec<KeptStart>> {
        let mut query =
            self.connection.prepare("SELECT kind, limit_key, at FROM starts ORDER BY number").map_err(failed)?;
        let rows = query
            .query_map([], |row| {
                let key: String = row.get(1)?;
                let key = (!key.is_empty()).then(|| key.into());
                Ok((row.get(0)?, key, Timestamp::from_millis(row.get(2)?)))
            })
            .map_err(failed)?;
        rows.collect::<rusqlite::Result<_>>().map_err(failed)
    }

    /// The names of what is paused in a scope.
    pub(in super::super) fn paused(&self, scope: &str) -> Result<Vec<Arc<str>>> {
        super::super::read::paused(&self.connection, scope)
    }

    /// The children that still wait for a task.
    pub(in super::super) fn children_waiting_for(&self, parent: TaskId) -> Result<Vec<TaskId>> {
        let query =
            "SELECT child FROM families INDEXED BY families_parent WHERE parent = ?1 AND is_over = 0 ORDER BY child";
        let mut query = self.connection.prepare_cached(query).map_err(failed)?;
        let rows = query.query_map([sql(parent.as_u64())], |row| row.get(0).map(task_id)).map_err(failed)?;
        rows.collect::<rusqlite::Result<_>>().map_err(failed)
    }

    /// How many parents a task waits for, and whether it survives theirs.
    pub(in super::super) fn waits_for(&self, task: TaskId) -> Result<Option<(u32, bool)>> {
        let mut query =
            self.connection.prepare_cached("SELECT parents, survives FROM tasks WHERE id = ?1").map_err(failed)?;
        let row = query.query_row([sql(task.as_u64())], |row| Ok((row.get(0)?, row.get(1)?)));
        row.optional().map_err(failed)
    }

    /// Whether a task has a child that waits.
    pub(in super::super) fn has_waiting_children(&self, parent: TaskId) -> Result<bool> {
        self.has_children(parent, "6")
    }

    /// Whether a task has a child that has not ended.
    pub(in super::super) fn has_unfinished_children(&self, parent: TaskId) -> Result<bool> {
        self.has_children(parent, "0, 1, 2, 6")
    }

    fn has_children(&self, parent: TaskId, states: &str) -> Result<bool> {
        let query = format!(
            "SELECT 1 FROM families f INDEXED BY families_parent CROSS JOIN tasks c ON c.id = f.child \
             WHERE f.parent = ?1 AND c.state IN ({states}) LIMIT 1"
        );
        let mut query = self.connection.prepare_cached(&query).map_err(failed)?;
        query.exists([sql(parent.as_u64())]).map_err(failed)
    }

    /// The latest task of a kind with a key that is to be unique.
    pub(in super::super) fn unique(&self, kind: KindNumber, key: &str) -> Result<Option<TaskId>> {
        let mut query =
            self.connection.prepare_cached("SELECT task FROM uniques WHERE kind = ?1 AND key = ?2").map_err(failed)?;
        query.query_row(params![kind, key], |row| row.get(0).map(task_id)).optional().map_err(failed)
    }

    /// Whether there is a task, whatever its state.
    pub(in super::super) fn is_kept(&self, task: TaskId) -> Result<bool> {
        let mut query = self.connection.prepare_cached("SELECT 1 FROM tasks WHERE id = ?1").map_err(failed)?;
        query.exists([sql(task.as_u64())]).map_err(failed)
    }
}
