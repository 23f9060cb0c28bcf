//! The null server with a signature check: what any receiver that is not open to forgery costs.
//!
//! Ratios are given against this one: nobody should run less.

use std::net::SocketAddr;

use anyhow::Result;
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use bytes::Bytes;

use crate::signature::{self, Key};

/// Serves until the process is killed.
///
/// # Errors
/// When `address` cannot be listened on.
pub async fn serve(address: SocketAddr, key: Key) -> Result<()> {
    super::serve(address, Router::new().route(super::PATH, post(take)).with_state(key)).await
}

async fn take(State(key): State<Key>, headers: HeaderMap, body: Bytes) -> Response {
    if is_signed(&key, &headers, &body) {
        super::accepted().into_response()
    } else {
        StatusCode::UNAUTHORIZED.into_response()
    }
}

/// Whether the sender knows the secret.
pub(super) fn is_signed(key: &Key, headers: &HeaderMap, body: &[u8]) -> bool {
    headers.get(signature::HEADER).is_some_and(|signature| key.verifies(body, signature.as_bytes()))
}
