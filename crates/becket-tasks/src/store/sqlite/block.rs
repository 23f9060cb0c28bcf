//! Blocks: the payloads of one commit, one after the other, compressed as a whole.
//!
//! Webhooks of one sender resemble each other, so compressing them together costs less and saves more than one by one,
//! and a row a block costs SQLite less than a row a payload. A block is cut at [`RAW_BYTES_TARGET`], so that reading one
//! payload back never unpacks much more than that.

use bytes::Bytes;
use zstd::zstd_safe::CParameter;

use super::change::BlockRow;
use crate::error::{Error, Result};
use crate::id::SubmissionId;

/// A block that has reached this size takes no more payloads.
pub(super) const RAW_BYTES_TARGET: usize = 256 * 1024;
/// The fastest regular level: payloads are JSON, and the commit waits for this.
const ZSTD_LEVEL: i32 = 1;

/// Where a payload lies in its block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) block: i64,
    pub(super) offset: u64,
    pub(super) meta_bytes: u64,
    pub(super) payload_bytes: u64,
}

impl Span {
    /// Cuts meta and payload out of the unpacked block.
    pub(super) fn cut(&self, raw: &Bytes) -> Result<(Bytes, Bytes)> {
        let meta_from = place(self.offset)?;
        let meta_to = meta_from.saturating_add(place(self.meta_bytes)?);
        let payload_to = meta_to.saturating_add(place(self.payload_bytes)?);
        if payload_to > raw.len() {
            return Err(Error::Corrupt(format!("block {} is shorter than a payload in it", self.block)));
        }
        Ok((raw.slice(meta_from..meta_to), raw.slice(meta_to..payload_to)))
    }
}

fn place(number: u64) -> Result<usize> {
    usize::try_from(number).map_err(|_| Error::Corrupt("a payload is larger than memory".to_owned()))
}

/// Collects the payloads of one commit into blocks.
pub(super) struct Packer {
    zstd: zstd::bulk::Compressor<'static>,
    next_id: i64,
    raw: Vec<u8>,
    first: Option<SubmissionId>,
    last: Option<SubmissionId>,
    wanted: u64,
}

impl Packer {
    /// A packer whose first block will be `next_id`.
    pub(super) fn new(next_id: i64) -> std::io::Result<Self> {
        let zstd = compressor()?;
        Ok(Self { zstd, next_id, raw: Vec::new(), first: None, last: None, wanted: 0 })
    }

    /// Adds a submission's meta and payload, and says where they will lie.
    pub(super) fn add(&mut self, submission: SubmissionId, meta: &[u8], payload: &[u8]) -> Span {
        let span = Span {
            block: self.next_id,
            offset: self.raw.len() as u64,
            meta_bytes: meta.len() as u64,
            payload_bytes: payload.len() as u64,
        };
        self.raw.extend_from_slice(meta);
        self.raw.extend_from_slice(payload);
        self.first.get_or_insert(submission);
        self.last = Some(submission);
        self.wanted += 1;
        span
    }

    /// Whether the block is large enough to be cut.
    pub(super) fn is_full(&self) -> bool {
        self.raw.len() >= RAW_BYTES_TARGET
    }

    /// Packs what was added since the last cut; `None` if nothing was.
    pub(super) fn cut(&mut self) -> Result<Option<BlockRow>> {
        let (Some(first), Some(last)) = (self.first.take(), self.last.take()) else { return Ok(None) };
        let body = self
            .zstd
            .compress(&self.raw)
            .map_err(|error| Error::Unavailable("cannot compress payloads".to_owned(), Some(Box::new(error))))?;
        let row =
            BlockRow { id: self.next_id, first, last, wanted: self.wanted, raw_bytes: self.raw.len() as u64, body };
        self.next_id += 1;
        self.wanted = 0;
        self.raw.clear();
        // One giant payload must not keep its memory for ever.
        self.raw.shrink_to(4 * RAW_BYTES_TARGET);
        Ok(Some(row))
    }

    /// Gives the next id away, to a block that is rewritten. Nothing may have been added since the last cut.
    pub(super) fn take_id(&mut self) -> i64 {
        debug_assert!(self.first.is_none(), "the open block has this id");
        self.next_id += 1;
        self.next_id - 1
    }

    /// Forgets what was added since the last cut, as after a failed commit. Ids are not given again.
    pub(super) fn discard(&mut self) {
        self.next_id += i64::from(self.first.is_some());
        self.first = None;
        self.last = None;
        self.wanted = 0;
        self.raw.clear();
    }
}

/// Unpacks a block.
pub(super) fn unpack(id: i64, body: &[u8], raw_bytes: u64) -> Result<Bytes> {
    let capacity = place(raw_bytes)?;
    // What the frame says of itself comes first: a damaged number must not ask for all memory.
    if zstd::bulk::Decompressor::upper_bound(body) != Some(capacity) {
        return Err(Error::Corrupt(format!("block {id} does not have the size that its row says")));
    }
    let raw = zstd::bulk::decompress(body, capacity);
    raw.map(Bytes::from).map_err(|error| Error::Corrupt(format!("block {id} cannot be unpacked: {error}")))
}

/// Packs a block anew, as when a payload was cut out of it.
pub(super) fn pack(raw: &[u8]) -> Result<Vec<u8>> {
    compressor()
        .and_then(|mut zstd| zstd.compress(raw))
        .map_err(|error| Error::Unavailable("cannot compress payloads".to_owned(), Some(Box::new(error))))
}

/// With a checksum: SQLite has none, and a flipped bit must not reach a handler.
fn compressor() -> std::io::Result<zstd::bulk::Compressor<'static>> {
    let mut zstd = zstd::bulk::Compressor::new(ZSTD_LEVEL)?;
    zstd.set_parameter(CParameter::ChecksumFlag(true))?;
    Ok(zstd)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u64) -> SubmissionId {
        SubmissionId::from_u64(number)
    }

    #[test]
    fn payloads_come_back_as_they_went_in() {
        let mut packer = Packer::new(7).unwrap();
        let one = packer.add(id(1), b"meta", b"payload");
        let other = packer.add(id(2), b"", b"");
        let block = packer.cut().unwrap().unwrap();
        assert_eq!((block.id, block.first, block.last, block.wanted), (7, id(1), id(2), 2));
        let raw = unpack(7, &block.body, block.raw_bytes).unwrap();
        assert_eq!(one.cut(&raw).unwrap(), (Bytes::from_static(b"meta"), Bytes::from_static(b"payload")));
        assert_eq!(other.cut(&raw).unwrap(), (Bytes::new(), Bytes::new()));
    }

    #[test]
    fn nothing_added_is_no_block() {
        let mut packer = Packer::new(1).unwrap();
        assert!(packer.cut().unwrap().is_none());
        packer.add(id(1), b"", b"x");
        packer.discard();
        assert!(packer.cut().unwrap().is_none());
        assert_eq!(packer.add(id(2), b"", b"y").block, 2, "a discarded block's id is not given again");
    }

    #[test]
    fn no_flipped_bit_changes_a_payload() {
        let mut packer = Packer::new(1).unwrap();
        let payload: Vec<u8> = (0..600_u32).map(|n| u8::try_from(n * n % 251).unwrap()).collect();
        packer.add(id(1), b"meta", &payload);
        let block = packer.cut().unwrap().unwrap();
        for body in [block.body, pack(&payload).unwrap()] {
            let whole = zstd::bulk::decompress(&body, 10_000).unwrap();
            for place in 0..body.len() * 8 {
                let mut damaged = body.clone();
                damaged[place / 8] ^= 1 << (place % 8);
                if let Ok(raw) = unpack(1, &damaged, whole.len() as u64) {
                    assert_eq!(raw, whole, "bit {place}");
                }
            }
        }
    }

    #[test]
    fn damage_is_an_error() {
        let mut packer = Packer::new(1).unwrap();
        let span = packer.add(id(1), b"", &[7; 100]);
        let block = packer.cut().unwrap().unwrap();
        assert!(matches!(unpack(1, &block.body, block.raw_bytes + 1), Err(Error::Corrupt(_))));
        assert!(matches!(unpack(1, &block.body, u64::MAX / 4), Err(Error::Corrupt(_))), "more than any memory");
        assert!(matches!(unpack(1, &[], u64::MAX / 4), Err(Error::Corrupt(_))));
        assert!(matches!(unpack(1, &block.body[1..], block.raw_bytes), Err(Error::Corrupt(_))));
        assert!(matches!(span.cut(&Bytes::from_static(b"short")), Err(Error::Corrupt(_))));
    }
}
