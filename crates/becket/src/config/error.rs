//! What is wrong with a configuration: everything at once, each with its place and its remedy.
//!
//! The parsers in [`values`](super::values) say what is wrong and how to mend it ([`Problem`]); the reader adds
//! which key and which layer ([`Error`]). No text here holds a secret: parsers of secrets never quote their input.

use std::fmt::{self, Write as _};

use super::origin::Origin;

/// Why a value is refused, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) what: String,
    pub(super) mend: String,
}

impl Problem {
    pub(super) fn new(what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { what: what.into(), mend: mend.into() }
    }

    /// Adds the key and the place, which parsers do not know.
    pub(super) fn at(self, key: impl Into<String>, origin: Origin) -> Error {
        Error { origin, key: key.into(), what: self.what, mend: self.mend }
    }
}

/// One thing that is wrong: `becket.toml:2:1: server.lisen: unknown key; did you mean `listen`?`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    origin: Origin,
    key: String,
    what: String,
    mend: String,
}

impl Error {
    /// Where the value was set.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The dotted path of the key, such as `sources.github.secret`; empty when the file could not be read at all.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// What is wrong.
    pub fn what(&self) -> &str {
        &self.what
    }

    /// What to do about it.
    pub fn mend(&self) -> &str {
        &self.mend
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.origin.place())?;
        if !self.key.is_empty() {
            write!(f, "{}: ", Plain(&self.key))?;
        }
        write!(f, "{}; {}", Plain(&self.what), Plain(&self.mend))
    }
}

/// Text for a terminal: what would control it is written out. A file may come from others, and so may its keys.
struct Plain<'a>(&'a str);

impl fmt::Display for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            if character.is_control() && character != '\n' {
                write!(f, "{}", character.escape_unicode())?;
            } else {
                f.write_char(character)?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

/// All that is wrong with a configuration, in the order of the file, then of the environment and the flags.
///
/// There is always at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Errors(Vec<Error>);

impl Errors {
    pub(super) fn new(mut errors: Vec<Error>) -> Self {
        errors.sort_by(|a, b| (&a.origin, &a.key).cmp(&(&b.origin, &b.key)));
        Self(errors)
    }

    /// The errors, one by one.
    pub fn iter(&self) -> std::slice::Iter<'_, Error> {
        self.0.iter()
    }
}

impl<'a> IntoIterator for &'a Errors {
    type Item = &'a Error;
    type IntoIter = std::slice::Iter<'a, Error>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for Errors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.len() {
            1 => f.write_str("the configuration has 1 error:")?,
            n => write!(f, "the configuration has {n} errors:")?,
        }
        for error in self {
            write!(f, "\n  {error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Errors {}
