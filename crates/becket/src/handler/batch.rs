//! Handlers that take several tasks at once.

use std::future::Future;
use std::sync::Arc;

use becket_tasks::TaskError;
use bytes::Bytes;
use futures_util::future::BoxFuture;

use super::{Configured, IntoResult, RunTask, name};
use crate::config::Mode;
use crate::extract::{FromTask, Requirements, TaskInput};

type Outcome = Result<Option<Bytes>, TaskError>;
/// A handler of several tasks whose types are forgotten.
pub(crate) type RunBatch = Arc<dyn Fn(Vec<TaskInput>) -> BoxFuture<'static, Vec<Outcome>> + Send + Sync>;

/// How several tasks are run at once.
#[derive(Clone)]
pub(crate) struct Batch {
    pub(crate) max: u32,
    pub(crate) run: RunBatch,
}

/// What stands around handlers: in a test, the test's eyes.
pub(crate) trait Around: Sync {
    /// Stands around a handler of one task.
    fn task(&self, run: RunTask) -> RunTask;

    /// Stands around a handler of several.
    fn batch(&self, run: RunBatch) -> RunBatch;
}

/// Nothing does.
impl Around for () {
    fn task(&self, run: RunTask) -> RunTask {
        run
    }

    fn batch(&self, run: RunBatch) -> RunBatch {
        run
    }
}

/// Wraps a handler that takes up to `max` queued tasks of its kind at once, and returns a result for each, in the same
/// order. It runs in the background.
///
/// Each element is an [extractor](crate::FromTask), or a tuple of two or three. A task whose extractor fails ends alone and
/// is not among them. Each keeps its attempts, its timeout and its cancellation; one that fails is retried without the
/// others. A panic, or another number of results, fails them all. Nothing waits for a batch to become full: whoever is
/// queued when a slot is free is taken. A `max` outside of 1 to 1,000 is brought into that range.
///
/// ```
/// use becket::{App, Event, TaskError, batch, event::PushEvent};
///
/// async fn index(pushes: Vec<Event<PushEvent>>) -> Vec<Result<usize, TaskError>> {
///     pushes.iter().map(|Event(push)| Ok(push.commits.len())).collect()
/// }
///
/// let app = App::new().on("push", batch(50, index));
/// # let _ = app;
/// ```
pub fn batch<F, X, Fut, O>(max: u32, handler: F) -> Configured
where
    F: Fn(Vec<X>) -> Fut + Send + Sync + 'static,
    X: FromTask + 'static,
    Fut: Future<Output = Vec<O>> + Send + 'static,
    O: IntoResult,
{
    let handler = Arc::new(handler);
    let run: RunBatch = Arc::new(move |inputs| {
        let handler = Arc::clone(&handler);
        Box::pin(async move { run_all(&*handler, inputs).await })
    });
    let alone = Arc::clone(&run);
    let one: RunTask = Arc::new(move |input| {
        let answers = alone(vec![input]);
        Box::pin(async move {
            let nothing = || Err(TaskError::give_up("the batch's handler returned no result for its only task"));
            answers.await.pop().unwrap_or_else(nothing)
        })
    });
    let mut needs = Requirements::default();
    X::requirements(&mut needs);
    Configured {
        mode: Some(Mode::Background),
        name: name::of::<F>(),
        needs,
        batch: Some(Batch { max, run }),
        ..Configured::erased(one)
    }
}

/// Calls the handler with what could be extracted, and puts the results where they belong.
async fn run_all<F, X, Fut, O>(handler: &F, inputs: Vec<TaskInput>) -> Vec<Outcome>
where
    F: Fn(Vec<X>) -> Fut,
    X: FromTask,
    Fut: Future<Output = Vec<O>>,
    O: IntoResult,
{
    let mut elements = Vec::with_capacity(inputs.len());
    let mut refused = Vec::with_capacity(inputs.len());
    for input in inputs {
        match X::from_task(&input).await {
            Ok(element) => {
                elements.push(element);
                refused.push(None);
            }
            Err(error) => refused.push(Some(error)),
        }
    }
    let results = if elements.is_empty() { Vec::new() } else { handler(elements).await };
    let mut results = results.into_iter().map(IntoResult::into_result);
    let mut all = Vec::with_capacity(refused.len());
    for refused in refused {
        match refused {
            Some(error) => all.push(Err(error)),
            // Too few: the engine counts them.
            None => all.extend(results.next()),
        }
    }
    all.extend(results);
    all
}

macro_rules! together {
    ($($extractor:ident)+) => {
        impl<$($extractor: FromTask),+> FromTask for ($($extractor,)+) {
            async fn from_task(input: &TaskInput) -> Result<Self, TaskError> {
                Ok(($($extractor::from_task(input).await?,)+))
            }

            fn requirements(needs: &mut Requirements) {
                $($extractor::requirements(needs);)+
            }
        }
    };
}

together!(A B);
together!(A B C);
