//! G3: tasks that take their worker with them.

use std::future::pending;

use crate::operator::Operator;
use crate::receiver::{Receiver, Run};
use crate::sender::{Outgoing, Sender};
use crate::server::{Place, route};

const CRASHES: usize = 3;

/// The receiver never answers the poison, and the server is killed each time that it has run it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g3_task_whose_worker_dies_each_time_ends_failed_and_all_others_complete() {
    let receiver = Receiver::start(async |run: Run| if run.delivery == "poison" { pending().await } else { 200 }).await;
    let place = Place::new(&format!("{}retries = {}", route("hook", "*", &receiver.url(0)), CRASHES - 1));
    let sender = Sender::new();
    for crash in 1..=CRASHES {
        let server = place.start().await;
        sender.must_post(&server.url, &Outgoing::small("push", "poison")).await;
        for number in 0..10 {
            sender.must_post(&server.url, &Outgoing::small("push", format!("{crash}-{number}"))).await;
        }
        let poison = |runs: &Vec<Run>| runs.iter().filter(|run| run.delivery == "poison").count();
        receiver.until("the poison runs", |runs| poison(runs) == crash).await;
        server.kill().await;
    }

    let server = place.start().await;
    let operator = Operator::of(&server.url);
    operator.until_all_ended().await;
    let (poison, others): (Vec<_>, Vec<_>) =
        operator.tasks().await.into_iter().partition(|task| task.delivery_id == "poison");
    assert_eq!((others.len(), poison.len()), (CRASHES * 10, 1));
    assert!(others.iter().all(|task| task.state == "completed"), "{others:?}");
    let poison = operator.task(&poison[0].id).await;
    assert_eq!((poison.state.as_str(), poison.error.as_deref()), ("failed", Some("crashed its worker 3 times")));
    assert_eq!(poison.attempts.len(), CRASHES);
    assert!(poison.attempts.iter().all(|attempt| attempt.outcome.as_deref() == Some("lost")), "{poison:?}");
    assert_eq!(receiver.runs_of("poison").len(), CRASHES, "it ran again after its attempts were used up");
}
