//! A queue: the streams of one kind and priority, in the order in which they are served.
//!
//! Among those that are due, those whose tenant's turn is not ahead of the present one come first, longest due first;
//! then the others, by their turn. Turns only move on, so where a stream was put is never too late: what is stale is
//! found out, and put right, when it comes to the top.

use std::collections::BTreeSet;

use super::Key;
use super::stream::{Place, StreamId};
use crate::time::Timestamp;

#[derive(Debug, Default)]
pub(super) struct Queue {
    level: BTreeSet<(Key, StreamId)>,
    ahead: BTreeSet<(u64, Key, StreamId)>,
    future: BTreeSet<(Key, StreamId)>,
}

/// The first of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Top {
    pub(super) stream: StreamId,
    pub(super) turn: u64,
    pub(super) key: Key,
}

impl Queue {
    pub(super) fn insert(&mut self, stream: StreamId, place: Place) {
        match place {
            Place::Nowhere => {}
            Place::Level(key) => drop(self.level.insert((key, stream))),
            Place::Ahead(turn, key) => drop(self.ahead.insert((turn, key, stream))),
            Place::Future(key) => drop(self.future.insert((key, stream))),
        }
    }

    pub(super) fn remove(&mut self, stream: StreamId, place: Place) {
        match place {
            Place::Nowhere => {}
            Place::Level(key) => drop(self.level.remove(&(key, stream))),
            Place::Ahead(turn, key) => drop(self.ahead.remove(&(turn, key, stream))),
            Place::Future(key) => drop(self.future.remove(&(key, stream))),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.level.is_empty() && self.ahead.is_empty() && self.future.is_empty()
    }

    /// A stream that has become due.
    pub(super) fn due(&self, now: Timestamp) -> Option<StreamId> {
        self.future.first().filter(|(key, _)| key.0 <= now).map(|(_, stream)| *stream)
    }

    /// A stream that waits for its turn though it is not ahead of `present` any more.
    pub(super) fn caught_up(&self, present: u64) -> Option<StreamId> {
        self.ahead.first().filter(|(turn, ..)| *turn <= present).map(|(.., stream)| *stream)
    }

    /// The first stream, as it was put. For use once nothing is due or caught up.
    pub(super) fn top(&self, present: u64) -> Option<Top> {
        let level = self.level.first().map(|(key, stream)| Top { stream: *stream, turn: present, key: *key });
        level.or_else(|| self.ahead.first().map(|(turn, key, stream)| Top { stream: *stream, turn: *turn, key: *key }))
    }

    /// Whether something is due, be it beyond the window.
    pub(super) fn has_due(&self, now: Timestamp) -> bool {
        !self.level.is_empty() || !self.ahead.is_empty() || self.due(now).is_some()
    }

    /// When the first stream is due; a time in the past if one is.
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        if !self.level.is_empty() || !self.ahead.is_empty() {
            return Some(Timestamp::default());
        }
        self.future.first().map(|(key, _)| key.0)
    }
}
