//! A filter that says "surely not" or "perhaps" of a set of hashes, in two bytes a hash.
//!
//! A split block Bloom filter, as Apache Parquet describes it: a hash touches one block of 32 bytes, one bit in each of
//! its eight words. With 16 bits a hash about one answer of a thousand is "perhaps" for a hash that is not there.
//! <https://github.com/apache/parquet-format/blob/master/BloomFilter.md>

/// Odd constants of the specification: each turns the hash's low half into the bit of one word.
const SALTS: [u32; 8] =
    [0x47b6_137b, 0x4497_4d91, 0x8824_ad5b, 0xa2b7_289d, 0x7054_95c7, 0x2df1_424b, 0x9efc_4947, 0x5c6b_fb31];
const BLOCK_BYTES: usize = 32;
const BYTES_PER_HASH: usize = 2;

/// A set of hashes that forgets nothing and takes some strangers for members.
#[derive(Debug)]
pub(super) struct Filter {
    blocks: Vec<[u32; 8]>,
}

impl Filter {
    /// A filter of `hashes`, of which there are about `expected`.
    pub(super) fn of(hashes: impl Iterator<Item = u64>, expected: usize) -> Self {
        let mut filter = Self { blocks: vec![[0; 8]; Self::bytes_for(expected) / BLOCK_BYTES] };
        for hash in hashes {
            let place = filter.place(hash);
            for (word, bit) in filter.blocks[place].iter_mut().zip(bits(hash)) {
                *word |= bit;
            }
        }
        filter
    }

    /// Whether the hash may be in the set; `false` is certain.
    pub(super) fn may_contain(&self, hash: u64) -> bool {
        self.blocks[self.place(hash)].iter().zip(bits(hash)).all(|(word, bit)| word & bit != 0)
    }

    /// How much memory a filter of so many hashes takes.
    pub(super) const fn bytes_for(hashes: usize) -> usize {
        let blocks = (hashes * BYTES_PER_HASH).div_ceil(BLOCK_BYTES);
        if blocks == 0 { BLOCK_BYTES } else { blocks * BLOCK_BYTES }
    }

    /// How much memory the filter takes.
    pub(super) fn bytes(&self) -> usize {
        self.blocks.len() * BLOCK_BYTES
    }

    /// The high half of the hash chooses the block, without a division.
    fn place(&self, hash: u64) -> usize {
        let blocks = self.blocks.len() as u64;
        usize::try_from(((hash >> 32) * blocks) >> 32).unwrap_or(0)
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the low half is what is wanted")]
fn bits(hash: u64) -> impl Iterator<Item = u32> {
    SALTS.into_iter().map(move |salt| 1 << ((hash as u32).wrapping_mul(salt) >> 27))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hashes(from: u64, count: u64) -> impl Iterator<Item = u64> + Clone {
        // SplitMix64: spreads counters evenly.
        (from..from + count).map(|number| {
            let mut hash = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            hash ^ (hash >> 31)
        })
    }

    #[test]
    fn members_are_never_denied() {
        let filter = Filter::of(hashes(0, 10_000), 10_000);
        assert!(hashes(0, 10_000).all(|hash| filter.may_contain(hash)));
    }

    #[test]
    fn few_strangers_pass() {
        let filter = Filter::of(hashes(0, 10_000), 10_000);
        let passed = hashes(1_000_000, 100_000).filter(|hash| filter.may_contain(*hash)).count();
        assert!(passed < 500, "{passed} of 100,000");
        assert_eq!(filter.bytes(), 20_000);
    }

    #[test]
    fn empty_filter_denies() {
        assert!(!Filter::of(std::iter::empty(), 0).may_contain(7));
    }
}
