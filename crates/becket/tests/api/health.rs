//! What machines ask.

use becket::http::metrics::MEDIA_TYPE;
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::world::{World, delivery};

#[tokio::test]
async fn server_is_ready_and_says_what_an_acknowledgement_survives() {
    let expected = [("memory", "memory"), ("sqlite", "power_loss")];
    for (world, (store, durability)) in World::of_each_store().await.into_iter().zip(expected) {
        let ready = world.get("/readyz").await;
        assert_eq!(ready, json!({"status": "ready", "store": store, "durability": durability}));
        assert_eq!(world.get("/healthz").await, json!({"status": "ok"}));
    }
}

#[tokio::test]
async fn server_whose_store_cannot_commit_is_alive_and_not_ready() {
    for world in World::of_each_store().await {
        world.engine.shutdown(std::time::Duration::ZERO).await;
        world.store.close().await.unwrap();
        let problem = world.problem(Method::GET, "/readyz", None, 503).await;
        assert!(problem["detail"].as_str().unwrap().contains("cannot commit"), "{problem}");
        let response = world.request(Method::GET, "/readyz").send().await.unwrap();
        assert!(response.headers().contains_key("retry-after"));
        assert_eq!(world.get("/healthz").await, json!({"status": "ok"}));
        // Scrapes go on, without the store's numbers.
        let page = world.request(Method::GET, "/metrics").send().await.unwrap().text().await.unwrap();
        assert!(page.contains("becket_resident_memory_bytes") && !page.contains("becket_tasks{"), "{page}");
        world.problem(Method::GET, "/api/v1/tasks", None, 503).await;
    }
}

#[tokio::test]
async fn server_that_stops_is_not_ready() {
    let world = World::start().await;
    world.shutdown.cancel();
    let problem = world.problem(Method::GET, "/readyz", None, 503).await;
    assert!(problem["detail"].as_str().unwrap().contains("shutting down"), "{problem}");
}

#[tokio::test]
async fn metrics_tell_of_tasks_attempts_and_commits() {
    for world in World::of_each_store().await {
        world.ended(delivery("github", "push", "d-1", &["failing"])).await;
        world.ended(delivery("github", "push", "d-2", &["quick"])).await;
        world.running("d-3").await;
        let response = world.request(Method::GET, "/metrics").send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], MEDIA_TYPE);
        let page = response.text().await.unwrap();
        for line in [
            "becket_tasks{state=\"completed\"} 1",
            "becket_tasks{state=\"failed\"} 1",
            "becket_tasks{state=\"running\"} 1",
            "becket_attempts_total{outcome=\"completed\"} 1",
            "becket_attempts_total{outcome=\"failed\"} 1",
            "becket_handlers_running 1",
            "becket_processing_seconds_count 2",
            "becket_waiting_seconds_count 3",
            "# TYPE becket_store_commit_seconds histogram",
            "# TYPE becket_store_commit_size_operations histogram",
            "# TYPE becket_oldest_due_task_age_seconds gauge",
            "becket_workers 16",
            "becket_workers_max 16",
            "becket_workers_wanted 1",
            "# TYPE becket_resident_memory_bytes gauge",
            "becket_acknowledgement_seconds_count{source=\"github\"} 0",
            "becket_deliveries_total{source=\"github\",answer=\"duplicate\"} 0",
            "# EOF",
        ] {
            assert!(page.lines().any(|written| written == line), "{line} is not in\n{page}");
        }
        world.go.add_permits(1);
    }
}
