//! The receiver: the program that a route posts to. It answers as a test says, and remembers each run.

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::server::PATIENCE;

/// One run of a task, as seen from the receiver.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    /// The number in the path that was posted to: which process ran it.
    pub(crate) life: usize,
    /// `Becket-Task-Id`.
    pub(crate) task: String,
    /// `Becket-Attempt`.
    pub(crate) attempt: u32,
    /// The sender's id of the delivery.
    pub(crate) delivery: String,
    /// Its place among the runs of this task; counts from 1.
    pub(crate) nth: usize,
    /// When the answer was ready, and its status; `None` while there is none, and for ever when the process that asked
    /// died before.
    pub(crate) answered: Option<(Instant, u16)>,
}

/// A running receiver. Works until the runtime ends.
#[derive(Clone)]
pub(crate) struct Receiver {
    url: String,
    seen: Arc<Seen>,
}

struct Seen {
    runs: watch::Sender<Vec<Run>>,
    answer: Box<dyn Fn(Run) -> BoxFuture<'static, u16> + Send + Sync>,
}

impl Receiver {
    /// Starts one that answers each run with the status that `answer` gives, as soon as it gives it.
    pub(crate) async fn start<F, A>(answer: F) -> Self
    where
        F: Fn(Run) -> A + Send + Sync + 'static,
        A: Future<Output = u16> + Send + 'static,
    {
        let answer = Box::new(move |run| answer(run).boxed());
        let seen = Arc::new(Seen { runs: watch::Sender::default(), answer });
        let router = Router::new().route("/{life}", post(receive)).with_state(Arc::clone(&seen));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, seen }
    }

    /// Where process number `life` shall post to.
    pub(crate) fn url(&self, life: usize) -> String {
        format!("{}/{life}", self.url)
    }

    /// All runs so far, in the order in which they began.
    pub(crate) fn runs(&self) -> Vec<Run> {
        self.seen.runs.borrow().clone()
    }

    /// The runs of one delivery.
    pub(crate) fn runs_of(&self, delivery: &str) -> Vec<Run> {
        self.runs().into_iter().filter(|run| run.delivery == delivery).collect()
    }

    /// Waits until the runs are as `wanted` says.
    pub(crate) async fn until(&self, what: &str, wanted: impl FnMut(&Vec<Run>) -> bool) {
        let mut runs = self.seen.runs.subscribe();
        let met = timeout(PATIENCE, runs.wait_for(wanted)).await;
        assert!(met.is_ok(), "in vain waited until {what}");
    }
}

async fn receive(
    State(seen): State<Arc<Seen>>,
    Path(life): Path<usize>,
    headers: HeaderMap,
    // Read to its end: a receiver that answers early breaks the connection.
    _body: Bytes,
) -> StatusCode {
    let header = |name: &str| headers[name].to_str().unwrap().to_owned();
    let mut run = Run {
        life,
        task: header("becket-task-id"),
        attempt: header("becket-attempt").parse().unwrap(),
        delivery: header("x-github-delivery"),
        nth: 0,
        answered: None,
    };
    let mut place = 0;
    seen.runs.send_modify(|runs| {
        run.nth = 1 + runs.iter().filter(|other| other.task == run.task).count();
        place = runs.len();
        runs.push(run.clone());
    });
    let status = (seen.answer)(run).await;
    seen.runs.send_modify(|runs| runs[place].answered = Some((Instant::now(), status)));
    StatusCode::from_u16(status).unwrap()
}
