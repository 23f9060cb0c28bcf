//! Handlers that take several deliveries at once.

use std::sync::Arc;

use becket::{Event, State, TaskContext, TaskError, background, batch};
use becket_tasks::State as TaskState;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::Semaphore;

use crate::world::{Post, World, configured};

#[derive(Deserialize)]
struct Numbered {
    number: u64,
}

/// Takes the only slot until it is told to go on.
async fn first(State(go): State<Arc<Semaphore>>) {
    go.acquire().await.unwrap().forget();
}

#[tokio::test]
async fn queued_deliveries_are_handled_several_at_once_with_a_result_for_each() {
    async fn sum(batch: Vec<(Event<Numbered>, TaskContext)>) -> Vec<Result<(u64, usize), TaskError>> {
        let all = batch.len();
        let result = |number| if number == 2 { Err(TaskError::give_up("not two")) } else { Ok((number, all)) };
        batch.iter().map(|(Event(event), _)| result(event.number)).collect()
    }
    let go = Arc::new(Semaphore::new(0));
    let app = configured("[worker]\nconcurrency = 1")
        .state(Arc::clone(&go))
        .on("ping", background(first))
        .on("push", batch(10, sum));
    let world = World::start(app).await;
    let blocking = world.post(Post::github("ping", "a-0")).await.tasks();
    let mut tasks = Vec::new();
    for number in 0..4 {
        let body = if number == 3 { json!({}) } else { json!({ "number": number }) };
        let delivery = Post::github_body("push", &format!("a-{}", number + 1), body.to_string());
        tasks.extend(world.post(delivery).await.tasks());
    }
    go.add_permits(1);
    for task in blocking {
        world.ended(task).await;
    }
    let mut ends = Vec::new();
    for task in tasks {
        let detail = world.ended(task).await;
        let result = detail.result.map(|result| String::from_utf8(result.to_vec()).unwrap());
        ends.push((detail.task.state(), result, detail.task.error));
    }
    assert_eq!(ends[0], (TaskState::Completed, Some("[0,3]".to_owned()), None));
    assert_eq!(ends[1], (TaskState::Completed, Some("[1,3]".to_owned()), None));
    assert_eq!(ends[2], (TaskState::Failed, None, Some("not two".into())));
    assert_eq!(ends[3].0, TaskState::Failed);
    assert!(ends[3].2.as_ref().unwrap().contains("missing field"), "{:?}", ends[3]);
}
