//! The schedule: what is due next and what runs, in memory.
//!
//! The truth is on disk. Each pair of kind and priority has a [`Window`] on its earliest tasks, bounded in size; what
//! lies beyond it is read when the window runs empty. Running tasks are all here, with their leases: one process owns
//! the file, so a lease needs no row.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, HashSet};

use super::change::{KindNumber, WorkerNumber};
use crate::id::{SubmissionId, TaskId};
use crate::state::Standing;
use crate::time::{Elapsed, Timestamp};

/// How many tasks a window holds at the most; some 100 bytes each.
pub(super) const WINDOW_MAX: usize = 4_096;

/// A task that may be claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ready {
    pub(super) id: TaskId,
    pub(super) submission: SubmissionId,
    pub(super) kind: KindNumber,
    pub(super) priority: i8,
    pub(super) standing: Standing,
    pub(super) created_at: Timestamp,
}

/// A task that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Running {
    pub(super) ready: Ready,
    pub(super) worker: WorkerNumber,
    pub(super) lease_until: Elapsed,
}

/// Orders what is due within one kind and priority.
type Key = (Timestamp, TaskId);

/// The earliest tasks of one kind and priority.
#[derive(Debug, Default)]
struct Window {
    tasks: BTreeMap<Key, Ready>,
    /// Whether the rows hold more tasks, all of them after the last one here.
    more: bool,
}

/// Which window: highest priority first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Level {
    pub(super) priority: Reverse<i8>,
    pub(super) kind: KindNumber,
}

/// What is due next and what runs.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    windows: BTreeMap<Level, Window>,
    running: HashMap<TaskId, Running>,
}

impl Schedule {
    /// A schedule for rows that hold tasks at `levels`, none of which is in memory yet.
    pub(super) fn new(levels: impl IntoIterator<Item = Level>) -> Self {
        let unread = |level| (level, Window { tasks: BTreeMap::new(), more: true });
        Self { windows: levels.into_iter().map(unread).collect(), running: HashMap::new() }
    }

    /// Notes a task that may be claimed.
    pub(super) fn add_ready(&mut self, ready: Ready) {
        let level = Level { priority: Reverse(ready.priority), kind: ready.kind };
        let window = self.windows.entry(level).or_default();
        let key = (ready.standing.run_at, ready.id);
        let is_beyond = window.more && window.tasks.last_key_value().is_none_or(|(last, _)| key > *last);
        if is_beyond {
            return;
        }
        window.tasks.insert(key, ready);
        if window.tasks.len() > WINDOW_MAX {
            window.tasks.pop_last();
            window.more = true;
        }
    }

    /// Forgets a task that may no longer be claimed, wherever it is.
    pub(super) fn remove_ready(&mut self, ready: &Ready) {
        let level = Level { priority: Reverse(ready.priority), kind: ready.kind };
        if let Some(window) = self.windows.get_mut(&level) {
            window.tasks.remove(&(ready.standing.run_at, ready.id));
            if window.tasks.is_empty() && !window.more {
                self.windows.remove(&level);
            }
        }
    }

    /// The level of `kinds` whose window must be filled before the best task is known, with the key to read after.
    pub(super) fn to_fill(&self, kinds: &HashSet<KindNumber>) -> Option<Level> {
        let is_short = |window: &Window| window.more && window.tasks.is_empty();
        self.windows
            .iter()
            .find(|(level, window)| kinds.contains(&level.kind) && is_short(window))
            .map(|(level, _)| *level)
    }

    /// Fills an empty window with the first rows of its level, `more` of which may follow.
    pub(super) fn fill(&mut self, level: Level, first: Vec<Ready>, more: bool) {
        if first.is_empty() {
            self.windows.remove(&level);
            return;
        }
        let tasks = first.into_iter().map(|ready| ((ready.standing.run_at, ready.id), ready)).collect();
        self.windows.insert(level, Window { tasks, more });
    }

    /// The best task of `kinds` that is due at `now`: highest priority, then longest due, then oldest.
    /// Windows named by [`to_fill`](Self::to_fill) must be filled before.
    pub(super) fn best_due(&self, kinds: &HashSet<KindNumber>, now: Timestamp) -> Option<Ready> {
        let mut best: Option<(Reverse<i8>, Key, Ready)> = None;
        for (level, window) in &self.windows {
            if best.as_ref().is_some_and(|(priority, ..)| *priority < level.priority) {
                break;
            }
            let Some((key, ready)) = window.tasks.first_key_value() else { continue };
            let is_due = kinds.contains(&level.kind) && key.0 <= now;
            if is_due && best.as_ref().is_none_or(|(_, best, _)| key < best) {
                best = Some((level.priority, *key, *ready));
            }
        }
        best.map(|(_, _, ready)| ready)
    }

    /// Whether a task of `kinds` may be due at `now`: one is, or a window must be filled to know.
    pub(super) fn may_be_due(&self, kinds: &HashSet<KindNumber>, now: Timestamp) -> bool {
        let mut of_kinds = self.windows.iter().filter(|(level, _)| kinds.contains(&level.kind));
        of_kinds.any(|(_, window)| match window.tasks.first_key_value() {
            Some(((run_at, _), _)) => *run_at <= now,
            None => window.more,
        })
    }

    /// When the next task of `kinds` becomes due; a time in the past if one is.
    pub(super) fn next_due(&self, kinds: &HashSet<KindNumber>) -> Option<Timestamp> {
        let of_kinds = self.windows.iter().filter(|(level, _)| kinds.contains(&level.kind));
        of_kinds.filter_map(|(_, window)| window.tasks.first_key_value()).map(|((run_at, _), _)| *run_at).min()
    }

    /// Notes a task that runs.
    pub(super) fn add_running(&mut self, running: Running) {
        self.running.insert(running.ready.id, running);
    }

    /// Forgets a task that runs no more.
    pub(super) fn remove_running(&mut self, task: TaskId) {
        self.running.remove(&task);
    }

    /// The running task, if it runs.
    pub(super) fn running(&self, task: TaskId) -> Option<&Running> {
        self.running.get(&task)
    }

    /// The running task, to change its lease.
    pub(super) fn running_mut(&mut self, task: TaskId) -> Option<&mut Running> {
        self.running.get_mut(&task)
    }

    /// The running tasks for which `pick` holds, in the order of their ids.
    pub(super) fn running_where(&self, pick: impl Fn(&Running) -> bool) -> Vec<Running> {
        let mut picked: Vec<Running> = self.running.values().filter(|running| pick(running)).copied().collect();
        picked.sort_unstable_by_key(|running| running.ready.id);
        picked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ready(id: u64, kind: KindNumber, priority: i8, run_at: i64) -> Ready {
        let run_at = Timestamp::from_millis(run_at);
        Ready {
            id: TaskId::from_u64(id),
            submission: SubmissionId::from_u64(1),
            kind,
            priority,
            standing: Standing::queued(1, run_at),
            created_at: run_at,
        }
    }

    fn best(schedule: &Schedule, kinds: &[KindNumber], now: i64) -> Option<u64> {
        let kinds = kinds.iter().copied().collect();
        schedule.best_due(&kinds, Timestamp::from_millis(now)).map(|ready| ready.id.as_u64())
    }

    #[test]
    fn best_is_highest_priority_then_longest_due_then_oldest() {
        let mut schedule = Schedule::default();
        for task in [ready(1, 1, 0, 5), ready(2, 2, 0, 4), ready(3, 1, 7, 9), ready(4, 2, 0, 4), ready(5, 3, 9, 0)] {
            schedule.add_ready(task);
        }
        let mut order = Vec::new();
        let kinds = HashSet::from([1, 2]);
        while let Some(task) = schedule.best_due(&kinds, Timestamp::from_millis(100)) {
            schedule.remove_ready(&task);
            order.push(task.id.as_u64());
        }
        assert_eq!(order, [3, 2, 4, 1]);
        assert_eq!(best(&schedule, &[3], 100), Some(5));
    }

    #[test]
    fn lower_priority_is_due_while_higher_is_not() {
        let mut schedule = Schedule::default();
        schedule.add_ready(ready(1, 1, 9, 50));
        schedule.add_ready(ready(2, 1, 0, 1));
        assert_eq!(best(&schedule, &[1], 10), Some(2));
        assert_eq!(best(&schedule, &[1], 50), Some(1));
        assert_eq!(schedule.next_due(&HashSet::from([1])), Some(Timestamp::from_millis(1)));
    }

    #[test]
    fn full_window_keeps_the_earliest_and_knows_of_more() {
        let mut schedule = Schedule::default();
        for number in (0..WINDOW_MAX as u64 + 10).rev() {
            schedule.add_ready(ready(number + 1, 1, 0, 5));
        }
        let level = Level { priority: Reverse(0), kind: 1 };
        assert_eq!(schedule.windows[&level].tasks.len(), WINDOW_MAX);
        schedule.add_ready(ready(999_999, 1, 0, 5));
        assert_eq!(schedule.windows[&level].tasks.len(), WINDOW_MAX, "what lies beyond stays on disk");
        let kinds = HashSet::from([1]);
        for _ in 0..WINDOW_MAX {
            assert_eq!(schedule.to_fill(&kinds), None);
            let task = schedule.best_due(&kinds, Timestamp::from_millis(5)).unwrap();
            schedule.remove_ready(&task);
        }
        assert_eq!(schedule.to_fill(&kinds), Some(level));
        schedule.add_ready(ready(1, 1, 0, 5));
        assert_eq!(schedule.to_fill(&kinds), Some(level), "an empty window takes nothing before it is filled");
        schedule.fill(level, Vec::new(), false);
        assert_eq!(schedule.to_fill(&kinds), None);
    }
}
