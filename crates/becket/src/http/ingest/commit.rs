//! From a delivery to its answer: route, commit, wait for inline handlers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use axum::response::Response;
use becket_tasks::engine::{Ended, Running};
use becket_tasks::submission::Inserted;
use becket_tasks::{NewTask, State, Submission, TaskId};
use becket_webhooks::Delivery;
use bytes::Bytes;
use futures_util::future::join_all;
use tokio::time::timeout_at;

use super::{Ingest, Place};
use crate::http::answer::{self, Call};
use crate::http::kept;
use crate::http::metrics::Answer;
use crate::route::Sought;
use crate::route::routes::Routed;

/// Commits a delivery with the tasks that it becomes, and answers its sender.
pub(super) async fn commit(place: &Place, started: Instant, delivery: &Delivery) -> Response {
    let metrics = &place.metrics;
    if let Some(secret) = delivery.secret_index() {
        place.signed_with(secret, delivery.received_at_ms());
    }
    let (response, answer) = committed(place, started, delivery).await;
    metrics.answered(answer, started.elapsed());
    response
}

async fn committed(place: &Place, started: Instant, delivery: &Delivery) -> (Response, Answer) {
    let ingest = &*place.ingest;
    let deadline = tokio::time::Instant::from_std(started) + ingest.limits.inline_deadline;
    let Routed { tasks, handlers, inline } = routed(ingest, delivery).await;
    // Which of its tasks others stand for is known by their places alone.
    let kinds: Vec<Arc<str>> = if inline.is_empty() { Vec::new() } else { kinds_of(&tasks[..handlers]) };
    let submission = submission(place, delivery, tasks);

    let inserting = insert(ingest, submission, &inline);
    let (inserted, running) = match timeout_at(deadline, inserting).await {
        Ok(Ok(inserted)) => inserted,
        Ok(Err(error)) => return unavailable(place, &error),
        Err(_) => return unavailable(place, &"the store did not answer in time"),
    };

    if let Some(refused) = ingest.outage.kept() {
        tracing::info!(refused, "deliveries are kept again");
    }
    let delivery_id = delivery.delivery_id();
    if inserted.duplicate {
        let response = if handlers > 0 || !inserted.tasks.is_empty() {
            duplicate(ingest, delivery_id, &inserted.tasks, &inline).await
        } else {
            answer::miss(true)
        };
        return (response, Answer::Duplicate);
    }
    if handlers == 0 {
        return (answer::miss(false), Answer::Miss);
    }
    let accepted = || {
        let answer = if inserted.reused.len() == handlers { Answer::Reused } else { Answer::Accepted };
        (answer::accepted(delivery_id, &inserted.tasks, false), answer)
    };
    if inline.is_empty() {
        return accepted();
    }
    let Some(awaited) = awaited(&kinds, &inserted, running, &inline) else { return accepted() };
    let ends = join_all(awaited.into_iter().map(|one| one.ended(ingest)));
    let Ok(ends) = timeout_at(deadline, ends).await else { return accepted() };

    let failed: Vec<TaskId> = ends.iter().filter(|end| end.state == State::Failed).map(|end| end.task).collect();
    if !failed.is_empty() {
        return (answer::failed(delivery_id, &failed), Answer::Failed);
    }
    if ends.iter().any(|end| end.state != State::Completed) {
        return accepted();
    }
    let others = inserted.tasks.iter().filter(|task| !ends.iter().any(|end| end.task == **task));
    let others: Vec<TaskId> = others.copied().collect();
    let calls: Vec<Call> = ends.into_iter().map(|end| Call { kind: end.kind, result: end.result }).collect();
    (answer::hit(&calls, &others, false), Answer::Hit)
}

/// Asks the routes. A large payload is looked into on a thread that may block.
async fn routed(ingest: &Ingest, delivery: &Delivery) -> Routed {
    if !ingest.routes.take_long(delivery.body().len()) {
        return ingest.routes.route(&Sought::of(delivery));
    }
    let (routes, shared) = (Arc::clone(&ingest.routes), delivery.clone());
    let joined = tokio::task::spawn_blocking(move || routes.route(&Sought::of(&shared))).await;
    // The thread's work ends badly only when the runtime is being torn down, and then nothing is accepted any more.
    joined.unwrap_or_else(|_| ingest.routes.route(&Sought::of(delivery)))
}

fn kinds_of(tasks: &[NewTask]) -> Vec<Arc<str>> {
    tasks.iter().map(|task| Arc::clone(&task.kind)).collect()
}

/// What the sender waits for, an inline handler each; `None` when one of them was left to the queue.
fn awaited(
    kinds: &[Arc<str>],
    inserted: &Inserted,
    running: Vec<Running>,
    inline: &[Arc<str>],
) -> Option<Vec<Awaited>> {
    let mut awaited: Vec<Awaited> = running.into_iter().map(Awaited::Here).collect();
    if awaited.len() < inline.len() && !inserted.reused.is_empty() {
        let standing = kinds
            .iter()
            .zip(&inserted.tasks)
            .filter(|(kind, task)| inline.contains(kind) && inserted.reused.contains(task));
        awaited.extend(standing.map(|(kind, task)| Awaited::Standing(*task, Arc::clone(kind))));
    }
    (awaited.len() == inline.len()).then_some(awaited)
}

/// The task of an inline handler.
enum Awaited {
    /// It began here, for this delivery.
    Here(Running),
    /// Another task stands for it, which runs or whose result is fresh.
    Standing(TaskId, Arc<str>),
}

/// How it ended.
struct End {
    task: TaskId,
    kind: Arc<str>,
    state: State,
    result: Option<Bytes>,
}

impl Awaited {
    async fn ended(self, ingest: &Ingest) -> End {
        match self {
            Self::Here(running) => {
                let (task, kind) = (running.id, Arc::clone(&running.kind));
                let Ended { state, result, .. } = running.ended().await;
                End { task, kind, state, result }
            }
            Self::Standing(task, kind) => match ingest.engine.client().wait(task).await {
                Ok(detail) => End { task, kind, state: detail.task.state(), result: detail.result },
                // It is accepted, whatever the store says now.
                Err(_) => End { task, kind, state: State::Queued, result: None },
            },
        }
    }
}

fn submission(place: &Place, delivery: &Delivery, tasks: Vec<NewTask>) -> Submission {
    Submission {
        source: Arc::clone(&place.name),
        event: delivery.event().into(),
        action: delivery.action().map(Into::into),
        key: Some(delivery.delivery_id().into()),
        meta: kept::encode_delivery(delivery),
        payload: delivery.body().clone(),
        tasks,
    }
}

async fn insert(
    ingest: &Ingest,
    submission: Submission,
    inline: &[Arc<str>],
) -> becket_tasks::Result<(Inserted, Vec<Running>)> {
    if inline.is_empty() {
        return Ok((ingest.engine.client().submit(submission).await?, Vec::new()));
    }
    ingest.engine.run_some_here(submission, |task| inline.iter().any(|kind| Arc::ptr_eq(kind, &task.kind))).await
}

fn unavailable(place: &Place, error: &dyn std::fmt::Display) -> (Response, Answer) {
    if place.ingest.outage.refused(Instant::now()) {
        tracing::error!(source = &*place.name, "deliveries cannot be kept, and are refused: {error}");
    }
    (answer::unavailable(), Answer::Unavailable)
}

/// The answer to a delivery that came before: that to the first, as far as it is known now. `tasks` are those of the
/// first that are still kept.
async fn duplicate(ingest: &Ingest, delivery_id: &str, tasks: &[TaskId], inline: &[Arc<str>]) -> Response {
    if !inline.is_empty()
        && let Some(calls) = calls_of(ingest, tasks, inline).await
    {
        return answer::hit(&calls, tasks, true);
    }
    answer::accepted(delivery_id, tasks, true)
}

/// The results of inline handlers; `None` unless each has ended well, is still kept, and the store can be asked.
async fn calls_of(ingest: &Ingest, tasks: &[TaskId], inline: &[Arc<str>]) -> Option<Vec<Call>> {
    let mut completed = BTreeMap::new();
    for task in tasks {
        let Some(detail) = ingest.engine.client().get(*task).await.ok()? else { continue };
        if detail.task.state() == State::Completed {
            completed.insert(detail.task.kind, detail.result);
        }
    }
    let call = |kind: &Arc<str>| completed.remove(kind).map(|result| Call { kind: Arc::clone(kind), result });
    inline.iter().map(call).collect()
}
