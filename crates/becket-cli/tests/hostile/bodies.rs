//! Bodies that are too large, larger than they look, or never end.

use std::time::Duration;

use crate::victim::{Victim, github};

/// As the victim is configured.
const LIMIT: usize = 1024 * 1024;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn body_over_the_limit_is_413_however_it_comes() {
    let victim = Victim::new().await;
    let padded = |bytes: usize| format!("{{\"a\":\"{}\"}}", "x".repeat(bytes - 8)).into_bytes();
    assert_eq!(victim.answer(github("fits", "connection: close\r\n", &padded(LIMIT))).await.status, 202);

    let over = github("over", "connection: close\r\n", &padded(LIMIT + 1));
    victim.bears(async || assert_eq!(victim.answer(&over).await.status, 413)).await;

    // Declared only: the answer does not wait for it.
    for length in [LIMIT + 1, 1 << 40, usize::MAX >> 1] {
        let mut wire = victim.wire().await;
        let head = format!("POST /webhooks/github HTTP/1.1\r\nhost: becket\r\ncontent-length: {length}\r\n\r\n");
        wire.say(head).await.unwrap();
        assert_eq!(wire.hear().await.unwrap().status, 413, "{length}");
    }

    // In parts, none of which is large.
    let endless = async || {
        let mut wire = victim.wire().await;
        wire.say("POST /webhooks/github HTTP/1.1\r\nhost: becket\r\ntransfer-encoding: chunked\r\n\r\n").await.unwrap();
        let part = format!("1000\r\n{}\r\n", "x".repeat(0x1000));
        for _ in 0..LIMIT / 0x1000 + 16 {
            if wire.say(&part).await.is_err() {
                break;
            }
        }
        assert_eq!(wire.hear().await.unwrap().status, 413);
    };
    victim.bears(endless).await;
    assert_eq!(victim.taken().await.len(), 1);
    victim.is_unharmed().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn compressed_body_is_415_and_never_unpacked() {
    let victim = Victim::new().await;
    // What 1 GiB of zeros begins with, once it is compressed; to unpack it would take a thousand times its room.
    let bomb: Vec<u8> = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 3, 0xed, 0xc1, 1, 1, 0, 0, 0, 0x82]
        .into_iter()
        .cycle()
        .take(LIMIT / 2)
        .collect();
    for encoding in ["gzip", "br", "zstd", "deflate, gzip", "gzip, gzip, gzip"] {
        let request = github("bomb", &format!("connection: close\r\ncontent-encoding: {encoding}\r\n"), &bomb);
        let heard = victim.answer(&request).await;
        assert_eq!((heard.status, heard.header("accept-encoding")), (415, Some("identity")), "{encoding}");
    }
    let request = github("bomb", "connection: close\r\ncontent-encoding: gzip\r\n", &bomb);
    victim.bears(async || assert_eq!(victim.answer(&request).await.status, 415)).await;
    // One that does not say what it is, is no JSON.
    assert_eq!(victim.answer(github("bomb", "connection: close\r\n", &bomb)).await.status, 400);
    assert!(victim.taken().await.is_empty());
    victim.is_unharmed().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn body_that_breaks_off_becomes_nothing() {
    let victim = Victim::new().await;
    let whole = github("half", "", br#"{"zen":"half a body"}"#);
    let half = &whole[..whole.len() - 5];
    // The connection ends in the middle.
    let broken = async || {
        let mut wire = victim.wire().await;
        wire.say(half).await.unwrap();
    };
    victim.bears(broken).await;
    // Or it just stops, and is not waited for.
    let mut wire = victim.wire().await;
    wire.say(half).await.unwrap();
    assert_eq!(wire.hear().await.unwrap().status, 408);
    assert!(wire.is_cut_off_within(Duration::from_secs(30)).await);
    assert!(victim.taken().await.is_empty());
    victim.is_unharmed().await;
}
