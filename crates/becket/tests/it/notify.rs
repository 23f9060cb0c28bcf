//! Completion webhooks, told to a real receiver that verifies them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::extract::Request;
use becket::{App, Configured, StartError, TaskError, background};
use becket_tasks::client::notify::KIND;
use becket_tasks::{Due, EnqueueOptions, State, TaskId};
use becket_webhooks::{Delivery, Secrets, Source};
use http::StatusCode;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::world::{Answer, Post, World, configured};

const CONFIG: &str = "[notify]\nsecret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'\nallow_private = true\n\
                      [tasks]\nretry_delay = '1ms'\n";

/// Somebody who is told, and takes only what is signed.
struct Receiver {
    url: String,
    told: mpsc::UnboundedReceiver<Delivery>,
}

impl Receiver {
    /// Answers with these statuses first, and then 204.
    async fn start(statuses: &[u16]) -> Self {
        let (sender, told) = mpsc::unbounded_channel();
        let secrets = Secrets::new(["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]).unwrap();
        let source = Arc::new(Source::standard_webhooks("becket", secrets).unwrap());
        let statuses = Arc::new(Mutex::new(VecDeque::from(statuses.to_vec())));
        let router = Router::new().fallback(move |request: Request| {
            let (sender, source, statuses) = (sender.clone(), Arc::clone(&source), Arc::clone(&statuses));
            async move {
                let (parts, body) = request.into_parts();
                let body = body.collect().await.unwrap().to_bytes();
                let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis();
                match source.receive(&parts.headers, body, now.try_into().unwrap()) {
                    Ok(delivery) => sender.send(delivery).unwrap(),
                    Err(_) => return StatusCode::UNAUTHORIZED,
                }
                statuses.lock().unwrap().pop_front().map_or(StatusCode::NO_CONTENT, |status| status.try_into().unwrap())
            }
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/t0ken?key=t0ken", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, told }
    }

    async fn next(&mut self) -> (Delivery, Value) {
        let told = tokio::time::timeout(Duration::from_secs(60), self.told.recv()).await.unwrap().unwrap();
        let body = serde_json::from_slice(told.body()).unwrap();
        (told, body)
    }
}

fn app() -> App {
    configured(CONFIG)
}

fn good() -> Configured {
    background(|| async { Ok::<_, TaskError>(json!({"labels": ["bug"]})) }).named("good")
}

fn bad() -> Configured {
    background(|| async { Err::<(), _>(TaskError::give_up("it is broken")) }).named("bad")
}

async fn teller_of(world: &World, task: TaskId) -> TaskId {
    let children = world.running.client().store().family(task).await.unwrap().unwrap().children;
    assert_eq!(children.len(), 1);
    children[0]
}

#[tokio::test]
async fn completion_webhook_is_signed_and_sent_again_until_it_is_taken() {
    let mut receiver = Receiver::start(&[500, 503]).await;
    let world = World::start(app().on("push", good().notify(&*receiver.url))).await;
    let answer = world.post(Post::github("push", "a-1")).await;
    let task = answer.tasks()[0];
    let teller = teller_of(&world, task).await;
    assert_eq!(answer.tasks(), [task, teller]);
    let (first, body) = receiver.next().await;
    for _ in 0..2 {
        let (again, same) = receiver.next().await;
        assert_eq!((again.delivery_id(), &same), (first.delivery_id(), &body), "the receiver knows it again");
    }
    assert_eq!(first.delivery_id(), teller.to_string());
    assert_eq!((&body["type"], &body["data"]["id"]), (&json!("task.completed"), &json!(task)));
    assert_eq!(body["timestamp"], body["data"]["updated_at"]);
    assert_eq!((&body["data"]["kind"], &body["data"]["state"]), (&json!("good"), &json!("completed")));
    assert_eq!(body["data"]["result"], json!({"labels": ["bug"]}));
    assert_eq!((&body["data"]["event"], &body["data"]["delivery_id"]), (&json!("push"), &json!("a-1")));
    assert!(body["data"].get("payload").is_none());
    let told = world.ended(teller).await;
    assert_eq!((told.task.state(), told.attempts.len()), (State::Completed, 3));
    assert!(receiver.told.try_recv().is_err());
}

#[tokio::test]
async fn failed_and_cancelled_tasks_are_told_of_too() {
    let mut receiver = Receiver::start(&[]).await;
    let world = World::start(app().task("bad", bad().notify(&*receiver.url)).task("good", good())).await;
    let client = world.running.client();
    let failed = client.enqueue("bad", &()).await.unwrap();
    let (_, body) = receiver.next().await;
    assert_eq!((&body["type"], &body["data"]["id"]), (&json!("task.failed"), &json!(failed)));
    assert_eq!(body["data"]["error"], "it is broken");

    let options = EnqueueOptions {
        due: Due::After(Duration::from_secs(3_600)),
        notify: Some((&*receiver.url).into()),
        ..EnqueueOptions::default()
    };
    let cancelled = client.enqueue_with("good", &(), options).await.unwrap();
    client.cancel(&[cancelled], "not today").await.unwrap();
    let (_, body) = receiver.next().await;
    assert_eq!((&body["type"], &body["data"]["id"]), (&json!("task.cancelled"), &json!(cancelled)));
    assert_eq!(body["data"]["error"], "not today");
}

#[tokio::test]
async fn duplicate_tells_nothing_and_a_replay_tells_of_its_own_tasks() {
    let mut receiver = Receiver::start(&[]).await;
    let app = app().on("push", good().notify(&*receiver.url)).on("*", background(|| async {}).named("quiet"));
    let world = World::start(app).await;
    let first = world.post(Post::github("push", "a-1")).await;
    assert_eq!(world.post(Post::github("push", "a-1")).await.tasks(), first.tasks());
    assert_eq!(first.tasks().len(), 3, "two handlers, and one who tells of one of them");
    let (_, body) = receiver.next().await;
    assert_eq!(body["data"]["id"], json!(first.tasks()[0]));
    world.ended(first.tasks()[2]).await;

    let url = world.running.url("/api/v1/deliveries/a-1/replay");
    let replayed = Answer::of(reqwest::Client::new().post(url).send().await.unwrap()).await;
    assert_eq!((replayed.status, replayed.tasks().len()), (202, 3));
    let (_, body) = receiver.next().await;
    assert_eq!(body["data"]["id"], json!(replayed.tasks()[0]));
    assert!(receiver.told.try_recv().is_err());
}

#[tokio::test]
async fn route_and_inline_handler_tell_and_answer_as_without() {
    let mut receiver = Receiver::start(&[]).await;
    let route = format!("{CONFIG}[[routes]]\nname = 'note'\non = 'issues'\nto = 'log'\nnotify = '{}'\n", receiver.url);
    let handler = becket::inline(|| async { "pong" }).named("ping").notify(&*receiver.url);
    let world = World::start(configured(&route).on("ping", handler)).await;
    world.post(Post::github("issues.opened", "a-1")).await;
    assert_eq!(receiver.next().await.1["data"]["kind"], "note");
    let answer = world.post(Post::github("ping", "a-2")).await;
    assert_eq!((answer.status, &answer.body["calls"]), (200, &json!({"ping": "pong"})));
    let (_, body) = receiver.next().await;
    assert_eq!((&body["data"]["kind"], &body["data"]["result"]), (&json!("ping"), &json!("pong")));

    let client = reqwest::Client::new();
    let shown = client.get(world.running.url("/api/v1/tasks/a-2")).send().await.unwrap();
    assert_eq!(Answer::of(shown).await.body["kind"], "ping", "who tells is not what the sender's id means");
    let status = client.get(world.running.url("/api/v1/webhook_status/a-2")).send().await.unwrap();
    assert_eq!(Answer::of(status).await.body["result"], "pong");
}

#[tokio::test]
async fn url_of_a_task_is_told_and_never_shown() {
    let mut receiver = Receiver::start(&[]).await;
    let world = World::start(app().task("good", good())).await;
    let client = reqwest::Client::new();
    let post = |path: &str, body: Value| client.post(world.running.url(path)).json(&body).send();
    let task = json!({"kind": "good", "args": 1, "notify": receiver.url});
    let accepted = Answer::of(post("/api/v1/tasks", task.clone()).await.unwrap()).await;
    assert_eq!(accepted.status, 202, "{}", accepted.body);
    let (_, body) = receiver.next().await;
    assert_eq!(body["data"]["id"], accepted.body["id"]);
    let graph = json!({"tasks": {"last": task.as_object().unwrap(), "first": {"kind": "good"}}});
    assert_eq!(post("/api/v1/graphs", graph).await.unwrap().status(), 202);
    receiver.next().await;

    let delivery = world.deliveries().await.pop().unwrap().id;
    let mut paths = vec![format!("/api/v1/deliveries/{delivery}"), format!("/api/v1/deliveries/{delivery}/body")];
    paths.extend(["/api/v1/tasks", "/api/v1/deliveries", "/api/v1/webhook_statuses"].map(str::to_owned));
    paths.extend(world.tasks().await.iter().map(|task| format!("/api/v1/tasks/{}", task.id)));
    for path in paths {
        let text = client.get(world.running.url(&path)).send().await.unwrap().text().await.unwrap();
        assert!(!text.contains("t0ken"), "{path}: {text}");
    }
    for (notify, part) in [("ftp://x/t0ken", "notify: `ftp:` is not a way to post"), ("t0ken", "notify: not a URL")] {
        let refused = Answer::of(post("/api/v1/tasks", json!({"kind": "good", "notify": notify})).await.unwrap()).await;
        let detail = refused.body["detail"].as_str().unwrap();
        assert!(refused.status == 422 && detail.starts_with(part) && !detail.contains("t0ken"), "{detail}");
    }
    let refused = Answer::of(post("/api/v1/tasks", json!({"kind": KIND})).await.unwrap()).await;
    assert_eq!(refused.status, 422);
    assert!(!format!("{:?}", good().notify("t0ken")).contains("t0ken"));
}

#[tokio::test]
async fn address_that_is_not_public_is_refused_and_nothing_is_sent() {
    let mut receiver = Receiver::start(&[]).await;
    let world = World::start(configured(&CONFIG.replace("= true", "= false")).task("good", good())).await;
    let task = world.running.client().enqueue("good", &()).notify(&*receiver.url).await.unwrap();
    let teller = world.ended(teller_of(&world, task).await).await;
    assert_eq!((teller.task.state(), teller.attempts.len()), (State::Failed, 1));
    let error = teller.task.error.unwrap();
    assert!(error.contains("loopback") && !error.contains("t0ken"), "{error}");
    assert!(receiver.told.try_recv().is_err());
}

#[tokio::test]
async fn application_that_cannot_tell_does_not_start() {
    let mistakes = async |app: App| match app.store("memory:").start().await {
        Err(StartError::Mistakes(mistakes)) => mistakes[0].to_string(),
        other => panic!("{other:?}"),
    };
    let told = mistakes(configured("").on("push", good().notify("https://example.org/t0ken"))).await;
    assert!(told.contains("`good` tells how its tasks ended, and there is no secret"), "{told}");
    let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let private = configured("").notify_secret(secret).on("push", good().notify("http://10.0.0.1/t0ken"));
    let told = mistakes(private).await;
    assert!(told.contains("10.0.0.1 is a private address") && !told.contains("t0ken"), "{told}");
    let told = mistakes(configured("").notify_secret("short")).await;
    assert!(told.contains("the secret of completion webhooks"), "{told}");
    let told = mistakes(configured("").task(KIND, good())).await;
    assert!(told.contains("names that begin with `becket.` are taken"), "{told}");
}
