//! Finding a delivery or a task by an id in a path: ours, or the sender's where that is unambiguous.

use becket_tasks::query::{Page, SubmissionFilter, SubmissionInfo};
use becket_tasks::{Store, SubmissionId, TaskDetail, TaskId};

use crate::http::problem::Problem;
use crate::notify;

/// How many deliveries of one id are looked at: as many as there are sources with that id.
const CANDIDATES_MAX: usize = 16;

/// The delivery that `id` means.
pub(super) async fn delivery(store: &dyn Store, id: &str) -> Result<SubmissionInfo, Problem> {
    if let Ok(ours) = id.parse::<SubmissionId>()
        && let Some(found) = store.submission(ours).await?
    {
        return Ok(found);
    }
    let mut found = with_senders_id(store, id).await?;
    match found.len() {
        0 | 1 => found.pop().ok_or_else(|| Problem::not_found("there is no delivery with this id (any more)")),
        _ => {
            let sources: Vec<&str> = found.iter().map(|delivery| &*delivery.source).collect();
            let detail = format!("deliveries of several sources have this id ({}); use ours", sources.join(", "));
            Err(Problem::conflict(detail).candidates(found.iter().map(|delivery| delivery.id.to_string()).collect()))
        }
    }
}

/// The task that `id` means: its own id, or the sender's id of a delivery that has one task.
pub(super) async fn task(store: &dyn Store, id: &str) -> Result<TaskDetail, Problem> {
    if let Ok(ours) = id.parse::<TaskId>()
        && let Some(found) = store.task(ours).await?
    {
        return Ok(found);
    }
    let unknown = || Problem::not_found("there is no task with this id (any more)");
    let tasks: Vec<TaskId> =
        with_senders_id(store, id).await?.into_iter().flat_map(|delivery| delivery.tasks).collect();
    match tasks[..] {
        [] => Err(unknown()),
        [only] => store.task(only).await?.ok_or_else(unknown),
        _ => {
            if let Some(meant) = only_of_the_application(store, &tasks).await? {
                return Ok(meant);
            }
            let detail = "the delivery with this id has several tasks; use a task's own id";
            Err(Problem::conflict(detail).candidates(tasks.iter().map(TaskId::to_string).collect()))
        }
    }
}

/// The only one of a few tasks that is not the framework's own: that which tells of an end is not what anybody means.
async fn only_of_the_application(store: &dyn Store, tasks: &[TaskId]) -> Result<Option<TaskDetail>, Problem> {
    let mut only = None;
    for task in tasks.iter().take(CANDIDATES_MAX) {
        let Some(found) = store.task(*task).await? else { continue };
        if notify::is_reserved(&found.task.kind) {
            continue;
        }
        if only.replace(found).is_some() {
            return Ok(None);
        }
    }
    Ok(only.filter(|_| tasks.len() <= CANDIDATES_MAX))
}

async fn with_senders_id(store: &dyn Store, id: &str) -> Result<Vec<SubmissionInfo>, Problem> {
    let filter = SubmissionFilter { key: Some(id.into()), ..SubmissionFilter::default() };
    Ok(store.submissions(filter, Page::first(CANDIDATES_MAX)).await?.items)
}
