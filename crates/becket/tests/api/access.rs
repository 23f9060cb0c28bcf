//! Who may call, over real sockets. The rules themselves are tested beside `http/access.rs`.

use reqwest::{Method, StatusCode};

use crate::world::{World, problem_of};

const TOKEN: &str = "0123456789abcdef";
const GUARDED: [&str; 7] = [
    "/api/v1/tasks",
    "/api/v1/deliveries",
    "/api/v1/events",
    "/api/v1/rejections",
    "/api/v1/webhook_statuses",
    "/api/v1/nothing",
    "/metrics",
];
const OPEN: [&str; 3] = ["/healthz", "/readyz", "/openapi.json"];

#[tokio::test]
async fn without_the_token_only_the_open_endpoints_answer() {
    let world = World::with_token(TOKEN).await;
    for path in GUARDED {
        problem_of(world.request(Method::GET, path), 401).await;
        problem_of(world.request(Method::GET, path).bearer_auth("wrong"), 401).await;
        let response = world.request(Method::GET, path).send().await.unwrap();
        assert_eq!(response.headers()["www-authenticate"], "Bearer realm=\"becket\"", "{path}");
    }
    for path in OPEN {
        let response = world.request(Method::GET, path).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{path}");
    }
    let request = world.request(Method::GET, "/api/v1/tasks").bearer_auth(TOKEN);
    assert_eq!(request.send().await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn without_a_configured_token_only_direct_local_requests_are_answered() {
    let world = World::start().await;
    for path in GUARDED {
        problem_of(world.request(Method::GET, path).header("x-forwarded-for", "192.0.2.1"), 403).await;
        problem_of(world.request(Method::GET, path).header("host", "rebound.example"), 403).await;
    }
    for path in OPEN {
        let request = world.request(Method::GET, path).header("x-forwarded-for", "192.0.2.1");
        assert_eq!(request.send().await.unwrap().status(), StatusCode::OK, "{path}");
    }
    let cross_site = world.request(Method::POST, "/api/v1/tasks").header("origin", "https://evil.example");
    let problem = problem_of(cross_site.json(&serde_json::json!({"kind": "quick"})), 403).await;
    assert!(problem["detail"].as_str().unwrap().contains("admin.token"), "{problem}");
    assert_eq!(world.get("/api/v1/tasks").await["items"], serde_json::json!([]));
}
