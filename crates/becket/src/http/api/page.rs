//! Pages: `{"items": […], "next_cursor": …}`, newest first.

use std::fmt;
use std::marker::PhantomData;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use becket_tasks::query::Page;
use serde::{Deserialize, Deserializer, Serialize, de};
use utoipa::ToSchema;

/// How many items a page has when the caller does not say.
const LIMIT_DEFAULT: usize = 50;

/// One page of a list, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Listing<T> {
    /// The items.
    pub(super) items: Vec<T>,
    /// What to send as `cursor` to get the next page; `null` when this is the last.
    #[schema(example = "dAAAAaTeXNgAAA")]
    pub(super) next_cursor: Option<String>,
}

impl<T> Listing<T> {
    /// A page of the list `L`, that is followed by another one where `next` is given.
    pub(super) fn of<L: List>(items: Vec<T>, next: Option<u64>) -> Self {
        Self { items, next_cursor: next.map(|after| Cursor::<L>::new(after).to_string()) }
    }
}

/// One of the lists that have cursors; a cursor of one makes no sense in another.
pub(super) trait List {
    /// What its cursors begin with.
    const TAG: u8;
}

/// Where a page begins. Callers get it as an opaque text.
pub(super) struct Cursor<L> {
    after: u64,
    list: PhantomData<L>,
}

impl<L: List> Cursor<L> {
    fn new(after: u64) -> Self {
        Self { after, list: PhantomData }
    }

    fn parse(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (tag, number) = bytes.split_first()?;
        let number = <[u8; 8]>::try_from(number).ok()?;
        (*tag == L::TAG).then(|| Self::new(u64::from_be_bytes(number)))
    }
}

impl<L: List> fmt::Display for Cursor<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = vec![L::TAG];
        bytes.extend(self.after.to_be_bytes());
        f.write_str(&URL_SAFE_NO_PAD.encode(bytes))
    }
}

impl<'de, L: List> Deserialize<'de> for Cursor<L> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text)
            .ok_or_else(|| de::Error::custom("not a cursor of this list; send a `next_cursor` as it was received"))
    }
}

/// How many items a page may have: 1 to `MAX`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limit<const MAX: usize = { Page::LIMIT_MAX }>(pub(super) usize);

impl<'de, const MAX: usize> Deserialize<'de> for Limit<MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.parse() {
            Ok(limit) if (1..=MAX).contains(&limit) => Ok(Self(limit)),
            _ => Err(de::Error::custom(format_args!("`{text}` is not a whole number from 1 to {MAX}"))),
        }
    }
}

/// The part of a list that a caller asks for.
pub(super) fn page<L: List, const MAX: usize>(cursor: Option<&Cursor<L>>, limit: Option<Limit<MAX>>) -> Page {
    Page { after: cursor.map(|cursor| cursor.after), limit: limit.map_or(LIMIT_DEFAULT.min(MAX), |limit| limit.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Ones;
    impl List for Ones {
        const TAG: u8 = b'1';
    }
    struct Others;
    impl List for Others {
        const TAG: u8 = b'2';
    }

    #[test]
    fn cursor_reads_back_in_its_own_list_only() {
        for after in [0, 1, u64::from(u32::MAX), u64::MAX] {
            let text = Cursor::<Ones>::new(after).to_string();
            assert_eq!(Cursor::<Ones>::parse(&text).map(|cursor| cursor.after), Some(after));
            assert!(Cursor::<Others>::parse(&text).is_none());
        }
        for text in ["", "MQ", "MQAAAAAAAAAAAA==", "\u{e9}", "MQAAAAAAAAAAAAAA"] {
            assert!(Cursor::<Ones>::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn page_has_a_size_also_when_the_caller_does_not_say() {
        let page_of = |limit| page::<Ones, 20>(None, limit).limit;
        assert_eq!(page_of(None), 20);
        assert_eq!(page_of(Some(Limit(7))), 7);
        assert_eq!(page::<Ones, 1_000>(None, None).limit, LIMIT_DEFAULT);
    }
}
