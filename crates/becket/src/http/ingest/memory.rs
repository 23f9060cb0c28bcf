//! How much memory the bodies of all requests together may take.
//!
//! Whoever can open a connection can send most of a large body and then wait, unverified as they are. So large bodies
//! share one budget, and a sender for whose body there is no room is asked to come again. Small bodies of
//! HTTP/1 are not counted: the limit on connections bounds them, and most requests need not touch what all share. An
//! HTTP/2 connection carries many requests at once, so all of theirs are.

use std::sync::Arc;

use http::Version;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bodies up to this size are not counted.
pub(super) const UNCOUNTED_BYTES_MAX: usize = 64 * 1024;
/// What is counted in: a semaphore's permits are too few to be bytes.
const UNIT_BYTES: usize = 1024;

/// The budget of all large bodies.
#[derive(Clone, Debug)]
pub(crate) struct BodyMemory {
    bytes: usize,
    units: Arc<Semaphore>,
}

impl BodyMemory {
    /// A budget in bytes.
    pub(crate) fn new(bytes: usize) -> Self {
        Self { bytes, units: Arc::new(Semaphore::new(bytes.div_ceil(UNIT_BYTES).min(Semaphore::MAX_PERMITS))) }
    }

    /// How much it is.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Room for one body, of no size yet.
    pub(super) fn room(&self, version: Version) -> Room<'_> {
        let uncounted = if version < Version::HTTP_2 { UNCOUNTED_BYTES_MAX } else { 0 };
        Room { memory: self, uncounted, held: None }
    }
}

/// The part of the budget that one body takes, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Room<'a> {
    memory: &'a BodyMemory,
    uncounted: usize,
    held: Option<OwnedSemaphorePermit>,
}

impl Room<'_> {
    /// Makes the room as large as `bytes`; says whether it could. Does not wait: a sender that waits holds on to what
    /// others wait for.
    pub(super) fn grow(&mut self, bytes: usize) -> bool {
        if bytes <= self.uncounted {
            return true;
        }
        let held = self.held.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let missing = bytes.div_ceil(UNIT_BYTES).saturating_sub(held);
        let Ok(missing) = u32::try_from(missing) else { return false };
        let Ok(more) = Arc::clone(&self.memory.units).try_acquire_many_owned(missing) else { return false };
        match &mut self.held {
            Some(held) => held.merge(more),
            None => self.held = Some(more),
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1024 * 1024;

    #[test]
    fn rooms_share_the_budget_and_give_it_back() {
        let memory = BodyMemory::new(MIB);
        let (mut first, mut second) = (memory.room(Version::HTTP_11), memory.room(Version::HTTP_2));
        assert!(first.grow(MIB / 2) && first.grow(MIB / 4) && second.grow(MIB / 2));
        assert!(!first.grow(MIB / 2 + 1));
        drop(second);
        assert!(first.grow(MIB));
        assert!(!first.grow(MIB + 1));
    }

    #[test]
    fn small_body_needs_no_room_unless_many_share_a_connection() {
        let memory = BodyMemory::new(0);
        assert!(memory.room(Version::HTTP_11).grow(UNCOUNTED_BYTES_MAX));
        assert!(!memory.room(Version::HTTP_11).grow(UNCOUNTED_BYTES_MAX + 1));
        assert!(memory.room(Version::HTTP_2).grow(0));
        assert!(!memory.room(Version::HTTP_2).grow(1));
    }
}
