//! G8: SIGTERM, and the store that only one process may have.

use std::future::pending;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::sleep;

use crate::operator::{Operator, Task};
use crate::receiver::{Receiver, Run};
use crate::sender::{Outgoing, Sender};
use crate::server::{Place, eventually, route};

const SETTINGS: &str = "worker.concurrency = 2\nserver.shutdown_grace = '3s'";
/// How long a task goes on after the signal. Longer than the second for which the engine bears with a handler that it
/// has told to stop, and shorter than the grace period, in which it tells none.
const GOES_ON: Duration = Duration::from_secs(2);

/// Of two running tasks one ends in time and one never does; more are queued behind them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g8_sigterm_finishes_or_gives_back() {
    let (gate, closed) = watch::channel(false);
    let receiver = Receiver::start(move |run: Run| {
        let mut gate = closed.clone();
        async move {
            match (run.life, run.delivery.as_str()) {
                (0, "stuck") => pending().await,
                (0, _) => {
                    gate.wait_for(|is_open| *is_open).await.unwrap();
                    sleep(GOES_ON).await;
                    200
                }
                _ => 200,
            }
        }
    })
    .await;
    let place = Place::new(&format!("{SETTINGS}\n{}", route("hook", "*", &receiver.url(0))));
    let mut server = place.start().await;
    let sender = Sender::new();
    for id in ["stuck", "in-time"] {
        sender.must_post(&server.url, &Outgoing::small("push", id)).await;
    }
    receiver.until("both run", |runs| runs.len() == 2).await;
    for number in 0..6 {
        sender.must_post(&server.url, &Outgoing::small("push", format!("queued-{number}"))).await;
    }

    server.terminate();
    let address = server.address().to_owned();
    eventually("it accepts nothing more", async || TcpStream::connect(&address).await.is_err().then_some(())).await;
    assert!(server.is_alive(), "it did not wait for what runs");
    gate.send_replace(true);
    assert_eq!(server.ended().await.code(), Some(0));
    assert_eq!(receiver.runs().len(), 2, "a task began after the signal");

    // Without the route nothing runs, so that one can look at what was left.
    place.configure("");
    let mut server = place.start().await;
    let tasks = Operator::of(&server.url).tasks().await;
    assert_eq!(tasks.len(), 8);
    for task in &tasks {
        let expected = if task.delivery_id == "in-time" { ("completed", 1) } else { ("queued", 0) };
        assert_eq!((task.state.as_str(), task.attempt), expected, "{}", task.delivery_id);
    }
    server.terminate();
    assert_eq!(server.ended().await.code(), Some(0));

    place.configure(&format!("{SETTINGS}\n{}", route("hook", "*", &receiver.url(1))));
    let server = place.start().await;
    let operator = Operator::of(&server.url);
    operator.until_all_ended().await;
    let is_done = |task: &Task| task.state == "completed" && task.attempt == 1;
    assert!(operator.tasks().await.iter().all(is_done));
    let again: Vec<u32> = receiver.runs_of("stuck").iter().map(|run| run.attempt).collect();
    assert_eq!(again, [1, 1], "the attempt that was given back counts");
    assert_eq!(receiver.runs().len(), 9, "something else than the stuck task ran twice");
}

#[tokio::test]
async fn second_process_on_the_same_store_is_refused() {
    let place = Place::new("");
    let first = place.start().await;
    let second = place.serve_and_fail().await;
    let said = String::from_utf8_lossy(&second.stderr);
    assert_eq!(second.status.code(), Some(1), "{said}");
    assert!(said.contains("becket.db is in use by another process"), "{said}");
    assert!(said.contains(&first.pid().as_raw_nonzero().to_string()), "it does not say by which: {said}");
    assert_eq!(Operator::of(&first.url).status("/readyz").await, 200);

    // The lock goes with its holder, however that ends.
    first.kill().await;
    let third = place.start().await;
    assert_eq!(Operator::of(&third.url).status("/readyz").await, 200);
}
