//! The places of a pool, whose number may change while attempts run.
//!
//! A [`Slot`] is a place that is taken. When the pool shrinks, free places go at once; for those that are taken it owes
//! as many, and a place that is given back pays for one instead of becoming free. So no attempt is disturbed, no place is
//! lost, and at no moment does more begin than the size allows. How large the pool should be is not known here.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The places of one pool.
#[derive(Debug)]
pub(crate) struct Slots {
    free: Arc<Semaphore>,
    size: Mutex<Size>,
    taken: AtomicUsize,
    taken_max: AtomicUsize,
}

#[derive(Debug)]
struct Size {
    size: usize,
    /// How many taken places go when they are given back.
    owed: usize,
}

/// A place that is taken, until it is dropped.
#[derive(Debug)]
pub(crate) struct Slot {
    permit: Option<OwnedSemaphorePermit>,
    slots: Arc<Slots>,
}

impl Slots {
    /// So many free places.
    pub(crate) fn new(size: usize) -> Arc<Self> {
        let size = size.min(Semaphore::MAX_PERMITS);
        Arc::new(Self {
            free: Arc::new(Semaphore::new(size)),
            size: Mutex::new(Size { size, owed: 0 }),
            taken: AtomicUsize::new(0),
            taken_max: AtomicUsize::new(0),
        })
    }

    /// How many places there are, free and taken. More may be taken for a while after the pool has shrunk.
    pub(crate) fn size(&self) -> usize {
        self.lock().size
    }

    /// How many places are free.
    pub(crate) fn free(&self) -> usize {
        self.free.available_permits()
    }

    /// How many places were taken at once at the most since this was last asked.
    pub(crate) fn taken_max(&self) -> usize {
        self.taken_max.swap(self.taken.load(Ordering::Relaxed), Ordering::Relaxed)
    }

    /// Takes a place if one is free.
    pub(crate) fn try_take(self: &Arc<Self>) -> Option<Slot> {
        Arc::clone(&self.free).try_acquire_owned().ok().map(|permit| self.slot(permit))
    }

    /// Takes a place as soon as one is free. Dropping the future takes none.
    pub(crate) async fn take(self: &Arc<Self>) -> Option<Slot> {
        // Fails when the semaphore is closed, which nobody does.
        Arc::clone(&self.free).acquire_owned().await.ok().map(|permit| self.slot(permit))
    }

    /// Changes the number of places.
    pub(crate) fn resize(&self, to: usize) {
        let to = to.min(Semaphore::MAX_PERMITS);
        let mut size = self.lock();
        if to >= size.size {
            let more = to - size.size;
            let forgiven = more.min(size.owed);
            size.owed -= forgiven;
            self.free.add_permits(more - forgiven);
        } else {
            let fewer = size.size - to;
            size.owed += fewer - self.free.forget_permits(fewer);
        }
        size.size = to;
    }

    fn slot(self: &Arc<Self>, permit: OwnedSemaphorePermit) -> Slot {
        let taken = self.taken.fetch_add(1, Ordering::Relaxed) + 1;
        self.taken_max.fetch_max(taken, Ordering::Relaxed);
        Slot { permit: Some(permit), slots: Arc::clone(self) }
    }

    fn lock(&self) -> MutexGuard<'_, Size> {
        self.size.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.slots.taken.fetch_sub(1, Ordering::Relaxed);
        let Some(permit) = self.permit.take() else { return };
        // Under the lock, so that a place cannot become free between a shrinking and its debt.
        let mut size = self.slots.lock();
        if size.owed > 0 {
            size.owed -= 1;
            permit.forget();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn take_all(slots: &Arc<Slots>) -> Vec<Slot> {
        std::iter::from_fn(|| slots.try_take()).collect()
    }

    #[test]
    fn shrinking_waits_for_running_attempts_and_loses_no_place() {
        let slots = Slots::new(4);
        let mut taken = take_all(&slots);
        slots.resize(1);
        assert_eq!((slots.size(), slots.free(), taken.len()), (1, 0, 4));
        for _ in 0..3 {
            taken.pop();
            assert!(slots.try_take().is_none(), "the place that was given back is gone");
        }
        taken.pop();
        assert_eq!(take_all(&slots).len(), 1);
        slots.resize(3);
        assert_eq!(take_all(&slots).len(), 3);
    }

    #[test]
    fn growing_forgives_what_is_still_owed() {
        let slots = Slots::new(4);
        let taken = take_all(&slots);
        slots.resize(2);
        slots.resize(3);
        assert!(slots.try_take().is_none(), "four run, and three may");
        drop(taken);
        assert_eq!(take_all(&slots).len(), 3);
    }

    #[test]
    fn most_that_were_taken_at_once_is_told_once() {
        let slots = Slots::new(4);
        let mut taken = take_all(&slots);
        taken.truncate(1);
        assert_eq!(slots.taken_max(), 4);
        assert_eq!(slots.taken_max(), 1);
    }

    #[tokio::test]
    async fn whoever_waits_for_a_place_gets_one_when_the_pool_grows() {
        let slots = Slots::new(0);
        let mut waiting = std::pin::pin!(slots.take());
        assert!(futures_util::poll!(&mut waiting).is_pending());
        slots.resize(1);
        assert!(waiting.await.is_some());
    }

    proptest! {
        /// Whatever is taken, given back and resized: no more begin than the size allows, and in the end all are there.
        #[test]
        fn number_of_places_is_what_it_was_last_set_to(steps in prop::collection::vec((0..3_u8, 0..9_usize), 1..200)) {
            let slots = Slots::new(4);
            let mut taken = Vec::new();
            for (what, number) in steps {
                match what {
                    0 => slots.resize(number),
                    1 => {
                        let before = taken.len();
                        taken.extend(slots.try_take());
                        prop_assert!(taken.len() == before || taken.len() <= slots.size());
                    }
                    _ => drop(taken.pop()),
                }
            }
            taken.clear();
            prop_assert_eq!(take_all(&slots).len(), slots.size());
        }
    }
}
