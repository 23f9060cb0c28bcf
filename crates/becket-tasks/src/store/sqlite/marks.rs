//! Marks in their rows.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::change::Change;
use super::failure::failed;
use super::writer::{Round, Writer};
use crate::error::Result;
use crate::mark::Mark;
use crate::time::Timestamp;

const COLUMNS: &str = "name, since, last, count";

impl Writer {
    /// Adds to marks.
    pub(super) fn mark(&mut self, round: &mut Round, marks: Vec<Mark>) -> Result<()> {
        for mut mark in marks {
            if let Some(before) = one(self.rows.connection(), &mark.name)? {
                mark.add(&before);
            }
            self.apply(round, &Change::Mark(mark))?;
        }
        Ok(())
    }
}

/// Writes one, whether or not there is one of its name.
pub(super) fn replace(connection: &Connection, mark: &Mark) -> rusqlite::Result<()> {
    let mut query = connection.prepare_cached("INSERT OR REPLACE INTO marks VALUES (?1, ?2, ?3, ?4)")?;
    let count = i64::try_from(mark.count).unwrap_or(i64::MAX);
    query.execute(params![mark.name, mark.since.as_millis(), mark.last.map(Timestamp::as_millis), count]).map(drop)
}

/// All of them, by name.
pub(super) fn all(connection: &Connection) -> Result<Vec<Mark>> {
    let mut query = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM marks ORDER BY name")).map_err(failed)?;
    let rows = query.query_map([], mark_of).map_err(failed)?;
    rows.collect::<rusqlite::Result<_>>().map_err(failed)
}

fn one(connection: &Connection, name: &str) -> Result<Option<Mark>> {
    let sql = format!("SELECT {COLUMNS} FROM marks WHERE name = ?1");
    let mut query = connection.prepare_cached(&sql).map_err(failed)?;
    query.query_row([name], mark_of).optional().map_err(failed)
}

fn mark_of(row: &Row<'_>) -> rusqlite::Result<Mark> {
    Ok(Mark {
        name: row.get::<_, String>(0)?.into(),
        since: Timestamp::from_millis(row.get(1)?),
        last: row.get::<_, Option<i64>>(2)?.map(Timestamp::from_millis),
        count: u64::try_from(row.get::<_, i64>(3)?).unwrap_or_default(),
    })
}
