//! The table that says, for a delivery, which handlers want it.
//!
//! Made once at the start. Looking a delivery up allocates nothing: one hash of the event, then a walk over the handlers
//! that have anything to do with it.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::Pattern;

/// What one handler wants.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    /// Any of these.
    pub(crate) patterns: Vec<Pattern>,
    /// Only from this source; `None` takes any.
    pub(crate) source: Option<Arc<str>>,
}

impl Wanted {
    fn matches(&self, source: &str, event: &str, action: Option<&str>) -> bool {
        self.source.as_deref().is_none_or(|only| only == source)
            && self.patterns.iter().any(|pattern| pattern.matches(event, action))
    }
}

/// Which handlers, by their place in the list that the table was made from, want what.
#[derive(Debug, Default)]
pub(crate) struct Table {
    handlers: Vec<Wanted>,
    by_event: HashMap<Box<str>, Box<[usize]>>,
    by_any_other: Box<[usize]>,
}

impl Table {
    pub(crate) fn new(handlers: Vec<Wanted>) -> Self {
        let events: BTreeSet<&str> =
            handlers.iter().flat_map(|wanted| &wanted.patterns).flat_map(Pattern::events).collect();
        let by_event = events.into_iter().map(|event| (event.into(), candidates(&handlers, Some(event)))).collect();
        let by_any_other = candidates(&handlers, None);
        Self { handlers, by_event, by_any_other }
    }

    /// The handlers that want a delivery, each once, in the order in which they were given.
    pub(crate) fn wanting<'a>(
        &'a self,
        source: &'a str,
        event: &'a str,
        action: Option<&'a str>,
    ) -> impl Iterator<Item = usize> + 'a {
        let candidates = self.by_event.get(event).unwrap_or(&self.by_any_other);
        candidates.iter().copied().filter(move |place| self.handlers[*place].matches(source, event, action))
    }

    /// The handlers that want a normalised event, in the order in which they were given.
    pub(crate) fn wanting_normalised<'a>(&'a self, source: &'a str, name: &'a str) -> impl Iterator<Item = usize> + 'a {
        let event = name.split_once('.').map_or(name, |(event, _)| event);
        let candidates = self.by_event.get(event).unwrap_or(&self.by_any_other);
        candidates.iter().copied().filter(move |place| {
            let Wanted { patterns, source: only } = &self.handlers[*place];
            only.as_deref().is_none_or(|only| only == source)
                && patterns.iter().any(|pattern| pattern.matches_normalised(name))
        })
    }
}

/// The handlers with a pattern for `event` or for all.
fn candidates(handlers: &[Wanted], event: Option<&str>) -> Box<[usize]> {
    let concerns = |pattern: &Pattern| match event {
        Some(event) => *pattern == Pattern::All || pattern.events().any(|one| one == event),
        None => *pattern == Pattern::All,
    };
    let places = handlers.iter().enumerate().filter(|(_, wanted)| wanted.patterns.iter().any(concerns));
    places.map(|(place, _)| place).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn wanted(patterns: &[&str], source: Option<&str>) -> Wanted {
        let patterns = patterns.iter().map(|pattern| pattern.parse().unwrap()).collect();
        Wanted { patterns, source: source.map(Into::into) }
    }

    fn places(table: &Table, source: &str, event: &str, action: Option<&str>) -> Vec<usize> {
        table.wanting(source, event, action).collect()
    }

    #[test]
    fn each_handler_gets_a_delivery_once_in_the_order_of_registration() {
        let table = Table::new(vec![
            wanted(&["*"], None),
            wanted(&["issues.opened", "issues", "*"], None),
            wanted(&["push"], None),
            wanted(&["issues.opened"], None),
        ]);
        assert_eq!(places(&table, "github", "issues", Some("opened")), [0, 1, 3]);
        assert_eq!(places(&table, "github", "issues", Some("closed")), [0, 1]);
        assert_eq!(places(&table, "github", "push", None), [0, 1, 2]);
        assert_eq!(places(&table, "github", "unheard_of", None), [0, 1]);
    }

    #[test]
    fn handler_of_one_source_gets_nothing_from_another() {
        let table = Table::new(vec![wanted(&["*"], Some("billing"))]);
        assert_eq!(places(&table, "billing", "invoice", Some("paid")), [0]);
        assert!(places(&table, "github", "invoice", Some("paid")).is_empty());
    }

    #[test]
    fn without_handlers_nothing_is_wanted() {
        assert!(places(&Table::new(Vec::new()), "github", "push", None).is_empty());
    }

    proptest! {
        #[test]
        fn table_finds_exactly_the_handlers_whose_patterns_match(
            handlers in prop::collection::vec(prop::collection::vec("(\\*|[ab]([.:][xy])?)", 1..4), 0..6),
            event in "[abc](:x)?",
            action in prop::option::of("[xyz]"),
        ) {
            let handlers: Vec<Wanted> = handlers
                .iter()
                .map(|patterns| wanted(&patterns.iter().map(String::as_str).collect::<Vec<_>>(), None))
                .collect();
            let expected: Vec<usize> = (0..handlers.len())
                .filter(|place| handlers[*place].patterns.iter().any(|one| one.matches(&event, action.as_deref())))
                .collect();
            prop_assert_eq!(places(&Table::new(handlers), "github", &event, action.as_deref()), expected);
        }
    }
}
