//! Patterns: which events a handler wants, and from whom.
//!
//! A pattern is `event`, `event.action`, or `*` for everything; within each part, `*` stands for any text. Bitbucket joins
//! the two with a colon; a pattern may be written either way. Matching allocates nothing, and takes no longer than the
//! lengths of both texts multiplied.

use std::fmt;
use std::str::FromStr;

/// The longest pattern.
const PATTERN_BYTES_MAX: usize = 256;

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
///
/// assert!("pull_request*".parse::<Pattern>()?.matches("pull_request_review", Some("submitted")));
/// assert!("*.opened".parse::<Pattern>()?.matches("issues", Some("opened")));
/// assert!("issues.*".parse::<Pattern>()?.matches("issues", Some("closed")));
/// assert!(!"issues.*".parse::<Pattern>()?.matches("issues", None), "`.*` wants an action, whichever");
/// # Ok::<(), becket::PatternError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Pattern {
    /// Every event.
    All,
    /// Every action of an event, and the event without one. A `*` in it stands for any text.
    Event(Box<str>),
    /// An action of an event. A `*` in either stands for any text.
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
            Self::Event(wanted) if is_like(wanted, event, same) => true,
            Self::Event(wanted) => match (wanted.split_once(':'), action) {
                (Some((wanted, doing)), Some(action)) => is_like(wanted, event, same) && is_like(doing, action, alike),
                _ => false,
            },
            Self::Action { event: wanted, action: doing } => {
                is_like(wanted, event, same) && action.is_some_and(|action| is_like(doing, action, alike))
            }
        }
    }

    /// Whether an event is wanted by the name that all forges share. One word is the sender's own: `issue`, which is GitLab's,
    /// does not get the issues of all others. So that is `issue.*`; only names without an action, as `push`, are one word.
    pub(crate) fn matches_shared(&self, event: &str, action: Option<&str>) -> bool {
        match self {
            Self::Event(wanted) => action.is_none() && is_like(wanted, event, same),
            _ => self.matches(event, action),
        }
    }

    /// Whether it wants something of an event: with some action, or without.
    pub(crate) fn concerns(&self, event: &str) -> bool {
        *self == Self::All || self.event_parts().any(|part| is_like(part, event, same))
    }

    /// The events that it names without a `*`.
    pub(crate) fn named_events(&self) -> impl Iterator<Item = &str> {
        self.event_parts().filter(|part| !part.contains('*'))
    }

    /// Whether it may want events that it does not name.
    pub(crate) fn is_open(&self) -> bool {
        *self == Self::All || self.event_parts().any(|part| part.contains('*'))
    }

    /// What it writes for an event: one text, or two where its text is an event or an event with an action.
    fn event_parts(&self) -> impl Iterator<Item = &str> {
        let (event, begun) = match self {
            Self::All => (None, None),
            Self::Event(event) => (Some(&**event), event.split_once(':').map(|(begun, _)| begun)),
            Self::Action { event, .. } => (Some(&**event), None),
        };
        event.into_iter().chain(begun)
    }
}

/// Whether a name of a source is like a pattern, in which `*` stands for any text.
pub(crate) fn names_source(pattern: &str, source: &str) -> bool {
    is_like(pattern, source, same)
}

fn same(one: u8, other: u8) -> bool {
    one == other
}

/// The parts of actions are joined one way or the other: `reviewer:approved` and `reviewer.approved`.
fn alike(one: u8, other: u8) -> bool {
    let is_joint = |byte: u8| matches!(byte, b':' | b'.');
    one == other || is_joint(one) && is_joint(other)
}

/// Whether `text` is what `wanted` says, where `*` stands for any text.
///
/// Where a text does not go on as wanted, the last `*` before takes one byte more; those before it need not be tried again.
fn is_like(wanted: &str, text: &str, is_same: fn(u8, u8) -> bool) -> bool {
    let (wanted, text) = (wanted.as_bytes(), text.as_bytes());
    let (mut at, mut place) = (0, 0);
    let mut last_star = None;
    while place < text.len() {
        match wanted.get(at) {
            Some(b'*') => {
                last_star = Some((at, place));
                at += 1;
            }
            Some(byte) if is_same(*byte, text[place]) => {
                at += 1;
                place += 1;
            }
            _ => {
                let Some((star, taken)) = last_star else { return false };
                (at, place) = (star + 1, taken + 1);
                last_star = Some((star, taken + 1));
            }
        }
    }
    wanted[at..].iter().all(|byte| *byte == b'*')
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
        if text.contains(',') {
            return refused("it has a comma; give several patterns as a list");
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return refused("events and actions have visible ASCII characters without spaces");
        }
        if text.len() > PATTERN_BYTES_MAX {
            return refused("it is longer than 256 bytes");
        }
        if text.contains("**") {
            return refused("one `*` stands for any text already; write one");
        }
        if text.split('.').any(str::is_empty) {
            return refused("nothing stands before or after a full stop; write `event`, `event.action` or `event.*`");
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
        let texts = ["*", "push", "issues.opened", "invoice.payment.succeeded", "repo:push", "merge_request"];
        for text in texts.into_iter().chain(["issues.*", "*.opened", "pull_request*", "pr:*", "*.*"]) {
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
    fn star_stands_for_any_text_within_a_part() {
        let table = [
            ("issues.*", "issues", Some("opened"), true),
            ("issues.*", "issues", None, false),
            ("issues.*", "issue_comment", Some("created"), false),
            ("*.opened", "pull_request", Some("opened"), true),
            ("*.opened", "pull_request", Some("reopened"), false),
            ("*.*opened", "pull_request", Some("reopened"), true),
            ("*.opened", "push", None, false),
            ("*.*", "push", None, false),
            ("*.*", "issues", Some("opened"), true),
            ("pull_request*", "pull_request", Some("opened"), true),
            ("pull_request*", "pull_request_review", Some("submitted"), true),
            ("pull_request*", "pull", None, false),
            ("pull_request*.submitted", "pull_request_review", Some("submitted"), true),
            ("*_comment", "issue_comment", Some("created"), true),
            ("*_comment", "issue_comment_x", None, false),
            ("a*b*c", "aXbYbZc", None, true),
            ("a*b*c", "abcb", None, false),
            ("pr:*", "pr", Some("opened"), true),
            ("pr:*", "pr", Some("reviewer:approved"), true),
            ("pr:*", "pr", None, false),
            ("pr:reviewer:*", "pr", Some("reviewer.approved"), true),
            ("pr.reviewer.*", "pr", Some("reviewer:approved"), true),
            ("*:opened", "pr", Some("opened"), true),
            ("invoice.payment_*", "invoice", Some("payment_failed"), true),
            ("customer.*.created", "customer", Some("subscription.created"), true),
        ];
        for (text, event, action, matches) in table {
            let pattern: Pattern = text.parse().unwrap();
            assert_eq!(pattern.matches(event, action), matches, "{text} and {event} {action:?}");
            assert!(!matches || pattern.concerns(event), "{text}");
        }
    }

    #[test]
    fn many_stars_take_no_more_than_both_lengths_multiplied() {
        let (wanted, text) = ("*a".repeat(120) + "b", "a".repeat(4_000));
        assert!(!is_like(&wanted, &text, same));
    }

    #[test]
    fn text_that_is_no_pattern_says_what_to_write() {
        let table = [
            ("", "it is empty"),
            ("issues.", "before or after a full stop"),
            (".opened", "before or after a full stop"),
            ("issues..opened", "before or after a full stop"),
            ("issues.**", "write one"),
            ("**", "write one"),
            (".*", "before or after a full stop"),
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
