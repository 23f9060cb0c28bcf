//! Templates: text with placeholders, read once and filled often.
//!
//! What a label stands for is not known here: that is a type of whoever reads the template.

use std::fmt;

use super::pick::{Found, Segment};

/// The longest template of a name, in bytes; also how much of a longer one an error repeats.
pub const TEMPLATE_BYTES_MAX: usize = 1_024;

/// A template that makes sense.
pub(super) struct Template<L> {
    text: Box<str>,
    parts: Vec<Part<L>>,
}

/// A piece of a template.
pub(super) enum Part<L> {
    Text(String),
    /// The first that is there.
    Placeholder(Vec<Choice<L>>),
}

/// What may stand for a placeholder.
pub(super) enum Choice<L> {
    Label(L),
    Path(Vec<Segment>),
}

/// What can be written in a template.
pub(super) struct Grammar<'a, L> {
    /// The words after `@`, and what they stand for.
    pub(super) labels: &'a [(&'static str, L)],
    pub(super) bytes_max: usize,
}

/// Why a text is no template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateError {
    template: Box<str>,
    column: usize,
    what: String,
    mend: Box<str>,
}

impl TemplateError {
    /// The text, at most its first [`TEMPLATE_BYTES_MAX`] bytes.
    #[must_use]
    pub fn template(&self) -> &str {
        &self.template
    }

    /// Where, in characters from 1.
    #[must_use]
    pub fn column(&self) -> usize {
        self.column
    }

    /// What is wrong there.
    #[must_use]
    pub fn what(&self) -> &str {
        &self.what
    }

    /// What to write instead.
    #[must_use]
    pub fn mend(&self) -> &str {
        &self.mend
    }
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { template, column, what, mend } = self;
        write!(f, "`{template}` is not a template: {what} at column {column}; {mend}")
    }
}

impl std::error::Error for TemplateError {}

/// What is wrong at a byte of the text.
struct Fault {
    at: usize,
    what: String,
    mend: String,
}

impl Fault {
    fn new(at: usize, what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { at, what: what.into(), mend: mend.into() }
    }
}

impl<L: Copy> Template<L> {
    pub(super) fn parse(text: &str, grammar: &Grammar<'_, L>) -> Result<Self, TemplateError> {
        let parts = checked_length(text, grammar.bytes_max).and_then(|()| parts(text, grammar.labels));
        let parts = parts.map_err(|fault| {
            let column = text[..fault.at].chars().count() + 1;
            let shown = &text[..text.floor_char_boundary(TEMPLATE_BYTES_MAX)];
            TemplateError { template: shown.into(), column, what: fault.what, mend: fault.mend.into() }
        })?;
        Ok(Self { text: text.into(), parts })
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn parts(&self) -> &[Part<L>] {
        &self.parts
    }

    /// All paths in it.
    pub(super) fn paths(&self) -> impl Iterator<Item = &[Segment]> {
        let choices = self.parts.iter().flat_map(|part| match part {
            Part::Text(_) => &[][..],
            Part::Placeholder(choices) => choices,
        });
        choices.filter_map(|choice| match choice {
            Choice::Path(path) => Some(&path[..]),
            Choice::Label(_) => None,
        })
    }
}

/// The text of the first choice that is there.
pub(super) fn first<'f, 'l: 'f, L: Copy>(
    choices: &'f [Choice<L>],
    found: &'f Found<'_, '_>,
    label: impl Fn(L) -> Option<&'l str>,
) -> Option<&'f str> {
    choices.iter().find_map(|choice| match choice {
        Choice::Label(word) => label(*word),
        Choice::Path(path) => found.get(path),
    })
}

fn checked_length(text: &str, bytes_max: usize) -> Result<(), Fault> {
    if text.is_empty() {
        return Err(Fault::new(0, "it is empty", "write text with placeholders, such as `{repository.full_name}`"));
    }
    if text.len() > bytes_max {
        let what = format!("it is longer than {bytes_max} bytes");
        return Err(Fault::new(text.floor_char_boundary(bytes_max), what, "shorten it"));
    }
    Ok(())
}

fn parts<L: Copy>(text: &str, labels: &[(&'static str, L)]) -> Result<Vec<Part<L>>, Fault> {
    let (mut parts, mut plain, mut at) = (Vec::new(), String::new(), 0);
    while let Some(found) = text[at..].find(['{', '}']) {
        let brace = at + found;
        plain.push_str(&text[at..brace]);
        let (one, rest) = text[brace..].split_at(1);
        if rest.starts_with(one) {
            plain.push_str(one);
            at = brace + 2;
            continue;
        }
        if one == "}" {
            return Err(Fault::new(brace, "a `}` closes nothing", "write `}}` for a brace"));
        }
        let Some(length) = rest.find('}') else {
            let mend = "write `}` after the path, or `{{` for a brace";
            return Err(Fault::new(brace, "a `{` is never closed", mend));
        };
        if !plain.is_empty() {
            parts.push(Part::Text(std::mem::take(&mut plain)));
        }
        parts.push(Part::Placeholder(choices(&rest[..length], brace + 1, labels)?));
        at = brace + length + 2;
    }
    plain.push_str(&text[at..]);
    if !plain.is_empty() {
        parts.push(Part::Text(plain));
    }
    Ok(parts)
}

/// What stands between two braces, the first of which ends at the byte `at`.
fn choices<L: Copy>(text: &str, mut at: usize, labels: &[(&'static str, L)]) -> Result<Vec<Choice<L>>, Fault> {
    let mut choices = Vec::new();
    for one in text.split('|') {
        choices.push(choice(one, at, labels)?);
        at += one.len() + 1;
    }
    Ok(choices)
}

fn choice<L: Copy>(text: &str, at: usize, labels: &[(&'static str, L)]) -> Result<Choice<L>, Fault> {
    if let Some(word) = text.strip_prefix('@') {
        let label = labels.iter().find(|(name, _)| *name == word);
        let unknown = || Fault::new(at, format!("there is no `@{word}`"), format!("write {}", words(labels)));
        return label.map(|(_, label)| Choice::Label(*label)).ok_or_else(unknown);
    }
    if text.is_empty() {
        let mend = format!("write a path such as `issue.number`, or {}", words(labels));
        return Err(Fault::new(at, "a path is empty", mend));
    }
    let (mut path, mut place) = (Vec::new(), at);
    for key in text.split('.') {
        if key.is_empty() {
            return Err(Fault::new(
                place,
                "a key is empty",
                "write one full stop between two keys, and none at the ends",
            ));
        }
        if let Some(found) = key.find(|c: char| c == '{' || c.is_whitespace()) {
            let what = if key[found..].starts_with('{') {
                "a `{` stands within braces"
            } else {
                "a space stands within braces"
            };
            return Err(Fault::new(place + found, what, "close the placeholder before it, or leave it out"));
        }
        path.push(Segment::new(key));
        place += key.len() + 1;
    }
    Ok(Choice::Path(path))
}

/// `@a`, `@b` or `@c`.
fn words<L>(labels: &[(&'static str, L)]) -> String {
    let quoted: Vec<String> = labels.iter().map(|(word, _)| format!("`@{word}`")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => quoted.concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRAMMAR: Grammar<'_, ()> = Grammar { labels: &[("kind", ()), ("source", ())], bytes_max: TEMPLATE_BYTES_MAX };

    fn error(text: &str) -> String {
        Template::parse(text, &GRAMMAR).err().unwrap().to_string()
    }

    #[test]
    fn text_that_is_no_template_says_what_where_and_how_to_mend_it() {
        let table = [
            ("", "it is empty at column 1; write text"),
            ("{a", "a `{` is never closed at column 1; write `}` after"),
            ("é{a}}", "a `}` closes nothing at column 5; write `}}`"),
            ("a}b", "a `}` closes nothing at column 2"),
            ("{}", "a path is empty at column 2; write a path such as `issue.number`"),
            ("{a|}", "a path is empty at column 4"),
            ("x{a..b}", "a key is empty at column 5; write one full stop"),
            ("{a.}", "a key is empty at column 4"),
            ("{.a}", "a key is empty at column 2"),
            ("{é.b c}", "a space stands within braces at column 5"),
            ("{a{b}", "a `{` stands within braces at column 3; close the placeholder"),
            ("{a|@repo}", "there is no `@repo` at column 4; write `@kind` or `@source`"),
        ];
        for (text, expected) in table {
            assert!(error(text).contains(expected), "{text}: {}", error(text));
        }
        assert!(error(&"a".repeat(1_025)).contains("it is longer than 1024 bytes at column 1025; shorten it"));
    }

    #[test]
    fn paths_of_a_template_are_all_its_choices() {
        let template = Template::parse("{a.b|@kind|c} and {a.b}", &GRAMMAR).unwrap();
        let paths: Vec<String> =
            template.paths().map(|path| path.iter().map(Segment::key).collect::<Vec<_>>().join(".")).collect();
        assert_eq!(paths, ["a.b", "c", "a.b"]);
    }
}
