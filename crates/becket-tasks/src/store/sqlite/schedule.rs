//! The schedule: what is due next and what runs, in memory.
//!
//! The truth is on disk. Each kind, priority, source and tenant has a [`Stream`] with a window on its earliest tasks,
//! bounded in size; what lies beyond it is read when the window runs empty. The streams of a kind and priority stand in a
//! [`Queue`]. Running tasks are all here, with their leases: one process owns the file, so a lease needs no row.
//!
//! Nothing here knows lanes or limits: what they hold back is not in the schedule.

mod queue;
mod reading;
mod stream;

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use self::queue::{Queue, Top};
pub(super) use self::reading::Unread;
pub(super) use self::stream::StreamKey;
use self::stream::{Place, Stream, StreamId};
use super::change::{Hold, KindNumber, SourceNumber, StreamNumber, WorkerNumber};
use super::lanes::LaneRef;
use crate::id::{SubmissionId, TaskId};
use crate::state::Standing;
use crate::store::fair::Turns;
use crate::time::{Elapsed, Timestamp};

/// How many tasks a window holds at the most; some 150 bytes each.
pub(super) const WINDOW_MAX: usize = 4_096;
/// How many tasks all windows hold at the most, but for [`WINDOW_MIN`] in each.
const WINDOWS_MAX: usize = 131_072;
/// So many tasks each window may hold, however many windows there are.
const WINDOW_MIN: usize = 8;

/// A task that may be claimed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ready {
    pub(super) id: TaskId,
    pub(super) submission: SubmissionId,
    pub(super) kind: KindNumber,
    pub(super) source: SourceNumber,
    pub(super) priority: i8,
    pub(super) standing: Standing,
    pub(super) created_at: Timestamp,
    pub(super) hold: Hold,
    /// Where its row lies among those that may be claimed, if it is one of them.
    pub(super) stream: StreamNumber,
    /// What few tasks have.
    pub(super) ties: Option<Arc<Ties>>,
}

/// What binds a task to others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Ties {
    pub(super) lane: Option<LaneRef>,
    /// Whether its lane passes it while it is not ready.
    pub(super) passes: bool,
    pub(super) tenant: Option<Arc<str>>,
    pub(super) limit_key: Option<Arc<str>>,
}

impl Ready {
    pub(super) fn lane(&self) -> Option<&LaneRef> {
        self.ties.as_ref()?.lane.as_ref()
    }

    pub(super) fn with_lane_number(mut self, number: i64) -> Self {
        if let Some(ties) = &mut self.ties
            && let Some(lane) = &mut Arc::make_mut(ties).lane
        {
            lane.number = number;
        }
        self
    }

    pub(super) fn passes(&self) -> bool {
        self.ties.as_ref().is_some_and(|ties| ties.passes)
    }

    pub(super) fn tenant(&self) -> Option<&Arc<str>> {
        self.ties.as_ref()?.tenant.as_ref()
    }

    pub(super) fn limit_key(&self) -> Option<&Arc<str>> {
        self.ties.as_ref()?.limit_key.as_ref()
    }

    /// Whether it could begin now, as far as its own state and time are concerned.
    pub(super) fn is_ready(&self, now: Timestamp) -> bool {
        self.standing.state.is_claimable() && self.standing.run_at <= now
    }

    fn key(&self) -> Key {
        Key(self.standing.run_at, self.id)
    }
}

/// A task that runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Running {
    pub(super) ready: Ready,
    pub(super) worker: WorkerNumber,
    pub(super) lease_until: Elapsed,
}

/// Orders what is due within one stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key(pub(super) Timestamp, pub(super) TaskId);

impl Key {
    pub(super) const MIN: Self = Self(Timestamp::from_millis(0), TaskId::from_u64(0));
}

/// What a claim gets next.
#[derive(Debug)]
pub(super) enum Best {
    /// This task.
    Task(Ready),
    /// To know that, the rows of this stream after a key must be read, at most so many.
    Unread(Unread),
}

/// What is due next and what runs.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    ids: HashMap<StreamKey, StreamId>,
    streams: HashMap<StreamId, Stream>,
    last_id: StreamId,
    queues: BTreeMap<(Reverse<i8>, KindNumber), Queue>,
    turns: Turns,
    /// How many tasks all windows hold.
    in_windows: usize,
    /// How many rows of other streams were of use when they were read along.
    read_along: Option<usize>,
    running: HashMap<TaskId, Running>,
    paused_kinds: HashSet<KindNumber>,
    paused_sources: HashSet<SourceNumber>,
}

impl Schedule {
    /// A schedule for rows that hold these streams, with the first task of each, none of which is in memory yet.
    pub(super) fn new(unread: impl IntoIterator<Item = (StreamKey, StreamNumber, Key)>, turns: Turns) -> Self {
        let mut schedule = Self { turns, ..Self::default() };
        for (key, number, from) in unread {
            let id = schedule.next_id();
            let known = schedule.ids.insert(key.clone(), id);
            debug_assert!(known.is_none(), "two numbers for the stream {key:?}");
            schedule.streams.insert(id, Stream::unread(key, number, from));
            schedule.put(id);
        }
        schedule
    }

    /// The turns of the tenants, to go on with after the rest is read anew.
    pub(super) fn take_turns(&mut self) -> Turns {
        std::mem::take(&mut self.turns)
    }

    fn next_id(&mut self) -> StreamId {
        self.last_id = self.last_id.wrapping_add(1);
        self.last_id
    }

    /// The number under which the row of a task that may be claimed is to be found.
    pub(super) fn number_of(&self, ready: &Ready) -> StreamNumber {
        if ready.tenant().is_none() {
            return 0;
        }
        let known = self.ids.get(&StreamKey::of(ready)).and_then(|id| self.streams.get(id));
        match known {
            Some(stream) => stream.number,
            // Its own is of no other stream.
            None if ready.stream != 0 => ready.stream,
            None => super::rows::sql(ready.id.as_u64()),
        }
    }

    /// Notes a task that may be claimed, and whose row has the stream's number.
    pub(super) fn add_ready(&mut self, ready: Ready) {
        let stream_key = StreamKey::of(&ready);
        let id = match self.ids.get(&stream_key) {
            Some(id) => *id,
            None => {
                let id = self.next_id();
                self.ids.insert(stream_key.clone(), id);
                self.streams.insert(id, Stream::new(stream_key, ready.stream));
                id
            }
        };
        let Some(stream) = self.streams.get_mut(&id) else { return };
        let key = ready.key();
        if stream.add(key, ready) {
            self.in_windows += 1;
            let has_too_many = self.in_windows > WINDOWS_MAX && stream.tasks.len() > WINDOW_MIN;
            if stream.tasks.len() > WINDOW_MAX || has_too_many {
                stream.drop_last();
                self.in_windows -= 1;
            }
        }
        if stream.head().is_none_or(|head| head >= key) {
            self.put(id);
        }
    }

    /// Forgets a task that may no longer be claimed, wherever it is.
    pub(super) fn remove_ready(&mut self, ready: &Ready) {
        let Some(id) = self.ids.get(&StreamKey::of(ready)).copied() else { return };
        let Some(stream) = self.streams.get_mut(&id) else { return };
        let was_first = stream.head() == Some(ready.key());
        if stream.remove(ready.key()) {
            self.in_windows -= 1;
            if was_first {
                self.put(id);
            }
        }
    }

    /// Takes a task out that stays among those that may be claimed, but is kept elsewhere for a while.
    pub(super) fn set_aside(&mut self, ready: &Ready) {
        if let Some(id) = self.ids.get(&StreamKey::of(ready))
            && let Some(stream) = self.streams.get_mut(id)
        {
            stream.aside += 1;
        }
        self.remove_ready(ready);
    }

    /// Takes a task back that was set aside.
    pub(super) fn take_back(&mut self, ready: Ready) {
        self.one_less_aside(&ready);
        self.add_ready(ready);
    }

    /// Forgets a task that was set aside.
    pub(super) fn forget_aside(&mut self, ready: &Ready) {
        if let Some(id) = self.one_less_aside(ready) {
            self.put(id);
        }
    }

    fn one_less_aside(&mut self, ready: &Ready) -> Option<StreamId> {
        let id = self.ids.get(&StreamKey::of(ready)).copied()?;
        let stream = self.streams.get_mut(&id)?;
        stream.aside = stream.aside.saturating_sub(1);
        Some(id)
    }

    /// The best task of `kinds` that is due at `now`: highest priority, then the earliest turn, then longest due, then
    /// oldest. Kinds that are not `open` are left alone.
    pub(super) fn best_due(
        &mut self,
        kinds: &HashSet<KindNumber>,
        is_open: impl Fn(KindNumber) -> bool,
        now: Timestamp,
    ) -> Option<Best> {
        let mut best: Option<(Reverse<i8>, Top)> = None;
        let wanted = |kind: &KindNumber| kinds.contains(kind) && is_open(*kind);
        let queues = self.queues.iter().filter(|(_, queue)| queue.has_due(now));
        let places: Vec<_> = queues.map(|(place, _)| *place).filter(|(_, kind)| wanted(kind)).collect();
        for place in places {
            if self.paused_kinds.contains(&place.1) {
                continue;
            }
            if best.is_some_and(|(priority, _)| priority < place.0) {
                break;
            }
            let Some(top) = self.top(place, now) else { continue };
            if best.is_none_or(|(_, best)| (top.turn, top.key) < (best.turn, best.key)) {
                best = Some((place.0, top));
            }
        }
        let stream = self.streams.get(&best?.1.stream)?;
        match stream.tasks.first_key_value() {
            Some((_, ready)) => Some(Best::Task(ready.clone())),
            None => Some(Best::Unread(self.unread(stream))),
        }
    }

    /// The first stream of a queue that really stands where it says.
    fn top(&mut self, place: (Reverse<i8>, KindNumber), now: Timestamp) -> Option<Top> {
        loop {
            let present = self.turns.present();
            let queue = self.queues.get(&place)?;
            if let Some(moved) = queue.due(now).or_else(|| queue.caught_up(present)) {
                self.put_at(moved, now);
                continue;
            }
            let top = queue.top(present)?;
            let stream = self.streams.get(&top.stream)?;
            let turn = self.turns.of(stream.key.tenant.as_ref());
            if top.key.0 <= now && turn == top.turn {
                return Some(top);
            }
            self.put_at(top.stream, now);
        }
    }

    /// Notes that a task of this tenant was claimed.
    pub(super) fn charge(&mut self, tenant: Option<&Arc<str>>, weight: u32) {
        self.turns.charge(tenant, weight);
    }

    /// Puts a stream where it belongs as far as that is known without the time: at the latest when it comes to the top it is
    /// put right.
    fn put(&mut self, id: StreamId) {
        self.put_with(id, Place::Future);
    }

    fn put_at(&mut self, id: StreamId, now: Timestamp) {
        let Some(stream) = self.streams.get(&id) else { return };
        let turn = self.turns.of(stream.key.tenant.as_ref());
        let is_level = turn <= self.turns.present();
        self.put_with(id, |head| match head {
            head if head.0 > now => Place::Future(head),
            head if is_level => Place::Level(head),
            head => Place::Ahead(turn, head),
        });
    }

    fn put_with(&mut self, id: StreamId, place_of: impl Fn(Key) -> Place) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        let of_queue = (stream.key.priority, stream.key.kind);
        let is_paused = self.paused_sources.contains(&stream.key.source);
        let old = stream.place;
        stream.place = stream.head().filter(|_| !is_paused).map_or(Place::Nowhere, place_of);
        let (new, is_over) = (stream.place, stream.is_over());
        if old == new && new != Place::Nowhere {
            return;
        }
        let queue = self.queues.entry(of_queue).or_default();
        queue.remove(id, old);
        queue.insert(id, new);
        if queue.is_empty() {
            self.queues.remove(&of_queue);
        }
        if is_over && let Some(stream) = self.streams.remove(&id) {
            self.ids.remove(&stream.key);
        }
    }

    /// Whether a task of `kinds` may be due at `now`: one is, or a window must be filled to know.
    pub(super) fn may_be_due(&self, kinds: &HashSet<KindNumber>, now: Timestamp) -> bool {
        let mut wanted = self.queues.iter().filter(|((_, kind), _)| self.is_wanted(kinds, *kind));
        wanted.any(|(_, queue)| queue.has_due(now))
    }

    /// When the next task of `kinds` becomes due; a time in the past if one is. Kinds that are not `open` count from when
    /// they are.
    pub(super) fn next_due(
        &self,
        kinds: &HashSet<KindNumber>,
        opens_at: impl Fn(KindNumber) -> Option<Timestamp>,
    ) -> Option<Timestamp> {
        let wanted = self.queues.iter().filter(|((_, kind), _)| self.is_wanted(kinds, *kind));
        wanted.filter_map(|((_, kind), queue)| Some(queue.next_due()?.max(opens_at(*kind)?))).min()
    }

    fn is_wanted(&self, kinds: &HashSet<KindNumber>, kind: KindNumber) -> bool {
        kinds.contains(&kind) && !self.paused_kinds.contains(&kind)
    }

    pub(super) fn pause_kind(&mut self, kind: KindNumber, is_paused: bool) {
        if is_paused {
            self.paused_kinds.insert(kind);
        } else {
            self.paused_kinds.remove(&kind);
        }
    }

    /// Walks all streams; people do not do it often.
    pub(super) fn pause_source(&mut self, source: SourceNumber, is_paused: bool) {
        if is_paused {
            self.paused_sources.insert(source);
        } else {
            self.paused_sources.remove(&source);
        }
        let of_source = self.streams.iter().filter(|(_, stream)| stream.key.source == source);
        let ids: Vec<StreamId> = of_source.map(|(id, _)| *id).collect();
        ids.into_iter().for_each(|id| self.put(id));
    }

    pub(super) fn is_paused(&self, kind: KindNumber, source: SourceNumber) -> bool {
        self.paused_kinds.contains(&kind) || self.paused_sources.contains(&source)
    }

    /// Notes a task that runs.
    pub(super) fn add_running(&mut self, running: Running) {
        self.running.insert(running.ready.id, running);
    }

    /// Forgets a task that runs no more.
    pub(super) fn remove_running(&mut self, task: TaskId) -> Option<Running> {
        self.running.remove(&task)
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
        let mut picked: Vec<Running> = self.running.values().filter(|running| pick(running)).cloned().collect();
        picked.sort_unstable_by_key(|running| running.ready.id);
        picked
    }
}

#[cfg(test)]
#[path = "schedule/tests.rs"]
mod tests;
