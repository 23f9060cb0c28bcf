//! Where a value came from, and the table that `becket config check` prints.
//!
//! Rows hold values already masked, so nothing here can leak a secret.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// What stands for a secret wherever a value is shown.
pub const MASK: &str = "********";

/// The layer, and the place in it, that set a value. Ordered from the lowest layer to the highest.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// Nobody set it: the compiled-in default.
    Default,
    /// The configuration file. Lines and columns count from 1; columns are in characters. Zero: the file as a whole.
    File {
        /// The path as it was given.
        path: Arc<Path>,
        /// The line of the key.
        line: usize,
        /// The column of the key.
        column: usize,
    },
    /// One of the `GITHUBAPP_*` environment variables.
    GithubAppEnvironment(String),
    /// One of Becket's own environment variables, such as `BECKET_SERVER__LISTEN`.
    Environment(String),
    /// A flag, such as `--listen` or `--set server.listen`.
    Flag(String),
}

impl Origin {
    /// The precedence of the layer: a higher one overrides a lower one.
    pub(super) fn rank(&self) -> u8 {
        match self {
            Self::Default => 0,
            Self::File { .. } => 1,
            Self::GithubAppEnvironment(_) => 2,
            Self::Environment(_) => 3,
            Self::Flag(_) => 4,
        }
    }

    /// The exact place, with the column: for errors.
    pub(crate) fn place(&self) -> impl fmt::Display + '_ {
        fmt::from_fn(move |f| match self {
            Self::File { line: 1.., column, .. } => write!(f, "{self}:{column}"),
            _ => write!(f, "{self}"),
        })
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line: 0, .. } => write!(f, "{}", path.display()),
            Self::File { path, line, .. } => write!(f, "{}:{line}", path.display()),
            Self::GithubAppEnvironment(name) | Self::Environment(name) | Self::Flag(name) => f.write_str(name),
        }
    }
}

/// One key of the loaded configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The dotted path, such as `sources.github.secret`; a route is numbered from 0.
    pub key: String,
    /// The value as it was written, [`MASK`] for a secret, `(not set)` for an optional key without one.
    pub value: String,
    /// Who set it.
    pub origin: Origin,
}

/// Every key of the loaded configuration, with its value and where it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origins(pub(super) Vec<Row>);

impl Origins {
    /// The rows, in the order of the sections.
    pub fn rows(&self) -> &[Row] {
        &self.0
    }

    /// The row of one key.
    pub fn get(&self, key: &str) -> Option<&Row> {
        self.0.iter().find(|row| row.key == key)
    }
}
