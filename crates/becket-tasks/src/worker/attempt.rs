//! One attempt: runs the handler, bounded in time and isolated from all others, and passes its end on.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, sleep_until};
use tracing::{Instrument, debug, error, info_span, warn};

use super::Worker;
use super::batch::{Meeting, Place};
use super::end::{Verdict, end_of, ended};
use super::lease::{Held, Stop, StopReason};
use super::slots::Slot;
use crate::context::TaskContext;
use crate::engine::Ended;
use crate::registry::{BatchHandler, Entry, Run};
use crate::retry::TaskError;
use crate::task::{Claimed, End, Finish};

/// As good as no deadline; tokio cannot add any duration to an instant.
const TIMEOUT_MAX: Duration = Duration::from_secs(30 * 365 * 24 * 3_600);
/// When a task that nobody here can run is looked at again; a store that keeps to its contract never hands one out.
const NO_HANDLER_PAUSE: Duration = Duration::from_secs(60);

type HandlerFuture = BoxFuture<'static, Result<Option<Bytes>, TaskError>>;

/// Begins an attempt in a task of its own. `slot` is free again once its end is on its way to the store; `tell` hears
/// the end before that.
pub(crate) fn begin(worker: &Arc<Worker>, held: Held, slot: Slot, tell: Option<oneshot::Sender<Ended>>) {
    let this = Arc::clone(worker);
    worker.attempts.spawn(async move {
        let end = run(&this, &held, None).await;
        if let Some(tell) = tell {
            // Nobody has to listen.
            let _ = tell.send(ended(&held.task, end.as_ref()));
        }
        pass_on(&this, &held, end).await;
        drop(slot);
    });
}

/// Begins the attempts of a batch, which share a slot and a call of their handler.
pub(crate) fn begin_batch(worker: &Arc<Worker>, batch: Vec<Held>, slot: Slot, handler: &Arc<dyn BatchHandler>) {
    let slot = Arc::new(slot);
    let places = Meeting::of(batch.len(), Arc::clone(handler));
    for (held, place) in batch.into_iter().zip(places) {
        let (this, slot) = (Arc::clone(worker), Arc::clone(&slot));
        worker.attempts.spawn(async move {
            let end = run(&this, &held, Some(place)).await;
            pass_on(&this, &held, end).await;
            drop(slot);
        });
    }
}

/// An attempt that no longer holds its task is reported, too: that it has ended frees its place in lane and limits.
async fn pass_on(worker: &Worker, held: &Held, end: Option<End>) {
    let end = end.unwrap_or(End::Release);
    if worker.ends.send(Finish { lease: held.lease(), end }).await.is_err() {
        warn!(task = %held.task.id, attempt = held.task.attempt, "ended after the shutdown; it will run again");
    }
}

async fn run(worker: &Worker, held: &Held, place: Option<Place>) -> Option<End> {
    if held.stop.reason() == Some(StopReason::LeaseLost) {
        return None;
    }
    let task = &held.task;
    worker.measures.waiting.record(task.started_at.since(task.run_at).as_secs_f64());
    // What is known may be replaced meanwhile; this attempt ends by what it begins with.
    let known = worker.known.load_full();
    let Some(entry) = known.registry.entry(&task.kind) else {
        error!(task = %task.id, kind = %task.kind, "the store handed out a task that has no handler here");
        return Some(no_handler());
    };
    let span = info_span!("task", id = %task.id, kind = %task.kind, attempt = task.attempts_counted);
    let began = Instant::now();
    let verdict = {
        let _running = worker.measures.runs();
        verdict(worker, held, entry, place, began).instrument(span).await
    };
    let took = began.elapsed();
    worker.measures.processing.record(took.as_secs_f64());
    worker.pace.record(took);
    if let Some(load) = &worker.load {
        load.record(&task.kind, took, tells_of_the_load(&verdict));
    }
    count(worker, &verdict);
    let stop = held.stop.reason();
    let end = end_of(verdict, stop, task, &entry.policy, worker.options.result_bytes_max, fastrand::f64());
    report(task, end.as_ref(), took);
    end
}

fn no_handler() -> End {
    End::Park { due: crate::submission::Due::After(NO_HANDLER_PAUSE), reason: "no handler for this kind here".into() }
}

/// Runs the handler until it returns, panics, or is dropped because it did not heed a stop.
async fn verdict(worker: &Worker, held: &Held, entry: &Entry, place: Option<Place>, began: Instant) -> Verdict {
    let deadline = began + entry.policy.timeout.min(TIMEOUT_MAX);
    let context = TaskContext::new(
        Arc::clone(&held.task),
        deadline,
        held.stop.token().clone(),
        worker.client.clone(),
        worker.options.result_bytes_max,
    );
    // The last report of its progress comes before its end, also where this future is dropped with its runtime.
    let _reporting = Reporting(context.clone());
    let run = Run { task: Arc::clone(&held.task), context: context.clone() };
    // The handler is called inside, so that a panic before its first await is caught too.
    let handler = Arc::clone(&entry.handler);
    let mut future: HandlerFuture = match place {
        Some(place) => Box::pin(place.take(run)),
        None => Box::pin(async move { handler.run(run).await }),
    };
    let verdict = tokio::select! {
        biased;
        result = AssertUnwindSafe(&mut future).catch_unwind() => match result {
            Ok(result) => Verdict::Returned(result),
            Err(panic) => Verdict::Panicked(message(&*panic)),
        },
        why = must_be_dropped(&held.stop, deadline, worker.cancel_grace()) => Verdict::Dropped(why),
        never = context.send_what_waits() => match never {},
    };
    // Dropping runs the handler's own destructors, which may panic as well.
    match catch_unwind(AssertUnwindSafe(|| drop(future))) {
        Ok(()) => verdict,
        Err(panic) => Verdict::Panicked(message(&*panic)),
    }
}

/// Lets the last report of an attempt's progress go out when it ends, however that is.
struct Reporting(TaskContext);

impl Drop for Reporting {
    fn drop(&mut self) {
        self.0.end_progress();
    }
}

/// Returns when the handler's time is up, or when it was told to stop and has had its grace.
async fn must_be_dropped(stop: &Stop, deadline: Instant, grace: Duration) -> StopReason {
    tokio::select! {
        biased;
        () = stop.token().cancelled() => {
            tokio::select! {
                () = sleep(grace) => {}
                () = sleep_until(deadline) => {}
            }
            stop.reason().unwrap_or(StopReason::LeaseLost)
        }
        () = sleep_until(deadline) => {
            // What the handler has spawned hears it through the token.
            stop.now(StopReason::TimedOut);
            StopReason::TimedOut
        }
    }
}

pub(super) fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned())
}

/// Whether how long an attempt took says how busy everything is: a failure may be quick because something is broken.
fn tells_of_the_load(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Returned(Ok(_)) | Verdict::Dropped(StopReason::TimedOut))
}

fn count(worker: &Worker, verdict: &Verdict) {
    match verdict {
        Verdict::Panicked(_) => worker.measures.panicked(),
        Verdict::Dropped(StopReason::TimedOut) => worker.measures.timed_out(),
        Verdict::Dropped(_) | Verdict::Returned(_) => {}
    }
}

/// One line an attempt; at `warn` when it failed. Neither payload nor result is in it.
fn report(task: &Claimed, end: Option<&End>, took: Duration) {
    let Ended { state, error, .. } = ended(task, end);
    let (id, kind, attempt) = (task.id, &task.kind, task.attempts_counted);
    let duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    match end {
        Some(End::Retry { .. } | End::GiveUp { .. }) => {
            warn!(task = %id, %kind, attempt, %state, duration_ms, error = error.as_deref(), "attempt failed");
        }
        Some(End::Completed { .. } | End::Park { .. } | End::Release) | None => {
            debug!(task = %id, %kind, attempt, %state, duration_ms, "attempt ended");
        }
    }
}
