//! G7: no room left for the store.
//!
//! The full disk is a limit on the size of the process's files: it needs no rights to set, can be moved while the
//! process lives, and reaches SQLite as a failed write, as a full disk does.

use std::collections::HashSet;

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};

use crate::operator::Operator;
use crate::receiver::Receiver;
use crate::sender::{Outgoing, Sender};
use crate::server::{Place, eventually, route};

/// Room for some dozens of the deliveries below.
const SMALL_DISK: u64 = 1024 * 1024;
/// Less than the store has written already.
const NO_ROOM: u64 = 4_096;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g7_full_disk_answers_503_and_recovers() {
    let receiver = Receiver::start(async |_| 200).await;
    let place = Place::new(&route("hook", "*", &receiver.url(0)));
    let mut server = place.start_with_log_beside_the_store().await;
    let (sender, operator) = (Sender::new(), Operator::of(&server.url));

    // Until it is full.
    room(server.pid(), Some(SMALL_DISK));
    let mut accepted = HashSet::new();
    let mut refused = Vec::new();
    while refused.is_empty() {
        let outgoing = incompressible(accepted.len());
        let answer = sender.post(&server.url, &outgoing).await.unwrap();
        match answer.status {
            202 => assert!(accepted.insert(outgoing.id)),
            503 => refused.push(outgoing),
            _ => panic!("{answer:?}"),
        }
        assert!(accepted.len() < 1_000, "the disk does not fill");
    }
    assert!(accepted.len() >= 5, "only {} fitted", accepted.len());

    // It says so, asks senders to come again, lives, and can still be read.
    room(server.pid(), Some(NO_ROOM));
    for number in 0..20 {
        let outgoing = Outgoing::small("push", format!("late-{number}"));
        let answer = sender.post(&server.url, &outgoing).await.unwrap();
        assert_eq!(answer.status, 503, "{answer:?}");
        let seconds: u64 = answer.retry_after.expect("no Retry-After").parse().unwrap();
        assert!((1..=60).contains(&seconds), "Retry-After: {seconds}");
        refused.push(outgoing);
    }
    assert_eq!(operator.status("/healthz").await, 200);
    eventually("it is not ready", async || (operator.status("/readyz").await == 503).then_some(())).await;
    assert_eq!(kept(&operator).await, accepted);

    // Room is made, and it goes on by itself.
    room(server.pid(), None);
    eventually("it is ready", async || (operator.status("/readyz").await == 200).then_some(())).await;
    assert_eq!(kept(&operator).await, accepted, "something of what was refused is there");
    for outgoing in refused {
        let answer = sender.post(&server.url, &outgoing).await.unwrap();
        assert_eq!((answer.status, answer.said.duplicate), (202, false), "{answer:?}");
        accepted.insert(outgoing.id);
    }
    operator.until_all_ended().await;
    assert!(operator.tasks().await.iter().all(|task| task.state == "completed" && task.attempt == 1));
    assert_eq!(receiver.runs().len(), accepted.len(), "a task ran twice");
    assert!(server.is_alive());

    // And all of it is in the file.
    server.kill().await;
    let server = place.start().await;
    assert_eq!(kept(&Operator::of(&server.url)).await, accepted);
}

/// A delivery that compression does not make smaller.
fn incompressible(number: usize) -> Outgoing {
    let mut random = fastrand::Rng::with_seed(number as u64);
    let noise: String = std::iter::repeat_with(|| random.alphanumeric()).take(32 * 1024).collect();
    Outgoing::new("push", format!("early-{number}"), format!(r#"{{"noise":"{noise}"}}"#))
}

async fn kept(operator: &Operator) -> HashSet<String> {
    operator.deliveries().await.into_iter().map(|delivery| delivery.delivery_id).collect()
}

/// Sets how large a file of this process may become, in bytes.
fn room(process: Pid, bytes: Option<u64>) {
    let maximum = getrlimit(Resource::Fsize).maximum;
    prlimit(Some(process), Resource::Fsize, Rlimit { current: bytes, maximum }).unwrap();
}
