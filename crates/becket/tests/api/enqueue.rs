//! Enqueueing a task by hand.

use becket_tasks::{State, TaskId};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::world::{KINDS, World, problem_of};

const PATH: &str = "/api/v1/tasks";

#[tokio::test]
async fn enqueued_task_runs_with_its_arguments() {
    for world in World::of_each_store().await {
        let body = r#"{"kind": "quick", "args": {"amount": 12345678901234567890.10, "a": [1]}}"#;
        let request = world.request(Method::POST, PATH).header("content-type", "application/json").body(body);
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), StatusCode::ACCEPTED);
        let location = response.headers()["location"].to_str().unwrap().to_owned();
        let task: Value = response.json().await.unwrap();
        assert_eq!(location, format!("{PATH}/{}", task["id"].as_str().unwrap()));
        assert_eq!((&task["source"], &task["event"]), (&json!("api"), &json!("quick")));
        world.engine.client().wait(task["id"].as_str().unwrap().parse().unwrap()).await.unwrap();
        let shown = world.request(Method::GET, &location).send().await.unwrap().text().await.unwrap();
        assert!(shown.contains(r#""result":{"amount": 12345678901234567890.10, "a": [1]}"#), "{shown}");
    }
}

#[tokio::test]
async fn unknown_kind_is_refused_and_the_known_ones_are_named() {
    let world = World::start().await;
    let problem = world.problem(Method::POST, PATH, Some(json!({"kind": "quik"})), 422).await;
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.starts_with("kind: no handler is registered for `quik`"), "{detail}");
    assert!(KINDS.iter().all(|kind| detail.contains(kind)), "{detail}");
    assert_eq!(world.get(PATH).await["items"], json!([]));
}

#[tokio::test]
async fn same_key_gives_the_first_task_again() {
    for world in World::of_each_store().await {
        let body = json!({"kind": "quick", "key": "nightly-1"});
        let (status, first) = world.call(Method::POST, PATH, Some(body.clone())).await;
        assert_eq!(status, StatusCode::ACCEPTED);
        assert_eq!(first["delivery_id"], "nightly-1");
        let (status, second) = world.call(Method::POST, PATH, Some(body)).await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(first["id"], second["id"]);
        assert_eq!(world.get(PATH).await["items"].as_array().unwrap().len(), 1);
    }
}

#[tokio::test]
async fn task_that_is_to_be_unique_stands_for_others_while_its_result_is_fresh() {
    for world in World::of_each_store().await {
        let body = json!({"kind": "quick", "args": {"n": 1}, "unique": "octo/repo", "fresh_for": "10m"});
        let (status, first) = world.call(Method::POST, PATH, Some(body.clone())).await;
        assert_eq!(status, StatusCode::ACCEPTED);
        world.engine.client().wait(first["id"].as_str().unwrap().parse().unwrap()).await.unwrap();
        let (status, again) = world.call(Method::POST, PATH, Some(body)).await;
        assert_eq!((status, &again["id"], &again["result"]), (StatusCode::OK, &first["id"], &json!({"n": 1})));
        let unfresh = json!({"kind": "quick", "unique": "octo/repo"});
        let (status, new) = world.call(Method::POST, PATH, Some(unfresh)).await;
        assert_eq!(status, StatusCode::ACCEPTED);
        assert_ne!(new["id"], first["id"]);
    }
}

#[tokio::test]
async fn due_time_priority_and_attempts_are_kept() {
    for world in World::of_each_store().await {
        let body = json!({"kind": "quick", "run_at": "2199-01-02T03:04:05Z", "priority": -5, "max_attempts": 7});
        let (status, task) = world.call(Method::POST, PATH, Some(body)).await;
        assert_eq!(status, StatusCode::ACCEPTED, "{task}");
        assert_eq!((&task["state"], &task["max_attempts"]), (&json!("queued"), &json!(7)));
        assert_eq!(task["run_at"], "2199-01-02T03:04:05.000Z");
        let id = task["id"].as_str().unwrap().parse().unwrap();
        assert_eq!(world.store.task(id).await.unwrap().unwrap().task.priority, -5);

        let (_, task) = world.call(Method::POST, PATH, Some(json!({"kind": "quick", "delay": "2h 5m"}))).await;
        let found = world.store.task(task["id"].as_str().unwrap().parse().unwrap()).await.unwrap().unwrap().task;
        assert_eq!(found.standing.run_at.since(found.created_at).as_secs(), 2 * 3_600 + 5 * 60);
    }
}

#[tokio::test]
async fn bad_field_is_named_with_its_rule() {
    let world = World::start().await;
    for (body, part) in [
        (json!({}), "missing field `kind`"),
        (json!({"kind": 7}), "kind: invalid type: integer `7`, expected a string"),
        (json!({"kind": "quick", "priority": 128}), "priority: invalid value: integer `128`, expected i8"),
        (json!({"kind": "quick", "delay": 30}), "delay: invalid type: integer `30`, expected a string"),
        (json!({"kind": "quick", "delay": "30"}), "delay: `30` is not a duration with a unit"),
        (json!({"kind": "quick", "run_at": "soon"}), "run_at: `soon` is not a time"),
        (json!({"kind": "quick", "run_at": "2030-01-01T00:00:00Z", "delay": "1s"}), "delay: cannot be given together"),
        (json!({"kind": "quick", "max_attempts": 0}), "max_attempts: not a whole number from 1 to 101"),
        (json!({"kind": "quick", "max_attempts": 102}), "max_attempts: not a whole number from 1 to 101"),
        (json!({"kind": "quick", "key": ""}), "key: not 1 to 256 visible ASCII characters"),
        (json!({"kind": "quick", "key": "a b"}), "key: not 1 to 256 visible ASCII characters"),
        (json!({"kind": "quick", "unique": ""}), "unique: not 1 to 256 bytes"),
        (
            json!({"kind": "quick", "fresh_for": "1m"}),
            "fresh_for: says how long the result of a `unique` task is fresh",
        ),
        (json!({"kind": "quick", "latest": true}), "latest: says what happens in a lane; give `lane`, too"),
        (json!({"kind": "quick", "on_retry": "pass"}), "on_retry: says what happens in a lane; give `lane`, too"),
        (json!({"kind": "quick", "debounce": "1s"}), "debounce: says what happens in a lane; give `lane`, too"),
        (json!({"kind": "quick", "lane": "a", "on_retry": "hodl"}), "on_retry: unknown variant `hodl`"),
        (json!({"kind": "quick", "lane": "a", "latest": "stop"}), "latest: write true, false or \"stop_running\""),
        (json!({"kind": "quick", "lane": "a", "latest": 1}), "latest: write true, false or \"stop_running\""),
        (json!({"kind": "quick", "lane": "a", "debounce": "0s"}), "debounce: not from 1ms to 1day"),
        (json!({"kind": "quick", "lane": "a", "debounce": "25h"}), "debounce: not from 1ms to 1day"),
        (json!({"kind": "quick", "lane": "a", "debounce_max": "1m"}), "debounce_max: bounds a wait for quiet"),
        (
            json!({"kind": "quick", "lane": "a", "debounce": "1m", "debounce_max": "1s"}),
            "debounce_max: is shorter than `debounce`",
        ),
        (json!({"kind": "quick", "arguments": 1}), "unknown field `arguments`, expected one of `kind`, `args`"),
    ] {
        let problem = world.problem(Method::POST, PATH, Some(body.clone()), 422).await;
        assert!(problem["detail"].as_str().unwrap().contains(part), "{body}: {problem}");
    }
    assert_eq!(world.get(PATH).await["items"], json!([]));
}

#[tokio::test]
async fn body_that_is_not_json_or_too_large_is_refused() {
    let world = World::start().await;
    let json = |body: String| world.request(Method::POST, PATH).header("content-type", "application/json").body(body);
    problem_of(json("{".to_owned()), 400).await;
    problem_of(json(format!(r#"{{"kind": "quick", "args": "{}"}}"#, "x".repeat(2 * 1_024 * 1_024))), 413).await;
    let form = world.request(Method::POST, PATH).header("content-type", "text/plain").body(r#"{"kind": "quick"}"#);
    problem_of(form, 415).await;
}

#[tokio::test]
async fn enqueued_task_has_the_lane_tenant_and_key_that_it_was_given_and_is_found_by_them() {
    for world in World::of_each_store().await {
        let body = json!({"kind": "quick", "lane": "octo/repo#12", "tenant": "17", "limit_key": "octo/repo"});
        let (status, task) = world.call(Method::POST, PATH, Some(body)).await;
        assert_eq!(status, StatusCode::ACCEPTED);
        assert_eq!((&task["lane"], &task["tenant"]), (&json!("octo/repo#12"), &json!("17")));
        assert_eq!(task["limit_key"], "octo/repo");
        let (_, plain) = world.call(Method::POST, PATH, Some(json!({"kind": "quick"}))).await;
        assert_eq!((&plain["lane"], &plain["tenant"], &plain["limit_key"]), (&Value::Null, &Value::Null, &Value::Null));
        for (query, count) in [("lane=octo/repo%2312", 1), ("tenant=17", 1), ("tenant=1", 0), ("lane=", 0)] {
            let listed = world.get(&format!("{PATH}?{query}")).await;
            assert_eq!(listed["items"].as_array().unwrap().len(), count, "{query}");
        }
        world.engine.client().wait(task["id"].as_str().unwrap().parse().unwrap()).await.unwrap();
        let (_, purged) = world
            .call(Method::POST, &format!("{PATH}/purge"), Some(json!({"lane": "octo/repo#12", "state": "completed"})))
            .await;
        assert_eq!(purged, json!({"purged": 1}));
    }
}

#[tokio::test]
async fn enqueued_task_says_itself_what_it_does_in_its_lane() {
    for world in World::of_each_store().await {
        let post = async |body: Value| {
            let (status, task) = world.call(Method::POST, PATH, Some(body)).await;
            assert_eq!(status, StatusCode::ACCEPTED, "{task}");
            task["id"].as_str().unwrap().parse::<TaskId>().unwrap()
        };
        let detail = async |id: TaskId| world.store.task(id).await.unwrap().unwrap().task;
        let far = |lane: &str, more: Value| {
            let mut body = json!({"kind": "quick", "lane": lane, "run_at": "2199-01-02T03:04:05Z"});
            body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            body
        };
        let first = post(far("a", json!({}))).await;
        let beside = post(far("a", json!({"latest": false}))).await;
        let newest = post(far("a", json!({"latest": true, "on_retry": "pass"}))).await;
        for (id, state) in [(first, State::Cancelled), (beside, State::Cancelled), (newest, State::Queued)] {
            assert_eq!(detail(id).await.state(), state);
        }
        let behind = post(json!({"kind": "quick", "lane": "a"})).await;
        let waited = world.engine.client().wait(behind).await.unwrap().task;
        assert_eq!(waited.state(), State::Completed, "the one before it lets it pass");

        let quiet = post(json!({"kind": "quick", "lane": "b", "debounce": "1h", "debounce_max": "2h"})).await;
        let quiet = detail(quiet).await;
        assert_eq!(quiet.standing.run_at.since(quiet.created_at).as_secs(), 3_600);
        let newer = post(json!({"kind": "quick", "lane": "b", "debounce": "3h"})).await;
        let newer = detail(newer).await;
        assert_eq!(detail(quiet.id).await.state(), State::Cancelled);
        assert_eq!(newer.standing.run_at.since(newer.created_at).as_secs(), 3 * 3_600, "at most six times as long");
    }
}

#[tokio::test]
async fn name_that_is_empty_or_too_long_is_refused() {
    let world = World::start().await;
    for field in ["lane", "tenant", "limit_key"] {
        for name in [String::new(), "x".repeat(257)] {
            let problem = world.problem(Method::POST, PATH, Some(json!({"kind": "quick", field: name})), 422).await;
            assert_eq!(problem["detail"], format!("{field}: not 1 to 256 bytes long"));
        }
    }
}
