//! G6: a target that hangs.

use tokio::sync::watch;

use crate::operator::Operator;
use crate::receiver::{Receiver, Run};
use crate::sender::{Outgoing, Sender};
use crate::server::{Place, route};

const CONCURRENCY: usize = 4;

/// No clock decides here, only the order: all of it happens before the first run that hangs has ended.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g6_hanging_target_delays_neither_acknowledgements_nor_other_targets() {
    let (gate, closed) = watch::channel(false);
    let slow = Receiver::start(move |_| {
        let mut gate = closed.clone();
        async move {
            gate.wait_for(|is_open| *is_open).await.unwrap();
            200
        }
    })
    .await;
    let quick = Receiver::start(async |_| 200).await;
    let routes = route("slow", "issues", &slow.url(0)) + &route("quick", "push", &quick.url(0));
    // Were an acknowledgement to wait for a handler, it would wait for longer than its sender does.
    let settings = format!("worker.concurrency = {CONCURRENCY}\nserver.inline_deadline = '1m'");
    let place = Place::new(&format!("{settings}\n{routes}"));
    let server = place.start().await;
    let sender = Sender::new();
    let operator = Operator::of(&server.url);

    // All places but one hang; what is for another target is acknowledged and ends.
    for number in 1..CONCURRENCY {
        sender.must_post(&server.url, &Outgoing::small("issues", format!("slow-{number}"))).await;
    }
    slow.until("all but one place hang", |runs| runs.len() == CONCURRENCY - 1).await;
    for number in 0..200 {
        sender.must_post(&server.url, &Outgoing::small("push", format!("quick-{number}"))).await;
    }
    quick.until("the other target got all", |runs| runs.len() == 200 && runs.iter().all(is_answered)).await;

    // All places hang; deliveries are still acknowledged.
    for number in CONCURRENCY..CONCURRENCY + 10 {
        sender.must_post(&server.url, &Outgoing::small("issues", format!("slow-{number}"))).await;
    }
    slow.until("all places hang", |runs| runs.len() == CONCURRENCY).await;
    for number in 200..400 {
        sender.must_post(&server.url, &Outgoing::small("push", format!("quick-{number}"))).await;
    }
    assert_eq!((operator.status("/healthz").await, operator.status("/readyz").await), (200, 200));
    assert!(!slow.runs().iter().any(is_answered), "a run that should hang has ended");

    gate.send_replace(true);
    operator.until_all_ended().await;
    let tasks = operator.tasks().await;
    assert_eq!(tasks.len(), 400 + CONCURRENCY + 9);
    assert!(tasks.iter().all(|task| task.state == "completed" && task.attempt == 1));
}

fn is_answered(run: &Run) -> bool {
    run.answered.is_some()
}
