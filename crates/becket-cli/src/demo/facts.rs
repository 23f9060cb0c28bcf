//! What the server says at the end, asked over HTTP like anybody else.

use std::collections::BTreeMap;

use crate::api::Api;
use crate::api::views::{Delivery, Task};
use crate::cli::Query;

/// All deliveries and tasks of a server.
#[derive(Debug, Default)]
pub(super) struct Facts {
    /// The deliveries, newest first.
    pub(super) deliveries: Vec<Delivery>,
    /// The tasks, newest first.
    pub(super) tasks: Vec<Task>,
}

impl Facts {
    /// Asks a server for everything.
    ///
    /// # Errors
    /// It does not answer.
    pub(super) async fn of(api: &Api) -> anyhow::Result<Self> {
        let mut facts = Self::default();
        api.walk(&["deliveries"], &Query::new(), |delivery| facts.deliveries.push(delivery)).await?;
        api.walk(&["tasks"], &Query::new(), |task| facts.tasks.push(task)).await?;
        Ok(facts)
    }

    /// How many tasks are in each state that has any.
    pub(super) fn by_state(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for task in &self.tasks {
            *counts.entry(task.state.clone()).or_default() += 1;
        }
        counts
    }

    /// The tasks of one kind.
    pub(super) fn of_kind<'f>(&'f self, kind: &'f str) -> impl Iterator<Item = &'f Task> {
        self.tasks.iter().filter(move |task| task.kind == kind)
    }
}
