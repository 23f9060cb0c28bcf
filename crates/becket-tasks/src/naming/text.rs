//! Templates of texts: for whoever makes something else than a name out of a submission, and escapes it in its own way.
//!
//! What is filled in comes in pieces and not as a whole, so that what a sender wrote is told apart from what the template
//! says itself: only the former has to be escaped.

use std::fmt;

use super::pick;
use super::template::{Grammar, Part, Template, TemplateError, first};

/// The longest template of a text, in bytes.
pub const TEXT_BYTES_MAX: usize = 64 * 1_024;

/// A template of a text, written as that of a [`Naming`](super::Naming), with labels of the caller's own.
///
/// ```
/// use becket_tasks::naming::{Piece, TextTemplate};
///
/// #[derive(Clone, Copy)]
/// enum Label { Attempt }
///
/// let template = TextTemplate::parse("{user} tries the {@attempt}. time{missing}", &[("attempt", Label::Attempt)])?;
/// let mut text = String::new();
/// template.fill(br#"{"user": "<b>"}"#, |Label::Attempt| Some("2"), |piece| match piece {
///     Piece::Text(plain) => text.push_str(plain),
///     Piece::Value(value) => text.push_str(&value.replace('<', "&lt;")),
///     Piece::Missing => text.push('?'),
/// });
/// assert_eq!(text, "&lt;b> tries the 2. time?");
/// # Ok::<(), becket_tasks::TemplateError>(())
/// ```
pub struct TextTemplate<L>(Template<L>);

/// A piece of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// What the template says itself.
    Text(&'a str),
    /// What was found for a placeholder.
    Value(&'a str),
    /// Nothing was found for a placeholder.
    Missing,
}

impl<L: Copy> TextTemplate<L> {
    /// Reads a template of at most [`TEXT_BYTES_MAX`] bytes. `labels` are the words that may follow `@`.
    ///
    /// # Errors
    /// What is wrong with it, where, and how to mend it.
    pub fn parse(text: &str, labels: &[(&'static str, L)]) -> Result<Self, TemplateError> {
        Template::parse(text, &Grammar { labels, bytes_max: TEXT_BYTES_MAX }).map(Self)
    }

    /// The template as it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        self.0.text()
    }

    /// Whether it has no placeholder.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.0.parts().iter().all(|part| matches!(part, Part::Text(_)))
    }

    /// Hands on the pieces in their order; `json` is what paths lead into, `label` says what labels stand for.
    pub fn fill<'a>(&'a self, json: &'a [u8], label: impl Fn(L) -> Option<&'a str>, mut each: impl FnMut(Piece<'_>)) {
        let found = pick::pick(self.0.paths(), json);
        for part in self.0.parts() {
            each(match part {
                Part::Text(text) => Piece::Text(text),
                Part::Placeholder(choices) => first(choices, &found, &label).map_or(Piece::Missing, Piece::Value),
            });
        }
    }
}

impl<L: Copy> fmt::Debug for TextTemplate<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // It may hold a secret.
        f.debug_struct("TextTemplate").field("bytes", &self.text().len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy)]
    enum Label {
        Id,
        Action,
    }

    const LABELS: [(&str, Label); 2] = [("id", Label::Id), ("action", Label::Action)];

    fn pieces(template: &str, json: &str) -> Vec<String> {
        let template = TextTemplate::parse(template, &LABELS).unwrap();
        let mut pieces = Vec::new();
        let label = |label| match label {
            Label::Id => Some("7"),
            Label::Action => None,
        };
        template.fill(json.as_bytes(), label, |piece| pieces.push(format!("{piece:?}")));
        pieces
    }

    #[test]
    fn what_a_sender_wrote_is_told_apart_from_the_template() {
        let expected = [r#"Text("<")"#, r#"Value("{x}")"#, r#"Text(">")"#, "Missing", r#"Value("7")"#];
        assert_eq!(pieces("<{a.b}>{@action}{@action|@id}", r#"{"a": {"b": "{x}"}}"#), expected);
        assert_eq!(pieces("{a}", "no JSON"), ["Missing"]);
    }

    #[test]
    fn long_value_is_handed_on_whole() {
        let long = "x".repeat(100_000);
        assert_eq!(pieces("{a}", &format!(r#"{{"a": "{long}"}}"#)), [format!("Value({long:?})")]);
    }

    #[test]
    fn labels_are_those_of_the_caller() {
        let error = TextTemplate::parse("{@kind}", &LABELS).unwrap_err().to_string();
        assert!(error.contains("there is no `@kind` at column 2; write `@id` or `@action`"), "{error}");
        assert!(TextTemplate::parse(&"x".repeat(TEXT_BYTES_MAX + 1), &LABELS).is_err());
    }

    #[test]
    fn template_without_a_placeholder_is_plain() {
        assert!(TextTemplate::parse("a {{b}}", &LABELS).unwrap().is_plain());
        assert!(!TextTemplate::parse("a {b}", &LABELS).unwrap().is_plain());
    }
}
