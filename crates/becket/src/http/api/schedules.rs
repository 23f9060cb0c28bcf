//! Schedules: list, pause, resume, fire by hand.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use becket_tasks::schedule::{Missed, ScheduleInfo};
use becket_tasks::{TaskDetail, Timestamp};
use http::header::LOCATION;
use http::{HeaderName, StatusCode, Uri};
use serde::Serialize;
use utoipa::ToSchema;

use super::page::Listing;
use super::tasks::gone;
use super::views::TaskDetailView;
use super::{Api, Shared};
use crate::http::problem::Problem;

/// A schedule, and how it stands.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Schedule)]
pub(super) struct ScheduleView {
    /// Its name.
    #[schema(value_type = String, example = "nightly")]
    name: Arc<str>,
    /// When it fires: a cron pattern.
    #[schema(example = "0 3 * * *")]
    cron: String,
    /// The time zone that the pattern is read in.
    #[schema(example = "Europe/Berlin")]
    zone: String,
    /// The longest delay of a task after its tick, with a unit.
    #[schema(example = "5m")]
    jitter: String,
    /// What becomes of ticks that were missed: `skip` or `catch_up`.
    #[schema(value_type = String, example = "skip")]
    missed: &'static str,
    /// The kind of its tasks.
    #[schema(value_type = String, example = "reindex")]
    kind: Arc<str>,
    /// Whether it fires nothing for now.
    paused: bool,
    /// Its next tick; `null` while it is paused.
    #[schema(value_type = Option<String>, format = DateTime)]
    next_at: Option<Timestamp>,
    /// The latest tick that was fired; `null` when none was. Firing by hand does not count.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_at: Option<Timestamp>,
}

impl From<ScheduleInfo> for ScheduleView {
    fn from(info: ScheduleInfo) -> Self {
        let schedule = &info.schedule;
        Self {
            name: Arc::clone(schedule.name()),
            cron: schedule.pattern().to_owned(),
            zone: schedule.zone_name().to_owned(),
            jitter: humantime::format_duration(schedule.longest_delay()).to_string(),
            missed: match schedule.when_missed() {
                Missed::Skip => "skip",
                Missed::CatchUp { .. } => "catch_up",
            },
            kind: Arc::clone(schedule.kind()),
            paused: info.paused,
            next_at: info.next_at,
            last_at: info.last_at,
        }
    }
}

/// Lists all schedules, by name.
#[utoipa::path(get, path = "/api/v1/schedules", tag = "schedules", operation_id = "list_schedules", responses(
    (status = 200, description = "All schedules, on one page.", body = Listing<ScheduleView>),
    (status = "default", response = Problem),
))]
pub(super) async fn list(State(api): State<Shared>) -> Result<Json<Listing<ScheduleView>>, Problem> {
    let items = api.context.engine.schedules().list().await?.into_iter().map(ScheduleView::from).collect();
    Ok(Json(Listing { items, next_cursor: None }))
}

/// Lets a schedule fire nothing until it is resumed. Its tasks go on. It holds over a restart.
#[utoipa::path(post, path = "/api/v1/schedules/{name}/pause", tag = "schedules", operation_id = "pause_schedule",
    params(("name" = String, Path, description = "The schedule's name.")),
    responses(
        (status = 200, description = "The schedule, paused.", body = ScheduleView),
        (status = "default", response = Problem),
    ))]
pub(super) async fn pause(
    State(api): State<Shared>,
    Path(name): Path<String>,
    uri: Uri,
) -> Result<Json<ScheduleView>, Problem> {
    shown(api.context.engine.schedules().pause(&name).await, &uri)
}

/// Lets a paused schedule fire again. What it missed meanwhile is fired only if it catches up.
#[utoipa::path(post, path = "/api/v1/schedules/{name}/resume", tag = "schedules", operation_id = "resume_schedule",
    params(("name" = String, Path, description = "The schedule's name.")),
    responses(
        (status = 200, description = "The schedule, no longer paused.", body = ScheduleView),
        (status = "default", response = Problem),
    ))]
pub(super) async fn resume(
    State(api): State<Shared>,
    Path(name): Path<String>,
    uri: Uri,
) -> Result<Json<ScheduleView>, Problem> {
    shown(api.context.engine.schedules().resume(&name).await, &uri)
}

fn shown(answer: becket_tasks::Result<Option<ScheduleInfo>>, uri: &Uri) -> Result<Json<ScheduleView>, Problem> {
    let info = answer.map_err(Problem::from).and_then(|info| info.ok_or_else(no_such_schedule));
    info.map(|info| Json(info.into())).map_err(|problem| problem.at(uri.path()))
}

/// Fires a schedule now, besides its ticks and also while it is paused. Each call enqueues a task.
#[utoipa::path(post, path = "/api/v1/schedules/{name}/fire", tag = "schedules", operation_id = "fire_schedule",
    params(("name" = String, Path, description = "The schedule's name.")),
    responses(
        (status = 202, description = "The task; `Location` leads to it.", body = TaskDetailView),
        (status = "default", response = Problem),
    ))]
pub(super) async fn fire(
    State(api): State<Shared>,
    Path(name): Path<String>,
    uri: Uri,
) -> Result<(StatusCode, [(HeaderName, String); 1], Json<TaskDetailView>), Problem> {
    let task = fired(&api, &name).await.map_err(|problem| problem.at(uri.path()))?;
    let location = format!("/api/v1/tasks/{}", task.task.id);
    Ok((StatusCode::ACCEPTED, [(LOCATION, location)], Json(task.into())))
}

async fn fired(api: &Api, name: &str) -> Result<TaskDetail, Problem> {
    let inserted = api.context.engine.schedules().fire(name).await?.ok_or_else(no_such_schedule)?;
    let task = *inserted.tasks.first().ok_or_else(gone)?;
    api.store().task(task).await?.ok_or_else(gone)
}

fn no_such_schedule() -> Problem {
    Problem::not_found("there is no schedule with this name")
}
