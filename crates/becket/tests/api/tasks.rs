//! Tasks: list, show, run again, cancel, delete.

use std::collections::BTreeSet;

use becket_tasks::State;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::world::{World, delivery};

const FIELDS: [&str; 17] = [
    "action",
    "attempt",
    "created_at",
    "delivery_id",
    "error",
    "event",
    "id",
    "kind",
    "lane",
    "limit_key",
    "max_attempts",
    "result",
    "run_at",
    "source",
    "state",
    "tenant",
    "updated_at",
];

fn ids(listing: &Value) -> Vec<String> {
    listing["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
}

fn fields(object: &Value) -> Vec<&str> {
    object.as_object().unwrap().keys().map(String::as_str).collect()
}

#[tokio::test]
async fn task_is_shown_with_its_fields_attempts_and_result() {
    for world in World::of_each_store().await {
        let id = world.ended(delivery("github", "issues.opened", "d-1", &["quick"])).await;
        let task = world.get(&format!("/api/v1/tasks/{id}")).await;
        let mut expected: Vec<&str> = FIELDS.to_vec();
        expected.extend(["attempts", "progress", "steps"]);
        expected.sort_unstable();
        assert_eq!(fields(&task), expected);
        assert_eq!(task["id"], id.to_string());
        assert_eq!(task["kind"], "quick");
        assert_eq!(task["state"], "completed");
        assert_eq!(task["source"], "github");
        assert_eq!(task["event"], "issues");
        assert_eq!(task["action"], "opened");
        assert_eq!(task["delivery_id"], "d-1");
        assert_eq!((&task["attempt"], &task["max_attempts"]), (&json!(1), &json!(1)));
        assert_eq!(task["error"], Value::Null);
        assert_eq!(task["result"], json!({"number": 1.10}));
        assert_eq!((&task["steps"], &task["progress"]), (&json!([]), &Value::Null));
        assert!(task["created_at"].as_str().unwrap().ends_with('Z'), "{task}");
        let attempt = &task["attempts"][0];
        assert_eq!(fields(attempt), ["attempt", "ended_at", "error", "outcome", "started_at", "worker"]);
        assert_eq!((&attempt["attempt"], &attempt["outcome"]), (&json!(1), &json!("completed")));
    }
}

#[tokio::test]
async fn failed_task_tells_its_error() {
    let world = World::start().await;
    let id = world.ended(delivery("github", "push", "d-1", &["failing"])).await;
    let task = world.get(&format!("/api/v1/tasks/{id}")).await;
    assert_eq!((&task["state"], &task["error"]), (&json!("failed"), &json!("it is broken")));
    assert_eq!(task["attempts"][0]["outcome"], "failed");
}

#[tokio::test]
async fn list_is_filtered_by_every_given_condition() {
    for world in World::of_each_store().await {
        let quick = world.ended(delivery("github", "issues.opened", "d-1", &["quick"])).await.to_string();
        let failing = world.ended(delivery("github", "issues.closed", "d-2", &["failing"])).await.to_string();
        let billing = world.ended(delivery("billing", "invoice.paid.late", "d-3", &["quick"])).await.to_string();
        let all = [&billing, &failing, &quick].map(String::as_str);
        for (filter, expected) in [
            ("", &all[..]),
            ("?state=completed", &[&*billing, &*quick]),
            ("?state=failed,cancelled", &[&*failing]),
            ("?source=github", &[&*failing, &*quick]),
            ("?event=issues", &[&*failing, &*quick]),
            ("?event=issues.opened", &[&*quick]),
            ("?event=issues&action=closed", &[&*failing]),
            ("?event=invoice.paid.late", &[&*billing]),
            ("?event=", &[]),
            ("?kind=quick&source=github", &[&*quick]),
            ("?since=2020-01-01T00:00:00Z", &all),
            ("?until=2020-01-01T00:00:00Z", &[]),
            ("?since=2200-01-01T00:00:00Z", &[]),
        ] {
            let listing = world.get(&format!("/api/v1/tasks{filter}")).await;
            assert_eq!(ids(&listing), expected, "{filter}");
            assert_eq!(listing["next_cursor"], Value::Null);
        }
        let listing = world.get("/api/v1/tasks").await;
        assert_eq!(fields(&listing["items"][0]), FIELDS);
    }
}

#[tokio::test]
async fn pages_cover_all_tasks_once_newest_first() {
    for world in World::of_each_store().await {
        for number in 0..7 {
            world.deliver(delivery("github", "push", &format!("d-{number}"), &["quick"])).await;
        }
        let (mut path, mut seen, mut pages) = ("/api/v1/tasks?limit=3".to_owned(), Vec::new(), 0);
        loop {
            let listing = world.get(&path).await;
            seen.extend(ids(&listing));
            pages += 1;
            let Some(cursor) = listing["next_cursor"].as_str() else { break };
            path = format!("/api/v1/tasks?limit=3&cursor={cursor}");
        }
        assert_eq!(pages, 3);
        assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), 7);
        assert!(seen.is_sorted_by(|newer, older| newer > older), "{seen:?}");
    }
}

#[tokio::test]
async fn bad_parameter_is_named_with_its_rule() {
    let world = World::start().await;
    world.deliver(delivery("github", "push", "d-1", &["quick"])).await;
    world.deliver(delivery("github", "push", "d-2", &["quick"])).await;
    let cursor = world.get("/api/v1/deliveries?limit=1").await["next_cursor"].as_str().unwrap().to_owned();
    for (query, detail) in [
        ("limit=0", "limit: `0` is not a whole number from 1 to 1000".to_owned()),
        ("limit=1001", "limit: `1001` is not".to_owned()),
        ("limit=-1", "limit: `-1` is not".to_owned()),
        ("limit=ten", "limit: `ten` is not".to_owned()),
        ("state=done", "state: `done` is not a state; states are waiting".to_owned()),
        ("since=yesterday", "since: `yesterday` is not a time; write it as RFC 3339".to_owned()),
        ("cursor=garbage", "cursor: not a cursor of this list".to_owned()),
        (&*format!("cursor={cursor}"), "cursor: not a cursor of this list".to_owned()),
        ("sate=failed", "unknown field `sate`, expected one of `state`".to_owned()),
        ("kind=a&kind=b", "duplicate field `kind`".to_owned()),
    ] {
        let problem = world.problem(Method::GET, &format!("/api/v1/tasks?{query}"), None, 400).await;
        assert!(problem["detail"].as_str().unwrap().contains(&detail), "{query}: {problem}");
        assert_eq!(problem["instance"], "/api/v1/tasks");
    }
}

#[tokio::test]
async fn older_words_for_states_are_understood() {
    let world = World::start().await;
    let id = world.running("d-1").await;
    assert_eq!(ids(&world.get("/api/v1/tasks?state=processing").await), [id.to_string()]);
    assert!(ids(&world.get("/api/v1/tasks?state=pending").await).is_empty());
    world.go.add_permits(1);
}

#[tokio::test]
async fn senders_id_leads_to_the_only_task_of_its_delivery() {
    for world in World::of_each_store().await {
        let id = world.ended(delivery("github", "push", "72d3162e-cc78", &["quick"])).await;
        let task = world.get("/api/v1/tasks/72d3162e-cc78").await;
        assert_eq!(task["id"], id.to_string());
        let several = world.deliver(delivery("github", "push", "several", &["quick", "failing"])).await;
        let problem = world.problem(Method::GET, "/api/v1/tasks/several", None, 409).await;
        assert_eq!(problem["candidates"], json!(several.tasks));
        for unknown in ["nobody", "0000000000000", "a%20b"] {
            world.problem(Method::GET, &format!("/api/v1/tasks/{unknown}"), None, 404).await;
        }
    }
}

#[tokio::test]
async fn finished_task_is_run_again_from_the_start() {
    for world in World::of_each_store().await {
        let id = world.ended(delivery("github", "push", "d-1", &["failing"])).await;
        let (status, task) = world.call(Method::POST, &format!("/api/v1/tasks/{id}/requeue"), None).await;
        assert_eq!(status, StatusCode::OK, "{task}");
        assert_eq!(task["id"], id.to_string());
        world.engine.client().wait(id).await.unwrap();
        let task = world.get(&format!("/api/v1/tasks/{id}")).await;
        assert_eq!(task["attempts"].as_array().unwrap().len(), 2);
        assert_eq!(task["attempt"], 1, "the attempt before the requeue is forgiven");
    }
}

#[tokio::test]
async fn running_task_is_not_run_again_and_not_deleted() {
    for world in World::of_each_store().await {
        let id = world.running("d-1").await;
        let problem = world.problem(Method::POST, &format!("/api/v1/tasks/{id}/requeue"), None, 409).await;
        assert!(problem["detail"].as_str().unwrap().contains("the task is running"), "{problem}");
        world.problem(Method::DELETE, &format!("/api/v1/tasks/{id}"), None, 409).await;
        assert_eq!(world.state(id).await, State::Running);
        world.go.add_permits(1);
    }
}

#[tokio::test]
async fn unfinished_task_is_cancelled_with_its_reason() {
    for world in World::of_each_store().await {
        let id = world.running("d-1").await;
        let path = format!("/api/v1/tasks/{id}/cancel");
        let (status, task) = world.call(Method::POST, &path, Some(json!({"reason": "not wanted"}))).await;
        assert_eq!(status, StatusCode::OK, "{task}");
        assert_eq!((&task["state"], &task["error"]), (&json!("cancelled"), &json!("not wanted")));
        world.problem(Method::POST, &path, None, 409).await;
        world.problem(Method::POST, &path, Some(json!({"reason": "x".repeat(501)})), 422).await;
    }
}

#[tokio::test]
async fn task_is_cancelled_without_a_reason_too() {
    let world = World::start().await;
    let id = world.running("d-1").await;
    let (status, task) = world.call(Method::POST, &format!("/api/v1/tasks/{id}/cancel"), None).await;
    assert_eq!(status, StatusCode::OK, "{task}");
    assert_eq!(task["error"], "cancelled through the API");
}

#[tokio::test]
async fn finished_task_is_deleted() {
    for world in World::of_each_store().await {
        let id = world.ended(delivery("github", "push", "d-1", &["failing"])).await;
        let path = format!("/api/v1/tasks/{id}");
        let (status, _) = world.call(Method::DELETE, &path, None).await;
        assert_eq!(status, StatusCode::NO_CONTENT);
        world.problem(Method::GET, &path, None, 404).await;
        world.problem(Method::DELETE, &path, None, 404).await;
    }
}

#[tokio::test]
async fn requeue_by_filter_means_the_dead_letters_unless_it_names_a_state() {
    for world in World::of_each_store().await {
        let done = world.ended(delivery("github", "push", "d-1", &["quick"])).await;
        let dead = world.ended(delivery("github", "push", "d-2", &["failing"])).await;
        world.ended(delivery("billing", "invoice", "d-3", &["failing"])).await;
        let (status, answer) =
            world.call(Method::POST, "/api/v1/tasks/requeue", Some(json!({"source": "github"}))).await;
        assert_eq!((status, answer), (StatusCode::OK, json!({"requeued": 1})));
        world.engine.client().wait(dead).await.unwrap();
        let attempts = |task: &Value| task["attempts"].as_array().unwrap().len();
        assert_eq!(attempts(&world.get(&format!("/api/v1/tasks/{dead}")).await), 2);
        assert_eq!(attempts(&world.get(&format!("/api/v1/tasks/{done}")).await), 1);
        let named = json!({"state": ["completed"]});
        let (_, answer) = world.call(Method::POST, "/api/v1/tasks/requeue", Some(named)).await;
        assert_eq!(answer, json!({"requeued": 1}));
    }
}

#[tokio::test]
async fn requeue_of_all_takes_more_than_one_slice() {
    let world = World::start().await;
    let kinds = vec!["nobody_runs_this"; 1_203];
    let inserted = world.deliver(delivery("github", "push", "d-1", &kinds)).await;
    let cancelled = world.engine.client().cancel(&inserted.tasks, "test").await.unwrap();
    assert_eq!(cancelled.len(), 1_203);
    let body = json!({"all": true, "state": ["cancelled"]});
    let (_, answer) = world.call(Method::POST, "/api/v1/tasks/requeue", Some(body)).await;
    assert_eq!(answer, json!({"requeued": 1_203}));
}

#[tokio::test]
async fn purge_by_filter_deletes_finished_tasks_only() {
    for world in World::of_each_store().await {
        let running = world.running("d-1").await;
        let done = world.ended(delivery("github", "push", "d-2", &["quick"])).await;
        world.ended(delivery("github", "push", "d-3", &["failing"])).await;
        let (status, answer) = world.call(Method::POST, "/api/v1/tasks/purge", Some(json!({"all": true}))).await;
        assert_eq!((status, answer), (StatusCode::OK, json!({"purged": 1})));
        assert_eq!(world.state(done).await, State::Completed);
        let body = json!({"state": "running"});
        let problem = world.problem(Method::POST, "/api/v1/tasks/purge", Some(body), 422).await;
        assert!(problem["detail"].as_str().unwrap().starts_with("state: `running`"), "{problem}");
        assert_eq!(world.state(running).await, State::Running);
        world.go.add_permits(1);
    }
}

#[tokio::test]
async fn bulk_change_without_a_condition_changes_nothing() {
    let world = World::start().await;
    let dead = world.ended(delivery("github", "push", "d-1", &["failing"])).await;
    for path in ["/api/v1/tasks/requeue", "/api/v1/tasks/purge"] {
        for body in [json!({}), json!({"all": false}), json!({"sorce": "github"})] {
            world.problem(Method::POST, path, Some(body), 422).await;
        }
        world.problem(Method::POST, path, None, 415).await;
    }
    assert_eq!(world.state(dead).await, State::Failed);
    assert_eq!(world.get(&format!("/api/v1/tasks/{dead}")).await["attempts"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn unknown_endpoints_and_methods_are_problems_too() {
    let world = World::start().await;
    let problem = world.problem(Method::GET, "/api/v1/nothing", None, 404).await;
    assert_eq!(problem["instance"], "/api/v1/nothing");
    world.problem(Method::PUT, "/api/v1/tasks", None, 405).await;
    let response = world.request(Method::PUT, "/api/v1/tasks").send().await.unwrap();
    let allow = response.headers()["allow"].to_str().unwrap();
    assert!(allow.contains("GET") && allow.contains("POST"), "{allow}");
}
