//! Requests whose ends are in dispute: what one program takes for a body, the next one could take for a request.
//!
//! Each hides a second, signed request where only a reader that is mistaken finds it. That one must never become a delivery.

use crate::victim::{Victim, github};

/// A request in the body of another; `head` says how long the body is, in a way that can be misread.
fn smuggled(head: &str, before: &str) -> Vec<u8> {
    let inner = github("smuggled", "", b"{}");
    let head = format!("POST /webhooks/github HTTP/1.1\r\nhost: becket\r\n{head}\r\n{before}");
    [head.as_bytes(), inner.as_slice()].concat()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn body_of_disputed_length_hides_no_second_request() {
    let victim = Victim::new().await;
    let heads = [
        ("content-length: 0\r\ncontent-length: 400\r\n", ""),
        ("content-length: 400\r\ncontent-length: 0\r\n", ""),
        ("content-length: 0, 400\r\n", ""),
        ("content-length: +0\r\n", ""),
        ("content-length: -1\r\n", ""),
        ("content-length: 0x0\r\n", ""),
        ("content-length: 99999999999999999999999\r\n", ""),
        ("content-length : 0\r\n", ""),
        ("content-length:\r\n 0\r\n", ""),
        ("transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n", "0\r\n\r\n"),
        ("transfer-encoding: xchunked\r\n", "0\r\n\r\n"),
        ("transfer-encoding: chunked, gzip\r\n", "0\r\n\r\n"),
        ("transfer-encoding : chunked\r\n", "0\r\n\r\n"),
        ("transfer-encoding:\x0bchunked\r\n", "0\r\n\r\n"),
        ("transfer-encoding: chunked\r\n", "fffffffffffffffff\r\n"),
        ("transfer-encoding: chunked\r\n", "-1\r\n"),
        ("transfer-encoding: chunked\r\n", "0x0\r\n\r\n"),
        ("transfer-encoding: chunked\r\n", "1\r\nab\r\n"),
        ("transfer-encoding: chunked\r\n", ";\r\n\r\n"),
    ];
    for (head, before) in heads {
        let heard = victim.told(smuggled(head, before)).await;
        assert!(
            heard.len() <= 1 && heard.iter().all(|one| matches!(one.status, 400 | 401 | 413)),
            "{head:?}: {heard:?}"
        );
        let taken = victim.taken().await;
        assert!(taken.is_empty(), "{head:?}: {taken:?}");
    }
    victim.is_unharmed().await;
}

/// Where both are given, `Transfer-Encoding` counts and the connection ends after the answer (RFC 9112, section 6.3): what
/// follows is no request, whatever a proxy took it for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_lengths_at_once_end_the_connection() {
    let victim = Victim::new().await;
    for head in [
        "content-length: 5\r\ntransfer-encoding: chunked\r\n",
        "transfer-encoding: chunked\r\ncontent-length: 5\r\n",
        "Transfer-Encoding: Chunked\r\nContent-Length: 5\r\n",
    ] {
        let heard = victim.told(smuggled(head, "0\r\n\r\n")).await;
        assert!(heard.len() <= 1 && heard.iter().all(|one| matches!(one.status, 400 | 401)), "{head:?}: {heard:?}");
        let taken = victim.taken().await;
        assert!(taken.is_empty(), "{head:?}: {taken:?}");
    }
    victim.is_unharmed().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_http_is_refused() {
    let victim = Victim::new().await;
    let long = format!("GET /{} HTTP/1.1\r\nhost: becket\r\n\r\n", "a".repeat(100_000));
    let many = format!("GET /healthz HTTP/1.1\r\nhost: becket\r\n{}\r\n", "x: y\r\n".repeat(10_000));
    let large = format!("GET /healthz HTTP/1.1\r\nhost: becket\r\nx: {}\r\n\r\n", "y".repeat(2_000_000));
    let requests: Vec<Vec<u8>> = vec![
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(),
        b"SSH-2.0-OpenSSH_9.6\r\n\r\n".to_vec(),
        b"GET\r\n\r\n".to_vec(),
        b"GET /healthz\r\n\r\n".to_vec(),
        b"GET /healthz HTTP/9.9\r\nhost: becket\r\n\r\n".to_vec(),
        b"GET /healthz HTTP/1.1\r\nhost: becket\r\nno colon\r\n\r\n".to_vec(),
        b"GET /healthz HTTP/1.1\r\nhost: becket\r\nx: a\0b\r\n\r\n".to_vec(),
        b"GET /healthz HTTP/1.1\r\nhost: becket\r\n\xff: b\r\n\r\n".to_vec(),
        b"GET /\0 HTTP/1.1\r\nhost: becket\r\n\r\n".to_vec(),
        b"\0\0\0\0\0\0\0\0".to_vec(),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nnot a frame at all, but long enough to be one".to_vec(),
        long.into_bytes(),
        many.into_bytes(),
        large.into_bytes(),
    ];
    for request in requests {
        let shown = String::from_utf8_lossy(&request[..request.len().min(60)]).into_owned();
        if request.starts_with(b"PRI") {
            // It answers in frames.
            let mut wire = victim.wire().await;
            wire.say(&request).await.unwrap();
            drop(wire);
            continue;
        }
        let attack = async || {
            let heard = victim.told(&request).await;
            assert!(
                heard.iter().all(|one| (400..500).contains(&one.status) || one.status == 505),
                "{shown:?}: {heard:?}"
            );
        };
        victim.bears(attack).await;
    }
    victim.is_unharmed().await;
}
