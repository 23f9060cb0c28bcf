//! Targets that have a name: how they are, and closing the breaker of one.

use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use becket_tasks::Timestamp;
use http::Uri;
use serde::Serialize;
use utoipa::ToSchema;

use super::Shared;
use super::page::Listing;
use crate::http::problem::Problem;
use crate::target::{BreakerState, Named};

/// A target that has a name.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Target)]
pub(super) struct TargetView {
    /// Its name.
    #[schema(example = "orders")]
    name: String,
    /// `http`, `command` or `log`.
    #[schema(value_type = String, example = "http")]
    sort: &'static str,
    /// The host that it sends to, the program that it runs or the file that it writes.
    #[schema(example = "https://example.org")]
    to: String,
    /// The kind of tasks for it that are enqueued by hand.
    #[schema(example = "target:orders")]
    kind: String,
    /// How many attempts run now, in this process.
    #[schema(example = 3)]
    running: u32,
    /// How many may run at once.
    #[schema(example = 8)]
    concurrency: Option<u32>,
    /// How many may start in a time.
    #[schema(example = "30/1m")]
    rate: Option<String>,
    /// Whether it is left alone after failures; `null` where it never is.
    breaker: Option<BreakerView>,
}

/// A circuit breaker.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Breaker)]
pub(super) struct BreakerView {
    /// `closed`: all is well. `open`: nothing is sent. `half_open`: one attempt is let through, and decides.
    #[schema(value_type = String, example = "open")]
    state: &'static str,
    /// Failures in a row.
    #[schema(example = 5)]
    failures: u32,
    /// How many in a row open it.
    #[schema(example = 5)]
    failures_max: u32,
    /// How long it stays open, in seconds.
    #[schema(example = 30.0)]
    pause_secs: f64,
    /// Until when nothing is sent.
    #[schema(value_type = Option<String>, format = DateTime)]
    open_until: Option<Timestamp>,
}

impl From<&Named> for TargetView {
    fn from(target: &Named) -> Self {
        let (limits, condition) = (target.limits(), target.condition());
        let breaker = limits.breaker.zip(condition.breaker).map(|(rule, state)| BreakerView {
            state: state.as_str(),
            failures: condition.failures,
            failures_max: rule.failures,
            pause_secs: rule.pause.as_secs_f64(),
            open_until: match state {
                BreakerState::Open { until } => Some(until),
                BreakerState::Closed | BreakerState::HalfOpen => None,
            },
        });
        Self {
            name: target.name().to_owned(),
            sort: target.sort(),
            to: target.to().to_owned(),
            kind: target.kind(),
            running: condition.running,
            concurrency: limits.concurrency,
            rate: limits.rate.map(|rate| format!("{}/{}", rate.starts, shown(rate.period))),
            breaker,
        }
    }
}

fn shown(period: Duration) -> String {
    humantime::format_duration(period).to_string()
}

/// Lists the targets that have a name, with what this process knows of them.
#[utoipa::path(get, path = "/api/v1/targets", tag = "targets", operation_id = "list_targets", responses(
    (status = 200, description = "All of them, on one page.", body = Listing<TargetView>),
    (status = "default", response = Problem),
))]
pub(super) async fn list(State(api): State<Shared>) -> Json<Listing<TargetView>> {
    let items = api.context.targets.iter().map(|target| TargetView::from(&**target)).collect();
    Json(Listing { items, next_cursor: None })
}

/// Closes a target's breaker: attempts are let through again at once, in this process.
#[utoipa::path(post, path = "/api/v1/targets/{name}/reset", tag = "targets", operation_id = "reset_target",
    params(("name" = String, Path, description = "The target's name.")),
    responses(
        (status = 200, description = "The target.", body = TargetView),
        (status = "default", response = Problem),
    ))]
pub(super) async fn reset(
    State(api): State<Shared>,
    Path(name): Path<String>,
    uri: Uri,
) -> Result<Json<TargetView>, Problem> {
    let Some(target) = api.context.targets.get(&name) else {
        let names: Vec<&str> = api.context.targets.iter().map(|target| target.name()).collect();
        let known =
            if names.is_empty() { "there are none".to_owned() } else { format!("there are {}", names.join(", ")) };
        let shown: String = name.chars().take(100).collect();
        return Err(Problem::not_found(format!("there is no target with this name, `{shown}`; {known}")).at(uri.path()));
    };
    if target.limits().breaker.is_none() {
        let detail = format!("the target `{name}` has no breaker; set breaker_failures");
        return Err(Problem::conflict(detail).at(uri.path()));
    }
    target.reset();
    tracing::info!(name, "the breaker of a target was closed by hand");
    Ok(Json(TargetView::from(&**target)))
}
