//! Deliveries: list, show, run again.

#![expect(unused_qualifications, reason = "what utoipa makes of `params(…)` has them")]

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use becket_tasks::query::{Payload, SubmissionFilter, SubmissionInfo};
use becket_tasks::{SubmissionId, TaskId, Timestamp};
use becket_webhooks::Normalised;
use http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, StatusCode, Uri};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::page::{Cursor, Limit, List, Listing, page};
use super::params::{Params, event_and_action};
use super::views::{self, BodyEncoding, DeliveryDetailView, DeliveryView};
use super::{Api, Shared, find};
use crate::http::kept;
use crate::http::problem::Problem;

/// The list of deliveries.
pub(super) struct Deliveries;

impl List for Deliveries {
    const TAG: u8 = b'd';
}

/// Which deliveries to list. Every given condition must hold.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Asked {
    /// Of this source.
    source: Option<String>,
    /// Of this event, `issues` or `issues.opened`.
    #[param(example = "issues.opened")]
    event: Option<String>,
    /// Of this action.
    action: Option<String>,
    /// With this id of the sender's.
    delivery_id: Option<String>,
    /// Accepted at this time or later.
    #[param(value_type = Option<String>, format = DateTime)]
    since: Option<Timestamp>,
    /// Accepted before this time.
    #[param(value_type = Option<String>, format = DateTime)]
    until: Option<Timestamp>,
    /// The `next_cursor` of the page before.
    #[param(value_type = Option<String>)]
    cursor: Option<Cursor<Deliveries>>,
    /// How many at the most. Default 50.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000)]
    limit: Option<Limit>,
}

/// Lists deliveries, newest first. What was enqueued by hand is listed too, with the source `api`.
#[utoipa::path(get, path = "/api/v1/deliveries", tag = "deliveries", operation_id = "list_deliveries", params(Asked),
    responses(
        (status = 200, description = "One page of deliveries.", body = Listing<DeliveryView>),
        (status = "default", response = Problem),
    ))]
pub(super) async fn list(
    State(api): State<Shared>,
    Params(query): Params<Asked>,
) -> Result<Json<Listing<DeliveryView>>, Problem> {
    let (event, action) = event_and_action(query.event.as_deref(), query.action.as_deref());
    let filter = SubmissionFilter {
        event: event.map(Into::into),
        action: action.map(Into::into),
        source: query.source.map(Into::into),
        key: query.delivery_id.map(Into::into),
        since: query.since,
        until: query.until,
    };
    let listed = api.store().submissions(filter, page(query.cursor.as_ref(), query.limit)).await?;
    let items = listed.items.into_iter().map(DeliveryView::from).collect();
    Ok(Json(Listing::of::<Deliveries>(items, listed.next)))
}

/// Shows a delivery with its headers and body.
#[utoipa::path(get, path = "/api/v1/deliveries/{id}", tag = "deliveries", operation_id = "show_delivery",
    params(("id" = String, Path, description = "Our id, or the sender's where only one source has it.")),
    responses(
        (status = 200, description = "The delivery.", body = DeliveryDetailView),
        (status = "default", response = Problem),
    ))]
pub(super) async fn show(
    State(api): State<Shared>,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<Json<DeliveryDetailView>, Problem> {
    let (delivery, payload) = with_payload(&api, &id).await.map_err(|problem| problem.at(uri.path()))?;
    let (body_encoding, body) = views::body(&payload.payload);
    let headers = shown(&kept::decode(&payload.meta));
    let known = kept::known(&payload.meta);
    let normalised = known.event().map(Normalised::name);
    let repository = known.repository;
    Ok(Json(DeliveryDetailView { delivery: delivery.into(), repository, normalised, headers, body_encoding, body }))
}

fn shown(headers: &HeaderMap) -> BTreeMap<String, String> {
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect()
}

/// Answers a delivery's body byte for byte, as it was received and signed.
#[utoipa::path(get, path = "/api/v1/deliveries/{id}/body", tag = "deliveries", operation_id = "show_delivery_body",
    params(("id" = String, Path, description = "Our id, or the sender's where only one source has it.")),
    responses(
        (status = 200, description = "The bytes.", content_type = "application/octet-stream", body = Vec<u8>),
        (status = 410, description = "It was erased.", content_type = "application/problem+json", body = Problem),
        (status = "default", response = Problem),
    ))]
pub(super) async fn body(State(api): State<Shared>, Path(id): Path<String>, uri: Uri) -> Result<Response, Problem> {
    let (delivery, payload) = with_payload(&api, &id).await.map_err(|problem| problem.at(uri.path()))?;
    if payload.payload.is_empty() && delivery.payload_bytes > 0 {
        return Err(Problem::new(StatusCode::GONE, "the body was erased").at(uri.path()));
    }
    // A sender chose these bytes: whatever they are, no browser may take them for a page of this server.
    let is_json = views::body(&payload.payload).0 == BodyEncoding::Json;
    let headers = [
        (CONTENT_TYPE, if is_json { "application/json" } else { "application/octet-stream" }),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (CONTENT_DISPOSITION, "attachment"),
        (CONTENT_SECURITY_POLICY, "sandbox"),
        (CACHE_CONTROL, "no-store"),
    ];
    Ok((headers, payload.payload).into_response())
}

async fn with_payload(api: &Api, id: &str) -> Result<(SubmissionInfo, Payload), Problem> {
    let delivery = find::delivery(api.store(), id).await?;
    let payload = api.store().payload(delivery.id).await?;
    let payload = payload.ok_or_else(|| Problem::not_found("there is no delivery with this id (any more)"))?;
    Ok((delivery, payload))
}

/// What a replay gave rise to.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Replayed {
    /// Our id of the delivery.
    #[schema(value_type = String, example = "0NGK5H8Q0G000")]
    id: SubmissionId,
    /// The new tasks; none where no handler wants the event.
    #[schema(value_type = Vec<String>)]
    task_ids: Vec<TaskId>,
}

/// Routes a delivery again, as if it had just come in: each handler that wants it gets a new task.
#[utoipa::path(post, path = "/api/v1/deliveries/{id}/replay", tag = "deliveries", operation_id = "replay_delivery",
    params(("id" = String, Path, description = "Our id, or the sender's where only one source has it.")),
    responses(
        (status = 202, description = "The new tasks.", body = Replayed),
        (status = "default", response = Problem),
    ))]
pub(super) async fn replay(
    State(api): State<Shared>,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<(StatusCode, Json<Replayed>), Problem> {
    replayed(&api, &id).await.map(|new| (StatusCode::ACCEPTED, Json(new))).map_err(|problem| problem.at(uri.path()))
}

async fn replayed(api: &Api, id: &str) -> Result<Replayed, Problem> {
    let (delivery, payload) = with_payload(api, id).await?;
    if payload.payload.is_empty() && delivery.payload_bytes > 0 {
        return Err(Problem::new(StatusCode::GONE, "the body was erased, so there is nothing to run"));
    }
    let inserted = api.context.replay.replay(delivery.id).await?;
    let inserted = inserted.ok_or_else(|| Problem::not_found("there is no delivery with this id (any more)"))?;
    Ok(Replayed { id: inserted.submission, task_ids: inserted.tasks })
}
