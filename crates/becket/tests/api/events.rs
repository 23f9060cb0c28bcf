//! The stream of transitions.

use reqwest::{Method, Response};
use serde_json::{Value, json};

use crate::world::{World, delivery, problem_of};

/// Whoever reads a stream of events.
pub(crate) struct Listener {
    response: Response,
    text: String,
}

impl Listener {
    async fn to(world: &World, query: &str) -> Self {
        Self::at(world, &format!("/api/v1/events{query}")).await
    }

    pub(crate) async fn at(world: &World, path: &str) -> Self {
        let response = world.request(Method::GET, path).send().await.unwrap();
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { response, text: String::new() }
    }

    /// The name and data of the next event; `None` when the stream has ended.
    pub(crate) async fn next(&mut self) -> Option<(String, Value)> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
                let event = field("event: ").zip(field("data: "));
                self.text = rest.to_owned();
                if let Some((name, data)) = event {
                    return Some((name, serde_json::from_str(&data).unwrap()));
                }
                continue;
            }
            let chunk = self.response.chunk().await.unwrap()?;
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }
}

#[tokio::test]
async fn listener_hears_of_each_transition() {
    for world in World::of_each_store().await {
        let mut listener = Listener::to(&world, "").await;
        let inserted = world.deliver(delivery("github", "push", "d-1", &["failing"])).await;
        let mut before = Value::Null;
        while before != "failed" {
            let (name, transition) = listener.next().await.unwrap();
            assert_eq!(name, "transition");
            // A store may hand a new task to a waiting worker at once, without queueing it.
            assert_eq!(transition["from"], before, "{transition}");
            before = transition["state"].clone();
            let error = if before == "failed" { json!("it is broken") } else { Value::Null };
            assert_eq!((&transition["kind"], &transition["error"]), (&json!("failing"), &error));
            assert_eq!(transition["id"], json!(inserted.tasks[0]));
            assert_eq!(transition["delivery"], json!(inserted.submission));
        }
    }
}

#[tokio::test]
async fn listener_hears_only_of_what_it_asked_for() {
    let world = World::start().await;
    let mut listener = Listener::to(&world, "?state=completed,failed&kind=quick").await;
    world.ended(delivery("github", "push", "d-1", &["failing"])).await;
    let id = world.ended(delivery("github", "push", "d-2", &["quick"])).await;
    let (_, transition) = listener.next().await.unwrap();
    assert_eq!((&transition["id"], &transition["state"]), (&json!(id), &json!("completed")));
    problem_of(world.request(Method::GET, "/api/v1/events?state=done"), 400).await;
}

#[tokio::test]
async fn slow_listener_is_told_how_many_it_missed() {
    let world = World::start().await;
    let mut listener = Listener::to(&world, "").await;
    // One commit announces more than a listener may lag behind, before the stream can take any.
    let kinds = vec!["nobody_runs_this"; 20_000];
    world.deliver(delivery("github", "push", "d-1", &kinds)).await;
    let mut heard = 0;
    let missed = loop {
        let (name, data) = listener.next().await.unwrap();
        if name == "missed" {
            break data["missed"].as_u64().unwrap();
        }
        heard += 1;
    };
    assert!(missed > 0 && heard + missed <= 20_000, "{heard} heard, {missed} missed");
}

#[tokio::test]
async fn stream_ends_when_the_server_stops() {
    let world = World::start().await;
    let mut listener = Listener::to(&world, "").await;
    world.shutdown.cancel();
    assert_eq!(listener.next().await, None);
}

#[tokio::test]
async fn listeners_are_limited_and_a_place_becomes_free_again() {
    let world = World::start().await;
    let mut listeners = Vec::new();
    for _ in 0..64 {
        listeners.push(Listener::to(&world, "").await);
    }
    problem_of(world.request(Method::GET, "/api/v1/events"), 503).await;
    world.shutdown.cancel();
    for listener in &mut listeners {
        assert_eq!(listener.next().await, None);
    }
    Listener::to(&world, "").await;
}
