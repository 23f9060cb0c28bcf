//! What a firing submits, and how long after its tick the task is due.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use super::Schedule;
use crate::registry::Policy;
use crate::submission::{Due, NewTask, Submission};
use crate::time::Timestamp;

/// The source of what schedules submit.
pub const SOURCE: &str = "schedule";
/// What the schedule itself writes into each payload.
pub const PAYLOAD_KEYS: [&str; 2] = ["schedule", "tick"];

impl Schedule {
    /// How long after `tick` its task is due: zero to the schedule's jitter, both included.
    ///
    /// Made of the name and the tick alone, so that every process comes to the same.
    #[must_use]
    pub fn delay_of(&self, tick: Timestamp) -> Duration {
        let span = u64::try_from(self.jitter.as_millis()).unwrap_or(u64::MAX);
        if span == 0 {
            return Duration::ZERO;
        }
        let hash = Sha256::new().chain_update(self.name.as_bytes()).chain_update([0]);
        let hash: [u8; 32] = hash.chain_update(tick.as_millis().to_be_bytes()).finalize().into();
        let [a, b, c, d, e, f, g, h, ..] = hash;
        Duration::from_millis(u64::from_be_bytes([a, b, c, d, e, f, g, h]) % span.saturating_add(1))
    }

    /// What the tick submits: the same from every process, so that the store knows the second as a duplicate.
    pub(crate) fn firing(&self, tick: Timestamp, policy: &Policy) -> Submission {
        let key = format!("{}/{tick}", self.name);
        self.submission(key, tick, Due::At(tick.after(self.delay_of(tick))), policy)
    }

    /// What a firing by hand submits: due at once, under a key that no tick has. `salt` tells two of one moment apart.
    pub(crate) fn firing_by_hand(&self, now: Timestamp, salt: u32, policy: &Policy) -> Submission {
        self.submission(format!("{}/by-hand/{now}/{salt:08x}", self.name), now, Due::Now, policy)
    }

    fn submission(&self, key: String, tick: Timestamp, due: Due, policy: &Policy) -> Submission {
        let task = NewTask { due, ..policy.new_task(Arc::clone(&self.kind)) };
        Submission {
            source: SOURCE.into(),
            event: Arc::clone(&self.name),
            action: None,
            key: Some(key.into()),
            meta: self.meta.clone(),
            payload: self.payload_of(tick),
            tasks: vec![task],
        }
    }

    fn payload_of(&self, tick: Timestamp) -> Bytes {
        let [schedule, at] = PAYLOAD_KEYS;
        let own = [(schedule, Value::from(&*self.name)), (at, Value::from(tick.to_string()))];
        let mut payload: Map<String, Value> = self.payload.clone();
        payload.extend(own.map(|(key, value)| (key.to_owned(), value)));
        Value::Object(payload).to_string().into()
    }
}
