//! When something can start, for whoever moves a manual clock and must know how far.

use super::MemoryStore;
use super::rows::Rows;
use crate::store::Claim;
use crate::time::Timestamp;

impl Rows {
    /// When [`Claim`] will next get something, if nothing else happens: now, or later. `None` when no time helps.
    fn next_start(&self, claim: &Claim, now: Timestamp) -> Option<Timestamp> {
        let wanted = self.claimable.iter().filter(|(_, _, id)| claim.kinds.contains(&self.tasks[id].task.kind));
        let starts = wanted.filter_map(|(_, run_at, id)| {
            if *run_at > now {
                return Some(*run_at);
            }
            self.blocked(&self.tasks[id].task, &claim.rules, now).unwrap_or(Some(now))
        });
        starts.min()
    }

    fn is_idle(&self, claim: &Claim, now: Timestamp) -> bool {
        self.order.is_at_rest() && self.next_start(claim, now).is_none_or(|start| start > now)
    }
}

impl MemoryStore {
    /// When such a claim will next get something, if nothing happens but that time passes: a time that is not after now
    /// means at once. `None` when nothing waits for a time, and in a store that was closed.
    #[must_use]
    pub fn next_start(&self, claim: &Claim) -> Option<Timestamp> {
        self.look(|rows, now| rows.next_start(claim, now)).ok().flatten()
    }

    /// Waits until no attempt runs, and such a claim would get nothing now. A store that was closed is idle.
    pub async fn idle(&self, claim: &Claim) {
        loop {
            // Interest is registered before the rows are looked at.
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            if self.look(|rows, now| rows.is_idle(claim, now)).unwrap_or(true) {
                return;
            }
            changed.await;
        }
    }
}
