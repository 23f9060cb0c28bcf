//! Commits: what makes a round's changes durable.
//!
//! Behind this is SQLite's write-ahead log: with `synchronous=FULL` a commit ends when the disk has confirmed the log,
//! with `NORMAL` when the operating system has it. A round that brings nothing new into the store (claims, ends) needs
//! only the latter; the next durable round confirms it along.

use super::failure::failed;
use super::rows::Rows;
use crate::error::Result;
use crate::store::Durability;

/// How the write connection commits at the moment.
#[derive(Debug)]
pub(super) struct Commits {
    durability: Durability,
    is_synchronous: Option<bool>,
}

impl Commits {
    pub(super) const fn new(durability: Durability) -> Self {
        Self { durability, is_synchronous: None }
    }

    /// Chooses how the next transaction is committed; must be called outside of one.
    pub(super) fn set_durable(&mut self, rows: &Rows, is_durable: bool) -> Result<()> {
        let is_synchronous = is_durable && self.durability == Durability::PowerLoss;
        if self.is_synchronous == Some(is_synchronous) {
            return Ok(());
        }
        let pragma = match (is_synchronous, self.durability) {
            (true, _) => "PRAGMA synchronous = FULL",
            (false, Durability::Memory) => "PRAGMA synchronous = OFF",
            (false, Durability::PowerLoss | Durability::ProcessCrash) => "PRAGMA synchronous = NORMAL",
        };
        self.is_synchronous = None;
        rows.connection().execute_batch(pragma).map_err(failed)?;
        self.is_synchronous = Some(is_synchronous);
        Ok(())
    }
}
