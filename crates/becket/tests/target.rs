//! The targets against real receivers, over real sockets.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use becket::config::{self, targets::Http};
use becket::http::kept;
use becket::target::http::HttpTarget;
use becket::target::{Target, UrlTemplate, build};
use becket_tasks::retry::Follow;
use becket_tasks::{Claimed, Due, SubmissionId, TaskError, TaskId, Timestamp};
use becket_webhooks::signature;
use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const PAYLOAD: &[u8] = br#"{"action": "opened", "number": 1.10}"#;

struct Receiver {
    url: String,
    received: mpsc::UnboundedReceiver<(http::request::Parts, Bytes)>,
}

impl Receiver {
    /// A receiver that keeps what it gets and answers it with `answer`.
    async fn start(answer: impl Fn() -> Response + Clone + Send + Sync + 'static) -> Self {
        let (sender, received) = mpsc::unbounded_channel();
        let router = Router::new().fallback(move |request: Request| {
            let (sender, answer) = (sender.clone(), answer.clone());
            async move {
                let (parts, body) = request.into_parts();
                sender.send((parts, body.collect().await.unwrap().to_bytes())).unwrap();
                answer()
            }
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook?key=t0ken", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, received }
    }

    fn received(&mut self) -> (http::request::Parts, Bytes) {
        self.received.try_recv().unwrap()
    }
}

/// Delivers once to a receiver that answers so.
async fn answered(answer: impl Fn() -> Response + Clone + Send + Sync + 'static) -> Result<Option<Bytes>, TaskError> {
    let receiver = Receiver::start(answer).await;
    deliver(&target(&receiver.url, None)).await
}

fn options(url: &str) -> Http {
    let mut options = Http::new(UrlTemplate::parse(url).unwrap());
    options.allow_private = true;
    options
}

fn target(url: &str, secret: Option<&str>) -> HttpTarget {
    let mut options = options(url);
    options.secret = secret.map(Into::into);
    HttpTarget::new(&options).unwrap()
}

async fn deliver(target: &dyn Target) -> Result<Option<Bytes>, TaskError> {
    target.deliver(task().into()).await.map_err(TaskError::from)
}

fn task() -> Arc<Claimed> {
    let time = Timestamp::from_millis(1_793_000_000_000);
    Arc::new(Claimed {
        id: TaskId::from_u64(77),
        submission: SubmissionId::from_u64(76),
        kind: "forward".into(),
        attempt: 9,
        attempts_counted: 3,
        max_attempts: 5,
        created_at: time,
        run_at: time,
        started_at: time,
        source: "github".into(),
        event: "issues".into(),
        action: Some("opened".into()),
        key: Some("d-1".into()),
        meta: kept::encode(&[
            ("content-type", "application/json"),
            ("user-agent", "GitHub-Hookshot/044aadd"),
            ("x-github-event", "issues"),
            ("x-hub-signature-256", "sha256=00"),
            ("authorization", "Bearer t0ken"),
            ("cookie", "session=t0ken"),
            ("host", "hooks.example.org"),
            ("content-length", "3"),
            ("becket-attempt", "99"),
        ]),
        payload: Bytes::from_static(PAYLOAD),
    })
}

fn status(status: u16) -> impl Fn() -> Response + Clone + Send + Sync + 'static {
    move || StatusCode::from_u16(status).unwrap().into_response()
}

fn json_of(result: Result<Option<Bytes>, TaskError>) -> Value {
    serde_json::from_slice(&result.unwrap().unwrap()).unwrap()
}

#[tokio::test]
async fn original_body_and_headers_are_posted_with_task_and_attempt() {
    let mut receiver = Receiver::start(status(204)).await;
    deliver(&target(&receiver.url, None)).await.unwrap();
    let (parts, body) = receiver.received();
    assert_eq!(parts.method, http::Method::POST);
    assert_eq!(parts.uri, "/hook?key=t0ken");
    assert_eq!(body, PAYLOAD);
    let mut headers = parts.headers;
    assert!(headers.remove("host").unwrap().to_str().unwrap().starts_with("127.0.0.1:"));
    let expected: HeaderMap = [
        ("accept", "*/*"),
        ("becket-attempt", "3"),
        ("becket-task-id", "000000000002D"),
        ("content-length", "36"),
        ("content-type", "application/json"),
        ("user-agent", "GitHub-Hookshot/044aadd"),
        ("x-github-event", "issues"),
        ("x-hub-signature-256", "sha256=00"),
    ]
    .iter()
    .map(|(name, value)| (name.parse::<http::HeaderName>().unwrap(), value.parse::<http::HeaderValue>().unwrap()))
    .collect();
    assert_eq!(headers, expected);
}

#[tokio::test]
async fn request_is_signed_as_standard_webhooks() {
    let mut receiver = Receiver::start(status(200)).await;
    deliver(&target(&receiver.url, Some(SECRET))).await.unwrap();
    let (parts, body) = receiver.received();
    let header = |name: &str| parts.headers[name].to_str().unwrap();
    assert_eq!(header("webhook-id"), header("becket-task-id"));
    let seconds: i64 = header("webhook-timestamp").parse().unwrap();
    let now = Timestamp::from(std::time::SystemTime::now()).as_millis() / 1_000;
    assert!((now - 60..=now).contains(&seconds), "{seconds}");
    let expected = signature::standard_webhooks(SECRET, header("webhook-id"), seconds, &body).unwrap();
    assert_eq!(header("webhook-signature"), expected);
}

#[tokio::test]
async fn success_completes_with_the_beginning_of_the_answer_as_result() {
    assert_eq!(json_of(answered(status(204)).await), json!({"status": 204}));
    let json = || (StatusCode::CREATED, r#"{"id": 7}"#).into_response();
    assert_eq!(json_of(answered(json).await), json!({"status": 201, "body": {"id": 7}}));
    let text = || "thank you".into_response();
    assert_eq!(json_of(answered(text).await), json!({"status": 200, "body": "thank you"}));
}

#[tokio::test]
async fn long_answer_is_cut() {
    let long = || "x".repeat(1_000_000).into_response();
    let result = json_of(answered(long).await);
    assert_eq!(result["body"].as_str().unwrap().len(), 16 * 1_024);
    assert_eq!(result["truncated"], true);
}

#[tokio::test]
async fn answer_that_breaks_off_after_its_status_counts_as_that_status() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut connection, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        while !request.ends_with(PAYLOAD) {
            connection.read_buf(&mut request).await.unwrap();
        }
        connection.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\ntha").await.unwrap();
    });
    let result = json_of(deliver(&target(&url, None)).await);
    assert_eq!(result, json!({"status": 200, "body": "tha", "truncated": true}));
}

#[tokio::test]
async fn gone_gives_up_and_other_statuses_are_tried_again() {
    let error = answered(status(410)).await.unwrap_err();
    assert_eq!(error.follow(), Follow::GiveUp);
    assert_eq!(error.message(), "the receiver answered 410 Gone");
    for code in [400, 401, 403, 404, 409, 429, 500, 502, 503, 504] {
        let error = answered(status(code)).await.unwrap_err();
        assert_eq!(error.follow(), Follow::Retry, "{code}");
        assert!(error.message().contains(&code.to_string()), "{error}");
    }
}

#[tokio::test]
async fn body_that_a_receiver_repeats_is_in_no_error() {
    // Errors go into the log, and no text of a payload may.
    for code in [302, 400, 410, 422, 429, 500, 503] {
        let echo = move || (StatusCode::from_u16(code).unwrap(), PAYLOAD).into_response();
        let error = answered(echo).await.unwrap_err();
        let status = format!("the receiver answered {}", StatusCode::from_u16(code).unwrap());
        assert!(error.message().starts_with(&status), "{error}");
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("opened") && !shown.contains("1.10"), "{shown}");
    }
}

#[tokio::test]
async fn retry_after_is_obeyed() {
    for code in [StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE] {
        let seconds = move || (code, [(header::RETRY_AFTER, "120")]).into_response();
        let error = answered(seconds).await.unwrap_err();
        assert_eq!(error.follow(), Follow::RetryAt(Due::After(Duration::from_secs(120))));

        let date = httpdate::fmt_http_date(std::time::SystemTime::now() + Duration::from_secs(600));
        let date = move || (code, [(header::RETRY_AFTER, date.clone())]).into_response();
        let Follow::RetryAt(Due::After(delay)) = answered(date).await.unwrap_err().follow() else {
            panic!("the date is not obeyed")
        };
        assert!((540..=600).contains(&delay.as_secs()), "{delay:?}");
    }
}

#[tokio::test]
async fn redirect_is_not_followed() {
    let mut elsewhere = Receiver::start(status(200)).await;
    for code in [301, 302, 307, 308] {
        let location = elsewhere.url.clone();
        let redirect =
            move || (StatusCode::from_u16(code).unwrap(), [(header::LOCATION, location.clone())]).into_response();
        let error = answered(redirect).await.unwrap_err();
        assert_eq!(error.follow(), Follow::Retry, "{code}");
        assert!(error.message().contains("redirects are not followed"), "{error}");
    }
    assert!(elsewhere.received.try_recv().is_err(), "somebody followed");
}

#[tokio::test]
async fn receiver_that_is_away_is_tried_again_and_the_url_stays_secret() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = deliver(&target(&format!("http://{address}/t0ken"), None)).await.unwrap_err();
    assert_eq!(error.follow(), Follow::Retry);
    assert!(error.message().starts_with("cannot connect to the receiver"), "{error}");
    assert!(!error.message().contains("t0ken"), "{error}");
}

#[tokio::test]
async fn name_that_leads_to_this_machine_is_refused_after_resolution() {
    let mut receiver = Receiver::start(status(200)).await;
    let url = receiver.url.replace("127.0.0.1", "localhost");
    let made = |allow_private| {
        let mut options = options(&url);
        options.allow_private = allow_private;
        HttpTarget::new(&options).unwrap()
    };
    let error = deliver(&made(false)).await.unwrap_err();
    assert_eq!(error.follow(), Follow::Retry, "DNS may answer otherwise tomorrow");
    assert!(error.message().contains("leads to a loopback address; set allow_private = true"), "{error}");
    assert!(receiver.received.try_recv().is_err());
    deliver(&made(true)).await.unwrap();
    receiver.received();
}

#[tokio::test]
async fn configured_targets_are_built() {
    let mut receiver = Receiver::start(status(200)).await;
    let http = |url: &str, allow_private| {
        let mut options = options(url);
        (options.allow_private, options.secret) = (allow_private, Some(SECRET.into()));
        config::Target::Http(Box::new(options))
    };
    deliver(&*build(&http(&receiver.url, true)).unwrap()).await.unwrap();
    assert!(receiver.received().0.headers.contains_key("webhook-signature"));
    let error = build(&http(&receiver.url, false)).unwrap_err();
    assert!(error.to_string().starts_with("127.0.0.1 is a loopback address"), "{error}");
    assert_eq!(deliver(&*build(&config::Target::Log).unwrap()).await.unwrap(), None);
}
