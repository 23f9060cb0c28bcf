//! One delivery, many times at once.

use std::collections::BTreeSet;

use futures_util::future::join_all;

use crate::sender::{Outgoing, Sender};
use crate::victim::Victim;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_at_once_with_one_id_are_one_delivery() {
    let (victim, sender) = (Victim::new().await, Sender::new());
    for round in 0..20 {
        let outgoing = Outgoing::small("push", format!("same-{round}"));
        let post = async |_| sender.post(victim.url(), &outgoing).await.unwrap();
        let answers = join_all((0..20).map(post)).await;
        assert!(answers.iter().all(|answer| answer.status == 202), "{answers:?}");
        assert_eq!(answers.iter().filter(|answer| !answer.said.duplicate).count(), 1, "{answers:?}");
        let tasks: BTreeSet<&Vec<String>> = answers.iter().map(|answer| &answer.said.task_ids).collect();
        assert_eq!(tasks.len(), 1, "all hear of the same task: {answers:?}");
    }
    assert_eq!(victim.taken().await.len(), 20);
    victim.is_unharmed().await;
}
