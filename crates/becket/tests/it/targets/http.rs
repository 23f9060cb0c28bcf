//! What a target over HTTP sends, and what it keeps of the answer.

use std::time::Duration;

use axum::response::IntoResponse as _;
use serde_json::json;

use super::{Receiver, delivery, enqueue, error, ok, result, send};
use crate::world::{World, configured};

/// A world with a target `x` that is used by a route.
async fn world(address: &str, path: &str, rest: &str) -> World {
    let app = configured(&format!(
        "[targets.x]\nhttp = 'http://{address}{path}'\nallow_private = true\n{rest}\n\
         [[routes]]\nname = 'forward'\non = '*'\nto = 'x'\nretries = 0"
    ));
    World::start(app).await
}

#[tokio::test]
async fn request_is_made_of_the_delivery() {
    let mut receiver = Receiver::start(ok).await;
    let rest = "method = 'PUT'\njson = { text = '{user.login} in {@source}', list = ['{n}', 1, true] }\n\
                headers = { authorization = 'Bearer t0ken', x-user = '{user.login}', x-none = '{nothing}' }";
    let world = world(&receiver.address, "/a/{user.login}/b?e={@event}", rest).await;
    let task = send(&world, "d-1", &json!({"user": {"login": "octo/cat é"}, "n": 1.50})).await;
    assert_eq!(result(&world, task).await, json!({"status": 200, "body": "thanks"}));
    let (parts, body) = receiver.received();
    assert_eq!((parts.method.as_str(), parts.uri.to_string().as_str()), ("PUT", "/a/octo%2Fcat%20%C3%A9/b?e=issues"));
    assert_eq!(
        serde_json::from_slice::<serde_json::Value>(&body).unwrap(),
        json!({"text": "octo/cat é in github", "list": ["1.5", 1, true]})
    );
    assert_eq!(parts.headers["authorization"], "Bearer t0ken");
    assert_eq!(parts.headers["x-user"].as_bytes(), "octo/cat é".as_bytes());
    assert_eq!(parts.headers["content-type"], "application/json");
    for name in ["x-none", "x-hub-signature-256", "x-github-event"] {
        assert!(!parts.headers.contains_key(name), "{name} does not fit what is sent");
    }
}

#[tokio::test]
async fn task_enqueued_by_hand_goes_the_same_way_by_the_routes_name_and_by_the_targets() {
    let mut receiver = Receiver::start(ok).await;
    let world = world(&receiver.address, "/", "headers = { x-kind = '{@kind} {@source}' }").await;
    for kind in ["forward", "target:x"] {
        let task = enqueue(&world, json!({"kind": kind, "args": {"a": 1}, "lane": "l", "max_attempts": 1})).await;
        assert_eq!(result(&world, task).await["status"], 200);
        let (parts, body) = receiver.received();
        assert_eq!((&*body, parts.headers["content-type"].to_str().unwrap()), (&br#"{"a":1}"#[..], "application/json"));
        assert_eq!(parts.headers["x-kind"], format!("{kind} api"));
    }
}

#[tokio::test]
async fn what_a_sender_wrote_cannot_add_a_header() {
    let mut receiver = Receiver::start(ok).await;
    let world = world(&receiver.address, "/", "headers = { x-title = '{title}' }").await;
    for (id, title) in [("d-1", "a\r\nx-admin: 1"), ("d-2", "a\nb"), ("d-3", "a\0b")] {
        let error = error(&world, send(&world, id, &json!({"title": title})).await).await;
        assert!(error.starts_with("the header `x-title` cannot be sent: what the delivery fills in holds"), "{error}");
    }
    assert!(receiver.received.try_recv().is_err(), "something was sent");
}

#[tokio::test]
async fn what_a_sender_wrote_cannot_leave_the_urls_path() {
    let mut receiver = Receiver::start(ok).await;
    let world = world(&receiver.address, "/repos/{name}/hook", "").await;
    let error = error(&world, send(&world, "d-1", &json!({"name": ".."})).await).await;
    assert!(error.contains("would leave its path"), "{error}");
    for (id, name, path) in [
        ("d-2", "../../admin", "/repos/..%2F..%2Fadmin/hook"),
        ("d-3", "x?admin=1#", "/repos/x%3Fadmin%3D1%23/hook"),
        ("d-4", "%2e%2e", "/repos/%252e%252e/hook"),
    ] {
        result(&world, send(&world, id, &json!({"name": name})).await).await;
        assert_eq!(receiver.received().0.uri, path);
    }
}

#[tokio::test]
async fn text_is_sent_as_text_and_a_get_has_no_body() {
    let mut receiver = Receiver::start(ok).await;
    let text = world(&receiver.address, "/", "body = '{a}, {b}!'").await;
    result(&text, send(&text, "d-1", &json!({"a": "x\"\n"})).await).await;
    let (parts, body) = receiver.received();
    assert_eq!(
        (&*body, &parts.headers["content-type"]),
        (&b"x\"\n, !"[..], &"text/plain; charset=utf-8".parse().unwrap())
    );
    let get = world(&receiver.address, "/?n={a}", "method = 'GET'").await;
    result(&get, send(&get, "d-2", &json!({"a": 7})).await).await;
    let (parts, body) = receiver.received();
    assert_eq!((parts.method.as_str(), parts.uri.to_string().as_str(), body.len()), ("GET", "/?n=7", 0));
    assert!(!parts.headers.contains_key("content-type"));
}

#[tokio::test]
async fn what_is_signed_is_what_is_sent() {
    let mut receiver = Receiver::start(ok).await;
    let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let world = world(&receiver.address, "/", &format!("secret = '{secret}'\njson = {{ a = '{{a}}' }}")).await;
    result(&world, send(&world, "d-1", &json!({"a": "b"})).await).await;
    let (parts, body) = receiver.received();
    let header = |name: &str| parts.headers[name].to_str().unwrap();
    let seconds = header("webhook-timestamp").parse().unwrap();
    let expected = becket_webhooks::signature::standard_webhooks(secret, header("webhook-id"), seconds, &body).unwrap();
    assert_eq!((&*body, header("webhook-signature")), (&br#"{"a":"b"}"#[..], &*expected));
}

#[tokio::test]
async fn as_much_of_an_answer_is_kept_as_was_asked_for() {
    let answer = || ([("location", "/orders/7"), ("x-other", "no")], "x".repeat(100)).into_response();
    let receiver = Receiver::start(answer).await;
    let world = world(&receiver.address, "/", "keep_body = '10B'\nkeep_headers = ['Location', 'x-none']").await;
    let kept = result(&world, send(&world, "d-1", &json!({})).await).await;
    let expected =
        json!({"status": 200, "headers": {"location": "/orders/7"}, "body": "x".repeat(10), "truncated": true});
    assert_eq!(kept, expected);
}

#[tokio::test]
async fn request_that_takes_too_long_is_given_up_before_the_attempt_is() {
    let receiver = Receiver::slow(Duration::from_secs(60), ok).await;
    let world = world(&receiver.address, "/", "timeout = '100ms'").await;
    let error = error(&world, send(&world, "d-1", &json!({})).await).await;
    assert!(error.starts_with("the receiver did not answer in time"), "{error}");
}

#[tokio::test]
async fn http_2_is_spoken_without_tls_when_asked_for() {
    let mut receiver = Receiver::start(ok).await;
    for (version, expected) in [("any", http::Version::HTTP_11), ("2", http::Version::HTTP_2)] {
        let world = world(&receiver.address, "/", &format!("http_version = '{version}'")).await;
        result(&world, world.post(delivery("d-1", &json!({}))).await.tasks()[0]).await;
        assert_eq!(receiver.received().0.version, expected);
    }
}
