//! Routes: the handlers of an application and what a delivery becomes for them.
//!
//! They are asked in the order of registration: the handlers in Rust, then `[[routes]]` in the order of the file. Each that
//! wants the delivery gets it, until one that stops has got it.

use std::sync::Arc;

use becket_tasks::client::notify::teller;
use becket_tasks::{NewTask, Policy};

use super::Sought;
use super::filter::{Filter, Needs, View};
use super::guard::Guard;
use super::table::{Table, Wanted};
use crate::config::Mode;
use crate::http::metrics::Metrics;

/// Payloads larger than this are looked into by filters on a thread that may block: a hostile one takes filters 0.1 s.
const LOOKED_INTO_IN_PLACE_BYTES_MAX: usize = 64 * 1024;

/// One handler, as far as accepting deliveries for it goes.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) wanted: Wanted,
    /// What must be true of a delivery.
    pub(crate) filter: Option<Filter>,
    /// Whether those behind it do not get what it gets.
    pub(crate) stop: bool,
    /// What it is called where it is no handler in Rust, such as `log`.
    pub(crate) target: Option<String>,
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
    /// What all filters need of a payload.
    needs: Needs,
}

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) guard: Option<Guard>,
    pub(super) stop: bool,
    pub(super) target: Option<String>,
    pub(super) mode: Mode,
    pub(super) task: NewTask,
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
        let mut needs = Needs::default();
        routes.iter().filter_map(|route| route.filter.as_ref()).for_each(|filter| filter.add_needs(&mut needs));
        let parts = |Route { wanted, filter, stop, target, mode, task, tell }| {
            (wanted, Entry { guard: filter.map(Guard::new), stop, target, mode, task, tell })
        };
        let (wanted, routes) = routes.into_iter().map(parts).unzip();
        Self { table: Table::new(wanted), routes, needs }
    }

    /// What a delivery becomes; nothing where no handler wants it.
    pub(crate) fn route(&self, sought: &Sought<'_>) -> Routed {
        let mut routed = Routed::default();
        // Allocates only where somebody is to be told.
        let mut tellers = Vec::new();
        // The payload is looked into only where a filter asks, and once for all of them.
        let mut view = None;
        for place in self.table.wanting(sought) {
            let Entry { guard, stop, mode, task, tell, .. } = &self.routes[place];
            if let Some(guard) = guard {
                let view = view.get_or_insert_with(|| View::new(sought, &self.needs));
                if !guard.lets_pass(&task.kind, sought.source, view) {
                    continue;
                }
            }
            tellers.extend(tell.as_ref().map(|policy| teller(policy, 0, routed.tasks.len())));
            if *mode == Mode::Inline {
                routed.inline.push(Arc::clone(&task.kind));
            }
            routed.tasks.push(task.clone());
            if *stop {
                break;
            }
        }
        routed.handlers = routed.tasks.len();
        routed.tasks.append(&mut tellers);
        routed
    }

    /// Whether a payload may have to be looked into.
    pub(crate) fn look_into_payloads(&self) -> bool {
        !self.needs.is_empty()
    }

    /// Whether a payload of this size takes so long to look into that a thread should do it that may block.
    pub(crate) fn take_long(&self, payload_bytes: usize) -> bool {
        self.look_into_payloads() && payload_bytes > LOOKED_INTO_IN_PLACE_BYTES_MAX
    }

    /// Counts what filters say here from now on.
    pub(crate) fn count_in(&mut self, metrics: &Metrics) {
        for Entry { guard, task, .. } in &mut self.routes {
            if let Some(guard) = guard {
                guard.count_with(|said| metrics.filter(&task.kind, said));
            }
        }
    }

    pub(super) fn needs(&self) -> &Needs {
        &self.needs
    }

    pub(super) fn entries(&self) -> impl ExactSizeIterator<Item = (&Wanted, &Entry)> {
        self.routes.iter().enumerate().map(|(place, entry)| (self.table.wanted(place), entry))
    }
}
