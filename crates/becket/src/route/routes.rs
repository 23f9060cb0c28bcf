//! Routes: the handlers of an application and what a delivery becomes for them.

use std::sync::Arc;

use becket_tasks::NewTask;

use super::table::{Table, Wanted};
use crate::config::Mode;

/// One handler, as far as accepting deliveries for it goes.
#[derive(Clone, Debug)]
pub(crate) struct Route {
    pub(crate) wanted: Wanted,
    pub(crate) mode: Mode,
    /// The task that a delivery becomes.
    pub(crate) task: NewTask,
}

/// All handlers that deliveries can go to.
#[derive(Debug, Default)]
pub(crate) struct Routes {
    table: Table,
    routes: Vec<(Mode, NewTask)>,
}

/// The tasks that a delivery becomes.
#[derive(Debug, Default)]
pub(crate) struct Routed {
    pub(crate) tasks: Vec<NewTask>,
    /// The kinds of those that the sender waits for.
    pub(crate) inline: Vec<Arc<str>>,
}

impl Routes {
    pub(crate) fn new(routes: Vec<Route>) -> Self {
        let (wanted, routes) = routes.into_iter().map(|route| (route.wanted, (route.mode, route.task))).unzip();
        Self { table: Table::new(wanted), routes }
    }

    /// What a delivery becomes; nothing where no handler wants it.
    pub(crate) fn route(&self, source: &str, event: &str, action: Option<&str>) -> Routed {
        let mut routed = Routed::default();
        for place in self.table.wanting(source, event, action) {
            let (mode, task) = &self.routes[place];
            if *mode == Mode::Inline {
                routed.inline.push(Arc::clone(&task.kind));
            }
            routed.tasks.push(task.clone());
        }
        routed
    }
}
