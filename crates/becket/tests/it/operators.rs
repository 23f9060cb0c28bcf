//! What operators see of what senders do: rejections with their reasons, metrics, and replays.

use becket::{background, inline};
use serde_json::{Value, json};

use crate::world::{Answer, Post, World, app};

async fn get(world: &World, path: &str) -> Value {
    Answer::of(reqwest::get(world.running.url(path)).await.unwrap()).await.body
}

#[tokio::test]
async fn refused_request_is_explained_to_the_operator() {
    let world = World::start(app().on("push", || async {})).await;
    world.post(Post::github("push", "a-1").signed("another secret")).await;
    let rejections = get(&world, "/api/v1/rejections").await;
    let rejection = &rejections["items"][0];
    let expected = json!(["github", 401, "wrong_secret", "a-1", "push", "127.0.0.1"]);
    let names = ["source", "status", "reason", "delivery_id", "event", "remote"];
    assert_eq!(Value::from_iter(names.map(|name| rejection[name].clone())), expected, "{rejection}");
    assert!(rejection["headers"].as_array().unwrap().contains(&json!("x-hub-signature-256")), "{rejection}");
}

#[tokio::test]
async fn answers_and_rejections_are_counted() {
    let world = World::start(app().on("push", || async {})).await;
    world.post(Post::github("push", "a-1")).await;
    world.post(Post::github("fork", "a-2")).await;
    world.post(Post::github("fork", "a-2")).await;
    world.post(Post::github("push", "a-3").signed("another secret")).await;
    let Value::String(page) = get(&world, "/metrics").await else { panic!("no page") };
    for answer in ["hit", "miss", "duplicate"] {
        let counted = |line: &str| line.contains(&format!("answer=\"{answer}\"")) && line.ends_with(" 1");
        assert!(page.lines().any(counted), "{answer} is not counted once:\n{page}");
    }
    let rejected = |line: &str| line.contains("reason=\"wrong_secret\"") && line.ends_with(" 1");
    assert!(page.lines().any(rejected), "the rejection is not counted:\n{page}");
}

#[tokio::test]
async fn replayed_delivery_goes_through_the_handlers_again() {
    async fn count(delivery: becket::Delivery) -> String {
        delivery.delivery_id().unwrap_or_default().to_owned()
    }
    let world = World::start(app().on("push", background(count)).on("push", inline(count).named("second"))).await;
    world.post(Post::github("push", "a-1")).await;
    let delivery = world.deliveries().await[0].id;
    let url = world.running.url(&format!("/api/v1/deliveries/{delivery}/replay"));
    let answer = Answer::of(reqwest::Client::new().post(url).send().await.unwrap()).await;
    assert!((200..300).contains(&answer.status), "{answer:?}");

    let tasks = world.tasks().await;
    assert_eq!(tasks.len(), 4);
    for task in tasks {
        let detail = world.ended(task.id).await;
        assert_eq!((detail.task.submission, detail.result.as_deref()), (delivery, Some(&b"\"a-1\""[..])));
    }
    assert_eq!(world.deliveries().await.len(), 1);
}
