//! Reading: which rows a window wants when it runs empty, and how they are taken in.
//!
//! A store that is opened with many tenants has a stream for each, none of them in memory, and a question to the rows for
//! each would cost more than the rows. So with a stream that is read for the first time the next ones in the index are read
//! along.

use super::stream::{Stream, StreamKey};
use super::{Key, Ready, Schedule, WINDOW_MAX, WINDOW_MIN, WINDOWS_MAX};
use crate::store::sqlite::change::StreamNumber;

/// So many rows of other streams are read along at the most.
const ALONG_MAX: usize = 1_024;

/// What must be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Unread {
    pub(in super::super) stream: StreamKey,
    pub(in super::super) number: StreamNumber,
    pub(in super::super) after: Key,
    pub(in super::super) limit: usize,
    /// So many rows of the streams that come next in the index, if this one is then read to its end.
    pub(in super::super) along: usize,
}

impl Schedule {
    pub(super) fn unread(&self, stream: &Stream) -> Unread {
        let room = WINDOWS_MAX.saturating_sub(self.in_windows);
        // Where streams are long, most of what is read along is of no use: then less is.
        let along = self.read_along.map_or(ALONG_MAX, |used| 2 * used).clamp(WINDOW_MIN, ALONG_MAX);
        let is_first = stream.is_untouched() && stream.key.tenant.is_some();
        Unread {
            stream: stream.key.clone(),
            number: stream.number,
            after: stream.cursor,
            limit: self.fill_size(),
            along: if is_first { along.min(room) } else { 0 },
        }
    }

    /// Half of a window is read at once, less when there are many: the other half is room for what is inserted before
    /// its last task.
    fn fill_size(&self) -> usize {
        (WINDOWS_MAX / 2 / self.streams.len().max(1)).clamp(WINDOW_MIN, WINDOW_MAX / 2)
    }

    /// Takes in rows that [`Best::Unread`](super::Best::Unread) asked for; `more` may follow.
    pub(in super::super) fn fill(&mut self, key: &StreamKey, rows: Vec<Ready>, more: bool) {
        let Some(id) = self.ids.get(key).copied() else { return };
        let Some(stream) = self.streams.get_mut(&id) else { return };
        stream.more = more;
        if let Some(last) = rows.last() {
            stream.cursor = last.key();
        }
        let before = stream.tasks.len();
        stream.tasks.extend(rows.into_iter().map(|ready| (ready.key(), ready)));
        self.in_windows += stream.tasks.len() - before;
        if stream.is_unread() {
            stream.from = stream.cursor;
        }
        self.put(id);
    }

    /// Takes in rows of other streams that were read along, in the order of the index; `more` rows may follow the last.
    pub(in super::super) fn fill_along(&mut self, rows: Vec<Ready>, more: bool) {
        let limit = self.fill_size();
        let mut used = 0;
        let mut rows = rows.into_iter().peekable();
        while let Some(first) = rows.next() {
            let key = StreamKey::of(&first);
            let (mut of_stream, mut has_more) = (vec![first], false);
            while let Some(next) = rows.next_if(|next| StreamKey::of(next) == key) {
                if of_stream.len() < limit { of_stream.push(next) } else { has_more = true }
            }
            has_more |= more && rows.peek().is_none();
            // What was in memory before is known better there.
            let stream = self.ids.get(&key).and_then(|id| self.streams.get(id));
            if stream.is_some_and(Stream::is_untouched) {
                used += of_stream.len();
                self.fill(&key, of_stream, has_more);
            }
        }
        self.read_along = Some(used);
    }
}
