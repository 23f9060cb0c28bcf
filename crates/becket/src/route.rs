//! Patterns: which events a handler wants.
//!
//! A pattern is `event`, `event.action`, or `*` for everything. Bitbucket joins the two with a colon; a pattern may be
//! written either way. What a `table` makes of many of them is
//! which handlers a delivery goes to. Nothing here knows what a handler does.

pub(crate) mod routes;
pub(crate) mod table;

use std::fmt;
use std::str::FromStr;

use becket_webhooks::Normalised;

/// Which events are wanted.
///
/// ```
/// use becket::Pattern;
///
/// let opened: Pattern = "issues.opened".parse()?;
/// assert!(opened.matches("issues", Some("opened")));
/// assert!(!opened.matches("issues", Some("closed")));
/// assert!("issues".parse::<Pattern>()?.matches("issues", Some("closed")));
/// assert!("*".parse::<Pattern>()?.matches("push", None));
/// assert!("pullrequest:created".parse::<Pattern>()?.matches("pullrequest", Some("created")), "as Bitbucket writes it");
/// # Ok::<(), becket::PatternError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Pattern {
    /// Every event.
    All,
    /// Every action of an event, and the event without one.
    Event(Box<str>),
    /// One action of an event.
    Action {
        /// The event.
        event: Box<str>,
        /// The action: all that follows the first full stop.
        action: Box<str>,
    },
}

impl Pattern {
    /// Whether an event with this action is wanted.
    #[must_use]
    pub fn matches(&self, event: &str, action: Option<&str>) -> bool {
        match self {
            Self::All => true,
            Self::Event(wanted) if **wanted == *event => true,
            Self::Event(wanted) => match (wanted.split_once(':'), action) {
                (Some((wanted, doing)), Some(action)) => wanted == event && same(doing, action),
                _ => false,
            },
            Self::Action { event: wanted, action: doing } => {
                **wanted == *event && action.is_some_and(|action| **doing == *"*" || same(doing, action))
            }
        }
    }

    /// Whether a normalised event is wanted: by its whole name, or as one of `change_request.*`. An event alone means the sender's
    /// own, as `issue` of GitLab.
    pub(crate) fn matches_normalised(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Event(wanted) => **wanted == *name,
            Self::Action { event, action } => name
                .strip_prefix(&**event)
                .and_then(|rest| rest.strip_prefix('.'))
                .is_some_and(|rest| **action == *"*" || **action == *rest),
        }
    }

    /// The events that it can be about: one, or two where its text is an event or an event with an action. None for all.
    pub(crate) fn events(&self) -> impl Iterator<Item = &str> {
        let (event, begun) = match self {
            Self::All => (None, None),
            Self::Event(event) => (Some(&**event), event.split_once(':').map(|(begun, _)| begun)),
            Self::Action { event, .. } => (Some(&**event), None),
        };
        event.into_iter().chain(begun)
    }
}

/// Whether normalised events begin with this word and a full stop.
fn is_family(event: &str) -> bool {
    Normalised::ALL.iter().any(|one| one.name().split_once('.').is_some_and(|(family, _)| family == event))
}

/// Whether two actions are the same, however their parts are joined: `reviewer:approved` and `reviewer.approved`.
fn same(wanted: &str, action: &str) -> bool {
    let is_joint = |byte: u8| matches!(byte, b':' | b'.');
    wanted.len() == action.len()
        && wanted.bytes().zip(action.bytes()).all(|(one, other)| one == other || is_joint(one) && is_joint(other))
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("*"),
            Self::Event(event) => f.write_str(event),
            Self::Action { event, action } => write!(f, "{event}.{action}"),
        }
    }
}

/// A text is not a pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{pattern}` is not a pattern: {why}")]
pub struct PatternError {
    pattern: String,
    why: &'static str,
}

impl PatternError {
    /// What is wrong with it, and what to write.
    pub(crate) const fn why(&self) -> &'static str {
        self.why
    }

    /// The text.
    pub(crate) fn pattern(&self) -> &str {
        &self.pattern
    }
}

impl FromStr for Pattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refused = |why| Err(PatternError { pattern: text.to_owned(), why });
        if text == "*" {
            return Ok(Self::All);
        }
        if text.is_empty() {
            return refused("it is empty; write `event`, `event.action`, or `*` for everything");
        }
        if let Some(event) = text.strip_suffix(".*").filter(|event| is_family(event)) {
            return Ok(Self::Action { event: event.into(), action: "*".into() });
        }
        if text.ends_with(".*") {
            return refused("an event without an action means all its actions; leave out `.*`");
        }
        if text.contains(',') {
            return refused("it has a comma; give several patterns as a list");
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'*') {
            return refused("events and actions have visible ASCII characters without spaces and `*`");
        }
        if text.split('.').any(str::is_empty) {
            return refused("nothing stands before or after a full stop; write `event` or `event.action`");
        }
        Ok(match text.split_once('.') {
            None => Self::Event(text.into()),
            Some((event, action)) => Self::Action { event: event.into(), action: action.into() },
        })
    }
}

/// One pattern or a list of them, as text; read when the application starts.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is neither a pattern nor a list of patterns",
    label = "write `\"issues.opened\"`, or `[\"issues.opened\", \"pull_request\"]`"
)]
pub trait IntoPatterns {
    /// The texts.
    fn into_patterns(self) -> Vec<String>;
}

impl IntoPatterns for &str {
    fn into_patterns(self) -> Vec<String> {
        vec![self.to_owned()]
    }
}

impl IntoPatterns for String {
    fn into_patterns(self) -> Vec<String> {
        vec![self]
    }
}

impl<S: Into<String>, const N: usize> IntoPatterns for [S; N] {
    fn into_patterns(self) -> Vec<String> {
        self.into_iter().map(Into::into).collect()
    }
}

impl<S: Into<String> + Clone> IntoPatterns for &[S] {
    fn into_patterns(self) -> Vec<String> {
        self.iter().cloned().map(Into::into).collect()
    }
}

impl<S: Into<String>> IntoPatterns for Vec<S> {
    fn into_patterns(self) -> Vec<String> {
        self.into_iter().map(Into::into).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pattern_is_written_as_it_was_read() {
        for text in ["*", "push", "issues.opened", "invoice.payment.succeeded", "repo:push", "merge_request"] {
            assert_eq!(text.parse::<Pattern>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn action_is_all_that_follows_the_first_full_stop() {
        let pattern: Pattern = "invoice.payment.succeeded".parse().unwrap();
        assert!(pattern.matches("invoice", Some("payment.succeeded")));
        assert!(!pattern.matches("invoice", Some("payment")));
        assert!(!pattern.matches("invoice", None));
    }

    #[test]
    fn bitbucket_s_keys_match_as_they_are_documented_and_as_all_others() {
        let matches = |text: &str, event: &str, action| text.parse::<Pattern>().unwrap().matches(event, action);
        for text in ["pr:reviewer:approved", "pr.reviewer.approved", "pr.reviewer:approved"] {
            assert!(matches(text, "pr", Some("reviewer:approved")), "{text}");
            assert!(!matches(text, "pr", Some("reviewer:unapproved")), "{text}");
            assert!(!matches(text, "pr", None), "{text}");
        }
        assert!(matches("pr", "pr", Some("reviewer:approved")));
        assert!(matches("repo:push", "repo:push", None), "an event may have a colon of its own");
        assert!(!matches("repo:push", "repo", Some("pushed")));
    }

    #[test]
    fn normalised_events_match_by_their_whole_names_and_by_their_families() {
        let matches = |text: &str, name: &str| text.parse::<Pattern>().unwrap().matches_normalised(name);
        assert!(matches("change_request.*", "change_request.opened"));
        assert!(matches("change_request.opened", "change_request.opened"));
        assert!(matches("push", "push"));
        assert!(matches("*", "tag.pushed"));
        assert!(!matches("change_request.*", "push"));
        assert!(!matches("change_request.opened", "change_request.closed"));
        assert!(!matches("issue", "issue.opened"), "that is GitLab's own word");
        assert_eq!("issue.*".parse::<Pattern>().unwrap().to_string(), "issue.*");
    }

    #[test]
    fn text_that_is_no_pattern_says_what_to_write() {
        let table = [
            ("", "it is empty"),
            ("issues.", "before or after a full stop"),
            (".opened", "before or after a full stop"),
            ("issues..opened", "before or after a full stop"),
            ("issues.*", "leave out `.*`"),
            ("*.opened", "visible ASCII"),
            ("issues, push", "as a list"),
            ("push event", "visible ASCII"),
            ("pûsh", "visible ASCII"),
        ];
        for (text, why) in table {
            let error = text.parse::<Pattern>().unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn lists_of_any_kind_are_patterns() {
        assert_eq!("a".into_patterns(), ["a"]);
        assert_eq!(String::from("a").into_patterns(), ["a"]);
        assert_eq!(["a", "b"].into_patterns(), ["a", "b"]);
        assert_eq!(vec!["a", "b"].into_patterns(), ["a", "b"]);
        assert_eq!(["a", "b"].as_slice().into_patterns(), ["a", "b"]);
    }
}
