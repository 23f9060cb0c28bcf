//! Layers for tests: given text, variables and flags, with nothing read from the machine.

use std::path::Path;

use super::load::load;
use super::{Config, Errors, Loaded};

/// The layers of one test. Empty ones are left out.
#[derive(Default)]
pub(super) struct Layers<'a> {
    pub(super) file: &'a str,
    pub(super) env: &'a [(&'a str, &'a str)],
    pub(super) flags: &'a [(&'a str, &'a str)],
}

impl Layers<'_> {
    pub(super) fn load(&self) -> Result<Loaded, Errors> {
        load(Some((Path::new("becket.toml"), self.file)), &owned(self.env), &owned(self.flags))
    }

    pub(super) fn loaded(&self) -> Loaded {
        self.load().unwrap_or_else(|errors| panic!("{errors}"))
    }

    /// The errors, a line each.
    pub(super) fn errors(&self) -> Vec<String> {
        self.load().err().map(|errors| errors.iter().map(ToString::to_string).collect()).unwrap_or_default()
    }
}

fn owned(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// The configuration of a file alone.
pub(super) fn file(text: &str) -> Config {
    Layers { file: text, ..Layers::default() }.loaded().config
}

/// The errors of a file alone, a line each.
pub(super) fn file_errors(text: &str) -> Vec<String> {
    Layers { file: text, ..Layers::default() }.errors()
}
