//! Which of the deliveries that its patterns match a handler gets.

use super::Configured;
use crate::route::IntoPatterns;

/// What was said about it, as it was given; checked when the application starts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Choice {
    /// Patterns of the names of sources; empty takes any.
    pub(crate) sources: Vec<String>,
    pub(crate) when: Option<String>,
    pub(crate) stop: bool,
}

impl Choice {
    /// Whether nothing was said.
    pub(crate) fn is_empty(&self) -> bool {
        self.sources.is_empty() && self.when.is_none() && !self.stop
    }
}

impl Configured {
    /// Takes deliveries only from this source, or from any of a list. `*` stands for any text: `gitlab*`.
    ///
    /// ```
    /// use becket::{App, background};
    ///
    /// async fn mirror() {}
    ///
    /// let app = App::new().on("push", background(mirror).source(["github", "gitlab*"]));
    /// # let _ = app;
    /// ```
    pub fn source(mut self, sources: impl IntoPatterns) -> Self {
        self.choice.sources.extend(sources.into_patterns());
        self
    }

    /// Takes a delivery only when this is true of it: a condition in [CEL](https://cel.dev) over `payload`, `source`,
    /// `event`, `action`, `normalised` and `delivery_id`.
    ///
    /// It is checked when the application starts. Where something that it names is not in the payload it is not true. What
    /// the language has, and what it costs, is said in the guide on routing.
    ///
    /// ```
    /// use becket::{App, background};
    ///
    /// async fn review() {}
    ///
    /// let app = App::new().on(
    ///     "pull_request.*",
    ///     background(review).when("payload.pull_request.draft == false && payload.sender.type != 'Bot'"),
    /// );
    /// # let _ = app;
    /// ```
    pub fn when(mut self, filter: impl Into<String>) -> Self {
        self.choice.when = Some(filter.into());
        self
    }

    /// Is the last to get what it gets: handlers that were registered later, and `[[routes]]`, do not.
    pub fn stop(mut self) -> Self {
        self.choice.stop = true;
        self
    }
}
