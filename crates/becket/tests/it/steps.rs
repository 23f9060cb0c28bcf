//! Steps, sleep and progress in handlers of an application, watched over a real connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use becket::{TaskContext, TaskError, background};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::Semaphore;

use crate::socket::Socket;
use crate::world::{Post, World, app, configured};

#[tokio::test]
async fn handler_sleeps_and_goes_on_where_it_was_while_a_socket_watches_it() {
    let (runs, go) = (Arc::new(AtomicU32::new(0)), Arc::new(Semaphore::new(0)));
    let handler = {
        let (runs, go) = (Arc::clone(&runs), Arc::clone(&go));
        move |task: TaskContext| {
            let (runs, go) = (Arc::clone(&runs), Arc::clone(&go));
            async move {
                go.acquire().await?.forget();
                let first = task.step("first", async || Ok(runs.fetch_add(1, Ordering::SeqCst))).await?;
                task.sleep(Duration::from_millis(1)).await?;
                task.progress(1, 2, "awake");
                Ok::<_, TaskError>(first)
            }
        }
    };
    let world = World::start(app().on("push", background(handler))).await;
    let task = world.post(Post::github("push", "a-1")).await.tasks()[0];
    let path = format!("/api/v1/tasks/{task}/events");
    let mut socket = Socket::open(world.running.local_addr(), &path, "").await.unwrap();
    let (name, data) = socket.next().await.unwrap();
    assert_eq!((&*name, &data["id"]), ("task", &json!(task)));
    go.add_permits(2);
    let mut heard = Vec::new();
    while let Some((name, data)) = socket.next().await {
        heard.push((name, data));
    }
    let states = heard.iter().filter_map(|(_, data)| data["state"].as_str()).collect::<Vec<_>>();
    // It may have been claimed before the socket was opened.
    let expected = ["running", "queued", "running", "completed"];
    assert!(expected.ends_with(&states), "{heard:?}");
    assert!(heard.iter().any(|(name, data)| name == "progress" && data["message"] == "awake"), "{heard:?}");
    assert_eq!(runs.load(Ordering::SeqCst), 1);
    world.running.shutdown().await;
}

/// Nothing is said for many times the time after which an idle connection is closed; the stream is not idle.
#[tokio::test]
async fn stream_of_events_outlives_the_idle_time_of_its_connection() {
    let (begun, go) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let handler = {
        let (begun, go) = (Arc::clone(&begun), Arc::clone(&go));
        move || {
            let (begun, go) = (Arc::clone(&begun), Arc::clone(&go));
            async move {
                begun.add_permits(1);
                go.acquire().await?.forget();
                Ok::<_, TaskError>(())
            }
        }
    };
    let app = configured("server.header_timeout = '100ms'").on("push", background(handler));
    let world = World::start(app).await;
    let task = world.post(Post::github("push", "a-1")).await.tasks()[0];
    begun.acquire().await.unwrap().forget();
    let stream = reqwest::get(world.running.url(&format!("/api/v1/tasks/{task}/events"))).await.unwrap();
    for _ in 0..5 {
        let mut idle = tokio::net::TcpStream::connect(world.running.local_addr()).await.unwrap();
        idle.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
        idle.read_to_end(&mut Vec::new()).await.unwrap();
    }
    go.add_permits(1);
    let told = stream.text().await.unwrap();
    assert!(told.contains("event: task\n") && told.contains("\"state\":\"completed\""), "{told}");
    world.running.shutdown().await;
}
