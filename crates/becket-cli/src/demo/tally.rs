//! What the senders see: how many they posted, what was acknowledged, and how long it took.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::complaint::Complaint;
use crate::latency::Latencies;

/// An acknowledged delivery.
#[derive(Debug)]
pub(super) struct Posted {
    /// The tasks that it became.
    pub(super) tasks: Vec<String>,
    /// Whether the server knew it already.
    pub(super) duplicate: bool,
    /// How long the acknowledgement took.
    pub(super) took: Duration,
}

/// What the senders saw.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    /// Deliveries posted, without those posted again on purpose.
    pub(super) posted: usize,
    /// Those that were acknowledged, by the sender's id, with the tasks that they became.
    pub(super) acknowledged: BTreeMap<String, Vec<String>>,
    /// Deliveries posted again on purpose.
    pub(super) duplicates_sent: usize,
    /// Those of them that were answered as duplicates, with the tasks of the first.
    pub(super) duplicates_recognised: usize,
    /// How long acknowledgements took.
    pub(super) latencies: Latencies,
    /// What went wrong.
    pub(super) errors: Vec<String>,
}

impl Tally {
    /// Takes note of a request that begins; `again`: on purpose a second time.
    pub(super) fn begin(&mut self, again: bool) {
        if again { self.duplicates_sent += 1 } else { self.posted += 1 }
    }

    /// Takes note of its end.
    pub(super) fn end(&mut self, id: &str, again: bool, posted: Result<Posted, Complaint>) {
        let Posted { tasks, duplicate, took } = match posted {
            Ok(posted) => posted,
            Err(error) => {
                let place = error.place().map(|place| format!(" at {place}")).unwrap_or_default();
                return self.errors.push(format!("{error}{place}"));
            }
        };
        self.latencies.add(took);
        match (again, duplicate) {
            (false, false) => {
                self.acknowledged.insert(id.to_owned(), tasks);
            }
            (true, true) if self.acknowledged.get(id) == Some(&tasks) => self.duplicates_recognised += 1,
            (true, true) => {
                self.errors.push(format!("the duplicate {id} was answered with other tasks than the first"));
            }
            (true, false) => self.errors.push(format!("the duplicate {id} was not recognised")),
            (false, true) => self.errors.push(format!("the new delivery {id} was taken for a duplicate")),
        }
    }
}

/// A tally that all connections write to.
#[derive(Debug, Default)]
pub(super) struct Shared(Mutex<Tally>);

impl Shared {
    /// Reads or changes the tally.
    pub(super) fn with<R>(&self, act: impl FnOnce(&mut Tally) -> R) -> R {
        act(&mut self.lock())
    }

    /// The tally, when nobody writes to it any more.
    pub(super) fn into_inner(self) -> Tally {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, Tally> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn posted(tasks: &[&str], duplicate: bool) -> Result<Posted, Complaint> {
        let tasks = tasks.iter().copied().map(str::to_owned).collect();
        Ok(Posted { tasks, duplicate, took: Duration::from_millis(1) })
    }

    #[test]
    fn duplicate_counts_only_with_the_tasks_of_the_first() {
        let mut tally = Tally::default();
        tally.end("a", false, posted(&["1"], false));
        tally.end("a", true, posted(&["1"], true));
        assert_eq!((tally.duplicates_recognised, tally.errors.len()), (1, 0));
        tally.end("a", true, posted(&["2"], true));
        tally.end("a", true, posted(&["1"], false));
        tally.end("b", false, posted(&["3"], true));
        assert_eq!((tally.duplicates_recognised, tally.errors.len()), (1, 3));
    }

    #[test]
    fn refusal_is_kept_with_its_place() {
        let mut tally = Tally::default();
        tally.end("a", false, Err(Complaint::new("the signature is wrong").at("POST /x")));
        assert_eq!(tally.errors, ["the signature is wrong at POST /x"]);
        assert!(tally.acknowledged.is_empty());
    }
}
