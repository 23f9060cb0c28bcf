//! Payloads of tasks that were just queued, kept in memory so that a claim soon after need not unpack a block.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::command::Carried;
use crate::id::SubmissionId;

/// How many bytes of payloads are kept at the most.
const BYTES_MAX: usize = 8 * 1024 * 1024;

/// The most recent payloads that wait for their tasks.
#[derive(Default)]
pub(super) struct RecentPayloads {
    carried: HashMap<SubmissionId, Arc<Carried>>,
    order: VecDeque<(SubmissionId, usize)>,
    bytes: usize,
}

impl RecentPayloads {
    pub(super) fn keep(&mut self, submission: SubmissionId, carried: &Arc<Carried>) {
        // Each task of a submission comes along.
        if self.carried.contains_key(&submission) {
            return;
        }
        // Entries cost memory too, however small their payload.
        let bytes = carried.payload.len() + carried.meta.len() + 512;
        if bytes > BYTES_MAX / 4 {
            return;
        }
        self.carried.insert(submission, Arc::clone(carried));
        self.order.push_back((submission, bytes));
        self.bytes += bytes;
        while self.bytes > BYTES_MAX
            && let Some((oldest, bytes)) = self.order.pop_front()
        {
            self.carried.remove(&oldest);
            self.bytes -= bytes;
        }
    }

    pub(super) fn get(&self, submission: SubmissionId) -> Option<Arc<Carried>> {
        self.carried.get(&submission).cloned()
    }

    /// Drops a payload that was erased. Its place in the order goes when its turn comes.
    pub(super) fn forget(&mut self, submission: SubmissionId) {
        self.carried.remove(&submission);
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn oldest_payloads_go_when_the_room_is_full() {
        let carried = Arc::new(Carried {
            source: "s".into(),
            event: "e".into(),
            action: None,
            key: None,
            meta: Bytes::new(),
            payload: Bytes::from(vec![0; BYTES_MAX / 8]),
        });
        let mut recent = RecentPayloads::default();
        for number in 1..=20 {
            recent.keep(SubmissionId::from_u64(number), &carried);
        }
        assert!(recent.get(SubmissionId::from_u64(1)).is_none());
        assert!(recent.get(SubmissionId::from_u64(20)).is_some());
        assert!(recent.bytes <= BYTES_MAX);
    }

    #[test]
    fn payload_of_several_tasks_counts_once() {
        let carried = Arc::new(Carried {
            source: "s".into(),
            event: "e".into(),
            action: None,
            key: None,
            meta: Bytes::new(),
            payload: Bytes::from(vec![0; BYTES_MAX / 5]),
        });
        let mut recent = RecentPayloads::default();
        for _ in 0..20 {
            recent.keep(SubmissionId::from_u64(1), &carried);
        }
        recent.keep(SubmissionId::from_u64(2), &carried);
        assert!(recent.get(SubmissionId::from_u64(1)).is_some());
    }
}
