//! The table that says, for a delivery, which handlers want it.
//!
//! Made once at the start. Looking a delivery up allocates nothing: one hash of the event (two where it has a name that all
//! forges share), then a walk over the handlers that have anything to do with it.

use std::collections::{BTreeSet, HashMap};
use std::iter::Peekable;

use super::{Pattern, Sought, names_source};

/// What one handler wants.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted {
    /// Any of these.
    pub(crate) patterns: Vec<Pattern>,
    /// Only from these sources, `*` standing for any text; empty takes any.
    pub(crate) sources: Vec<Box<str>>,
}

impl Wanted {
    /// Whether one of the patterns matches the sender's name of the event, or the one that all forges share.
    pub(crate) fn matches_event(&self, sought: &Sought<'_>) -> bool {
        let shared = sought.shared();
        self.patterns.iter().any(|pattern| {
            pattern.matches(sought.event, sought.action)
                || shared.is_some_and(|(event, action)| pattern.matches_shared(event, action))
        })
    }

    /// Whether it is for this source.
    pub(crate) fn matches_source(&self, source: &str) -> bool {
        self.sources.is_empty() || self.sources.iter().any(|pattern| names_source(pattern, source))
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
            handlers.iter().flat_map(|wanted| &wanted.patterns).flat_map(Pattern::named_events).collect();
        let by_event = events
            .into_iter()
            .map(|event| (event.into(), candidates(&handlers, |pattern| pattern.concerns(event))))
            .collect();
        let by_any_other = candidates(&handlers, Pattern::is_open);
        Self { handlers, by_event, by_any_other }
    }

    /// What the handler at a place wants.
    pub(crate) fn wanted(&self, place: usize) -> &Wanted {
        &self.handlers[place]
    }

    /// The handlers whose patterns match a delivery, each once, in the order in which they were given.
    pub(crate) fn wanting<'a>(&'a self, sought: &'a Sought<'a>) -> impl Iterator<Item = usize> + 'a {
        let of = |event: &str| self.by_event.get(event).unwrap_or(&self.by_any_other).iter().copied();
        let shared = sought.shared().map(|(event, _)| of(event)).into_iter().flatten();
        let candidates = Merged { one: of(sought.event).peekable(), other: shared.peekable() };
        candidates.filter(move |place| {
            let wanted = &self.handlers[*place];
            wanted.matches_source(sought.source) && wanted.matches_event(sought)
        })
    }
}

/// The places in two lists, each of which is sorted: sorted, and each once.
struct Merged<A: Iterator, B: Iterator> {
    one: Peekable<A>,
    other: Peekable<B>,
}

impl<A: Iterator<Item = usize>, B: Iterator<Item = usize>> Iterator for Merged<A, B> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        let next = match (self.one.peek(), self.other.peek()) {
            (Some(one), Some(other)) => *one.min(other),
            (Some(one), None) => *one,
            (None, other) => *other?,
        };
        self.one.next_if_eq(&next);
        self.other.next_if_eq(&next);
        Some(next)
    }
}

/// The handlers with such a pattern.
fn candidates(handlers: &[Wanted], concerns: impl Fn(&Pattern) -> bool) -> Box<[usize]> {
    let places = handlers.iter().enumerate().filter(|(_, wanted)| wanted.patterns.iter().any(&concerns));
    places.map(|(place, _)| place).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn wanted(patterns: &[&str], sources: &[&str]) -> Wanted {
        let patterns = patterns.iter().map(|pattern| pattern.parse().unwrap()).collect();
        Wanted { patterns, sources: sources.iter().map(|&source| source.into()).collect() }
    }

    fn places(table: &Table, source: &str, event: &str, action: Option<&str>) -> Vec<usize> {
        table.wanting(&Sought::new(source, event, action)).collect()
    }

    #[test]
    fn each_handler_gets_a_delivery_once_in_the_order_of_registration() {
        let table = Table::new(vec![
            wanted(&["*"], &[]),
            wanted(&["issues.opened", "issues", "iss*", "*.opened", "*"], &[]),
            wanted(&["push"], &[]),
            wanted(&["issues.opened"], &[]),
            wanted(&["issue*.*"], &[]),
        ]);
        assert_eq!(places(&table, "github", "issues", Some("opened")), [0, 1, 3, 4]);
        assert_eq!(places(&table, "github", "issues", Some("closed")), [0, 1, 4]);
        assert_eq!(places(&table, "github", "issue_comment", Some("created")), [0, 1, 4]);
        assert_eq!(places(&table, "github", "push", None), [0, 1, 2]);
        assert_eq!(places(&table, "github", "unheard_of", None), [0, 1]);
    }

    #[test]
    fn handler_of_one_source_gets_nothing_from_another() {
        let table = Table::new(vec![wanted(&["*"], &["billing"]), wanted(&["*"], &["gitlab*", "github"])]);
        assert_eq!(places(&table, "billing", "invoice", Some("paid")), [0]);
        assert_eq!(places(&table, "gitlab-eu", "push", None), [1]);
        assert_eq!(places(&table, "github", "push", None), [1]);
        assert!(places(&table, "github-eu", "push", None).is_empty());
    }

    #[test]
    fn name_that_all_forges_share_is_as_good_as_the_sender_s() {
        let table = Table::new(vec![
            wanted(&["change_request.*"], &[]),
            wanted(&["merge_request.open"], &[]),
            wanted(&["push"], &[]),
            wanted(&["change_request.opened", "merge_request"], &[]),
            wanted(&["*.opened"], &[]),
            wanted(&["*"], &["github"]),
        ]);
        let sought = Sought {
            normalised: Some("change_request.opened"),
            ..Sought::new("gitlab", "merge_request", Some("open"))
        };
        assert_eq!(table.wanting(&sought).collect::<Vec<_>>(), [0, 1, 3, 4]);
        let push = Sought { normalised: Some("push"), ..Sought::new("gitlab", "project_push", None) };
        assert_eq!(table.wanting(&push).collect::<Vec<_>>(), [2]);
        assert_eq!(places(&table, "gitlab", "merge_request", Some("open")), [1, 3]);
    }

    #[test]
    fn without_handlers_nothing_is_wanted() {
        assert!(places(&Table::new(Vec::new()), "github", "push", None).is_empty());
    }

    proptest! {
        #[test]
        fn table_finds_exactly_the_handlers_whose_patterns_match(
            handlers in prop::collection::vec(
                prop::collection::vec("(\\*|[ab]\\*?|\\*[ab]|[ab]\\*?([.:]([xy]|\\*|x\\*)){1,2})", 1..4),
                0..6,
            ),
            event in "[abc](:x)?",
            action in prop::option::of("[xyz](:x)?"),
            normalised in prop::option::of("[abn](\\.[xyz])?"),
        ) {
            let handlers: Vec<Wanted> = handlers
                .iter()
                .map(|patterns| wanted(&patterns.iter().map(String::as_str).collect::<Vec<_>>(), &[]))
                .collect();
            let (shared, did) = match normalised.as_deref().and_then(|name| name.split_once('.')) {
                Some((shared, did)) => (Some(shared), Some(did)),
                None => (normalised.as_deref(), None),
            };
            let matches = |pattern: &Pattern| {
                pattern.matches(&event, action.as_deref()) || shared.is_some_and(|shared| pattern.matches_shared(shared, did))
            };
            let expected: Vec<usize> =
                (0..handlers.len()).filter(|place| handlers[*place].patterns.iter().any(matches)).collect();
            let sought = Sought { normalised: normalised.as_deref(), ..Sought::new("s", &event, action.as_deref()) };
            let table = Table::new(handlers);
            prop_assert_eq!(table.wanting(&sought).collect::<Vec<_>>(), expected);
        }
    }
}
