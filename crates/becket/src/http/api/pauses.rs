//! Pauses: stop what a kind or a source gives rise to, and let it go on.

#![expect(unused_qualifications, reason = "what utoipa makes of `params(…)` has them")]

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use becket_tasks::Scope;
use http::Uri;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{Api, Shared};
use crate::http::problem::Problem;

/// The source of what is enqueued by hand; it can be paused like those that are configured.
const BY_HAND: &str = "api";

/// Something that can be paused.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Pause {
    /// `kind` or `source`.
    #[schema(value_type = String, example = "kind")]
    scope: &'static str,
    /// The kind's or source's name.
    #[schema(value_type = String, example = "triage")]
    name: Arc<str>,
    /// Whether nothing of it is begun now.
    is_paused: bool,
}

/// Something that can be paused, as a path names it.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct Named {
    /// `kind` or `source`.
    scope: String,
    /// Its name, percent-encoded.
    name: String,
}

impl Pause {
    fn new(scope: &Scope, is_paused: bool) -> Self {
        Self { scope: scope.word(), name: Arc::clone(scope.name()), is_paused }
    }
}

/// All that is paused, in order.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Pauses {
    items: Vec<Pause>,
}

/// Lists what is paused.
#[utoipa::path(get, path = "/api/v1/pauses", tag = "tasks", operation_id = "list_pauses", responses(
    (status = 200, description = "All that is paused.", body = Pauses),
    (status = "default", response = Problem),
))]
pub(super) async fn list(State(api): State<Shared>) -> Result<Json<Pauses>, Problem> {
    let paused = api.store().paused().await?;
    Ok(Json(Pauses { items: paused.iter().map(|scope| Pause::new(scope, true)).collect() }))
}

/// Pauses a kind or a source: nothing of it is begun until it is resumed, also after a restart. What runs goes on, and
/// deliveries are still accepted.
#[utoipa::path(put, path = "/api/v1/pauses/{scope}/{name}", tag = "tasks", operation_id = "pause",
    params(Named),
    responses(
        (status = 200, description = "It is paused.", body = Pause),
        (status = "default", response = Problem),
    ))]
pub(super) async fn pause(
    State(api): State<Shared>,
    Path(Named { scope, name }): Path<Named>,
    uri: Uri,
) -> Result<Json<Pause>, Problem> {
    set(&api, &scope, &name, true).await.map_err(|problem| problem.at(uri.path()))
}

/// Resumes a kind or a source. One that was not paused stays as it is.
#[utoipa::path(delete, path = "/api/v1/pauses/{scope}/{name}", tag = "tasks", operation_id = "resume",
    params(Named),
    responses(
        (status = 200, description = "It is not paused.", body = Pause),
        (status = "default", response = Problem),
    ))]
pub(super) async fn resume(
    State(api): State<Shared>,
    Path(Named { scope, name }): Path<Named>,
    uri: Uri,
) -> Result<Json<Pause>, Problem> {
    set(&api, &scope, &name, false).await.map_err(|problem| problem.at(uri.path()))
}

async fn set(api: &Api, scope: &str, name: &str, is_paused: bool) -> Result<Json<Pause>, Problem> {
    let (wanted, known): (fn(Arc<str>) -> Scope, _) = match scope {
        "kind" => (Scope::Kind, api.context.kinds.to_vec()),
        "source" => (Scope::Source, sources(api)),
        _ => return Err(Problem::not_found("there is no such scope; a `kind` or a `source` can be paused")),
    };
    let wanted = wanted(name.into());
    // What was paused under an earlier configuration can still be resumed.
    let is_known = known.iter().any(|known| **known == *name);
    if !is_known && (is_paused || !api.store().paused().await?.contains(&wanted)) {
        return Err(unknown(scope, name, &known));
    }
    api.store().set_paused(wanted.clone(), is_paused).await?;
    tracing::info!(scope, name, "{}", if is_paused { "paused" } else { "resumed" });
    Ok(Json(Pause::new(&wanted, is_paused)))
}

fn sources(api: &Api) -> Vec<Arc<str>> {
    api.context.sources.iter().cloned().chain([BY_HAND.into()]).collect()
}

fn unknown(scope: &str, name: &str, known: &[Arc<str>]) -> Problem {
    let there_are =
        if known.is_empty() { "there are none".to_owned() } else { format!("there are {}", known.join(", ")) };
    let shown: String = name.chars().take(100).collect();
    Problem::not_found(format!("there is no {scope} `{shown}`; {there_are}"))
}
