//! Which submissions have a key: how a redelivery is recognised.
//!
//! A B-tree over keys would be simplest, and was measured: keys are random, so each insert dirties a page of its own,
//! which made up two thirds of all bytes written and cost more than half of the throughput. Instead, what is new lies
//! in memory, sorted by hash, and is found again in the submissions' rows when the store is opened. When enough has come
//! together it is sealed: written once, as one segment. A [`Filter`] for each segment says at once that a key is new;
//! only a "perhaps" is looked up. A segment goes when the last of its submissions is gone.

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};

use super::filter::Filter;
use super::rows::Rows;
use crate::error::{Error, Result};
use crate::id::SubmissionId;

/// How many keys are kept in memory before they are sealed.
const RECENT_MAX: usize = 32_768;
/// A segment is cut into so many parts by the first bits of the hash, so that a look-up reads little.
const PARTS: usize = 64;
/// Filters take at most so much memory; older segments have none, and are looked up each time.
const FILTER_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Hash and submission, eight bytes each.
const ENTRY_BYTES: usize = 16;

/// A key's hash and the submission that has it.
pub(super) type Entry = (u64, SubmissionId);

/// The first 8 bytes of a key's SHA-256: the same on every machine and in every version.
pub(super) fn key_hash(key: &str) -> u64 {
    let digest = Sha256::digest(key.as_bytes());
    digest.iter().take(8).fold(0, |hash, byte| (hash << 8) | u64::from(*byte))
}

/// Where a hash lies in its segment.
pub(super) fn part_of(hash: u64) -> usize {
    usize::try_from(hash >> (u64::BITS - PARTS.ilog2())).unwrap_or(0)
}

/// Keys that were written together.
#[derive(Debug)]
struct Segment {
    number: i64,
    last: SubmissionId,
    filter: Option<Filter>,
}

/// All keys.
#[derive(Debug, Default)]
pub(super) struct Keys {
    recent: BTreeSet<Entry>,
    segments: Vec<Segment>,
    filter_bytes: usize,
}

/// What is written when recent keys are sealed.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct Sealed {
    pub(super) number: i64,
    pub(super) last: SubmissionId,
    pub(super) parts: Vec<Vec<u8>>,
}

impl Keys {
    /// Reads the segments' filters, and the keys that were not sealed yet. Segments never change, so those that are known
    /// stay as they are: to read them all again would be too much for each commit that a full disk refuses.
    pub(super) fn reload(&mut self, rows: &Rows) -> Result<()> {
        let written = rows.key_segments()?;
        self.segments.retain(|known| written.contains(&(known.number, known.last)));
        self.count_filters();
        // The latest first, for they are the ones that may have filters.
        for (number, last) in written.iter().rev() {
            let place = self.segments.partition_point(|known| known.number < *number);
            if self.segments.get(place).is_none_or(|known| known.number != *number) {
                let has_room = self.has_room_for_filter_of(RECENT_MAX);
                let filter = if has_room { Some(read_filter(rows, *number)?) } else { None };
                self.filter_bytes += filter.as_ref().map_or(0, Filter::bytes);
                self.segments.insert(place, Segment { number: *number, last: *last, filter });
            }
        }
        self.recent.clear();
        let sealed = written.last().map_or(SubmissionId::from_u64(0), |(_, last)| *last);
        rows.keys_after(sealed, |submission, key| self.add(key_hash(key), submission))
    }

    pub(super) fn add(&mut self, hash: u64, submission: SubmissionId) {
        self.recent.insert((hash, submission));
    }

    /// Submissions whose key has this hash, as far as memory knows; and the segments where there may be more.
    pub(super) fn look_up(&self, hash: u64) -> (Vec<SubmissionId>, Vec<i64>) {
        let range = (hash, SubmissionId::from_u64(0))..=(hash, SubmissionId::from_u64(u64::MAX));
        let recent = self.recent.range(range).map(|(_, submission)| *submission).collect();
        let may_contain = |segment: &&Segment| segment.filter.as_ref().is_none_or(|filter| filter.may_contain(hash));
        (recent, self.segments.iter().filter(may_contain).map(|segment| segment.number).collect())
    }

    pub(super) fn is_full(&self) -> bool {
        self.recent.len() >= RECENT_MAX
    }

    /// Moves what is recent into a segment, which must be written with the next commit.
    pub(super) fn seal(&mut self) -> Sealed {
        let number = self.segments.last().map_or(1, |segment| segment.number + 1);
        let mut parts = vec![Vec::new(); PARTS];
        for (hash, submission) in &self.recent {
            let part = &mut parts[part_of(*hash)];
            part.extend_from_slice(&hash.to_be_bytes());
            part.extend_from_slice(&submission.as_u64().to_be_bytes());
        }
        let last = self.recent.iter().map(|(_, submission)| *submission).max().unwrap_or(SubmissionId::from_u64(0));
        let filter = Filter::of(self.recent.iter().map(|(hash, _)| *hash), self.recent.len());
        self.recent.clear();
        self.add_segment(number, last, filter);
        Sealed { number, last, parts }
    }

    /// Notes a segment that is written. When filters take too much memory the oldest lose theirs.
    fn add_segment(&mut self, number: i64, last: SubmissionId, filter: Filter) {
        self.filter_bytes += filter.bytes();
        self.segments.push(Segment { number, last, filter: Some(filter) });
        for segment in &mut self.segments {
            if self.filter_bytes <= FILTER_BYTES_MAX {
                break;
            }
            self.filter_bytes -= segment.filter.take().as_ref().map_or(0, Filter::bytes);
        }
    }

    /// Whether one more segment of this many keys may have a filter.
    const fn has_room_for_filter_of(&self, keys: usize) -> bool {
        self.filter_bytes + Filter::bytes_for(keys) <= FILTER_BYTES_MAX
    }

    /// The segments all of whose submissions are older than `oldest`, which is the first that is left.
    pub(super) fn outdated(&self, oldest: Option<SubmissionId>) -> Vec<i64> {
        let is_outdated = |segment: &&Segment| oldest.is_none_or(|oldest| segment.last < oldest);
        self.segments.iter().filter(is_outdated).map(|segment| segment.number).collect()
    }

    pub(super) fn forget(&mut self, segment: i64) {
        self.segments.retain(|one| one.number != segment);
        self.count_filters();
    }

    fn count_filters(&mut self) {
        self.filter_bytes = self.segments.iter().filter_map(|one| one.filter.as_ref()).map(Filter::bytes).sum();
    }
}

fn read_filter(rows: &Rows, segment: i64) -> Result<Filter> {
    let parts = (0..PARTS).map(|part| rows.key_part(segment, part)).collect::<Result<Vec<_>>>()?;
    let expected = parts.iter().map(|part| part.len() / ENTRY_BYTES).sum();
    Ok(Filter::of(parts.iter().flat_map(|part| hashes_of_part(part)), expected))
}

/// The submissions that a part of a segment has for a hash.
pub(super) fn find_in_part(part: &[u8], hash: u64) -> Result<Vec<SubmissionId>> {
    if !part.len().is_multiple_of(ENTRY_BYTES) {
        return Err(Error::Corrupt("a part of the keys is cut off".to_owned()));
    }
    let entries = part.len() / ENTRY_BYTES;
    let first = partition(entries, |place| entry(part, place).0 < hash);
    Ok((first..entries).map(|place| entry(part, place)).take_while(|(one, _)| *one == hash).map(|(_, id)| id).collect())
}

/// All hashes of a part.
fn hashes_of_part(part: &[u8]) -> impl Iterator<Item = u64> + '_ {
    (0..part.len() / ENTRY_BYTES).map(|place| entry(part, place).0)
}

fn entry(part: &[u8], place: usize) -> Entry {
    let bytes = &part[place * ENTRY_BYTES..(place + 1) * ENTRY_BYTES];
    let number = |bytes: &[u8]| bytes.iter().fold(0, |number, byte| (number << 8) | u64::from(*byte));
    (number(&bytes[..8]), SubmissionId::from_u64(number(&bytes[8..])))
}

/// The first of `0..count` for which `is_before` does not hold, where it holds for none after that.
fn partition(count: usize, is_before: impl Fn(usize) -> bool) -> usize {
    let (mut from, mut to) = (0, count);
    while from < to {
        let middle = from.midpoint(to);
        if is_before(middle) { from = middle + 1 } else { to = middle }
    }
    from
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u64) -> SubmissionId {
        SubmissionId::from_u64(number)
    }

    #[test]
    fn recent_keys_are_found_in_memory() {
        let mut keys = Keys::default();
        keys.add(7, id(1));
        keys.add(7, id(2));
        keys.add(8, id(3));
        assert_eq!(keys.look_up(7), (vec![id(1), id(2)], vec![]));
        assert_eq!(keys.look_up(9), (vec![], vec![]));
    }

    #[test]
    fn sealed_keys_are_found_in_their_part() {
        let mut keys = Keys::default();
        let all: Vec<Entry> = (0..5_000).map(|number| (key_hash(&number.to_string()), id(number + 1))).collect();
        for (hash, submission) in &all {
            keys.add(*hash, *submission);
        }
        keys.add(all[9].0, id(9_999));
        let sealed = keys.seal();
        assert_eq!((sealed.number, sealed.last), (1, id(9_999)));
        for (hash, submission) in &all {
            let (recent, segments) = keys.look_up(*hash);
            assert_eq!((recent.len(), segments), (0, vec![1]));
            assert!(find_in_part(&sealed.parts[part_of(*hash)], *hash).unwrap().contains(submission));
        }
        assert_eq!(find_in_part(&sealed.parts[part_of(all[9].0)], all[9].0).unwrap(), [all[9].1, id(9_999)]);
        let hashes: usize = sealed.parts.iter().map(|part| hashes_of_part(part).count()).sum();
        assert_eq!(hashes, 5_001);
    }

    #[test]
    fn segments_go_with_the_last_of_their_submissions() {
        let mut keys = Keys::default();
        for number in [1, 5, 9] {
            keys.add(number, id(number));
            keys.seal();
        }
        assert_eq!(keys.outdated(Some(id(1))), Vec::<i64>::new());
        assert_eq!(keys.outdated(Some(id(6))), [1, 2]);
        keys.forget(1);
        assert_eq!(keys.outdated(None), [2, 3]);
        keys.add(9, id(10));
        assert_eq!(keys.seal().number, 4, "a number is not given again while later ones are in use");
    }

    #[test]
    fn oldest_filters_go_when_they_take_too_much_memory() {
        let mut keys = Keys::default();
        for number in 1..=3 {
            keys.add_segment(number, id(1), Filter::of(std::iter::empty(), FILTER_BYTES_MAX / 5));
        }
        let has_filter: Vec<bool> = keys.segments.iter().map(|segment| segment.filter.is_some()).collect();
        assert_eq!(has_filter, [false, true, true]);
        assert!(keys.filter_bytes <= FILTER_BYTES_MAX);
        assert_eq!(keys.look_up(1).1, [1], "without a filter it must be looked up");
        assert!(!keys.has_room_for_filter_of(FILTER_BYTES_MAX / 5));
    }

    #[test]
    fn damaged_part_is_an_error() {
        assert!(matches!(find_in_part(&[0; 17], 1), Err(Error::Corrupt(_))));
    }
}
