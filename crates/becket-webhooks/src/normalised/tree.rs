//! Picks out of a payload what views are made of. What is missing, or of another type, is `None`: senders change their
//! payloads without asking.

use serde_json::Value;

use super::view::Moved;
use super::{ViewError, is_none};

/// A payload, or a part of one.
#[derive(Clone, Copy)]
pub(super) struct Tree<'v>(&'v Value);

impl<'v> Tree<'v> {
    pub(super) fn new(value: &'v Value) -> Self {
        Self(value)
    }

    /// The part at a JSON Pointer that is there and no `null`.
    pub(super) fn at(self, pointer: &str) -> Option<Self> {
        self.0.pointer(pointer).filter(|value| !value.is_null()).map(Self)
    }

    /// The first of these parts that is there.
    pub(super) fn first(self, pointers: &[&str]) -> Option<Self> {
        pointers.iter().find_map(|pointer| self.at(pointer))
    }

    /// The first text among these that is not empty.
    pub(super) fn text(self, pointers: &[&str]) -> Option<String> {
        pointers.iter().find_map(|pointer| self.str(pointer)).map(str::to_owned)
    }

    /// A text that is not empty.
    pub(super) fn str(self, pointer: &str) -> Option<&'v str> {
        self.0.pointer(pointer)?.as_str().filter(|text| !text.is_empty())
    }

    /// The first whole number among these.
    pub(super) fn number(self, pointers: &[&str]) -> Option<u64> {
        pointers.iter().find_map(|pointer| self.0.pointer(pointer)?.as_u64())
    }

    /// A number that a view cannot do without.
    pub(super) fn required(self, pointers: &[&'static str]) -> Result<u64, ViewError> {
        let missing = ViewError::Missing { field: pointers.first().copied().unwrap_or_default() };
        self.number(pointers).ok_or(missing)
    }

    /// Whether one of these is true.
    pub(super) fn flag(self, pointers: &[&str]) -> bool {
        pointers.iter().any(|pointer| self.0.pointer(pointer).and_then(Value::as_bool) == Some(true))
    }

    /// A commit, where its id is not the one that stands for none.
    pub(super) fn commit(self, pointers: &[&str]) -> Option<String> {
        self.text(pointers).filter(|id| !is_none(id))
    }

    /// The items of a list; none where there is no list.
    pub(super) fn items(self, pointer: &str) -> impl DoubleEndedIterator<Item = Self> + use<'v> {
        self.0.pointer(pointer).and_then(Value::as_array).into_iter().flatten().map(Self)
    }

    /// The item of a list whose field is this text.
    pub(super) fn item(self, pointer: &str, field: &str, text: &str) -> Option<Self> {
        self.items(pointer).find(|item| item.str(field) == Some(text))
    }
}

/// The first line of a text.
pub(super) fn line(text: &str) -> Option<String> {
    text.lines().next().map(str::trim_end).filter(|line| !line.is_empty()).map(str::to_owned)
}

/// A branch without `refs/heads/`; what is another ref is none.
pub(super) fn branch(name: Option<&str>) -> Option<String> {
    name?.strip_prefix("refs/heads/").map(str::to_owned)
}

/// A ref that is named in full.
pub(super) fn moved(name: Option<&str>, before: Option<String>, commit: Option<String>) -> Moved {
    let tag = name.and_then(|name| name.strip_prefix("refs/tags/")).map(str::to_owned);
    Moved { branch: branch(name), tag, before, commit }
}
