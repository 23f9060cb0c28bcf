//! A handler with what was said about how it runs.
//!
//! What was not said is filled in from configuration when the application starts.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use becket_tasks::client::Address;
use becket_tasks::{Backoff, TaskError};
use bytes::Bytes;
use futures_util::future::BoxFuture;

use super::batch::Batch;
use super::{Arguments, Choice, Handler, IntoResult, Order, name};
use crate::config::Mode;
use crate::extract::{Requirements, TaskInput};

/// A handler whose types are forgotten.
pub(crate) type RunTask = Arc<dyn Fn(TaskInput) -> BoxFuture<'static, Result<Option<Bytes>, TaskError>> + Send + Sync>;

/// Wraps a handler that runs after the sender has its answer.
///
/// ```
/// use std::time::Duration;
/// use becket::{App, Backoff, Payload, TaskError, background};
///
/// async fn triage(Payload(issue): Payload) -> Result<(), TaskError> {
///     # let _ = issue;
///     Ok(())
/// }
///
/// let app = App::new().on(
///     "issues.opened",
///     background(triage).timeout(Duration::from_secs(120)).retries(2).backoff(Backoff::DEFAULT).priority(5),
/// );
/// # let _ = app;
/// ```
pub fn background<F, A>(handler: F) -> Configured
where
    F: Handler<A>,
    A: Arguments,
    F::Future: Send + 'static,
    <F::Future as Future>::Output: IntoResult,
{
    Configured { mode: Some(Mode::Background), ..Configured::new(handler) }
}

/// Wraps a handler whose result is the answer to the sender.
///
/// It does not retry unless told to: the sender waits, and a retry could only come after the answer.
pub fn inline<F, A>(handler: F) -> Configured
where
    F: Handler<A>,
    A: Arguments,
    F::Future: Send + 'static,
    <F::Future as Future>::Output: IntoResult,
{
    Configured { mode: Some(Mode::Inline), ..Configured::new(handler) }
}

/// A handler with what was said about how it runs; made by [`background`] and [`inline`].
#[derive(Clone)]
#[must_use]
pub struct Configured {
    pub(crate) mode: Option<Mode>,
    pub(crate) name: Option<String>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) retries: Option<u32>,
    pub(crate) backoff: Option<Backoff>,
    pub(crate) priority: i8,
    pub(crate) notify: Option<Address>,
    pub(crate) choice: Choice,
    pub(crate) order: Order,
    pub(crate) needs: Requirements,
    pub(crate) run: RunTask,
    /// For handlers that take several tasks at once.
    pub(crate) batch: Option<Batch>,
}

impl Configured {
    fn new<F, A>(handler: F) -> Self
    where
        F: Handler<A>,
        A: Arguments,
        F::Future: Send + 'static,
        <F::Future as Future>::Output: IntoResult,
    {
        let handler = Arc::new(handler);
        let run: RunTask = Arc::new(move |input| {
            let handler = Arc::clone(&handler);
            Box::pin(async move {
                let arguments = A::extract(&input).await?;
                drop(input);
                // The handler's future is made in its own statement: arguments need not live across its await.
                let running = handler.call(arguments);
                running.await.into_result()
            })
        });
        let mut needs = Requirements::default();
        A::requirements(&mut needs);
        Self { name: name::of::<F>(), needs, ..Self::erased(run) }
    }

    /// A handler that is not a Rust function of the user's: a route's target.
    pub(crate) fn erased(run: RunTask) -> Self {
        Self {
            mode: None,
            name: None,
            timeout: None,
            retries: None,
            backoff: None,
            priority: 0,
            notify: None,
            choice: Choice::default(),
            order: Order::default(),
            needs: Requirements::default(),
            run,
            batch: None,
        }
    }

    /// The name of its tasks (their `kind`), instead of the function's own.
    ///
    /// Stored with every task: a task that is still waiting when the name changes is not run under the new one.
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// How long one attempt may take. Default: `tasks.timeout`, 5 minutes.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// How many attempts may follow the first when it fails. Default: `tasks.retries` (3) in the background, 0 inline.
    pub fn retries(mut self, retries: u32) -> Self {
        self.retries = Some(retries);
        self
    }

    /// How long to wait before each retry. Default: full jitter from `tasks.retry_delay` to `tasks.retry_max_delay`.
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = Some(backoff);
        self
    }

    /// Among tasks that are due, a higher priority runs first. Default: 0.
    pub fn priority(mut self, priority: i8) -> Self {
        self.priority = priority;
        self
    }

    /// Tells this URL how each of the handler's tasks ended, whichever way: a completion webhook, signed with
    /// `notify.secret`. A task that names a URL of its own tells that instead.
    ///
    /// An application that has no secret to sign with does not start.
    pub fn notify(mut self, url: impl Into<Arc<str>>) -> Self {
        self.notify = Some(Address::new(url));
        self
    }
}

impl fmt::Debug for Configured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Configured")
            .field("name", &self.name)
            .field("mode", &self.mode)
            .field("timeout", &self.timeout)
            .field("retries", &self.retries)
            .field("backoff", &self.backoff)
            .field("priority", &self.priority)
            .field("choice", &self.choice)
            .field("order", &self.order)
            .finish_non_exhaustive()
    }
}

/// A handler, plain or wrapped by [`background`] or [`inline`].
///
/// `M` tells the two apart and is always inferred.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a handler",
    label = "not an async function that a handler can be made of",
    note = "a handler is an `async fn` or a closure that returns a future, with at most 12 arguments, each of them an extractor; or such a one in `background(..)` or `inline(..)`"
)]
pub trait IntoHandler<M> {
    /// Forgets the handler's types.
    fn into_handler(self) -> Configured;
}

impl IntoHandler<()> for Configured {
    fn into_handler(self) -> Configured {
        self
    }
}

impl<F, A> IntoHandler<(A,)> for F
where
    F: Handler<A>,
    A: Arguments,
    F::Future: Send + 'static,
    <F::Future as Future>::Output: IntoResult,
{
    fn into_handler(self) -> Configured {
        Configured::new(self)
    }
}
