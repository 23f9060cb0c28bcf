//! What a handler's tasks belong to, how many of them run, and which are as good as one: lanes, tenants, limits, unique
//! tasks.
//!
//! Collected as it is given; whether it makes sense is checked at the start.

use std::time::Duration;

use becket_tasks::{Debounce, IntoNaming, Latest, Limits, Naming, Rate, TemplateError};

use super::Configured;

/// What was said about order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Order {
    pub(crate) lane: Option<Given>,
    pub(crate) passes: bool,
    pub(crate) latest: Option<Latest>,
    pub(crate) debounce: Option<Debounce>,
    pub(crate) tenant: Option<Given>,
    pub(crate) limit_key: Option<Given>,
    pub(crate) limits: Limits,
    /// The unique key, and how long a result is fresh.
    pub(crate) unique: Option<(Given, Duration)>,
}

/// A naming as it was given.
pub(crate) type Given = Result<Naming, TemplateError>;

impl Configured {
    /// Puts each task into a lane: of those in one lane at most one runs at a time, in the order in which they were
    /// accepted. A task that fails and is to be retried holds the others up, unless it
    /// [lets them pass](Self::pass_on_retry).
    ///
    /// The lane's name is made from the delivery, by a [template](Naming) or a function. Where that finds nothing, the
    /// task is in no lane. Handlers whose names come out the same share a lane; begin with `{@kind}` to keep them apart.
    ///
    /// ```
    /// use becket::{App, Subject, background};
    ///
    /// # async fn triage() {}
    /// # async fn review() {}
    /// let app = App::new()
    ///     .on("issues", background(triage).lane("{repository.full_name}#{issue.number}"))
    ///     .on("push", background(review).lane(|push: &Subject| {
    ///         let branch = push.payload()["ref"].as_str()?.strip_prefix("refs/heads/")?;
    ///         Some(format!("review of {branch}"))
    ///     }));
    /// # let _ = app;
    /// ```
    pub fn lane<M>(mut self, name: impl IntoNaming<M>) -> Self {
        self.order.lane = Some(name.into_naming());
        self
    }

    /// Lets the tasks behind in the lane pass while one waits for its retry or its time; it runs once it is ready and
    /// nothing else of the lane runs. Default: they wait.
    pub fn pass_on_retry(mut self) -> Self {
        self.order.passes = true;
        self
    }

    /// Lets a newer task cancel, as `superseded`, those of this handler in its lane that wait; one that runs goes on.
    ///
    /// Without a [lane](Self::lane) the lane is `{@kind} {repository.full_name}#{pull_request.number|issue.number|number|ref}`:
    /// GitHub's pull request, issue or branch. Tasks for which that finds nothing replace nothing.
    pub fn latest(mut self) -> Self {
        self.order.latest = Some(Latest::Waiting);
        self
    }

    /// As [`latest`](Self::latest), and the running task is cancelled as well; the newer one begins when it has stopped.
    pub fn latest_stopping(mut self) -> Self {
        self.order.latest = Some(Latest::Running);
        self
    }

    /// Waits until nothing newer has come into the lane for `quiet`, then runs the newest; at the latest `max` after the
    /// first. Implies [`latest`](Self::latest), and has the same lane where none is given.
    pub fn debounce(mut self, quiet: Duration, max: Duration) -> Self {
        self.order.debounce = Some(Debounce { quiet, max });
        self
    }

    /// Says whose task it is, as [`lane`](Self::lane) names a lane: of tenants that have work, each gets its turn,
    /// however much another one has. Tasks without a tenant count as one tenant. `worker.weights` gives some tenants more
    /// turns.
    pub fn tenant<M>(mut self, name: impl IntoNaming<M>) -> Self {
        self.order.tenant = Some(name.into_naming());
        self
    }

    /// Says what the limits by key count a task under, as [`lane`](Self::lane) names a lane. They do not hold for a task
    /// without a key.
    pub fn limit_key<M>(mut self, name: impl IntoNaming<M>) -> Self {
        self.order.limit_key = Some(name.into_naming());
        self
    }

    /// Runs at most `tasks` at the same time, over all processes that share the store. Default: as many as there are
    /// places.
    ///
    /// A handler with any limit always runs from the queue: an inline one is then answered 202.
    pub fn concurrency(mut self, tasks: u32) -> Self {
        self.order.limits.concurrency = Some(tasks);
        self
    }

    /// Runs at most `tasks` at the same time for each [key](Self::limit_key).
    pub fn concurrency_per_key(mut self, tasks: u32) -> Self {
        self.order.limits.key_concurrency = Some(tasks);
        self
    }

    /// Starts at most `starts` (up to 10,000) within any time of the length `per` (up to a day); retries count, too.
    pub fn rate(mut self, starts: u32, per: Duration) -> Self {
        self.order.limits.rate = Some(Rate { starts, period: per });
        self
    }

    /// Starts at most `starts` within any time of the length `per` for each [key](Self::limit_key).
    pub fn rate_per_key(mut self, starts: u32, per: Duration) -> Self {
        self.order.limits.key_rate = Some(Rate { starts, period: per });
        self
    }

    /// Says which tasks are as good as one, as [`lane`](Self::lane) names a lane: while the latest of the handler's tasks
    /// with the same name has not ended, or has completed less than `fresh` ago, a new one is not accepted, and that one
    /// stands for it. [`Duration::ZERO`]: only tasks that have not ended do.
    ///
    /// A delivery whose task another stands for is kept, and its sender is answered with that one; an inline handler
    /// answers what that one returned, and waits for it where it still runs. Where the name finds nothing, the task is its
    /// own. A result is fresh no longer than it is kept (`tasks.result_ttl`). A delivery that is replayed does not take a
    /// result for its work, only a task that has not ended.
    ///
    /// ```
    /// use std::time::Duration;
    /// use becket::{App, background};
    ///
    /// # async fn report() {}
    /// let app = App::new()
    ///     .on("push", background(report).unique("{repository.full_name}", Duration::from_secs(600)));
    /// # let _ = app;
    /// ```
    pub fn unique<M>(mut self, name: impl IntoNaming<M>, fresh: Duration) -> Self {
        self.order.unique = Some((name.into_naming(), fresh));
        self
    }
}
