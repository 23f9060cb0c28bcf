use std::net::{IpAddr, SocketAddr};

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::{Json, Router};
use http::HeaderMap;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::timeout;

use super::*;

/// How long a test waits for what it expects.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the server answers: a status, a tag, a body.
type Said = (u16, &'static str, Value);

/// GitHub, as far as it publishes addresses.
struct Github {
    said: Mutex<Said>,
    asked: watch::Sender<u64>,
    unchanged: watch::Sender<u64>,
    headers: Mutex<HeaderMap>,
}

impl Github {
    async fn start(said: Said) -> (Arc<Self>, SocketAddr) {
        let (asked, unchanged) = (watch::Sender::new(0), watch::Sender::new(0));
        let github = Arc::new(Self { said: Mutex::new(said), asked, unchanged, headers: Mutex::default() });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = Router::new().route("/meta", axum::routing::get(Self::answer)).with_state(Arc::clone(&github));
        tokio::spawn(async move { axum::serve(listener, app).await });
        (github, address)
    }

    async fn answer(State(github): State<Arc<Self>>, headers: HeaderMap) -> Response {
        github.asked.send_modify(|asked| *asked += 1);
        let (status, tag, body) = github.said.lock().unwrap().clone();
        let is_known = headers.get(IF_NONE_MATCH).is_some_and(|known| known == tag);
        *github.headers.lock().unwrap() = headers;
        if status == 200 && is_known {
            github.unchanged.send_modify(|unchanged| *unchanged += 1);
            return StatusCode::NOT_MODIFIED.into_response();
        }
        (StatusCode::from_u16(status).unwrap(), [(ETAG, tag)], Json(body)).into_response()
    }

    /// Answers otherwise from now on, and waits until that has been taken in.
    async fn says(&self, said: Said) {
        *self.said.lock().unwrap() = said;
        // The first of these may have come before, and whoever asks again has read the one before.
        self.is_asked(3).await;
    }

    async fn is_asked(&self, times: u64) {
        let mut asked = self.asked.subscribe();
        let until = *asked.borrow() + times;
        timeout(PATIENCE, asked.wait_for(|asked| *asked >= until)).await.unwrap().unwrap();
    }
}

fn quick() -> Pace {
    let soon = Duration::from_millis(1);
    Pace { refresh: soon, retry: soon, retry_max: soon, ..Pace::default() }
}

fn fetch(address: SocketAddr) -> Arc<Fetched> {
    let url = format!("http://{address}/meta?t0ken").parse().unwrap();
    Fetched::start("github".into(), url, quick(), &CancellationToken::new())
}

fn hooks(networks: &[&str]) -> Value {
    json!({"verifiable_password_authentication": false, "hooks": networks, "web": ["10.9.9.9/32"]})
}

fn contains(list: &Fetched, address: &str) -> Option<bool> {
    list.networks().map(|networks| networks.contains(address.parse::<IpAddr>().unwrap()))
}

#[tokio::test]
async fn list_is_fetched_and_follows_what_is_published() {
    let (github, address) = Github::start((200, "\"a\"", hooks(&["192.30.252.0/22", "2a0a:a440::/29"]))).await;
    let list = fetch(address);
    assert_eq!(contains(&list, "192.30.252.1"), None, "nothing is known before the first answer");
    github.is_asked(2).await;
    assert_eq!(contains(&list, "192.30.252.1"), Some(true));
    assert_eq!(contains(&list, "10.9.9.9"), Some(false), "only `hooks` counts");
    assert_eq!((list.status().networks, list.status().error), (Some(2), None));
    {
        let headers = github.headers.lock().unwrap();
        assert!(headers["user-agent"].to_str().unwrap().starts_with("becket/"));
        assert_eq!(headers["accept"], "application/vnd.github+json");
    }
    github.says((200, "\"b\"", hooks(&["140.82.112.0/20"]))).await;
    assert_eq!((contains(&list, "192.30.252.1"), contains(&list, "140.82.112.1")), (Some(false), Some(true)));
}

#[tokio::test]
async fn unchanged_list_is_not_sent_again_and_counts_as_checked() {
    let (github, address) = Github::start((200, "W/\"a\"", hooks(&["192.30.252.0/22"]))).await;
    let list = fetch(address);
    let mut unchanged = github.unchanged.subscribe();
    timeout(PATIENCE, unchanged.wait_for(|unchanged| *unchanged >= 2)).await.unwrap().unwrap();
    assert_eq!(contains(&list, "192.30.252.1"), Some(true));
    let checked_at = list.status().checked_at.unwrap();
    while list.status().checked_at.unwrap() <= checked_at {
        github.is_asked(1).await;
    }
}

#[tokio::test]
async fn what_is_no_list_leaves_the_last_one_and_is_told_without_the_url() {
    let good = (200, "\"a\"", hooks(&["192.30.252.0/22"]));
    let (github, address) = Github::start(good.clone()).await;
    let list = fetch(address);
    github.is_asked(2).await;
    for (said, error) in [
        ((500, "\"b\"", json!({})), "the answer was 500 Internal Server Error"),
        ((403, "\"b\"", json!({"message": "API rate limit exceeded"})), "the answer was 403 Forbidden"),
        ((200, "\"c\"", hooks(&[])), "`hooks` is empty"),
        ((200, "\"d\"", hooks(&["192.30.252.0/22", "everywhere"])), "in `hooks` `everywhere` is neither"),
        ((200, "\"e\"", json!({"hooks": "0.0.0.0/0"})), "the answer has no list `hooks`"),
        ((200, "\"f\"", json!(["0.0.0.0/0"])), "the answer has no list `hooks`"),
        ((200, "\"x\"", hooks(&[&"x".repeat(100_000)])), "in `hooks` `xxx"),
        ((304, "\"g\"", json!({})), ""),
    ] {
        let is_fine = error.is_empty();
        github.says(said).await;
        let status = list.status();
        assert_eq!(contains(&list, "192.30.252.1"), Some(true), "{error}");
        assert_eq!(status.networks, Some(1));
        assert!(status.error.as_ref().is_none_or(|told| told.contains(error) && !told.contains("t0ken")), "{status:?}");
        assert_eq!(status.error.is_none(), is_fine, "{status:?}");
        assert!(status.error.is_none_or(|told| told.len() <= ERROR_CHARS_MAX));
    }
    github.says(good).await;
    assert_eq!(list.status().error, None);
}

#[tokio::test]
async fn list_that_never_came_is_asked_for_until_it_does() {
    let (github, address) = Github::start((502, "\"a\"", json!({}))).await;
    let list = fetch(address);
    github.is_asked(3).await;
    assert_eq!(contains(&list, "192.30.252.1"), None);
    let status = list.status();
    assert_eq!((status.networks, status.checked_at), (None, None));
    assert!(status.error.unwrap().contains("502"));
    github.says((200, "\"a\"", hooks(&["192.30.252.0/22"]))).await;
    assert_eq!(contains(&list, "192.30.252.1"), Some(true));
}

#[tokio::test]
async fn server_that_cannot_be_reached_is_told_without_the_url() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let list = fetch(listener.local_addr().unwrap());
    let failed = async {
        loop {
            // Accepted, and hung up.
            drop(listener.accept().await.unwrap());
            if let Some(error) = list.status().error {
                return error;
            }
        }
    };
    let error = timeout(PATIENCE, failed).await.unwrap();
    assert!(!error.contains("t0ken") && !error.contains("127.0.0.1"), "{error}");
}

#[tokio::test]
async fn nobody_asks_any_more_when_nobody_holds_the_list() {
    let (github, address) = Github::start((200, "\"a\"", hooks(&["192.30.252.0/22"]))).await;
    let list = fetch(address);
    github.is_asked(2).await;
    let known = Arc::downgrade(&list.known);
    drop(list);
    // The task that asks holds the other end.
    let gone = async {
        while known.strong_count() > 0 {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, gone).await.unwrap();
}

#[test]
fn waits_between_failures_grow_up_to_a_limit() {
    let pace = Pace::default();
    let status = Mutex::new(Status { source: "x".into(), networks: None, checked_at: None, error: None });
    let known = Arc::new(Known { networks: ArcSwapOption::empty(), status });
    let url = "http://localhost/".parse().unwrap();
    let mut fetching = Fetching { url, pace, known, tag: None, failures: 0, told: None };
    let waits: Vec<u64> = (0..40).map(|_| fetching.failed("x", "").as_secs()).collect();
    assert_eq!(waits[..8], [5, 10, 20, 40, 80, 160, 320, 600]);
    assert!(waits[8..].iter().all(|wait| *wait == 600));
}
