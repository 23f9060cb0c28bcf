//! The floor for any durable server: checks the signature, appends the body to a file, answers after fdatasync.
//!
//! It keeps no ids, finds no duplicates, runs nothing and never deletes; whoever promises to survive a power cut and
//! writes the body to a file that grows pays at least this.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context, Result};
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use bytes::Bytes;

use super::group_commit::{GroupCommit, LogFile};
use super::hmac::is_signed;
use crate::signature::Key;

/// Serves until the process is killed, appending to the file at `path`.
///
/// # Errors
/// When `address` cannot be listened on or the file cannot be made.
pub async fn serve(address: SocketAddr, key: Key, path: &Path) -> Result<()> {
    let log = LogFile::create(path).with_context(|| format!("create {}", path.display()))?;
    let commit = GroupCommit::start(log).context("start the writer thread")?;
    super::serve(address, Router::new().route(super::PATH, post(take)).with_state((key, commit))).await
}

async fn take(State((key, commit)): State<(Key, GroupCommit)>, headers: HeaderMap, body: Bytes) -> Response {
    if !is_signed(&key, &headers, &body) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    match commit.append(body).await {
        Ok(()) => super::accepted().into_response(),
        Err(_lost) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}
