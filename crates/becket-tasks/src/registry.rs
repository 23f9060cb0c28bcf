//! Which handler runs a kind of task, and under which policy.
//!
//! It also holds the schedules, each of which wants tasks of one kind. A [`Registry`] is filled before the engine starts
//! and never changes afterwards; an engine may be given [another](crate::Engine::replace_registry). A worker claims only the kinds that are in its registry; tasks of other kinds stay queued
//! for a worker that knows them.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::context::TaskContext;
use crate::naming::Naming;
use crate::order::{Debounce, Lane, Latest, Limits, OnRetry, Rules};
use crate::retry::{RetryPolicy, TaskError};
use crate::schedule::{Schedule, ScheduleError};
use crate::submission::{NewTask, Unique};
use crate::task::Claimed;

/// Handlers by the kind of task that they run.
#[derive(Default)]
pub struct Registry {
    entries: HashMap<Arc<str>, Entry>,
    payload_json: Option<PayloadJson>,
    schedules: BTreeMap<Arc<str>, Schedule>,
}

/// How a payload, with what is kept beside it (first `meta`, then `payload`), is read as JSON by those who make names of it.
pub type PayloadJson = fn(&[u8], &Bytes) -> Bytes;

/// One handler and its policy.
pub(crate) struct Entry {
    pub(crate) policy: Policy,
    pub(crate) handler: Arc<dyn Handler>,
    /// For kinds whose tasks are run several at once: how many at the most, and by what.
    pub(crate) batch: Option<(u32, Arc<dyn BatchHandler>)>,
}

/// Two handlers were registered for one kind of task.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is already a handler for tasks of kind `{0}`")]
pub struct DuplicateKind(pub Arc<str>);

impl Registry {
    /// An empty registry.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets `handler` run tasks of `kind`.
    ///
    /// # Errors
    /// [`DuplicateKind`] when the kind has a handler already; the first one stays.
    pub fn insert(
        &mut self,
        kind: impl Into<Arc<str>>,
        policy: Policy,
        handler: impl Handler,
    ) -> Result<(), DuplicateKind> {
        let kind = kind.into();
        if self.entries.contains_key(&kind) {
            return Err(DuplicateKind(kind));
        }
        self.entries.insert(kind, Entry { policy, handler: Arc::new(handler), batch: None });
        Ok(())
    }

    /// Lets `handler` run up to `max` tasks of `kind` at once, with a result for each. They share a slot of the pool;
    /// each keeps its attempts, timeout and cancellation. A `max` outside of 1 to [`Rules::BATCH_MAX`] is brought into
    /// that range.
    ///
    /// # Errors
    /// [`DuplicateKind`] when the kind has a handler already; the first one stays.
    pub fn insert_batch(
        &mut self,
        kind: impl Into<Arc<str>>,
        policy: Policy,
        max: u32,
        handler: impl BatchHandler,
    ) -> Result<(), DuplicateKind> {
        let kind = kind.into();
        let handler: Arc<dyn BatchHandler> = Arc::new(handler);
        let batch = Some((max.clamp(1, Rules::BATCH_MAX), Arc::clone(&handler)));
        self.insert(Arc::clone(&kind), policy, move |run: Run| {
            let alone = handler.run(vec![run]);
            async move {
                let nothing = || Err(TaskError::give_up("the batch's handler returned no result for its only task"));
                alone.await.pop().unwrap_or_else(nothing)
            }
        })?;
        if let Some(entry) = self.entries.get_mut(&kind) {
            entry.batch = batch;
        }
        Ok(())
    }

    /// Lets a function with typed arguments and results run up to `max` tasks of `kind` at once: it gets the arguments of
    /// each with its context, and returns a result for each, in the same order. One whose payload does not fit `A` fails
    /// alone, and is not among them.
    ///
    /// ```
    /// use becket_tasks::{Policy, Registry, TaskContext, TaskError};
    ///
    /// let mut registry = Registry::new();
    /// registry.batch("index", Policy::default(), 50, |pages: Vec<(String, TaskContext)>| async move {
    ///     pages.iter().map(|(page, _task)| Ok::<_, TaskError>(page.len())).collect()
    /// })?;
    /// # Ok::<(), becket_tasks::DuplicateKind>(())
    /// ```
    ///
    /// # Errors
    /// [`DuplicateKind`] when the kind has a handler already; the first one stays.
    pub fn batch<A, R, F, Fut>(
        &mut self,
        kind: impl Into<Arc<str>>,
        policy: Policy,
        max: u32,
        function: F,
    ) -> Result<(), DuplicateKind>
    where
        A: DeserializeOwned + Send + 'static,
        R: Serialize,
        F: Fn(Vec<(A, TaskContext)>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Vec<Result<R, TaskError>>> + Send + 'static,
    {
        let function = Arc::new(function);
        self.insert_batch(kind, policy, max, move |runs: Vec<Run>| {
            let function = Arc::clone(&function);
            async move { run_typed(&*function, runs).await }
        })
    }

    /// Lets a function with typed arguments and result run tasks of `kind`: the payload is read as JSON, and what the
    /// function returns is kept as JSON (`null` as no result). A payload that does not fit `A` fails the task at once,
    /// since no retry could help.
    ///
    /// ```
    /// use becket_tasks::{Policy, Registry, TaskContext, TaskError};
    ///
    /// #[derive(serde::Deserialize)]
    /// struct Resize { width: u32, height: u32 }
    ///
    /// let mut registry = Registry::new();
    /// registry.task("resize", Policy::default(), |job: Resize, _task: TaskContext| async move {
    ///     Ok::<_, TaskError>(job.width * job.height)
    /// })?;
    /// # Ok::<(), becket_tasks::DuplicateKind>(())
    /// ```
    ///
    /// # Errors
    /// [`DuplicateKind`] when the kind has a handler already; the first one stays.
    pub fn task<A, R, F, Fut>(
        &mut self,
        kind: impl Into<Arc<str>>,
        policy: Policy,
        function: F,
    ) -> Result<(), DuplicateKind>
    where
        A: DeserializeOwned + Send + 'static,
        R: Serialize,
        F: Fn(A, TaskContext) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<R, TaskError>> + Send + 'static,
    {
        let function = Arc::new(function);
        self.insert(kind, policy, move |run: Run| {
            let function = Arc::clone(&function);
            async move {
                let arguments = serde_json::from_slice(&run.task.payload).map_err(|error| unreadable(&error))?;
                let result = function(arguments, run.context).await?;
                encode_result(&result)
            }
        })
    }

    /// Lets the [namings](crate::naming) of policies see payloads through `json`, where these may be other than JSON. It is
    /// called only for submissions of which some policy wants to know something.
    pub fn read_payloads_with(&mut self, json: PayloadJson) {
        self.payload_json = Some(json);
    }

    /// Lets an engine with this registry fire `schedule`. That its kind has a handler is checked when the engine starts.
    ///
    /// # Errors
    /// What cannot be: a name that another schedule has or that is none, a jitter or a number of ticks to catch up with
    /// that is too large, a payload with a key that the schedule fills in.
    pub fn schedule(&mut self, schedule: Schedule) -> Result<(), ScheduleError> {
        schedule.check()?;
        if self.schedules.contains_key(schedule.name()) {
            return Err(ScheduleError::new("another schedule has this name", "choose another").of(schedule.name()));
        }
        self.schedules.insert(Arc::clone(schedule.name()), schedule);
        Ok(())
    }

    /// All schedules, by name.
    pub fn schedules(&self) -> impl Iterator<Item = &Schedule> {
        self.schedules.values()
    }

    /// The policy of `kind`; `None` when it has no handler.
    #[must_use]
    pub fn policy(&self, kind: &str) -> Option<&Policy> {
        self.entries.get(kind).map(|entry| &entry.policy)
    }

    /// All kinds that have a handler, in alphabetical order.
    #[must_use]
    pub fn kinds(&self) -> Arc<[Arc<str>]> {
        let mut kinds: Vec<_> = self.entries.keys().cloned().collect();
        kinds.sort_unstable();
        kinds.into()
    }

    pub(crate) fn entry(&self, kind: &str) -> Option<&Entry> {
        self.entries.get(kind)
    }

    /// The limits of those kinds that have some.
    pub(crate) fn limits(&self) -> HashMap<Arc<str>, Limits> {
        let limited = self.entries.iter().filter(|(_, entry)| !entry.policy.limits.is_none());
        limited.map(|(kind, entry)| (Arc::clone(kind), entry.policy.limits)).collect()
    }

    pub(crate) fn payload_json(&self) -> PayloadJson {
        self.payload_json.unwrap_or(|_, payload| payload.clone())
    }

    /// How many tasks of a kind are taken together, where that is not one.
    pub(crate) fn batches(&self) -> HashMap<Arc<str>, u32> {
        let batches = self.entries.iter().filter_map(|(kind, entry)| Some((kind, entry.batch.as_ref()?.0)));
        batches.map(|(kind, max)| (Arc::clone(kind), max)).collect()
    }

    pub(crate) fn policies(&self) -> HashMap<Arc<str>, Arc<Policy>> {
        self.entries.iter().map(|(kind, entry)| (Arc::clone(kind), Arc::new(entry.policy.clone()))).collect()
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry").field("kinds", &self.kinds()).field("schedules", &self.schedules.keys()).finish()
    }
}

/// Says where a payload does not fit, without repeating any of it: serde's own text would quote the payload.
fn unreadable(error: &serde_json::Error) -> TaskError {
    let (line, column) = (error.line(), error.column());
    let why = if error.is_data() { "does not fit the handler's type" } else { "is not JSON" };
    TaskError::give_up(format!("the payload {why} (line {line}, column {column})"))
}

fn encode_result<R: Serialize>(result: &R) -> Result<Option<Bytes>, TaskError> {
    let json = serde_json::to_vec(result)
        .map_err(|error| TaskError::give_up(format!("the result cannot be written as JSON: {error}")))?;
    Ok((json != b"null").then(|| json.into()))
}

/// How a kind of task is run.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// How long one attempt may take. Default: 5 minutes.
    pub timeout: Duration,
    /// How often it is attempted, and with which pauses. Default: once.
    pub retry: RetryPolicy,
    /// Higher runs first among what is due. Default: 0.
    pub priority: i8,
    /// How long a result is kept. Default: 24 hours.
    pub result_ttl: Duration,
    /// How many run at once and start in a time, over all processes that share the store. Default: no limits.
    pub limits: Limits,
    /// Whether a task of the kind [`notify::KIND`](crate::client::notify::KIND) tells somebody how each of these tasks
    /// ended; its handler knows whom. Default: no.
    pub notify: bool,
    /// The lane of a task that is given none. Default: none.
    pub lane: Option<LanePolicy>,
    /// The tenant of a task that is given none. Default: none.
    pub tenant: Option<Naming>,
    /// The limit's key of a task that is given none. Default: none.
    pub limit_key: Option<Naming>,
    /// Which tasks are as good as one; for a task that does not say it itself. Default: each is its own.
    pub unique: Option<UniquePolicy>,
}

/// Which of a kind's tasks are as good as one: see [`Unique`].
#[derive(Clone, Debug, PartialEq)]
pub struct UniquePolicy {
    /// The key; a task for which there is no name is its own.
    pub name: Naming,
    /// How long what one has returned is as good as new; [`Duration::ZERO`]: not at all, so that only tasks that have not
    /// ended stand for others. What is kept no longer than [`Policy::result_ttl`] is fresh no longer, either.
    pub fresh: Duration,
}

impl UniquePolicy {
    /// What makes a task with this key unique.
    #[must_use]
    pub fn unique(&self, key: Arc<str>) -> Unique {
        Unique { key, fresh: self.fresh }
    }
}

/// In which lane a kind's tasks are, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct LanePolicy {
    /// The lane; a task for which there is no name is in none.
    pub name: Naming,
    /// See [`Lane::on_retry`].
    pub on_retry: OnRetry,
    /// See [`Lane::latest`].
    pub latest: Option<Latest>,
    /// See [`Lane::debounce`].
    pub debounce: Option<Debounce>,
}

impl LanePolicy {
    /// A policy with all defaults of [`Lane::new`].
    #[must_use]
    pub fn new(name: Naming) -> Self {
        Self { name, on_retry: OnRetry::default(), latest: None, debounce: None }
    }

    /// A place in the lane `name`, as this policy says.
    #[must_use]
    pub fn lane(&self, name: Arc<str>) -> Lane {
        Lane { name, on_retry: self.on_retry, latest: self.latest, debounce: self.debounce }
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(5 * 60),
            retry: RetryPolicy::never(),
            priority: 0,
            result_ttl: Duration::from_secs(24 * 3_600),
            limits: Limits::default(),
            notify: false,
            lane: None,
            tenant: None,
            limit_key: None,
            unique: None,
        }
    }
}

impl Policy {
    /// A task of `kind` that is due at once, with this policy's attempts and priority.
    #[must_use]
    pub fn new_task(&self, kind: Arc<str>) -> NewTask {
        NewTask { priority: self.priority, max_attempts: self.retry.max_attempts, ..NewTask::new(kind) }
    }
}

/// Runs one attempt of a task.
///
/// It may be called twice for one task (at least once), also after an attempt that succeeded. Implemented for
/// functions from [`Run`] to a future.
pub trait Handler: Send + Sync + 'static {
    /// Runs one attempt. The future is dropped when its time is up, when its lease is lost and it does not heed its
    /// cancellation, or at a shutdown; a panic fails the attempt and nothing else.
    fn run(&self, run: Run) -> BoxFuture<'static, Result<Option<Bytes>, TaskError>>;
}

impl<F, Fut> Handler for F
where
    F: Fn(Run) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Option<Bytes>, TaskError>> + Send + 'static,
{
    fn run(&self, run: Run) -> BoxFuture<'static, Result<Option<Bytes>, TaskError>> {
        Box::pin(self(run))
    }
}

/// Runs one attempt of each of several tasks of a kind.
///
/// Implemented for functions from a vector of [`Run`]s to a future of as many results, in the same order.
pub trait BatchHandler: Send + Sync + 'static {
    /// Runs one attempt of each. A panic fails them all, and so does another number of results than there are tasks.
    fn run(&self, runs: Vec<Run>) -> BoxFuture<'static, Vec<Result<Option<Bytes>, TaskError>>>;
}

impl<F, Fut> BatchHandler for F
where
    F: Fn(Vec<Run>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Vec<Result<Option<Bytes>, TaskError>>> + Send + 'static,
{
    fn run(&self, runs: Vec<Run>) -> BoxFuture<'static, Vec<Result<Option<Bytes>, TaskError>>> {
        Box::pin(self(runs))
    }
}

/// Calls a typed function with those runs whose payloads fit.
async fn run_typed<A, R, F, Fut>(function: &F, runs: Vec<Run>) -> Vec<Result<Option<Bytes>, TaskError>>
where
    A: DeserializeOwned,
    R: Serialize,
    F: Fn(Vec<(A, TaskContext)>) -> Fut,
    Fut: Future<Output = Vec<Result<R, TaskError>>>,
{
    let mut fitting = Vec::with_capacity(runs.len());
    let mut refused = Vec::with_capacity(runs.len());
    for run in runs {
        match serde_json::from_slice(&run.task.payload) {
            Ok(arguments) => {
                fitting.push((arguments, run.context));
                refused.push(None);
            }
            Err(error) => refused.push(Some(unreadable(&error))),
        }
    }
    let mut results = if fitting.is_empty() { Vec::new() } else { function(fitting).await }.into_iter();
    let mut all = Vec::with_capacity(refused.len());
    for refused in refused {
        match (refused, results.len()) {
            (Some(error), _) => all.push(Err(error)),
            // Too few: how many there are is told to whoever counts.
            (None, 0) => break,
            (None, _) => all.extend(results.next().map(|result| result.and_then(|result| encode_result(&result)))),
        }
    }
    // Too many are told, too.
    all.extend(results.map(|result| result.and_then(|result| encode_result(&result))));
    all
}

/// What a handler receives.
#[derive(Clone, Debug)]
pub struct Run {
    /// The task, with its payload.
    pub task: Arc<Claimed>,
    /// The attempt: its number, its deadline, its cancellation, and a client to submit more work.
    pub context: TaskContext,
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn nothing(_: Run) -> Result<Option<Bytes>, TaskError> {
        Ok(None)
    }

    #[test]
    fn second_handler_of_a_kind_is_refused_and_the_first_stays() {
        let mut registry = Registry::new();
        registry.insert("a", Policy { priority: 3, ..Policy::default() }, nothing).unwrap();
        let error = registry.insert("a", Policy::default(), nothing).unwrap_err();
        assert_eq!(error.to_string(), "there is already a handler for tasks of kind `a`");
        assert_eq!(registry.policy("a").unwrap().priority, 3);
        assert_eq!(registry.policy("b"), None);
    }

    #[test]
    fn kinds_are_sorted_and_shown_in_debug() {
        let mut registry = Registry::new();
        for kind in ["b", "a", "c"] {
            registry.insert(kind, Policy::default(), nothing).unwrap();
        }
        assert_eq!(&*registry.kinds(), ["a".into(), "b".into(), "c".into()]);
        assert_eq!(format!("{registry:?}"), r#"Registry { kinds: ["a", "b", "c"], schedules: [] }"#);
    }

    #[test]
    fn new_task_follows_its_policy() {
        let policy = Policy { priority: -2, retry: RetryPolicy::retries(4), ..Policy::default() };
        let task = policy.new_task("a".into());
        assert_eq!((task.priority, task.max_attempts), (-2, 5));
    }

    #[test]
    fn payload_that_does_not_fit_is_never_quoted() {
        for (payload, why) in [(r#""s3cret""#, "does not fit the handler's type"), ("s3cret", "is not JSON")] {
            let error = unreadable(&serde_json::from_str::<u32>(payload).unwrap_err());
            assert!(error.message().contains(why) && !error.message().contains("s3cret"), "{error}");
            assert_eq!(error.follow(), crate::retry::Follow::GiveUp);
        }
    }

    #[test]
    fn result_that_is_no_json_gives_up_and_null_is_no_result() {
        let keys_that_are_no_text = HashMap::from([(vec![1], 1)]);
        assert!(encode_result(&keys_that_are_no_text).is_err());
        assert_eq!(encode_result(&()).unwrap(), None);
        assert_eq!(encode_result(&7).unwrap(), Some(Bytes::from_static(b"7")));
    }
}
