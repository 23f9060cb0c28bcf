//! Names that the rows hold as numbers: kinds and workers.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// The names of one table, in both directions. All of them are in memory: there are few.
#[derive(Debug, Default)]
pub(super) struct Names {
    numbers: HashMap<Arc<str>, i64>,
    names: HashMap<i64, Arc<str>>,
    last: i64,
    /// Those that rows may have begun to refer to since the store was opened.
    used: HashSet<i64>,
}

impl Names {
    pub(super) fn new(rows: Vec<(i64, Arc<str>)>) -> Self {
        let last = rows.iter().map(|(number, _)| *number).max().unwrap_or(0);
        let numbers = rows.iter().map(|(number, name)| (Arc::clone(name), *number)).collect();
        Self { numbers, names: rows.into_iter().collect(), last, used: HashSet::new() }
    }

    /// Takes the names that the table has after a failed commit. What was used stays noted.
    pub(super) fn reload(&mut self, rows: Vec<(i64, Arc<str>)>) {
        *self = Self { used: std::mem::take(&mut self.used), ..Self::new(rows) };
    }

    /// All of them.
    pub(super) fn all(&self) -> Vec<(i64, Arc<str>)> {
        self.names.iter().map(|(number, name)| (*number, Arc::clone(name))).collect()
    }

    pub(super) fn number(&self, name: &str) -> Option<i64> {
        self.numbers.get(name).copied()
    }

    /// The name with a number; a number that is not in the table is shown as it is.
    pub(super) fn name(&self, number: i64) -> Arc<str> {
        self.names.get(&number).cloned().unwrap_or_else(|| format!("#{number}").into())
    }

    /// Gives a new name the next number.
    pub(super) fn add(&mut self, name: Arc<str>) -> i64 {
        self.last += 1;
        self.used.insert(self.last);
        self.numbers.insert(Arc::clone(&name), self.last);
        self.names.insert(self.last, name);
        self.last
    }
    /// The number of a name that a row is about to refer to.
    pub(super) fn number_to_use(&mut self, name: &str) -> Option<i64> {
        let number = self.number(name)?;
        self.used.insert(number);
        Some(number)
    }

    /// Whether no row has begun to refer to the number since the store was opened.
    pub(super) fn is_unused(&self, number: i64) -> bool {
        !self.used.contains(&number)
    }

    pub(super) fn forget(&mut self, number: i64) {
        if let Some(name) = self.names.remove(&number) {
            self.numbers.remove(&name);
        }
    }
}
