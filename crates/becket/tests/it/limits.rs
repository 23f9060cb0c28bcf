//! Senders that are too large, too slow or too many.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use becket::{App, Config, inline};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use crate::world::{Answer, Post, SECRET, World, configured, send};

const MIB: usize = 1024 * 1024;

async fn world(toml: &str) -> World {
    World::start(configured(toml).on("push", || async {})).await
}

async fn connect(world: &World) -> TcpStream {
    TcpStream::connect(world.running.local_addr()).await.unwrap()
}

/// A request as bytes; what is declared need not be what comes.
fn request(declared: usize, body: &str) -> String {
    format!("POST /webhooks/github HTTP/1.1\r\nhost: localhost\r\ncontent-length: {declared}\r\n\r\n{body}")
}

async fn rest(mut stream: TcpStream) -> String {
    let mut text = Vec::new();
    // A reset says the same as an end.
    let _ = stream.read_to_end(&mut text).await;
    String::from_utf8(text).unwrap()
}

/// A JSON object of exactly this size.
fn padded(bytes: usize) -> Vec<u8> {
    let mut body = br#"{"a":""#.to_vec();
    body.resize(bytes - 2, b'x');
    body.extend_from_slice(br#""}"#);
    body
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn body_of_25_mib_is_taken() {
    let world = world("").await;
    let answer = world.post(Post::github_body("push", "a-1", padded(25 * MIB))).await;
    assert_eq!(answer.status, 200, "{:?}", answer.body);
    assert_eq!(world.deliveries().await[0].payload_bytes, 25 * 1024 * 1024);
}

#[tokio::test]
async fn declared_body_over_the_limit_is_413_before_any_of_it_is_sent() {
    let world = world("").await;
    let mut stream = connect(&world).await;
    stream.write_all(request(26 * MIB, "").as_bytes()).await.unwrap();
    let mut head = [0; 12];
    stream.read_exact(&mut head).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 413");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sender_of_a_body_over_the_limit_can_read_its_answer() {
    let world = world("").await;
    let answer = world.post(Post::github_body("push", "a-1", padded(26 * MIB))).await;
    assert_eq!(answer.status, 413);
    assert!(world.deliveries().await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streaming_sender_that_writes_everything_first_reads_413_later() {
    let world = world("").await;
    let mut stream = connect(&world).await;
    stream
        .write_all(b"POST /webhooks/github HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n")
        .await
        .unwrap();
    let mut chunk = format!("{MIB:x}\r\n").into_bytes();
    chunk.resize(chunk.len() + MIB, b'x');
    chunk.extend_from_slice(b"\r\n");
    for _ in 0..26 {
        stream.write_all(&chunk).await.unwrap();
    }
    stream.write_all(b"0\r\n\r\n").await.unwrap();
    let mut head = [0; 12];
    stream.read_exact(&mut head).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 413");
}

#[tokio::test]
async fn large_body_that_finds_no_room_is_503_and_finds_it_later() {
    let toml = format!(
        "server.body_memory = '1KiB'\nsources.hub = {{ kind = 'github', secret = '{SECRET}', body_limit = '1MiB' }}"
    );
    let (began, mut begun) = tokio::sync::mpsc::unbounded_channel();
    let gate = Arc::new(Semaphore::new(0));
    let opened = Arc::clone(&gate);
    let held = move || {
        let (began, gate) = (began.clone(), Arc::clone(&opened));
        async move {
            began.send(()).unwrap();
            gate.acquire().await.map(tokio::sync::SemaphorePermit::forget)
        }
    };
    let config = Config::from_toml(&toml).unwrap();
    let app = App::new().config(config).listen((Ipv4Addr::LOCALHOST, 0)).on("push", inline(held).named("held"));
    let world = World::start(app).await;
    let large = |id| Post::github_body("push", id, padded(600 * 1024)).path("/webhooks/hub");

    let second = async {
        begun.recv().await.unwrap();
        let refused = world.post(large("a-2")).await;
        gate.add_permits(1);
        refused
    };
    let (first, refused) = tokio::join!(world.post(large("a-1")), second);
    assert_eq!((first.status, refused.status), (200, 503), "{refused:?}");
    assert_eq!(refused.headers["content-type"], "application/problem+json");
    assert!(refused.headers.contains_key("retry-after"));

    gate.add_permits(1);
    assert_eq!(world.post(large("a-2")).await.status, 200);
}

#[tokio::test]
async fn streamed_body_is_413_once_it_grows_over_the_limit() {
    let toml = format!("[sources.small]\nkind = 'github'\nsecret = '{SECRET}'\nbody_limit = '1KiB'");
    let world = world(&toml).await;
    let chunks = futures_util::stream::iter((0..100).map(|_| Ok::<_, std::io::Error>(vec![b'x'; 100])));
    let body = reqwest::Body::wrap_stream(chunks);
    let response = reqwest::Client::new().post(world.running.url("/webhooks/small")).body(body).send().await.unwrap();
    assert_eq!(response.status(), 413);
}

#[tokio::test]
async fn sender_that_does_not_finish_its_headers_is_cut_off() {
    let world = world("server.header_timeout = '100ms'").await;
    for beginning in ["", "P", "PRI * HTTP/2.0\r\n", "POST /webhooks/github HTTP/1.1\r\nhost: localhost\r\n"] {
        let mut stream = connect(&world).await;
        stream.write_all(beginning.as_bytes()).await.unwrap();
        let heard = rest(stream).await;
        assert!(!heard.contains(" 2"), "{beginning:?} was answered {heard:?}");
    }
}

#[tokio::test]
async fn sender_that_does_not_finish_its_body_is_answered_408() {
    let world = world("server.body_timeout = '100ms'").await;
    let mut stream = connect(&world).await;
    stream.write_all(request(100, "{").as_bytes()).await.unwrap();
    assert!(rest(stream).await.starts_with("HTTP/1.1 408 "));
}

#[tokio::test]
async fn idle_connection_is_closed_and_one_with_an_open_request_is_not() {
    let world = world("server.header_timeout = '100ms'\nserver.body_timeout = '400ms'").await;
    let mut idle = connect(&world).await;
    idle.write_all(b"GET /nothing HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    assert!(rest(idle).await.starts_with("HTTP/1.1 404 "));
    // Four times the header timeout later, the body's own timeout answers.
    let mut open = connect(&world).await;
    open.write_all(request(100, "{").as_bytes()).await.unwrap();
    assert!(rest(open).await.starts_with("HTTP/1.1 408 "));
}

#[tokio::test]
async fn connection_over_the_limit_waits_until_another_ends() {
    let world = world("server.max_connections = 1").await;
    let mut first = connect(&world).await;
    first.write_all(request(2, "{}").as_bytes()).await.unwrap();
    let mut head = [0; 12];
    first.read_exact(&mut head).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 401");

    let mut second = connect(&world).await;
    second.write_all(request(2, "{}").as_bytes()).await.unwrap();
    let early = tokio::time::timeout(Duration::from_millis(100), second.read_exact(&mut head)).await;
    assert!(early.is_err(), "the second connection was served beside the first");
    drop(first);
    second.read_exact(&mut head).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 401");
}

#[tokio::test]
async fn http_2_is_spoken_too() {
    let world = world("").await;
    let client = reqwest::Client::builder().http2_prior_knowledge().build().unwrap();
    let response = send(&client, &world.running.url("/webhooks/github"), Post::github("push", "a-1")).await.unwrap();
    assert_eq!(response.version(), reqwest::Version::HTTP_2);
    assert_eq!(Answer::of(response).await.status, 200);
}
