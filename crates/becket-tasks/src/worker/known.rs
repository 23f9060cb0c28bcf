//! What a worker knows of kinds and schedules: a registry, which may be replaced while it works.
//!
//! Whoever begins something takes what is known at that moment and keeps it to the end: an attempt that runs ends under
//! the handler and the policy with which it began.

use std::collections::HashMap;
use std::sync::Arc;

use super::Worker;
use crate::error::Result;
use crate::order::Rules;
use crate::registry::Registry;
use crate::schedule::unknown_kind;

/// A registry, and what claims say of it.
pub(crate) struct Known {
    pub(crate) registry: Registry,
    pub(crate) kinds: Arc<[Arc<str>]>,
    /// Limits and weights.
    pub(crate) rules: Arc<Rules>,
}

impl Known {
    /// # Errors
    /// [`Error::Invalid`](crate::Error::Invalid) when a schedule wants a kind that has no handler.
    pub(super) fn new(registry: Registry, weights: HashMap<Arc<str>, u32>) -> Result<Self> {
        if let Some(schedule) = registry.schedules().find(|schedule| registry.policy(schedule.kind()).is_none()) {
            return Err(unknown_kind(schedule));
        }
        let rules = Rules { limits: registry.limits(), weights, batches: registry.batches() };
        Ok(Self { kinds: registry.kinds(), rules: Arc::new(rules), registry })
    }
}

/// Replaces what `worker` knows; from now on it claims, runs and fires by this.
pub(crate) fn replace(worker: &Worker, registry: Registry) -> Result<()> {
    let known = Known::new(registry, worker.options.weights.clone())?;
    worker.client.learn(&known.registry);
    let schedules = known.registry.schedules().cloned().collect();
    worker.known.store(Arc::new(known));
    worker.schedules.replace(schedules);
    // Kept for a dispatcher that does not wait just now.
    worker.replaced.notify_one();
    Ok(())
}
