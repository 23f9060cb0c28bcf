//! Names that the rows hold as numbers: kinds and workers.

use std::collections::HashMap;
use std::sync::Arc;

/// The names of one table, in both directions. All of them are in memory: there are few.
#[derive(Debug, Default)]
pub(super) struct Names {
    numbers: HashMap<Arc<str>, i64>,
    names: HashMap<i64, Arc<str>>,
    last: i64,
}

impl Names {
    pub(super) fn new(rows: Vec<(i64, Arc<str>)>) -> Self {
        let last = rows.iter().map(|(number, _)| *number).max().unwrap_or(0);
        let numbers = rows.iter().map(|(number, name)| (Arc::clone(name), *number)).collect();
        Self { numbers, names: rows.into_iter().collect(), last }
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
        self.numbers.insert(Arc::clone(&name), self.last);
        self.names.insert(self.last, name);
        self.last
    }
}
