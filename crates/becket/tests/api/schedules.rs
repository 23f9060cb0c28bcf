//! Schedules: listed, paused, resumed, fired by hand.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::world::World;

const PATH: &str = "/api/v1/schedules";

#[tokio::test]
async fn schedules_are_listed_with_all_that_is_known_of_them() {
    for world in World::of_each_store().await {
        let list = world.get(PATH).await;
        assert_eq!((list["items"].as_array().unwrap().len(), &list["next_cursor"]), (1, &Value::Null));
        let mut schedule = list["items"][0].clone();
        let next = schedule["next_at"].take();
        // Berlin's new year.
        assert!(next.as_str().unwrap().ends_with("-12-31T23:00:00.000Z"), "{next}");
        let expected = json!({
            "name": "yearly", "cron": "@yearly", "zone": "Europe/Berlin", "jitter": "5m", "missed": "skip",
            "kind": "quick", "paused": false, "next_at": null, "last_at": null,
        });
        assert_eq!(schedule, expected);
    }
}

#[tokio::test]
async fn schedule_is_paused_and_resumed() {
    for world in World::of_each_store().await {
        let (status, paused) = world.call(Method::POST, &format!("{PATH}/yearly/pause"), None).await;
        assert_eq!((status, &paused["paused"], &paused["next_at"]), (StatusCode::OK, &json!(true), &Value::Null));
        assert_eq!(world.get(PATH).await["items"][0], paused);
        let (status, again) = world.call(Method::POST, &format!("{PATH}/yearly/pause"), None).await;
        assert_eq!((status, again), (StatusCode::OK, paused));
        for _ in 0..2 {
            let (status, resumed) = world.call(Method::POST, &format!("{PATH}/yearly/resume"), None).await;
            assert_eq!((status, &resumed["paused"]), (StatusCode::OK, &json!(false)));
            assert!(resumed["next_at"].is_string(), "{resumed}");
        }
    }
}

#[tokio::test]
async fn firing_by_hand_enqueues_a_task_each_time() {
    for world in World::of_each_store().await {
        let fire = || world.request(Method::POST, &format!("{PATH}/yearly/fire"));
        let response = fire().send().await.unwrap();
        assert_eq!(response.status(), StatusCode::ACCEPTED);
        let location = response.headers()["location"].to_str().unwrap().to_owned();
        let task: Value = response.json().await.unwrap();
        assert_eq!(location, format!("/api/v1/tasks/{}", task["id"].as_str().unwrap()));
        assert_eq!(
            (&task["source"], &task["event"], &task["kind"]),
            (&json!("schedule"), &json!("yearly"), &json!("quick"))
        );
        assert!(task["delivery_id"].as_str().unwrap().starts_with("yearly/by-hand/"), "{task}");
        world.engine.client().wait(task["id"].as_str().unwrap().parse().unwrap()).await.unwrap();
        let result = world.get(&location).await["result"].clone();
        assert_eq!(result["schedule"], "yearly");
        assert!(result["tick"].as_str().unwrap().ends_with('Z'), "{result}");
        let second: Value = fire().send().await.unwrap().json().await.unwrap();
        assert_ne!(second["id"], task["id"]);
    }
}

#[tokio::test]
async fn unknown_schedule_is_not_found() {
    let world = World::start().await;
    for verb in ["pause", "resume", "fire"] {
        let problem = world.problem(Method::POST, &format!("{PATH}/nightly/{verb}"), None, 404).await;
        assert_eq!(problem["detail"], "there is no schedule with this name");
        assert_eq!(problem["instance"], format!("{PATH}/nightly/{verb}"));
    }
}
