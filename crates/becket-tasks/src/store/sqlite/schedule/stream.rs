//! A stream: the tasks of one kind, priority, source and tenant that may be claimed, in the order of their due times.
//!
//! It holds a window on the earliest of them; what lies beyond is on disk, and read when the window runs empty.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Key, KindNumber, Ready};
use crate::store::sqlite::change::{SourceNumber, StreamNumber};

/// Which stream.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in super::super) struct StreamKey {
    pub(in super::super) kind: KindNumber,
    pub(in super::super) priority: Reverse<i8>,
    pub(in super::super) source: SourceNumber,
    pub(in super::super) tenant: Option<Arc<str>>,
}

impl StreamKey {
    pub(in super::super) fn of(ready: &Ready) -> Self {
        Self {
            kind: ready.kind,
            priority: Reverse(ready.priority),
            source: ready.source,
            tenant: ready.tenant().cloned(),
        }
    }
}

/// The names of streams in the order of their queues.
pub(super) type StreamId = u32;

/// Where a stream stands in its queue, with the key under which it is found there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Nowhere: its source is paused.
    Nowhere,
    /// Among those whose turn it is.
    Level(Key),
    /// Among those whose turn is yet to come.
    Ahead(u64, Key),
    /// Among those that are not yet due.
    Future(Key),
}

#[derive(Debug)]
pub(super) struct Stream {
    pub(super) key: StreamKey,
    /// Under which its rows lie together.
    pub(super) number: StreamNumber,
    /// How many of its tasks were set aside. While some are, it keeps its number.
    pub(super) aside: u32,
    pub(super) tasks: BTreeMap<Key, Ready>,
    /// Whether the rows hold more tasks, all of them after `cursor`; what is not after it is in memory.
    pub(super) more: bool,
    pub(super) cursor: Key,
    /// While the window is empty: nothing on disk comes before this.
    pub(super) from: Key,
    pub(super) place: Place,
}

impl Stream {
    /// All of its tasks are in memory: there are none.
    pub(super) fn new(key: StreamKey, number: StreamNumber) -> Self {
        Self {
            key,
            number,
            aside: 0,
            tasks: BTreeMap::new(),
            more: false,
            cursor: Key::MIN,
            from: Key::MIN,
            place: Place::Nowhere,
        }
    }

    /// The rows hold tasks of it, the first of which is `from`, and none is in memory.
    pub(super) fn unread(key: StreamKey, number: StreamNumber, from: Key) -> Self {
        Self { more: true, from, ..Self::new(key, number) }
    }

    /// Nothing of it comes before this; `None` if it has no tasks.
    pub(super) fn head(&self) -> Option<Key> {
        match self.tasks.first_key_value() {
            Some((key, _)) => Some(*key),
            None => self.more.then_some(self.from),
        }
    }

    /// Whether none of its tasks is left.
    pub(super) fn is_over(&self) -> bool {
        self.head().is_none() && self.aside == 0
    }

    /// Whether its first task is on disk only.
    pub(super) fn is_unread(&self) -> bool {
        self.more && self.tasks.is_empty()
    }

    /// Whether nothing of it was read or noted yet.
    pub(super) fn is_untouched(&self) -> bool {
        self.is_unread() && self.cursor == Key::MIN
    }

    /// Takes a task in, unless it lies beyond the window; answers whether it is in memory now.
    pub(super) fn add(&mut self, key: Key, ready: Ready) -> bool {
        if self.more && key > self.cursor {
            self.from = self.from.min(key);
            return false;
        }
        self.tasks.insert(key, ready).is_none()
    }

    /// Leaves the last task to the rows.
    pub(super) fn drop_last(&mut self) {
        let Some((dropped, _)) = self.tasks.pop_last() else { return };
        self.more = true;
        self.cursor = self.tasks.last_key_value().map_or(Key::MIN, |(last, _)| *last);
        self.from = dropped;
    }

    /// Takes a task out; answers whether it was in memory.
    pub(super) fn remove(&mut self, key: Key) -> bool {
        if self.tasks.remove(&key).is_none() {
            return false;
        }
        if self.tasks.is_empty() && self.more {
            self.from = self.cursor;
        }
        true
    }
}
