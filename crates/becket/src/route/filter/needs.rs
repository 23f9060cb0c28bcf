//! What filters need of a payload: the paths that they name, and nothing beside them.
//!
//! A payload may have 25 MiB. The paths of all filters are put together when the application starts, and one pass over the
//! JSON text takes out what they lead to; the rest is skipped without being stored. What one path leads to has limits of its
//! own, so that no filter can make another's unknown.

use std::collections::BTreeMap;

/// Steps from the payload inwards.
pub(super) type Path = Vec<Box<str>>;

/// A path in a filter.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Need {
    pub(super) path: Path,
    /// Whether what is there matters, and not just that something is.
    pub(super) value: bool,
}

/// A path as it is written in a filter: `payload.sender.type`.
pub(super) fn shown(path: &[Box<str>]) -> String {
    path.iter().fold("payload".to_owned(), |text, step| format!("{text}.{step}"))
}

/// What is needed, as a tree.
#[derive(Clone, Debug, Default)]
pub(crate) struct Needs {
    /// Whether all of it is needed.
    pub(super) whole: bool,
    pub(super) inner: BTreeMap<Box<str>, Needs>,
}

impl Needs {
    pub(super) fn add(&mut self, need: &Need) {
        let mut at = self;
        for step in &need.path {
            at = at.inner.entry(step.clone()).or_default();
        }
        at.whole |= need.value;
    }

    /// Whether nothing of the payload is needed.
    pub(crate) fn is_empty(&self) -> bool {
        !self.whole && self.inner.is_empty()
    }
}
