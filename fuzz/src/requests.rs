//! Requests of the API: queries and bodies.
//!
//! An input is a path with its query in the first line, after `GET ` or `POST `, and a body behind it. The API is the real
//! one, over a store in memory.

use std::sync::{Mutex, PoisonError};

use axum::Router;
use axum::body::Body;
use becket::{App, Config, Mounted, background};
use http::{Method, Request, Uri};
use http_body_util::BodyExt as _;
use tokio::runtime::Runtime;
use tower::ServiceExt as _;

/// Longest answer read.
const ANSWER_BYTES_MAX: usize = 16 << 20;

/// How many requests one server answers: what they leave in its store stays bounded, and the search stays quick.
const ANSWERS: u32 = 5_000;

const CONFIG: &str = r#"
store.url = "memory:"
admin.token = "a-token-to-fuzz-with"
sources.github.secret = "a secret to fuzz with"
targets.note.log = "/dev/null"
[[routes]]
name = "note"
on = "issues"
to = "note"
[[schedules]]
name = "nightly"
cron = "0 3 * * *"
to = "note"
"#;

struct Server {
    runtime: Runtime,
    router: Router,
    mounted: Mounted,
    answers_left: u32,
}

/// Feeds one request.
///
/// # Panics
/// When a promise is broken.
pub fn feed(data: &[u8]) {
    static SERVER: Mutex<Option<Server>> = Mutex::new(None);
    let at = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    let Ok(first) = std::str::from_utf8(&data[..at]) else { return };
    let Some((method, path)) = first.split_once(' ') else { return };
    let method = match method {
        "GET" => Method::GET,
        "POST" => Method::POST,
        _ => return,
    };
    // Streams have no end.
    let Ok(uri) = path.trim_end().parse::<Uri>() else { return };
    if uri.path().ends_with("/events") || !uri.path().starts_with('/') {
        return;
    }
    let body = data.get(at + 1..).unwrap_or_default().to_vec();
    let mut server = SERVER.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(spent) = server.take_if(|server| server.answers_left == 0) {
        stop(spent);
    }
    let Server { runtime, router, answers_left, .. } = server.get_or_insert_with(start);
    *answers_left -= 1;
    let request = Request::builder()
        .method(method)
        .uri(uri)
        .header("content-type", "application/json")
        .header("authorization", "Bearer a-token-to-fuzz-with");
    let Ok(request) = request.body(Body::from(body)) else { return };
    let answered = runtime.block_on(async {
        let response = router.clone().oneshot(request).await.unwrap_or_else(|error| match error {});
        let (parts, body) = response.into_parts();
        let body = http_body_util::Limited::new(body, ANSWER_BYTES_MAX).collect().await;
        (parts, body.map(http_body_util::Collected::to_bytes))
    });
    let (parts, body) = answered;
    let status = parts.status.as_u16();
    assert!(status < 500 || status == 503, "{first}: {status}");
    let Ok(body) = body else { panic!("{first}: an endless answer") };
    let is_json = parts.headers.get("content-type").is_some_and(|value| value.as_bytes().ends_with(b"json"));
    assert!(!is_json || serde_json::from_slice::<serde_json::Value>(&body).is_ok(), "{first}: {status}, no JSON");
    if status >= 400 {
        let shown = String::from_utf8_lossy(&body);
        assert!(!shown.contains("a-token-to-fuzz-with"), "{first}: the token is told");
    }
}

/// A server with a handler whose tasks may be enqueued by hand.
fn start() -> Server {
    let built = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = built.unwrap_or_else(|error| panic!("{error}"));
    let (router, mounted) = runtime.block_on(mount()).unwrap_or_else(|error| panic!("{error}"));
    Server { runtime, router, mounted, answers_left: ANSWERS }
}

async fn mount() -> Result<(Router, Mounted), Box<dyn std::error::Error>> {
    let config = Config::from_toml(CONFIG)?;
    let app = App::new().config(config).on("push", background(async || {}).named("work"));
    Ok(app.into_router().await?)
}

/// Ends a server: the next one begins with an empty store.
fn stop(Server { runtime, mounted, router, .. }: Server) {
    drop(router);
    runtime.block_on(mounted.shutdown());
}
