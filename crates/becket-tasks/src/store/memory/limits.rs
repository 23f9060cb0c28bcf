//! How much a memory store takes before it says [`Error::Busy`].

use crate::error::{Error, Result};

/// How much a memory store takes; an insert that would exceed it is refused whole, with [`Error::Busy`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How many tasks it keeps, finished ones included. Default: 1,000,000.
    pub tasks_max: usize,
    /// How many bytes of payloads and what comes beside them it keeps. Default: 256 MiB.
    pub payload_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { tasks_max: 1_000_000, payload_bytes_max: 256 * 1024 * 1024 }
    }
}

impl Limits {
    /// Whether so much may be kept.
    pub(super) fn allow(self, tasks: usize, payload_bytes: usize) -> Result<()> {
        if tasks > self.tasks_max || payload_bytes > self.payload_bytes_max { Err(Error::Busy) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::Retention;
    use crate::store::Store;
    use crate::store::memory::MemoryStore;
    use crate::{Clock, NewTask, State, Submission};

    fn submission(key: &str, tasks: usize, bytes: usize) -> Submission {
        Submission {
            source: "test".into(),
            event: "event".into(),
            action: None,
            key: Some(key.into()),
            meta: "12".into(),
            payload: vec![0; bytes - 2].into(),
            tasks: vec![NewTask::new("work"); tasks],
        }
    }

    #[tokio::test]
    async fn insert_over_a_limit_is_refused_whole_and_duplicates_are_still_answered() {
        let store = MemoryStore::new(Clock::default(), 0, Limits { tasks_max: 3, payload_bytes_max: 10 });
        let first = store.insert(vec![submission("1", 2, 8)]).await.unwrap().remove(0);
        for too_much in [
            vec![submission("2", 0, 2), submission("3", 2, 2)],
            vec![submission("2", 1, 3)],
            vec![submission("2", 0, 2), submission("3", 0, 2)],
        ] {
            assert!(matches!(store.insert(too_much).await, Err(Error::Busy)));
        }
        let too_many = vec![NewTask::new("work"); 2];
        assert!(matches!(store.append(first.submission, too_many).await, Err(Error::Busy)));
        assert_eq!(store.counts().await.unwrap().of(State::Queued), 2);
        assert!(store.insert(vec![submission("1", 2, 8)]).await.unwrap()[0].duplicate);
        assert!(!store.insert(vec![submission("2", 1, 2)]).await.unwrap()[0].duplicate);
    }

    #[tokio::test]
    async fn what_is_erased_or_pruned_makes_room() {
        let clock = Clock::manual(crate::Timestamp::from_millis(1_000_000));
        let store = MemoryStore::new(clock.clone(), 0, Limits { tasks_max: 1, payload_bytes_max: 8 });
        let first = store.insert(vec![submission("1", 1, 8)]).await.unwrap().remove(0);
        store.erase(vec![first.submission]).await.unwrap();
        store.cancel(first.tasks, "no more".into()).await.unwrap();
        clock.advance(std::time::Duration::from_secs(1));
        store.prune(Retention { age: std::time::Duration::ZERO, finished_max: 0 }).await.unwrap();
        store.insert(vec![submission("1", 1, 8)]).await.unwrap();
        assert!(matches!(store.insert(vec![submission("2", 0, 2)]).await, Err(Error::Busy)));
    }
}
