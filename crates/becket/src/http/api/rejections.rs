//! The last refused requests.

#![expect(unused_qualifications, reason = "what utoipa makes of `params(…)` has them")]

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use super::Shared;
use super::page::{Limit, Listing};
use super::params::Params;
use crate::http::problem::Problem;
use crate::http::rejections::{CAPACITY, Rejection};

/// How many to list.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Asked {
    /// How many at the most. Default: all that are kept.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 256)]
    limit: Option<Limit<CAPACITY>>,
}

/// Lists the last 256 refused requests, newest first, with the reason why. They are kept in memory only.
#[utoipa::path(get, path = "/api/v1/rejections", tag = "deliveries", operation_id = "list_rejections", params(Asked),
    responses(
        (status = 200, description = "The last refused requests.", body = Listing<Rejection>),
        (status = "default", response = Problem),
    ))]
pub(super) async fn list(State(api): State<Shared>, Params(query): Params<Asked>) -> Json<Listing<Rejection>> {
    let items = api.context.rejections.newest(query.limit.map_or(CAPACITY, |limit| limit.0));
    Json(Listing { items, next_cursor: None })
}
