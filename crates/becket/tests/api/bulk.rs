//! One change to all that matches: counted first, at once for few, as an operation for many.

use becket_tasks::query::{Page, SubmissionFilter, TaskFilter};
use becket_tasks::{State, TaskId};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::world::{World, delivery};

/// More than are changed before the answer.
const MANY: usize = 2_001;

/// Tasks that stay queued, since no handler is registered for them; so many in a delivery.
async fn idle_tasks(world: &World, deliveries: usize, tasks: usize) {
    let kinds = vec!["nobody_runs_this"; tasks];
    let all = (0..deliveries).map(|number| delivery("github", "push", &format!("idle-{number}"), &kinds)).collect();
    world.engine.client().submit_all(all).await.unwrap();
}

async fn in_state(world: &World, state: State) -> u64 {
    world.store.counts().await.unwrap().of(state)
}

async fn post(world: &World, path: &str, body: Value) -> (StatusCode, Value) {
    world.call(Method::POST, path, Some(body)).await
}

/// Begins an operation, and answers its path.
async fn begin(world: &World, path: &str, body: Value) -> String {
    let response = world.request(Method::POST, path).json(&body).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::ACCEPTED);
    let location = response.headers()["location"].to_str().unwrap().to_owned();
    let operation: Value = response.json().await.unwrap();
    assert_eq!(location, format!("/api/v1/operations/{}", operation["id"].as_str().unwrap()));
    assert_eq!(operation["state"], "running");
    location
}

/// Asks until the operation has ended.
async fn ended(world: &World, operation: &str) -> Value {
    loop {
        let shown = world.get(operation).await;
        if shown["state"] != "running" {
            return shown;
        }
    }
}

#[tokio::test]
async fn dry_run_counts_and_changes_nothing() {
    for world in World::of_each_store().await {
        world.ended(delivery("github", "push", "d-1", &["failing"])).await;
        world.ended(delivery("billing", "push", "d-2", &["failing"])).await;
        idle_tasks(&world, 3, 1).await;
        for (path, filter, matching) in [
            ("tasks/requeue", json!({"source": "github"}), 1),
            ("tasks/purge", json!({"all": true}), 2),
            ("tasks/purge", json!({"state": "completed"}), 0),
            ("tasks/cancel", json!({"kind": "nobody_runs_this"}), 3),
            ("deliveries/replay", json!({"event": "push"}), 5),
            ("deliveries/replay", json!({"all": true, "source": "billing"}), 1),
        ] {
            let mut body = filter;
            body["dry_run"] = true.into();
            let (status, answer) = post(&world, &format!("/api/v1/{path}"), body).await;
            assert_eq!((status, answer), (StatusCode::OK, json!({"matching": matching})), "{path}");
        }
        assert_eq!((in_state(&world, State::Failed).await, in_state(&world, State::Queued).await), (2, 3));
        assert_eq!(world.get("/api/v1/operations").await["items"], json!([]));
    }
}

#[tokio::test]
async fn what_has_not_ended_is_cancelled_by_filter_with_its_reason() {
    for world in World::of_each_store().await {
        let done = world.ended(delivery("github", "push", "d-1", &["quick"])).await;
        let running = world.running("d-2").await;
        idle_tasks(&world, 1, 2).await;
        let filter = json!({"source": "github", "reason": "a mistake"});
        let (status, answer) = post(&world, "/api/v1/tasks/cancel", filter).await;
        assert_eq!((status, answer), (StatusCode::OK, json!({"cancelled": 3})));
        assert_eq!(world.state(done).await, State::Completed);
        let cancelled = world.get(&format!("/api/v1/tasks/{running}")).await;
        assert_eq!((&cancelled["state"], &cancelled["error"]), (&json!("cancelled"), &json!("a mistake")));
    }
}

#[tokio::test]
async fn impossible_selection_is_refused_and_says_why() {
    let world = World::start().await;
    let idle = world.deliver(delivery("github", "push", "d-1", &["nobody_runs_this"])).await.tasks[0];
    for (path, body, detail) in [
        ("tasks/cancel", json!({}), "give at least one condition"),
        ("tasks/cancel", json!({"dry_run": true}), "give at least one condition"),
        ("tasks/cancel", json!({"state": "completed"}), "state: `completed` is not possible here"),
        ("tasks/cancel", json!({"all": true, "reason": "x".repeat(501)}), "reason: longer than 500"),
        ("tasks/purge", json!({"all": true, "reason": "why not"}), "reason: only what is cancelled has one"),
        ("deliveries/replay", json!({}), "give at least one condition"),
        ("deliveries/replay", json!({"all": false}), "give at least one condition"),
        ("deliveries/replay", json!({"state": "failed"}), "unknown field `state`"),
    ] {
        let problem = world.problem(Method::POST, &format!("/api/v1/{path}"), Some(body.clone()), 422).await;
        assert!(problem["detail"].as_str().unwrap().contains(detail), "{path} {body}: {problem}");
    }
    assert_eq!(world.state(idle).await, State::Queued);
}

#[tokio::test]
async fn deliveries_are_replayed_by_filter_oldest_first_without_those_whose_body_is_gone() {
    for world in World::of_each_store().await {
        let mut deliveries = Vec::new();
        for number in 0..5 {
            let inserted = world.deliver(delivery("github", "push", &format!("d-{number}"), &[])).await;
            deliveries.push(inserted.submission);
        }
        world.deliver(delivery("billing", "push", "other", &[])).await;
        world.store.erase(vec![deliveries[2]]).await.unwrap();
        let (status, answer) = post(&world, "/api/v1/deliveries/replay", json!({"source": "github"})).await;
        assert_eq!((status, answer), (StatusCode::OK, json!({"replayed": 4})));
        let mut tasks: Vec<(TaskId, _)> = Vec::new();
        let listed = world.store.submissions(SubmissionFilter::default(), Page::first(10)).await.unwrap();
        for known in listed.items {
            tasks.extend(known.tasks.iter().map(|task| (*task, known.id)));
        }
        tasks.sort_unstable();
        let order: Vec<_> = tasks.into_iter().map(|(_, delivery)| delivery).collect();
        assert_eq!(order, [deliveries[0], deliveries[1], deliveries[3], deliveries[4]]);
    }
}

#[tokio::test]
async fn change_to_many_is_an_operation_that_tells_how_far_it_has_come() {
    for world in World::of_each_store().await {
        idle_tasks(&world, 3, MANY / 3).await;
        let operation = begin(&world, "/api/v1/tasks/cancel", json!({"all": true})).await;
        let shown = ended(&world, &operation).await;
        assert_eq!((&shown["state"], &shown["error"]), (&json!("completed"), &Value::Null));
        assert_eq!(
            (&shown["matching"], &shown["done"], &shown["verb"]),
            (&json!(MANY), &json!(MANY), &json!("cancel"))
        );
        assert!(shown["started_at"].is_string() && shown["ended_at"].is_string(), "{shown}");
        assert_eq!(in_state(&world, State::Cancelled).await, MANY as u64);

        let purge = begin(&world, "/api/v1/tasks/purge", json!({"state": "cancelled"})).await;
        assert_eq!(ended(&world, &purge).await["done"], MANY);
        assert_eq!(in_state(&world, State::Cancelled).await, 0);

        let items = world.get("/api/v1/operations").await["items"].clone();
        let verbs: Vec<&Value> = items.as_array().unwrap().iter().map(|item| &item["verb"]).collect();
        assert_eq!(verbs, ["purge", "cancel"], "newest first");
        world.problem(Method::GET, "/api/v1/operations/0000000000000000", None, 404).await;
    }
}

#[tokio::test]
async fn many_deliveries_are_replayed_each_once() {
    for world in World::of_each_store().await {
        idle_tasks(&world, MANY, 0).await;
        let operation = begin(&world, "/api/v1/deliveries/replay", json!({"event": "push"})).await;
        assert_eq!(ended(&world, &operation).await["done"], MANY);
        let mut page = Page::first(Page::LIMIT_MAX);
        loop {
            let listed = world.store.submissions(SubmissionFilter::default(), page).await.unwrap();
            assert!(listed.items.iter().all(|delivery| delivery.tasks.len() == 1));
            let Some(after) = listed.next else { break };
            page.after = Some(after);
        }
    }
}

#[tokio::test]
async fn stopped_operation_ends_after_its_slice_and_keeps_what_it_did() {
    let world = World::start().await;
    idle_tasks(&world, 500, 100).await;
    let operation = begin(&world, "/api/v1/tasks/cancel", json!({"all": true})).await;
    let (status, _) = world.call(Method::DELETE, &operation, None).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    let shown = ended(&world, &operation).await;
    assert_eq!(shown["state"], "cancelled");
    let done = shown["done"].as_u64().unwrap();
    assert!(done < 50_000, "{shown}");
    assert_eq!(in_state(&world, State::Cancelled).await, done);
    let problem = world.problem(Method::DELETE, &operation, None, 409).await;
    assert!(problem["detail"].as_str().unwrap().contains("ended already"), "{problem}");
}

#[tokio::test]
async fn operations_stop_with_the_server_and_no_more_run_than_may() {
    let world = World::start().await;
    idle_tasks(&world, 1_000, 100).await;
    let first = begin(&world, "/api/v1/tasks/cancel", json!({"all": true})).await;
    let second = begin(&world, "/api/v1/tasks/cancel", json!({"event": "push"})).await;
    let third = json!({"source": "github"});
    let problem = world.problem(Method::POST, "/api/v1/tasks/cancel", Some(third), 503).await;
    assert!(problem["detail"].as_str().unwrap().contains("2 operations run already"), "{problem}");
    world.shutdown.cancel();
    for operation in [first, second] {
        assert_eq!(ended(&world, &operation).await["state"], "cancelled");
    }
}

#[tokio::test]
async fn operation_whose_store_is_closed_fails_and_says_so() {
    let world = World::start().await;
    idle_tasks(&world, 1_000, 100).await;
    let operation = begin(&world, "/api/v1/tasks/cancel", json!({"all": true})).await;
    world.store.close().await.unwrap();
    let shown = ended(&world, &operation).await;
    assert_eq!(shown["state"], "failed", "{shown}");
    assert!(shown["error"].is_string());
}

/// What comes in while 50,000 tasks are purged is answered before they are gone.
#[tokio::test]
async fn tasks_are_accepted_while_an_operation_goes_on() {
    let world = World::of_each_store().await.pop().unwrap();
    for hundred in 0..5 {
        let kinds = vec!["nobody_runs_this"; 100];
        let all = (0..100).map(|number| delivery("github", "push", &format!("{hundred}-{number}"), &kinds)).collect();
        world.engine.client().submit_all(all).await.unwrap();
    }
    let all = TaskFilter::default();
    assert_eq!(world.engine.client().cancel_matching(all, "a mistake", |_| {}).await.unwrap(), 50_000);

    let operation = begin(&world, "/api/v1/tasks/purge", json!({"state": "cancelled"})).await;
    for _ in 0..20 {
        let task = json!({"kind": "quick", "args": 1});
        assert_eq!(post(&world, "/api/v1/tasks", task).await.0, StatusCode::ACCEPTED);
    }
    let meanwhile = world.get(&operation).await;
    assert_eq!(meanwhile["state"], "running", "{meanwhile}");
    let shown = ended(&world, &operation).await;
    assert_eq!((&shown["state"], &shown["done"]), (&json!("completed"), &json!(50_000)));

    let quick = TaskFilter { kind: Some("quick".into()), ..TaskFilter::default() };
    assert_eq!(world.engine.client().count_tasks(&quick, 1_000).await.unwrap(), 20);
    assert_eq!(world.engine.client().count_tasks(&quick, 7).await.unwrap(), 7);
}
