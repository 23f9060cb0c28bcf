//! The description of the API, made of what stands beside each endpoint.

use axum::extract::State;
use axum::response::IntoResponse;
use http::header::CONTENT_TYPE;
use utoipa::OpenApi as _;
use utoipa::openapi::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};

use super::Shared;
use crate::http::problem::Problem;

const DESCRIPTION: &str = "What senders call, and the admin API of a Becket server. Lists are `{\"items\": […], \"next_cursor\": …}`, newest \
    first; times are RFC 3339 in UTC; errors are problem details (RFC 9457).";

#[derive(utoipa::OpenApi)]
#[openapi(
    info(title = "Becket", license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0")),
    components(schemas(Problem), responses(Problem)),
    tags(
        (name = "webhooks", description = "What senders call."),
        (name = "tasks", description = "The work that deliveries and people give rise to."),
        (name = "deliveries", description = "What senders sent, and what was refused."),
        (name = "operations", description = "Changes to all that matches a filter, while they go on."),
        (name = "schedules", description = "Tasks by the clock."),
        (name = "targets", description = "Where deliveries go without Rust."),
        (name = "configuration", description = "Reading it again, and its secrets."),
        (name = "events", description = "What happens, as it happens."),
        (name = "pr-agent", description = "For programs that were written for PR-Agent's webhook processor."),
        (name = "operation", description = "What machines ask."),
    )
)]
struct Description;

/// A description without endpoints.
pub(super) fn empty() -> OpenApi {
    Description::openapi()
}

/// Adds what concerns the whole: the version of this program, and the token.
pub(super) fn complete(mut document: OpenApi) -> OpenApi {
    document.info.version = env!("CARGO_PKG_VERSION").to_owned();
    document.info.description = Some(DESCRIPTION.to_owned());
    let token = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some("The configuration's admin.token."));
    let components = document.components.get_or_insert_default();
    components.add_security_scheme("token", SecurityScheme::Http(token.build()));
    document
}

/// Describes the API.
#[utoipa::path(get, path = "/openapi.json", tag = "operation", operation_id = "openapi",
    responses((status = 200, description = "An OpenAPI 3.1 document.", content_type = "application/json", body = Object)))]
pub(super) async fn serve(State(api): State<Shared>) -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], api.lasting.document.clone())
}
