//! What a client knows of its kinds, which may be replaced while it is used.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;

use super::Client;
use crate::registry::{PayloadJson, Policy, Registry};
use crate::submission::NewTask;

/// The policies of one registry.
pub(super) struct Policies {
    by_kind: HashMap<Arc<str>, Arc<Policy>>,
    pub(super) payload_json: PayloadJson,
}

/// The same for a client and all that were cloned from it.
pub(super) type Shared = Arc<ArcSwap<Policies>>;

impl Policies {
    pub(super) fn of(registry: &Registry) -> Self {
        Self { by_kind: registry.policies(), payload_json: registry.payload_json() }
    }

    pub(super) fn get(&self, kind: &str) -> Option<&Policy> {
        self.by_kind.get(kind).map(|policy| &**policy)
    }
}

impl Client {
    /// The policy of `kind`; `None` when no handler is registered for it.
    #[must_use]
    pub fn policy(&self, kind: &str) -> Option<Arc<Policy>> {
        self.policies.load().by_kind.get(kind).cloned()
    }

    /// A task of `kind` as its policy says; `None` when no handler is registered for it.
    #[must_use]
    pub fn new_task(&self, kind: &str) -> Option<NewTask> {
        let policies = self.policies.load();
        policies.by_kind.get_key_value(kind).map(|(kind, policy)| policy.new_task(Arc::clone(kind)))
    }

    /// Lets this client, and all that were cloned from it, know another registry.
    pub(crate) fn learn(&self, registry: &Registry) {
        self.policies.store(Arc::new(Policies::of(registry)));
    }
}
