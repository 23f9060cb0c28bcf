//! Deliveries and handlers do not disturb each other.

use std::sync::Arc;
use std::time::Duration;

use becket::{Event, State, TaskError, background, inline};
use becket_tasks::State as TaskState;
use futures_util::future::join_all;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::{Barrier, Semaphore};

use crate::world::{Post, World, app, configured};

#[derive(Deserialize)]
struct Numbered {
    number: usize,
}

#[tokio::test]
async fn five_deliveries_at_once_each_see_their_own_payload() {
    async fn echo(Event(event): Event<Numbered>, State(all): State<Arc<Barrier>>) -> String {
        all.wait().await; // nobody goes on before all five are here
        event.number.to_string()
    }
    let world = World::start(app().state(Arc::new(Barrier::new(5))).on("push", inline(echo))).await;
    let answers = join_all((0..5).map(|number| {
        let body = json!({ "number": number }).to_string();
        world.post(Post::github_body("push", &format!("a-{number}"), body))
    }));
    for (number, answer) in answers.await.into_iter().enumerate() {
        assert_eq!(answer.body["calls"]["echo"], number.to_string());
    }
}

#[tokio::test]
async fn handler_that_panics_or_fails_does_not_touch_the_others_of_its_delivery() {
    async fn panics() {
        panic!("on purpose");
    }
    async fn fails() -> Result<(), TaskError> {
        Err(TaskError::give_up("on purpose"))
    }
    async fn works() -> &'static str {
        "fine"
    }
    let app = app()
        .on("push", background(panics).retries(0))
        .on("push", background(works))
        .on("push", background(fails))
        .on("fork", inline(panics).named("inline_panics"))
        .on("fork", inline(works).named("inline_works"));
    let world = World::start(app).await;

    let tasks = world.post(Post::github("push", "a-1")).await.tasks();
    let mut states = Vec::new();
    for task in tasks {
        let detail = world.ended(task).await;
        states.push((detail.task.kind.to_string(), detail.task.state()));
    }
    let expected = [("panics", TaskState::Failed), ("works", TaskState::Completed), ("fails", TaskState::Failed)];
    assert_eq!(states, expected.map(|(kind, state)| (kind.to_owned(), state)));

    let answer = world.post(Post::github("fork", "a-2")).await;
    assert_eq!((answer.status, answer.tasks().len()), (500, 1));
    let works = world.tasks().await.into_iter().find(|task| &*task.kind == "inline_works").unwrap();
    assert_eq!(world.ended(works.id).await.task.state(), TaskState::Completed);
}

#[tokio::test]
async fn g6_acknowledgement_and_other_handlers_go_on_while_a_handler_is_slow_failing_or_panicking() {
    async fn slow(State(gate): State<Arc<Semaphore>>) -> Result<(), TaskError> {
        gate.acquire().await?.forget();
        Ok(())
    }
    async fn panics() {
        panic!("on purpose");
    }
    async fn fails() -> Result<(), TaskError> {
        Err(TaskError::give_up("on purpose"))
    }
    async fn works() {}
    let gate = Arc::new(Semaphore::new(0));
    let app = configured("server.inline_deadline = '1m'")
        .state(Arc::clone(&gate))
        .on("issues", background(slow))
        .on("issues", background(fails))
        .on("issues", background(panics).retries(0))
        .on("push", background(works));
    let world = World::start(app).await;

    // Nothing opens the gate yet: an answer that waited for `slow` would not come within the inline deadline.
    let answering = world.post(Post::github("issues.opened", "a-1"));
    let slow = tokio::time::timeout(Duration::from_secs(20), answering).await.expect("the answer waited for a handler");
    assert_eq!(slow.status, 202);
    let other = world.post(Post::github("push", "a-2")).await;
    assert_eq!(other.status, 202);
    assert_eq!(world.ended(other.tasks()[0]).await.task.state(), TaskState::Completed);

    let slow = slow.tasks()[0];
    let unfinished = world.running.client().get(slow).await.unwrap().unwrap();
    assert_eq!(unfinished.task.state(), TaskState::Running);
    gate.add_permits(1);
    assert_eq!(world.ended(slow).await.task.state(), TaskState::Completed);
}
