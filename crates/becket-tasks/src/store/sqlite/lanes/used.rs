//! The lanes that are in use, in memory: who is first in each, and how many stand behind.
//!
//! A lane is known here while it has unfinished tasks, and costs some 80 bytes; most have one task, and are never looked up
//! in the rows. Names are told apart by their hashes: should two ever share one, their tasks take turns, no more.

use std::collections::HashMap;
use std::sync::Arc;

use crate::id::TaskId;
use crate::store::sqlite::change::Hold;
use crate::store::sqlite::keys::key_hash;
use crate::store::sqlite::schedule::Ready;

/// The lane of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct LaneRef {
    pub(in super::super) name: Arc<str>,
    /// Tells lanes apart; kept as the rows hold it.
    pub(in super::super) hash: i64,
    /// The id of the task that came first since the lane was last empty, by which its tasks lie together in the rows.
    pub(in super::super) number: i64,
}

/// The hash of a lane's name.
pub(in super::super) fn lane_hash(name: &str) -> i64 {
    key_hash(name).cast_signed()
}

/// Where a task stands in its lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Post {
    /// It has no lane, or has left it.
    None,
    /// It runs, or is to run next; there is one at the most.
    First,
    /// It waits until it is first.
    Behind,
    /// Its lane passes it.
    Adrift,
}

impl Post {
    /// Where a task stands by what holds it.
    pub(in super::super) fn of(ready: &Ready) -> Self {
        match ready.hold {
            _ if ready.lane().is_none() || ready.standing.state.is_finished() => Self::None,
            Hold::Open | Hold::Key => Self::First,
            Hold::Lane => Self::Behind,
            Hold::Adrift => Self::Adrift,
        }
    }
}

/// Who is in a lane.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in super::super) struct Used {
    pub(in super::super) number: i64,
    pub(in super::super) first: Option<TaskId>,
    pub(in super::super) behind: u32,
    pub(in super::super) adrift: u32,
    /// Cancelled attempts that have not stopped.
    pub(in super::super) lingering: u32,
}

impl Used {
    fn is_empty(&self) -> bool {
        self.first.is_none() && self.behind == 0 && self.adrift == 0 && self.lingering == 0
    }

    /// Whether somebody runs, or is to run before whoever comes now.
    pub(in super::super) fn is_taken(&self) -> bool {
        self.lingering > 0 || self.first.is_some() || self.behind > 0
    }
}

/// All lanes that are in use, by their hashes.
#[derive(Debug, Default)]
pub(in super::super) struct Lanes {
    used: HashMap<i64, Used>,
}

impl Lanes {
    /// Who is in a lane; nobody if it is not in use.
    pub(in super::super) fn of(&self, hash: i64) -> Used {
        self.used.get(&hash).copied().unwrap_or_default()
    }

    /// The number of a lane that is in use.
    pub(in super::super) fn number(&self, hash: i64) -> Option<i64> {
        self.used.get(&hash).map(|used| used.number)
    }

    /// Notes that a task stands elsewhere now.
    pub(in super::super) fn step(&mut self, lane: &LaneRef, task: TaskId, from: Post, to: Post) {
        self.step_by(lane.hash, lane.number, task, from, to);
    }

    fn step_by(&mut self, hash: i64, number: i64, task: TaskId, from: Post, to: Post) {
        if from == to {
            return;
        }
        self.change(hash, number, |used| {
            match from {
                Post::First if used.first == Some(task) => used.first = None,
                Post::None | Post::First => {}
                Post::Behind => used.behind = used.behind.saturating_sub(1),
                Post::Adrift => used.adrift = used.adrift.saturating_sub(1),
            }
            match to {
                Post::None => {}
                Post::First => used.first = Some(task),
                Post::Behind => used.behind += 1,
                Post::Adrift => used.adrift += 1,
            }
        });
    }

    /// Notes a cancelled attempt that has not stopped.
    pub(in super::super) fn linger(&mut self, lane: &LaneRef) {
        self.change(lane.hash, lane.number, |used| used.lingering += 1);
    }

    /// Notes that one has stopped.
    pub(in super::super) fn linger_over(&mut self, lane: &LaneRef) {
        self.change(lane.hash, lane.number, |used| used.lingering = used.lingering.saturating_sub(1));
    }

    fn change(&mut self, hash: i64, number: i64, change: impl FnOnce(&mut Used)) {
        let used = self.used.entry(hash).or_insert(Used { number, ..Used::default() });
        change(used);
        if used.is_empty() {
            self.used.remove(&hash);
        }
    }

    /// Takes in a task that is in its lane.
    pub(in super::super) fn step_new(&mut self, ready: &Ready) {
        if let Some(lane) = ready.lane() {
            self.step(lane, ready.id, Post::None, Post::of(ready));
        }
    }

    /// Takes in what the rows say of a lane.
    pub(in super::super) fn read(&mut self, hash: i64, number: i64, post: Post, task: TaskId) {
        self.step_by(hash, number, task, Post::None, post);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lane(number: i64) -> LaneRef {
        LaneRef { name: "a".into(), hash: lane_hash("a"), number }
    }

    #[test]
    fn lane_keeps_its_number_while_anybody_is_in_it() {
        let mut lanes = Lanes::default();
        let [one, two] = [1, 2].map(TaskId::from_u64);
        lanes.step(&lane(1), one, Post::None, Post::First);
        lanes.step(&lane(2), two, Post::None, Post::Behind);
        lanes.step(&lane(1), one, Post::First, Post::None);
        assert_eq!(lanes.number(lane_hash("a")), Some(1));
        assert_eq!(lanes.of(lane_hash("a")), Used { number: 1, behind: 1, ..Used::default() });
        lanes.step(&lane(1), two, Post::Behind, Post::First);
        lanes.linger(&lane(1));
        lanes.step(&lane(1), two, Post::First, Post::None);
        assert!(lanes.of(lane_hash("a")).is_taken(), "a cancelled attempt still runs");
        lanes.linger_over(&lane(1));
        assert!(lanes.used.is_empty() && lanes.number(lane_hash("a")).is_none());
    }

    #[test]
    fn who_left_the_first_place_does_not_take_it_from_another() {
        let mut lanes = Lanes::default();
        let [one, two] = [1, 2].map(TaskId::from_u64);
        lanes.step(&lane(1), one, Post::None, Post::First);
        lanes.step(&lane(1), two, Post::Behind, Post::First);
        lanes.step(&lane(1), one, Post::First, Post::Behind);
        assert_eq!(lanes.of(lane_hash("a")).first, Some(two));
    }
}
