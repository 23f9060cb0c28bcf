//! Ids: 64 bits, ordered by time, 13 characters of text.
//!
//! The layout is the one known as TSID or Snowflake: 41 bits of milliseconds since 2024, 10 bits for the node, 12 bits
//! that count. Ids made by one generator only grow, so rows are appended to a table and never inserted into its middle,
//! and an integer key keeps the hot row narrow. The time inside keeps an id from being given twice when a file is
//! deleted and begun anew: programs behind us use the task's id as their idempotency key.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::time::Timestamp;

/// 2024-01-01T00:00:00Z, in milliseconds.
const EPOCH_MILLIS: i64 = 1_704_067_200_000;
const NODE_BITS: u32 = 10;
const COUNT_BITS: u32 = 12;
/// Crockford's base 32: no I, L, O or U, so that ids can be read out loud. <https://www.crockford.com/base32.html>
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const TEXT_LEN: usize = 13;

/// A text is not an id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an id: ids have 13 characters of 0-9 and A-Z without I, L, O and U")]
pub struct ParseIdError;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u64);

        impl $name {
            /// Makes an id from the number that a store keeps.
            #[must_use]
            pub const fn from_u64(number: u64) -> Self {
                Self(number)
            }

            /// The number to keep in a store; fits in 63 bits.
            #[must_use]
            pub const fn as_u64(self) -> u64 {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_text(self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_text(self.0, f)
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                parse_text(text).map(Self)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
            }
        }
    };
}

id! {
    /// Names one task.
    TaskId
}
id! {
    /// Names one submission; a delivery's own id (not the sender's) is its submission's.
    SubmissionId
}

/// Makes ids that only grow, also when the clock goes back.
#[derive(Clone, Debug)]
pub struct IdGenerator {
    node: u64,
    last: u64,
}

impl IdGenerator {
    /// Makes a generator for `node` (its lowest 10 bits count) that continues after `last`.
    #[must_use]
    pub fn new(node: u64, last: u64) -> Self {
        Self { node: node & ((1 << NODE_BITS) - 1), last }
    }

    /// The number of the next id: 4,096 a millisecond, after which the next millisecond is borrowed.
    pub fn next(&mut self, now: Timestamp) -> u64 {
        let shift = NODE_BITS + COUNT_BITS;
        let millis = u64::try_from(now.as_millis() - EPOCH_MILLIS).unwrap_or(0);
        let first_of = |millis: u64| (millis << shift) | (self.node << COUNT_BITS);
        let last_millis = self.last >> shift;
        let last_of_its_millisecond = first_of(last_millis) | ((1 << COUNT_BITS) - 1);
        self.last = if millis > last_millis || self.last == 0 {
            first_of(millis).max(1)
        } else if self.last >= first_of(last_millis) && self.last < last_of_its_millisecond {
            self.last + 1
        } else {
            first_of(last_millis + 1)
        };
        self.last
    }
}

fn write_text(number: u64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut text = [0_u8; TEXT_LEN];
    for (place, byte) in text.iter_mut().rev().enumerate() {
        let digit = (number >> (5 * place)) & 31;
        *byte = ALPHABET[usize::try_from(digit).unwrap_or(0)];
    }
    f.pad(std::str::from_utf8(&text).unwrap_or_default())
}

fn parse_text(text: &str) -> Result<u64, ParseIdError> {
    if text.len() != TEXT_LEN {
        return Err(ParseIdError);
    }
    let number = text.bytes().try_fold(0_u64, |number, byte| {
        let digit = ALPHABET.iter().position(|letter| *letter == byte.to_ascii_uppercase()).ok_or(ParseIdError)?;
        let digit = u64::try_from(digit).map_err(|_| ParseIdError)?;
        number.checked_mul(32).and_then(|number| number.checked_add(digit)).ok_or(ParseIdError)
    })?;
    if i64::try_from(number).is_ok() { Ok(number) } else { Err(ParseIdError) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(EPOCH_MILLIS + millis)
    }

    #[test]
    fn ids_grow_when_the_clock_stands_still_or_goes_back() {
        let mut ids = IdGenerator::new(7, 0);
        let mut last = 0;
        for millis in [5, 5, 4, 0, -9, 5, 6] {
            for _ in 0..5_000 {
                let id = ids.next(at(millis));
                assert!(id > last);
                last = id;
            }
        }
    }

    #[test]
    fn nodes_never_meet_in_one_millisecond() {
        let (mut one, mut other) = (IdGenerator::new(1, 0), IdGenerator::new(2, 0));
        let ones: std::collections::HashSet<u64> = (0..9_000).map(|_| one.next(at(1))).collect();
        assert!((0..9_000).all(|_| !ones.contains(&other.next(at(1)))));
    }

    #[test]
    fn a_generator_continues_after_the_last_id_of_another_node() {
        let last = IdGenerator::new(1_023, 0).next(at(100));
        assert!(IdGenerator::new(0, last).next(at(100)) > last);
    }

    #[test]
    fn text_has_13_characters_and_reads_back_in_either_case() {
        let id = TaskId::from_u64(IdGenerator::new(3, 0).next(at(90_000_000_000)));
        let text = id.to_string();
        assert_eq!(text.len(), 13);
        assert_eq!(text.parse(), Ok(id));
        assert_eq!(text.to_lowercase().parse(), Ok(id));
    }

    #[test]
    fn text_order_is_time_order() {
        let mut ids = IdGenerator::new(3, 0);
        let texts: Vec<String> = (0..100).map(|n| TaskId::from_u64(ids.next(at(n / 3))).to_string()).collect();
        assert!(texts.is_sorted());
    }

    #[test]
    fn other_text_is_refused() {
        for text in ["", "0", "72d3162e-cc78-11e3-81ab-4c9367dc0958", "UUUUUUUUUUUUU", "ZZZZZZZZZZZZZ", "é00000000000"]
        {
            assert_eq!(text.parse::<TaskId>(), Err(ParseIdError), "{text}");
        }
    }
}
