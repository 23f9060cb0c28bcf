//! The other side of outgoing calls: a real server on this machine that answers as it is told, and remembers.
//!
//! It runs on the runtime of the test. On another one, a client's timeouts would end at once in a test with paused time,
//! because nothing in its own runtime would have work.

mod answers;
mod call;

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio_util::task::AbortOnDropHandle;

pub use self::answers::{Reply, Script};
pub use self::call::Call;

use self::answers::Scripts;
use super::patience::{PATIENCE, within};

/// The largest body that is received, in bytes.
const BODY_BYTES_MAX: usize = 64 << 20;

/// A server for the calls that handlers, routes and webhooks of the application make. It answers 200 to everything until
/// it is [told otherwise](Self::respond), and ends when it is dropped.
pub struct Outgoing {
    address: SocketAddr,
    shared: Arc<Shared>,
    _server: AbortOnDropHandle<()>,
}

#[derive(Default)]
struct Shared {
    calls: Mutex<Vec<Call>>,
    scripts: Mutex<Scripts>,
    called: Notify,
}

impl Outgoing {
    /// Listens on a free port of the loopback interface.
    ///
    /// # Panics
    /// When the system gives none.
    pub async fn start() -> Self {
        let bound = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listened = bound.and_then(|listener| Ok((listener.local_addr()?, listener)));
        let (address, listener) = listened.unwrap_or_else(|error| panic!("no port to listen on: {error}"));
        let shared = Arc::<Shared>::default();
        let router = Router::new().fallback(receive).with_state(Arc::clone(&shared));
        let server = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                panic!("the server for outgoing calls ended: {error}");
            }
        });
        Self { address, shared, _server: AbortOnDropHandle::new(server) }
    }

    /// The URL of a path on it, such as `/hook`. A route needs `allow_private = true` to reach it.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Answers calls of any path like this, unless [`respond_at`](Self::respond_at) says more. With
    /// [`then`](Script::then) the next call gets the next answer; the last one stays.
    ///
    /// ```
    /// # use becket::testing::Outgoing;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let outgoing = Outgoing::start().await;
    /// outgoing.respond(503).then(503).then(200);
    /// # }
    /// ```
    pub fn respond(&self, reply: impl Into<Reply>) -> Script<'_> {
        Script::begin(&self.shared.scripts, None, reply.into())
    }

    /// Answers calls of this path like this.
    pub fn respond_at(&self, path: &str, reply: impl Into<Reply>) -> Script<'_> {
        Script::begin(&self.shared.scripts, Some(path.to_owned()), reply.into())
    }

    /// What was called so far, oldest first.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        self.shared.lock().clone()
    }

    /// What was called of this path so far, oldest first.
    #[must_use]
    pub fn calls_at(&self, path: &str) -> Vec<Call> {
        self.shared.lock().iter().filter(|call| call.path == path).cloned().collect()
    }

    /// The only call.
    ///
    /// # Panics
    /// When there was none, or several.
    #[must_use]
    #[track_caller]
    pub fn only_call(&self) -> Call {
        self.assert_called(1);
        self.calls().swap_remove(0)
    }

    /// Asserts how many calls there were.
    ///
    /// # Panics
    /// When there was another number; the message lists them.
    #[track_caller]
    pub fn assert_called(&self, times: usize) -> &Self {
        let calls = self.calls();
        assert!(calls.len() == times, "expected {times} calls, and there were {}: {calls:#?}", calls.len());
        self
    }

    /// Asserts how many calls of this path there were.
    ///
    /// # Panics
    /// When there was another number; the message lists all calls.
    #[track_caller]
    pub fn assert_called_at(&self, path: &str, times: usize) -> &Self {
        let count = self.calls_at(path).len();
        assert!(count == times, "expected {times} calls of {path}, and there were {count}: {:#?}", self.calls());
        self
    }

    /// Waits until there were so many calls: for tests of what happens while one of them [hangs](Reply::hang).
    ///
    /// # Panics
    /// When there are fewer after 10 s of real time.
    pub async fn until_called(&self, times: usize) {
        if within(PATIENCE, self.shared.called(times)).await.is_none() {
            panic!("expected {times} calls, and after {PATIENCE:?} there were only these: {:#?}", self.calls());
        }
    }
}

impl fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outgoing").field("calls", &self.calls()).finish_non_exhaustive()
    }
}

impl Shared {
    async fn called(&self, times: usize) {
        loop {
            let mut called = std::pin::pin!(self.called.notified());
            called.as_mut().enable();
            if self.lock().len() >= times {
                return;
            }
            called.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Call>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn receive(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, BODY_BYTES_MAX).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let call = Call::new(parts, body);
    let reply = shared.scripts.lock().unwrap_or_else(PoisonError::into_inner).next(&call.path);
    shared.lock().push(call);
    shared.called.notify_waiters();
    reply.send().await
}
