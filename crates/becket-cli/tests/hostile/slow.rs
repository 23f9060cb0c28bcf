//! Senders that take their time, many of them, so that none is left for others.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::sleep;

use crate::victim::{Victim, github};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_that_never_finish_their_headers_are_cut_off_and_others_are_served() {
    let victim = Victim::new().await;
    let dribble = async |_| {
        let mut wire = victim.wire().await;
        let request = github("slow", "", b"{}");
        for byte in request {
            if wire.say([byte]).await.is_err() {
                break;
            }
            sleep(Duration::from_millis(50)).await;
        }
        // Whatever it hears, it is not that it was accepted: the headers alone take many times the server's patience.
        wire.hear_out().await
    };
    let (heard, ()) = tokio::join!(join_all((0..200).map(dribble)), async {
        for _ in 0..20 {
            victim.is_unharmed().await;
        }
    });
    assert!(heard.iter().flatten().all(|one| one.status == 408 || one.status == 400), "{heard:?}");
    assert!(victim.taken().await.is_empty());
    victim.is_unharmed().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_that_never_finish_their_bodies_are_408_and_others_are_served() {
    let victim = Victim::new().await;
    let stuck = async |_| {
        let mut wire = victim.wire().await;
        let request = github("stuck", "", &b"{}".repeat(1_000));
        wire.say(&request[..request.len() - 1_000]).await.unwrap();
        wire.hear_out().await
    };
    let (heard, ()) = tokio::join!(join_all((0..200).map(stuck)), async {
        for _ in 0..20 {
            victim.is_unharmed().await;
        }
    });
    for one in heard {
        assert_eq!(one.iter().map(|one| one.status).collect::<Vec<_>>(), [408]);
    }
    assert!(victim.taken().await.is_empty());
    victim.is_unharmed().await;
}

/// Its answers have nowhere to go, and are not kept for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sender_that_never_reads_holds_up_nobody() {
    let victim = Victim::new().await;
    let request = b"GET /openapi.json HTTP/1.1\r\nhost: becket\r\n\r\n".repeat(200);
    let deaf = async || {
        let mut wire = victim.wire().await;
        // It stops listening when it cannot get rid of its answers.
        let _ = tokio::time::timeout(Duration::from_millis(200), wire.say(&request)).await;
    };
    victim.bears(deaf).await;
    victim.is_unharmed().await;
}
