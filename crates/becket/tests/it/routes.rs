//! Routes of the configuration beside handlers in code.

use std::net::Ipv4Addr;
use std::sync::Arc;

use becket::inline;
use becket_tasks::State;
use tokio::sync::mpsc;

use crate::world::{Post, SECRET, World, configured};

/// A program of somebody's that takes deliveries, and what it is sent.
async fn target() -> (String, mpsc::UnboundedReceiver<(http::HeaderMap, String)>) {
    let (sender, received) = mpsc::unbounded_channel();
    let sender = Arc::new(sender);
    let hook = move |headers: http::HeaderMap, body: String| async move {
        sender.send((headers, body)).unwrap();
        "taken"
    };
    let router = axum::Router::new().route("/hook", axum::routing::post(hook));
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, received)
}

#[tokio::test]
async fn route_posts_the_original_body_to_its_target_beside_the_handlers_in_code() {
    let (url, mut received) = target().await;
    let toml = format!(
        "[[routes]]\non = ['issues.opened', 'push']\nto = {{ http = '{url}', allow_private = true }}\nretries = 4\n\
         [[routes]]\non = '*'\nto = 'log'\nname = 'everything'"
    );
    let world = World::start(configured(&toml).on("push", inline(|| async { "in code" }).named("code"))).await;
    let post = Post::github("push", "a-1");
    let answer = world.post(post.clone()).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body["calls"]["code"], "in code");

    let (headers, body) = received.recv().await.unwrap();
    assert_eq!(body.as_bytes(), post.body);
    assert_eq!(headers["x-github-delivery"], "a-1");
    let tasks = answer.tasks();
    assert_eq!(headers["becket-task-id"].to_str().unwrap(), tasks[0].to_string());
    assert_eq!(headers["becket-attempt"], "1");

    let posted = world.ended(tasks[0]).await;
    assert_eq!((posted.task.state(), posted.task.standing.max_attempts), (State::Completed, 5));
    assert_eq!(*posted.task.kind, *url.replace("http://", "http:"));
    assert_eq!(&*world.ended(tasks[1]).await.task.kind, "everything");
}

#[tokio::test]
async fn route_of_one_source_takes_nothing_from_another() {
    let toml = format!(
        "[sources.hub]\nkind = 'github'\nsecret = '{SECRET}'\n[[routes]]\non = '*'\nsource = 'hub'\nto = 'log'"
    );
    let world = World::start(configured(&toml)).await;
    assert_eq!(world.post(Post::github("push", "a-1")).await.body["status"], "MISS");
    let other = world.post(Post::github("push", "a-2").path("/webhooks/hub")).await;
    assert_eq!(other.body["status"], "ACCEPTED");
}
