//! The description of `POST /webhooks/{source}`, for `/openapi.json`.
//!
//! [`ingest`](crate::http::ingest) receives there, and this router does not; but whoever reads the description wants to
//! know what senders are answered too. So what stands here has no code beside it: the shapes are those of
//! `http/answer.rs`.

#![expect(dead_code, reason = "described, never made: ingest writes these answers")]

use utoipa::ToSchema;
use utoipa::openapi::OpenApi;

use crate::http::problem::Problem;

#[derive(utoipa::OpenApi)]
#[openapi(paths(receive))]
struct Description;

/// What senders call.
pub(super) fn described() -> OpenApi {
    <Description as utoipa::OpenApi>::openapi()
}

/// The answer to a delivery with background tasks.
#[derive(ToSchema)]
struct Accepted {
    /// Always `ACCEPTED`.
    #[schema(example = "ACCEPTED")]
    status: String,
    /// The sender's id of the delivery, or ours where it has none.
    #[schema(example = "72d3162e-cc78-11e3-81ab-4c9367dc0958")]
    delivery_id: String,
    /// Its tasks.
    task_ids: Vec<String>,
    /// Always `true`: the delivery was known already. Not there for a new one.
    duplicate: Option<bool>,
}

/// The answer to a delivery that inline handlers ran for, or that no handler wants.
#[derive(ToSchema)]
struct Answered {
    /// `HIT` when inline handlers ran, `MISS` when no handler wants the event.
    #[schema(example = "HIT")]
    status: String,
    /// What the inline handlers returned, by their names.
    #[schema(value_type = Object)]
    calls: (),
    /// The tasks that run in the background beside them. Not there without any.
    task_ids: Option<Vec<String>>,
    /// Always `true`: the delivery was known already. Not there for a new one.
    duplicate: Option<bool>,
}

/// A problem, with the tasks that say more to those who may ask for them.
#[derive(ToSchema)]
struct HandlerFailed {
    #[schema(example = "about:blank")]
    r#type: String,
    #[schema(example = "Internal Server Error")]
    title: String,
    #[schema(example = 500)]
    status: u16,
    detail: String,
    /// The sender's id of the delivery, or ours where it has none.
    delivery_id: String,
    /// Its tasks.
    task_ids: Vec<String>,
}

/// Receives a delivery. It asks for the sender's signature, not for the token.
#[utoipa::path(post, path = "/webhooks/{source}", tag = "webhooks", operation_id = "receive",
    params(("source" = String, Path, description = "The source's name in the configuration.")),
    request_body(description = "As the sender signed it. GitHub may send a form too.", content(
        (Object = "application/json"), (String = "application/x-www-form-urlencoded"))),
    responses(
        (status = 200, description = "Inline handlers ran, or no handler wants the event.", body = Answered),
        (status = 202, description = "It is kept, and its tasks run in the background.", body = Accepted),
        (status = 400, description = "It cannot be read, or did not arrive whole.",
            content_type = "application/problem+json", body = Problem),
        (status = 401, description = "The signature is missing or wrong.",
            content_type = "application/problem+json", body = Problem),
        (status = 403, description = "The source does not take requests from this address.",
            content_type = "application/problem+json", body = Problem),
        (status = 404, description = "There is no such source.",
            content_type = "application/problem+json", body = Problem),
        (status = 408, description = "The body did not arrive in time.",
            content_type = "application/problem+json", body = Problem),
        (status = 413, description = "The body is larger than the source allows.",
            content_type = "application/problem+json", body = Problem),
        (status = 415, description = "The media type is not one that the source sends.",
            content_type = "application/problem+json", body = Problem),
        (status = 429, description = "There were more requests than the source takes in a time.",
            content_type = "application/problem+json", body = Problem,
            headers(("Retry-After" = u32, description = "In how many seconds to send it again."))),
        (status = 500, description = "An inline handler failed, and has no retries left.",
            content_type = "application/problem+json", body = HandlerFailed),
        (status = 503, description = "Nothing was accepted: the store cannot commit, there is no room for the body, or the \
            list of addresses that the source takes requests from is not there yet.",
            content_type = "application/problem+json", body = Problem,
            headers(("Retry-After" = u16, description = "In how many seconds to send it again."))),
    ))]
fn receive() {}
