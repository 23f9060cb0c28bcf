//! The targets that have a name: found by it, shown to operators, each behind its gate.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

use super::gate::{Condition, Gate};
use super::{Attempt, BuildError, Failure, Target, build};
use crate::config::{self, targets::Limits};

/// All targets that have a name. Cloning is cheap.
#[derive(Clone, Debug, Default)]
pub struct Targets(Arc<BTreeMap<String, Arc<Named>>>);

/// A target with a name, behind its gate.
pub struct Named {
    name: String,
    sort: &'static str,
    to: String,
    gate: Gate,
    target: Arc<dyn Target>,
}

impl Targets {
    /// Those that are given.
    pub fn new(named: impl IntoIterator<Item = Named>) -> Self {
        Self(Arc::new(named.into_iter().map(|named| (named.name.clone(), Arc::new(named))).collect()))
    }

    /// The one of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Arc<Named>> {
        self.0.get(name)
    }

    /// All, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Named>> {
        self.0.values()
    }
}

impl Named {
    /// Makes one of its configuration.
    ///
    /// # Errors
    /// As [`build`].
    pub fn new(name: impl Into<String>, target: &config::Target) -> Result<Self, BuildError> {
        let (sort, to) = described(target);
        Ok(Self { name: name.into(), sort, to, gate: Gate::new(target.limits()), target: build(target)? })
    }

    /// The same behind the gate of the one that it follows, if both let in the same and lead to the same place.
    pub(crate) fn following(mut self, before: &Self) -> Self {
        if before.limits() == self.limits() && (before.sort, &before.to) == (self.sort, &self.to) {
            self.gate = before.gate.clone();
        }
        self
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The kind of the tasks that it takes when they are enqueued by hand.
    #[must_use]
    pub fn kind(&self) -> String {
        kind_of(&self.name)
    }

    /// `http`, `command` or `log`.
    #[must_use]
    pub fn sort(&self) -> &'static str {
        self.sort
    }

    /// The host, the program or the file; nothing that could hold a token.
    #[must_use]
    pub fn to(&self) -> &str {
        &self.to
    }

    /// What it lets in.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.gate.limits()
    }

    /// How it is.
    #[must_use]
    pub fn condition(&self) -> Condition {
        self.gate.condition()
    }

    /// Lets attempts in again at once, as if none had failed.
    pub fn reset(&self) {
        self.gate.reset();
    }
}

/// The kind of the tasks that a target takes by itself. No route and no function can have such a name.
pub(crate) fn kind_of(name: &str) -> String {
    format!("target:{name}")
}

fn described(target: &config::Target) -> (&'static str, String) {
    match target {
        config::Target::Http(http) => {
            let url = http.url.sample();
            let host = url.authority().rsplit('@').next().unwrap_or_default();
            ("http", format!("{}://{host}", url.scheme()))
        }
        config::Target::Command(command) => ("command", command.argv.first().cloned().unwrap_or_default()),
        config::Target::File(file) => ("log", file.path.display().to_string()),
        config::Target::Log | config::Target::Named(_) => ("log", String::new()),
    }
}

impl Target for Named {
    fn deliver(&self, attempt: Attempt) -> BoxFuture<'static, Result<Option<Bytes>, Failure>> {
        let (gate, target) = (self.gate.clone(), Arc::clone(&self.target));
        async move {
            let pass = gate.enter(attempt.deadline).await?;
            let result = target.deliver(attempt).await;
            pass.ended(!result.as_ref().is_err_and(|failure| failure.is_outage));
            result
        }
        .boxed()
    }

    fn clean_up(&self) -> Duration {
        self.target.clean_up()
    }
}

impl fmt::Debug for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Named").field("name", &self.name).field("target", &self.target).finish_non_exhaustive()
    }
}
