//! Deliveries: list, show, run again; and what was refused.

use becket::http::rejections::Rejection;
use becket_tasks::{Submission, Timestamp};
use bytes::Bytes;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::world::{World, delivery};

#[tokio::test]
async fn delivery_is_shown_with_its_headers_and_body() {
    for world in World::of_each_store().await {
        let inserted = world.deliver(delivery("github", "issues.opened", "d-1", &["quick", "failing"])).await;
        for id in [inserted.submission.to_string(), "d-1".to_owned()] {
            let mut shown = world.get(&format!("/api/v1/deliveries/{id}")).await;
            let received_at = shown.as_object_mut().unwrap().remove("received_at").unwrap();
            assert!(received_at.as_str().unwrap().parse::<Timestamp>().is_ok());
            let expected = json!({
                "id": inserted.submission, "delivery_id": "d-1", "source": "github", "event": "issues",
                "action": "opened", "size": 16, "task_ids": inserted.tasks,
                "headers": {"content-type": "application/json", "x-github-event": "issues"},
                "repository": null, "normalised": null, "body_encoding": "json", "body": {"number": 1.10},
            });
            assert_eq!(shown, expected);
        }
    }
}

#[tokio::test]
async fn body_is_answered_byte_for_byte_and_as_nothing_that_a_browser_runs() {
    for world in World::of_each_store().await {
        let form = Submission {
            meta: becket::http::kept::encode(&[("content-type", "text/html")]),
            payload: Bytes::from_static(b"payload=<script>"),
            ..delivery("github", "push", "form", &[])
        };
        world.deliver(form).await;
        world.deliver(delivery("github", "push", "json", &[])).await;
        let shown = world.get("/api/v1/deliveries/form").await;
        assert_eq!((&shown["body_encoding"], &shown["body"]), (&json!("base64"), &json!("cGF5bG9hZD08c2NyaXB0Pg==")));
        for (id, body, media_type) in [
            ("form", "payload=<script>", "application/octet-stream"),
            ("json", r#"{"number": 1.10}"#, "application/json"),
        ] {
            let request = world.request(Method::GET, &format!("/api/v1/deliveries/{id}/body"));
            let response = request.send().await.unwrap();
            assert_eq!(response.headers()["content-type"], media_type);
            assert_eq!(response.headers()["x-content-type-options"], "nosniff");
            assert_eq!(response.headers()["content-disposition"], "attachment");
            assert_eq!(response.text().await.unwrap(), body);
        }
    }
}

#[tokio::test]
async fn erased_body_is_gone_and_cannot_be_replayed() {
    for world in World::of_each_store().await {
        let inserted = world.deliver(delivery("github", "push", "d-1", &[])).await;
        world.store.erase(vec![inserted.submission]).await.unwrap();
        let shown = world.get("/api/v1/deliveries/d-1").await;
        assert_eq!(
            (&shown["body_encoding"], &shown["body"], &shown["size"]),
            (&json!("none"), &Value::Null, &json!(16))
        );
        world.problem(Method::GET, "/api/v1/deliveries/d-1/body", None, 410).await;
        world.problem(Method::POST, "/api/v1/deliveries/d-1/replay", None, 410).await;
    }
}

#[tokio::test]
async fn id_that_several_sources_share_is_a_conflict_that_names_the_candidates() {
    for world in World::of_each_store().await {
        let one = world.deliver(delivery("github", "push", "shared", &[])).await.submission;
        let other = world.deliver(delivery("billing", "invoice", "shared", &[])).await.submission;
        for (method, path) in [
            (Method::GET, "/api/v1/deliveries/shared"),
            (Method::GET, "/api/v1/deliveries/shared/body"),
            (Method::POST, "/api/v1/deliveries/shared/replay"),
            (Method::GET, "/api/v1/webhook_status/shared"),
        ] {
            let problem = world.problem(method, path, None, 409).await;
            assert_eq!(problem["candidates"], json!([other, one]), "{path}");
            assert_eq!(problem["instance"], path);
        }
        assert_eq!(world.get(&format!("/api/v1/deliveries/{one}")).await["source"], "github");
    }
}

#[tokio::test]
async fn senders_id_is_found_whatever_characters_it_has() {
    let world = World::start().await;
    for (key, path) in [("a/b?c", "a%2Fb%3Fc"), ("{72d3}", "%7B72d3%7D"), ("100%", "100%25")] {
        world.deliver(delivery("github", "push", key, &[])).await;
        assert_eq!(world.get(&format!("/api/v1/deliveries/{path}")).await["delivery_id"], key);
    }
    world.problem(Method::GET, "/api/v1/deliveries/nobody", None, 404).await;
}

#[tokio::test]
async fn list_of_deliveries_is_filtered_and_paged() {
    for world in World::of_each_store().await {
        for (number, event) in ["issues.opened", "issues.closed", "push"].iter().enumerate() {
            world.deliver(delivery("github", event, &format!("d-{number}"), &[])).await;
        }
        let keys = |listing: &Value| {
            let items = listing["items"].as_array().unwrap().iter();
            items.map(|item| item["delivery_id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        for (filter, expected) in [
            ("", &["d-2", "d-1", "d-0"][..]),
            ("?event=issues", &["d-1", "d-0"]),
            ("?event=issues.opened", &["d-0"]),
            ("?source=gitlab", &[]),
            ("?delivery_id=d-1", &["d-1"]),
            ("?until=2020-01-01T00:00:00Z", &[]),
        ] {
            assert_eq!(keys(&world.get(&format!("/api/v1/deliveries{filter}")).await), expected, "{filter}");
        }
        let first = world.get("/api/v1/deliveries?limit=2").await;
        let cursor = first["next_cursor"].as_str().unwrap();
        let second = world.get(&format!("/api/v1/deliveries?limit=2&cursor={cursor}")).await;
        assert_eq!((keys(&first), keys(&second)), (vec!["d-2".into(), "d-1".into()], vec!["d-0".into()]));
        let fields: Vec<&String> = first["items"][0].as_object().unwrap().keys().collect();
        assert_eq!(fields, ["action", "delivery_id", "event", "id", "received_at", "size", "source", "task_ids"]);
    }
}

#[tokio::test]
async fn replay_gives_rise_to_new_tasks() {
    for world in World::of_each_store().await {
        let inserted = world.deliver(delivery("github", "push", "d-1", &["failing"])).await;
        let (status, replayed) = world.call(Method::POST, "/api/v1/deliveries/d-1/replay", None).await;
        assert_eq!(status, StatusCode::ACCEPTED, "{replayed}");
        assert_eq!(replayed["id"], json!(inserted.submission));
        let task = replayed["task_ids"][0].as_str().unwrap().parse().unwrap();
        assert!(!inserted.tasks.contains(&task));
        world.engine.client().wait(task).await.unwrap();
        let shown = world.get(&format!("/api/v1/tasks/{task}")).await;
        assert_eq!((&shown["state"], &shown["delivery_id"]), (&json!("completed"), &json!("d-1")));
    }
}

#[tokio::test]
async fn rejections_are_listed_newest_first_without_bodies() {
    let world = World::start().await;
    for (millis, reason) in [(1_000, "wrong_secret"), (2_000, "missing_header")] {
        let at = Timestamp::from_millis(millis);
        let rejection = Rejection::new(at, "github", StatusCode::UNAUTHORIZED, reason, "the explanation");
        world.rejections.add(Rejection { remote: Some([192, 0, 2, 7].into()), ..rejection });
    }
    let listing = world.get("/api/v1/rejections").await;
    let expected = json!({
        "at": "1970-01-01T00:00:02.000Z", "source": "github", "remote": "192.0.2.7", "status": 401,
        "reason": "missing_header", "explanation": "the explanation", "delivery_id": null, "event": null,
        "size": null, "headers": [],
    });
    assert_eq!(listing["items"][0], expected);
    assert_eq!(listing["items"][1]["reason"], "wrong_secret");
    assert_eq!(world.get("/api/v1/rejections?limit=1").await["items"].as_array().unwrap().len(), 1);
    world.problem(Method::GET, "/api/v1/rejections?limit=257", None, 400).await;
}
