//! One connection: HTTP/1.1 or HTTP/2 by its first bytes, under time limits.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::response::Response;
use axum::routing::future::RouteFuture;
use bytes::Bytes;
use hyper::Request;
use hyper::body::{Body as _, Frame, Incoming, SizeHint};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::TcpStream;
use tower::Service as _;

use super::Stop;

/// HTTP/2 requests that one connection may have open at once.
const STREAMS_MAX: u32 = 128;

/// What a connection is doing.
#[derive(Debug, Default)]
struct Activity {
    /// Requests that are being answered.
    open: AtomicUsize,
    /// Requests that were ever begun.
    begun: AtomicUsize,
}

/// Serves one connection to its end.
///
/// hyper limits how long the headers of an HTTP/1 request take, but neither how long a peer may say nothing at first nor
/// how long an HTTP/2 connection may be idle. So each `idle` period without an open or a new request ends the connection.
pub(super) async fn serve(
    stream: TcpStream,
    peer: SocketAddr,
    router: Arc<ArcSwap<Router>>,
    idle: Duration,
    stop: Stop,
) {
    let activity = Arc::new(Activity::default());
    let service = Connection { router, peer, activity: Arc::clone(&activity) };
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(idle);
    builder.http2().timer(TokioTimer::new()).max_concurrent_streams(STREAMS_MAX);
    let mut connection = pin!(builder.serve_connection_with_upgrades(TokioIo::new(stream), service));

    let mut idle_check = pin!(tokio::time::sleep(idle));
    let mut begun_before = 0;
    let mut draining = false;
    loop {
        tokio::select! {
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%peer, %error, "a connection ended early");
                }
                return;
            }
            () = stop.drain.cancelled(), if !draining => {
                draining = true;
                // Before the first request hyper would wait for one.
                if activity.begun.load(Ordering::Relaxed) == 0 {
                    return;
                }
                connection.as_mut().graceful_shutdown();
            }
            () = stop.abort.cancelled() => return,
            () = idle_check.as_mut() => {
                let begun = activity.begun.load(Ordering::Relaxed);
                if activity.open.load(Ordering::Relaxed) == 0 && begun == begun_before {
                    tracing::debug!(%peer, "an idle connection is closed");
                    return;
                }
                begun_before = begun;
                idle_check.as_mut().reset(tokio::time::Instant::now() + idle);
            }
        }
    }
}

/// The router as one connection sees it.
struct Connection {
    router: Arc<ArcSwap<Router>>,
    peer: SocketAddr,
    activity: Arc<Activity>,
}

impl hyper::service::Service<Request<Incoming>> for Connection {
    type Response = Response;
    type Error = Infallible;
    type Future = Open;

    fn call(&self, request: Request<Incoming>) -> Open {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(self.peer));
        self.activity.begun.fetch_add(1, Ordering::Relaxed);
        Open { response: Router::clone(&self.router.load()).call(request), counted: Some(Counted::new(&self.activity)) }
    }
}

/// Counts a request as open for as long as it lives.
struct Counted(Arc<Activity>);

impl Counted {
    fn new(activity: &Arc<Activity>) -> Self {
        activity.open.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(activity))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A request that is being answered.
struct Open {
    response: RouteFuture<Infallible>,
    counted: Option<Counted>,
}

impl Future for Open {
    type Output = Result<Response, Infallible>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Ok(response) = ready!(Pin::new(&mut self.response).poll(context));
        let counted = self.counted.take();
        Poll::Ready(Ok(response.map(|body| match body.size_hint().exact() {
            Some(_) => body,
            None => Body::new(Streamed { body, _counted: counted }),
        })))
    }
}

/// An answer that is still being made while it is sent, such as a stream of events: open until its end.
struct Streamed {
    body: Body,
    _counted: Option<Counted>,
}

impl hyper::body::Body for Streamed {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
