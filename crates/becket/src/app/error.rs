//! Why an application does not start.

use std::fmt;
use std::io;
use std::net::SocketAddr;

/// One thing that is wrong with an application, and how to mend it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    what: String,
    mend: String,
}

impl Mistake {
    pub(super) fn new(what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { what: what.into(), mend: mend.into() }
    }

    /// What is wrong.
    #[must_use]
    pub fn what(&self) -> &str {
        &self.what
    }

    /// What to do about it.
    #[must_use]
    pub fn mend(&self) -> &str {
        &self.mend
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.what, self.mend)
    }
}

/// Why an application does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The application makes no sense; every mistake is listed.
    #[error("the application has {}", listed(.0))]
    Mistakes(Vec<Mistake>),
    /// The store cannot be opened.
    #[error("cannot open the store")]
    Store(#[source] becket_tasks::Error),
    /// The engine cannot start.
    #[error("cannot start the engine")]
    Engine(#[source] becket_tasks::Error),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The system lets nobody listen for signals.
    #[error("cannot listen for signals")]
    Signals(#[source] io::Error),
}

fn listed(mistakes: &[Mistake]) -> String {
    let count = match mistakes.len() {
        1 => "1 mistake".to_owned(),
        count => format!("{count} mistakes"),
    };
    mistakes.iter().fold(count + ":", |text, mistake| format!("{text}\n  {mistake}"))
}
