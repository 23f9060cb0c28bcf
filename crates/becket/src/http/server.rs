//! The server: sockets, limits and the end.
//!
//! Accepts connections up to a limit, gives each to hyper, and drains them when told to stop: open requests are
//! answered, idle connections closed, and whatever is left at the end of the grace period is cut off. What is served is
//! any axum router, and may become another while connections are open: each request goes to the one of its moment, and
//! ends there. Nothing here knows webhooks.

mod connection;
mod signals;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::Router;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use self::signals::{Hangups, Signals};

/// How long to wait before accepting again after the system refused, most likely for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The limits of a server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Connections open at once; further ones wait in the system's queue.
    pub(crate) max_connections: usize,
    /// How long a peer may take over a request's headers, and how long a connection may be idle.
    pub(crate) header_timeout: Duration,
}

/// When to stop, and when to stop waiting.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stop {
    /// Accept nothing more; answer what is being answered.
    pub(crate) drain: CancellationToken,
    /// Cut off what is left.
    pub(crate) abort: CancellationToken,
}

/// Serves until [`Stop::drain`] and then until the last connection has ended, or [`Stop::abort`].
pub(crate) async fn serve(listener: TcpListener, router: Arc<ArcSwap<Router>>, limits: Limits, stop: Stop) {
    let places = Arc::new(Semaphore::new(limits.max_connections.min(Semaphore::MAX_PERMITS)));
    let connections = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &places) => accepted,
            () = stop.drain.cancelled() => break,
        };
        match accepted {
            Ok((stream, peer, place)) => {
                let connection =
                    connection::serve(stream, peer, Arc::clone(&router), limits.header_timeout, stop.clone());
                connections.spawn(async move {
                    connection.await;
                    drop(place);
                });
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                tracing::error!(%error, "cannot accept connections");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

type Accepted = (TcpStream, std::net::SocketAddr, tokio::sync::OwnedSemaphorePermit);

/// Waits for a free place, and only then for a connection.
async fn accept(listener: &TcpListener, places: &Arc<Semaphore>) -> io::Result<Accepted> {
    let place = Arc::clone(places).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    // Answers are small; waiting to fill a packet only makes them late.
    stream.set_nodelay(true)?;
    Ok((stream, peer, place))
}

/// Whether an error tells of one connection that is gone already, and not of the listener.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, InvalidInput, NotConnected};
    // macOS answers `InvalidInput` when options are set on a connection that its peer has closed.
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | InvalidInput | NotConnected)
}
