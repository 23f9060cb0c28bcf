//! The null server: reads the whole body, drops it, answers 202. What HTTP itself costs.

use std::net::SocketAddr;

use anyhow::Result;
use axum::Router;
use axum::response::IntoResponse;
use axum::routing::post;
use bytes::Bytes;

/// Serves until the process is killed.
///
/// # Errors
/// When `address` cannot be listened on.
pub async fn serve(address: SocketAddr) -> Result<()> {
    super::serve(address, Router::new().route(super::PATH, post(take))).await
}

async fn take(_body: Bytes) -> impl IntoResponse {
    super::accepted()
}
