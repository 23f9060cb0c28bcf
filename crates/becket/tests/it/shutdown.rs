//! The end: open requests are answered, idle connections closed, and nothing is lost.

use std::sync::Arc;
use std::time::Duration;

use becket::{State, TaskContext, TaskError, background, inline};
use becket_tasks::State as TaskState;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Notify, Semaphore};

use crate::world::{Answer, Post, World, app, configured, send};

#[derive(Clone, Default)]
struct Gate {
    begun: Arc<Notify>,
    open: Arc<Notify>,
}

async fn gated(State(gate): State<Gate>) -> &'static str {
    gate.begun.notify_one();
    gate.open.notified().await;
    "done"
}

#[tokio::test]
async fn request_that_is_open_at_the_shutdown_is_answered_and_new_connections_are_refused() {
    let gate = Gate::default();
    let world = World::start(app().state(gate.clone()).on("push", inline(gated))).await;
    let url = world.running.url("/webhooks/github");
    let address = world.running.local_addr();
    let open = tokio::spawn(async move { send(&reqwest::Client::new(), &url, Post::github("push", "a-1")).await });
    gate.begun.notified().await;

    let stopping = tokio::spawn(world.running.shutdown());
    while TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    gate.open.notify_one();
    let answer = Answer::of(open.await.unwrap().unwrap()).await;
    assert_eq!((answer.status, &answer.body["calls"]["gated"]), (200, &"done".into()));
    assert_eq!(stopping.await.unwrap().released, 0);
}

#[tokio::test]
async fn idle_connections_do_not_delay_the_shutdown() {
    let world = World::start(configured("server.header_timeout = '10m'").on("push", || async {})).await;
    let mut silent = TcpStream::connect(world.running.local_addr()).await.unwrap();
    let mut idle = TcpStream::connect(world.running.local_addr()).await.unwrap();
    idle.write_all(b"GET /nothing HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    let mut head = [0; 12];
    idle.read_exact(&mut head).await.unwrap();

    tokio::time::timeout(Duration::from_secs(5), world.running.shutdown()).await.expect("it waited for them");
    let mut nothing = Vec::new();
    let _ = silent.read_to_end(&mut nothing).await;
    assert!(nothing.is_empty());
}

#[tokio::test]
async fn g8_shutdown_gives_back_what_does_not_end_in_time_and_loses_nothing() {
    async fn stubborn(State(begun): State<Arc<Semaphore>>, task: TaskContext) -> Result<(), TaskError> {
        begun.add_permits(1);
        task.cancelled().await;
        Err(TaskError::retry("told to stop"))
    }
    let begun = Arc::new(Semaphore::new(0));
    let app = configured("server.shutdown_grace = '50ms'\nworker.concurrency = 2")
        .state(Arc::clone(&begun))
        .on("push", background(stubborn));
    let world = World::start(app).await;
    for number in 0..5 {
        assert_eq!(world.post(Post::github("push", &format!("a-{number}"))).await.status, 202);
    }
    begun.acquire_many(2).await.unwrap().forget();
    let World { running, store, .. } = world;
    let report = running.shutdown().await;
    assert_eq!(report.released, 2);
    let page = becket_tasks::query::Page::first(10);
    let tasks = becket_tasks::Store::tasks(&*store, becket_tasks::query::TaskFilter::default(), page).await.unwrap();
    assert_eq!(tasks.items.len(), 5);
    for task in tasks.items {
        assert_eq!((task.state(), task.standing.attempts_counted()), (TaskState::Queued, 0));
    }
}

#[cfg(feature = "sqlite")]
#[tokio::test]
async fn store_that_was_opened_here_is_closed_and_its_work_goes_on_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("becket.db").display());
    let gate = Gate::default();
    let app_with = |gate: &Gate| {
        configured("server.shutdown_grace = '0s'").state(gate.clone()).on("push", background(gated)).store(url.as_str())
    };
    let running = app_with(&gate).start().await.unwrap();
    let sent = send(&reqwest::Client::new(), &running.url("/webhooks/github"), Post::github("push", "a-1")).await;
    let task = Answer::of(sent.unwrap()).await.tasks()[0];
    gate.begun.notified().await;
    running.shutdown().await;

    gate.open.notify_one();
    let again = app_with(&gate).start().await.unwrap();
    assert_eq!(again.client().wait(task).await.unwrap().task.state(), TaskState::Completed);
    again.shutdown().await;
}
