//! The configuration: how the last reload went, and reading it again.

use std::sync::Weak;

use axum::Json;
use axum::extract::State;
use http::Uri;
use serde::Serialize;
use utoipa::ToSchema;

use super::Shared;
use crate::http::allow_list;
use crate::http::problem::Problem;
use crate::http::reload::{Applied, Fault, Status, Trigger};

/// The configuration in force, how reloads went, and how what it says to fetch is.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Shown {
    #[serde(flatten)]
    status: Status,
    /// The lists of addresses that sources allow and that are fetched.
    allow_lists: Vec<allow_list::Status>,
}

/// Says since when the configuration is in force, how the last reload went, and how the lists of addresses are that sources
/// allow and that are fetched. Shows no value.
#[utoipa::path(get, path = "/api/v1/config", tag = "configuration", operation_id = "config_status", responses(
    (status = 200, description = "How it is.", body = Shown),
    (status = "default", response = Problem),
))]
pub(super) async fn show(State(api): State<Shared>) -> Json<Shown> {
    Json(Shown { status: api.context.config.status(), allow_lists: api.context.allow_lists.status() })
}

/// Reads the configuration again: sources with their secrets, routes, targets, schedules and the defaults of tasks. No
/// request is dropped and no running task stopped. What is wrong is answered with 422, and nothing has changed then.
#[utoipa::path(post, path = "/api/v1/config/reload", tag = "configuration", operation_id = "reload_config", responses(
    (status = 200, description = "It is in force.", body = Applied),
    (status = 422, description = "It is refused; what was in force before still is.",
        content_type = "application/problem+json", body = Problem),
    (status = "default", response = Problem),
))]
pub(super) async fn reload(State(api): State<Shared>, uri: Uri) -> Result<Json<Applied>, Problem> {
    let Some(reload) = api.context.reload.as_ref().and_then(Weak::upgrade) else {
        let detail = "this program was not given a configuration that it could read again";
        return Err(Problem::conflict(detail).at(uri.path()));
    };
    let reloaded = reload.reload(Trigger::Api).await;
    reloaded.map(Json).map_err(|faults| Problem::unprocessable(told(&faults)).at(uri.path()))
}

/// The faults, a line each, as `becket config check` writes them.
fn told(faults: &[Fault]) -> String {
    let line = |fault: &Fault| {
        let place = fault.origin.iter().chain(&fault.key).fold(String::new(), |place, part| place + part + ": ");
        format!("\n  {place}{}; {}", fault.what, fault.mend)
    };
    let count = match faults.len() {
        1 => "1 error".to_owned(),
        count => format!("{count} errors"),
    };
    faults
        .iter()
        .map(line)
        .fold(format!("the configuration is refused, and the one before stays; it has {count}:"), |all, one| all + &one)
}
