//! Senders that are too large, too slow, or too many.

use std::time::Duration;

use becket_webhooks::signature;
use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::operator::Operator;
use crate::sender::{Outgoing, SECRET, Sender};
use crate::server::{PATIENCE, Place, Server, eventually};

const MIB: usize = 1024 * 1024;
const LOG: &str = "[[routes]]\non = '*'\nto = 'log'\n";

/// A JSON object of exactly so many bytes.
fn padded(bytes: usize) -> Bytes {
    let mut body = br#"{"padding":""#.to_vec();
    body.resize(bytes - 2, b'x');
    body.extend_from_slice(br#""}"#);
    body.into()
}

/// The beginning of a request; `length` is its `Content-Length` or `Transfer-Encoding` line.
fn head(length: &str) -> String {
    format!("POST /webhooks/github HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n{length}\r\n\r\n")
}

async fn connect(server: &Server) -> TcpStream {
    TcpStream::connect(server.address()).await.unwrap()
}

/// Reads the status of an answer.
async fn status(stream: &mut (impl AsyncReadExt + Unpin)) -> String {
    let mut line = [0; 12];
    timeout(PATIENCE, stream.read_exact(&mut line)).await.expect("no answer").expect("no whole answer");
    String::from_utf8_lossy(&line).into_owned()
}

/// Reads until the other side has closed the connection.
async fn until_closed(stream: &mut (impl AsyncReadExt + Unpin)) -> String {
    let mut rest = Vec::new();
    // A reset is an end too.
    let _ = timeout(PATIENCE, stream.read_to_end(&mut rest)).await.expect("the connection stays open");
    String::from_utf8_lossy(&rest).into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn body_of_25_mib_is_taken_and_kept_whole() {
    let place = Place::new(LOG);
    let server = place.start().await;
    let tasks = Sender::new().must_post(&server.url, &Outgoing::new("push", "large", padded(25 * MIB))).await;
    assert_eq!(tasks.len(), 1);
    let operator = Operator::of(&server.url);
    operator.until_all_ended().await;
    let [kept] = operator.deliveries().await.try_into().unwrap();
    assert_eq!((kept.event.as_str(), kept.action, kept.size), ("push", None, 25 * 1024 * 1024));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn declared_body_of_26_mib_is_413_before_any_of_it_is_sent() {
    let place = Place::new(LOG);
    let server = place.start().await;
    let mut stream = connect(&server).await;
    stream.write_all(head(&format!("content-length: {}", 26 * MIB)).as_bytes()).await.unwrap();
    assert_eq!(status(&mut stream).await, "HTTP/1.1 413");
    assert!(Operator::of(&server.url).deliveries().await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streamed_body_is_413_once_it_is_too_large_and_is_not_read_to_its_end() {
    const CHUNK: usize = 64 * 1024;
    const WHOLE: usize = 128 * MIB;
    let place = Place::new(LOG);
    let server = place.start().await;
    let (mut answer, mut body) = connect(&server).await.into_split();
    let sending = tokio::spawn(async move {
        body.write_all(head("transfer-encoding: chunked").as_bytes()).await.unwrap();
        let chunk = format!("{CHUNK:x}\r\n{}\r\n", "x".repeat(CHUNK));
        let mut sent = 0;
        while sent < WHOLE && body.write_all(chunk.as_bytes()).await.is_ok() {
            sent += CHUNK;
        }
        sent
    });
    assert_eq!(status(&mut answer).await, "HTTP/1.1 413");
    let sent = timeout(PATIENCE, sending).await.expect("it reads on").unwrap();
    // The limit, what is thrown away so that the answer can be read, and what the system buffers on both sides.
    assert!((25 * MIB..25 * MIB + 32 * MIB).contains(&sent), "{} MiB were sent", sent / MIB);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sender_of_slow_headers_is_cut_off_however_it_drips() {
    let place = Place::new(&format!("server.header_timeout = '300ms'\n{LOG}"));
    let server = place.start().await;
    // One that stops, and one that sends a little now and then.
    let mut silent = connect(&server).await;
    silent.write_all(b"POST /webhooks/github HTTP/1.1\r\nhost: local").await.unwrap();
    let (mut answer, mut dripping) = connect(&server).await.into_split();
    let drip = tokio::spawn(async move {
        let mut beat = tokio::time::interval(Duration::from_millis(50));
        dripping.write_all(b"POST /webhooks/github HTTP/1.1\r\nx-long: ").await.unwrap();
        while dripping.write_all(b"x").await.is_ok() {
            beat.tick().await;
        }
    });
    assert!(!until_closed(&mut silent).await.contains(" 20"));
    assert!(!until_closed(&mut answer).await.contains(" 20"));
    timeout(PATIENCE, drip).await.expect("it reads on").unwrap();
    Sender::new().must_post(&server.url, &Outgoing::small("push", "quick")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sender_of_a_slow_body_is_cut_off_however_it_drips() {
    let place = Place::new(&format!("server.body_timeout = '300ms'\n{LOG}"));
    let server = place.start().await;
    let (mut answer, mut dripping) = connect(&server).await.into_split();
    let drip = tokio::spawn(async move {
        let mut beat = tokio::time::interval(Duration::from_millis(50));
        dripping.write_all(head("content-length: 1000000").as_bytes()).await.unwrap();
        while dripping.write_all(b"x").await.is_ok() {
            beat.tick().await;
        }
    });
    assert_eq!(status(&mut answer).await, "HTTP/1.1 408");
    until_closed(&mut answer).await;
    timeout(PATIENCE, drip).await.expect("it reads on").unwrap();
    Sender::new().must_post(&server.url, &Outgoing::small("push", "quick")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_beyond_the_limit_wait_for_a_place() {
    const PLACES: usize = 4;
    let settings = format!("server.max_connections = {PLACES}\nserver.header_timeout = '10m'\n{LOG}");
    let place = Place::new(&settings);
    let mut server = place.start().await;
    let mut holders = Vec::new();
    for _ in 0..PLACES {
        let mut holder = connect(&server).await;
        // Served once, so it is known to have a place; then it keeps it.
        holder.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
        assert_eq!(status(&mut holder).await, "HTTP/1.1 200");
        holders.push(holder);
    }

    let mut waiting = Vec::new();
    for number in 0..50 {
        let mut stream = connect(&server).await;
        stream.write_all(&closing_delivery(&format!("waited-{number}"))).await.unwrap();
        waiting.push(stream);
    }
    let too_soon = timeout(Duration::from_millis(300), status(&mut waiting[0])).await;
    assert!(too_soon.is_err(), "a connection beyond the limit was answered: {too_soon:?}");

    // One place is enough for all of them, one after the other.
    holders.pop();
    for stream in &mut waiting {
        assert_eq!(status(stream).await, "HTTP/1.1 202");
        until_closed(stream).await;
    }
    drop(holders);
    assert!(server.is_alive());
    let operator = Operator::of(&server.url);
    let all = async || (operator.deliveries().await.len() == 50).then_some(());
    eventually("all deliveries are there", all).await;
}

/// A whole request on a connection that its sender will not use again.
fn closing_delivery(id: &str) -> Vec<u8> {
    let body = r#"{"zen":"one at a time"}"#;
    let signed = signature::github(SECRET.as_bytes(), body.as_bytes());
    let headers = format!("connection: close\r\nx-github-delivery: {id}\r\nx-github-event: ping");
    let headers = format!("{headers}\r\nx-hub-signature-256: {signed}\r\ncontent-length: {}", body.len());
    [head(&headers).as_bytes(), body.as_bytes()].concat()
}
