//! G2: one delivery, sent many times.

use futures_util::future::join_all;

use crate::operator::Operator;
use crate::receiver::Receiver;
use crate::sender::{Outgoing, Sender};
use crate::server::{Place, route};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g2_twenty_parallel_deliveries_with_one_id_become_one() {
    let receiver = Receiver::start(async |_| 200).await;
    let place = Place::new(&route("hook", "*", &receiver.url(0)));
    let server = place.start().await;
    let outgoing = Outgoing::small("push", "the-only-one");

    // A connection each, so that they really come side by side.
    let senders: Vec<_> = (0..20).map(|_| Sender::new()).collect();
    let posts = join_all(senders.iter().map(|sender| sender.post(&server.url, &outgoing))).await;
    let answers: Vec<_> = posts.into_iter().map(Result::unwrap).collect();
    assert!(answers.iter().all(|answer| answer.status == 202), "{answers:?}");
    assert_eq!(answers.iter().filter(|answer| !answer.said.duplicate).count(), 1, "{answers:?}");
    assert!(answers.iter().all(|answer| answer.said.task_ids == answers[0].said.task_ids), "{answers:?}");

    let operator = Operator::of(&server.url);
    operator.until_all_ended().await;
    assert_eq!((operator.deliveries().await.len(), operator.tasks().await.len()), (1, 1));
    assert_eq!(receiver.runs().len(), 1);

    // A restart forgets nothing of it.
    server.kill().await;
    let server = place.start().await;
    let again = Sender::new().post(&server.url, &outgoing).await.unwrap();
    assert_eq!((again.status, again.said.duplicate), (202, true));
    assert_eq!(Operator::of(&server.url).deliveries().await.len(), 1);
}
