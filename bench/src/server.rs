//! The servers that are compared, each with one promise more than the one before it.
//!
//! | server | reads the body | checks the signature | commits before the answer | runs tasks |
//! |---|---|---|---|---|
//! | [`null`] | yes | | | |
//! | [`hmac`] | yes | yes | | |
//! | [`floor`] | yes | yes | bytes in a file | |
//! | `becket` | yes | yes | deduplicated rows and payloads | yes |
//!
//! The first three live here and are made with the same axum, runtime settings and allocator as Becket. They are as
//! short as they can be: what they cost is what nobody can avoid.

pub mod floor;
pub mod group_commit;
pub mod hmac;
pub mod null;

use std::net::SocketAddr;

use anyhow::{Context, Result};
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::serve::ListenerExt;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};

/// Where every server takes deliveries.
pub const PATH: &str = "/webhooks/github";

/// GitHub's largest delivery: 25 MiB. Becket's default limit too.
const BODY_BYTES_MAX: usize = 25 * 1024 * 1024;

/// A server that can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, clap::ValueEnum)]
pub enum Kind {
    /// Reads the body and answers.
    Null,
    /// Checks the signature too.
    Hmac,
    /// Appends the body to a file and waits for fdatasync too.
    Floor,
    /// The release binary `becket serve`.
    Becket,
}

impl Kind {
    /// The word for it in tables and flags.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Hmac => "hmac",
            Self::Floor => "floor",
            Self::Becket => "becket",
        }
    }
}

/// The runtime of all servers here and of the load generator: tokio's default, as `#[tokio::main]` makes it for Becket.
///
/// # Errors
/// When threads cannot be started.
pub fn runtime() -> Result<Runtime> {
    Builder::new_multi_thread().enable_all().build().context("start the runtime")
}

/// Serves `deliveries`, with `/readyz` beside it, until the process is killed.
async fn serve(address: SocketAddr, deliveries: Router) -> Result<()> {
    let router =
        deliveries.route("/readyz", get(|| async { StatusCode::OK })).layer(DefaultBodyLimit::max(BODY_BYTES_MAX));
    let listener = TcpListener::bind(address).await.with_context(|| format!("listen on {address}"))?;
    let listener = listener.tap_io(|stream| {
        // Without it only latency suffers, and the run goes on.
        drop(stream.set_nodelay(true));
    });
    axum::serve(listener, router).await.context("serve")
}

/// The answer to a delivery that was taken.
fn accepted() -> impl IntoResponse {
    (StatusCode::ACCEPTED, [(header::CONTENT_TYPE, "application/json")], r#"{"status":"ACCEPTED"}"#)
}
