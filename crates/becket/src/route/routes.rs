//! Routes: the handlers of an application and what a delivery becomes for them.

use std::sync::Arc;

use becket_tasks::client::notify::teller;
use becket_tasks::{NewTask, Policy};

use super::table::{Table, Wanted};
use crate::config::Mode;

/// One handler, as far as accepting deliveries for it goes.
#[derive(Clone, Debug)]
pub(crate) struct Route {
    pub(crate) wanted: Wanted,
    pub(crate) mode: Mode,
    /// The task that a delivery becomes.
    pub(crate) task: NewTask,
    /// The policy of the task that tells how that one ended, if somebody is to be told.
    pub(crate) tell: Option<Policy>,
}

/// All handlers that deliveries can go to.
#[derive(Debug, Default)]
pub(crate) struct Routes {
    table: Table,
    routes: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    mode: Mode,
    task: NewTask,
    tell: Option<Policy>,
}

/// The tasks that a delivery becomes.
#[derive(Debug, Default)]
pub(crate) struct Routed {
    /// Those of the handlers, then those that tell how they ended.
    pub(crate) tasks: Vec<NewTask>,
    /// How many of them are those of the handlers.
    pub(crate) handlers: usize,
    /// The kinds of those that the sender waits for.
    pub(crate) inline: Vec<Arc<str>>,
}

impl Routes {
    pub(crate) fn new(routes: Vec<Route>) -> Self {
        let parts = |Route { wanted, mode, task, tell }| (wanted, Entry { mode, task, tell });
        let (wanted, routes) = routes.into_iter().map(parts).unzip();
        Self { table: Table::new(wanted), routes }
    }

    /// What a delivery becomes; nothing where no handler wants it. A handler that wants it by the sender's words and by the
    /// normalised event gets it once.
    pub(crate) fn route(&self, source: &str, event: &str, action: Option<&str>, normalised: Option<&str>) -> Routed {
        let mut routed = Routed::default();
        // Allocates only where somebody is to be told.
        let mut tellers = Vec::new();
        let mut places: Vec<usize> = self.table.wanting(source, event, action).collect();
        places.extend(normalised.into_iter().flat_map(|name| self.table.wanting_normalised(source, name)));
        places.sort_unstable();
        places.dedup();
        for place in places {
            let Entry { mode, task, tell } = &self.routes[place];
            tellers.extend(tell.as_ref().map(|policy| teller(policy, 0, routed.tasks.len())));
            if *mode == Mode::Inline {
                routed.inline.push(Arc::clone(&task.kind));
            }
            routed.tasks.push(task.clone());
        }
        routed.handlers = routed.tasks.len();
        routed.tasks.append(&mut tellers);
        routed
    }
}
