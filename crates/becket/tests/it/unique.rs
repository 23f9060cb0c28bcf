//! Handlers and routes whose tasks stand for one another: what senders hear, what is counted, what is told.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use becket::{App, Payload, Subject, TaskError, background, inline};
use becket_tasks::{State, Submission};
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::world::{Answer, Post, World, app, configured};

const HOUR: Duration = Duration::from_secs(3_600);

/// A push to a repository.
fn push(id: &str, repository: &str) -> Post {
    Post::github_body("push", id, json!({"repository": {"full_name": repository}}).to_string())
}

/// A handler that counts its runs, and returns how many there were.
fn counting() -> (Arc<AtomicU32>, impl Fn() -> std::future::Ready<Value> + Clone) {
    let runs = Arc::<AtomicU32>::default();
    let counter = Arc::clone(&runs);
    (runs, move || std::future::ready(json!(counter.fetch_add(1, Ordering::SeqCst) + 1)))
}

async fn get(world: &World, path: &str) -> Answer {
    Answer::of(reqwest::get(world.running.url(path)).await.unwrap()).await
}

async fn counted(world: &World, line: &str) -> bool {
    let page = get(world, "/metrics").await.body;
    page.as_str().unwrap().lines().any(|written| written == line)
}

#[tokio::test]
async fn delivery_is_answered_with_the_task_that_stands_for_its_own() {
    let (runs, handler) = counting();
    let handler = background(handler).named("report").unique("{repository.full_name}", HOUR);
    let world = World::start(app().on("push", handler)).await;
    let first = world.post(push("a-1", "octo/a")).await;
    world.ended(first.tasks()[0]).await;
    let again = world.post(push("a-2", "octo/a")).await;
    assert_eq!((again.status, &again.body["status"]), (202, &json!("ACCEPTED")));
    assert_eq!(again.tasks(), first.tasks());
    let other = world.post(push("a-3", "octo/b")).await;
    assert_ne!(other.tasks(), first.tasks());
    world.ended(other.tasks()[0]).await;
    assert_eq!(runs.load(Ordering::SeqCst), 2);
    assert_eq!((world.deliveries().await.len(), world.tasks().await.len()), (3, 2), "each delivery is kept");

    assert!(counted(&world, "becket_tasks_reused_total 1").await);
    assert!(counted(&world, "becket_deliveries_total{source=\"github\",answer=\"reused\"} 1").await);
    assert!(counted(&world, "becket_deliveries_total{source=\"github\",answer=\"accepted\"} 2").await);
    let duplicate = world.post(push("a-2", "octo/a")).await;
    assert_eq!((duplicate.status, &duplicate.body["duplicate"]), (202, &json!(true)), "it is known all the same");
    assert_eq!(duplicate.tasks(), first.tasks());
    let status = get(&world, "/api/v1/webhook_status/a-2").await.body;
    assert_eq!((&status["status"], &status["attempts"]), (&json!("completed"), &json!(1)), "as the task stands");
    let delivery = get(&world, "/api/v1/deliveries/a-2").await.body;
    assert_eq!(delivery["task_ids"], json!(first.tasks()), "{delivery}");
    assert!(counted(&world, "becket_tasks_reused_total 1").await, "a duplicate asks for nothing");
}

#[tokio::test]
async fn replayed_delivery_does_its_work_again_however_fresh_the_result() {
    let (runs, handler) = counting();
    let by_function = |push: &Subject| Some(push.payload()["repository"]["full_name"].as_str()?.to_owned());
    let handler = background(handler).named("report").unique(by_function, HOUR);
    let world = World::start(app().on("push", handler)).await;
    let first = world.post(push("a-1", "octo/a")).await;
    world.ended(first.tasks()[0]).await;
    assert_eq!(world.post(push("a-2", "octo/a")).await.tasks(), first.tasks());
    let url = world.running.url("/api/v1/deliveries/a-2/replay");
    let replayed = Answer::of(reqwest::Client::new().post(url).send().await.unwrap()).await;
    assert_ne!(replayed.tasks(), first.tasks());
    assert_eq!(world.ended(replayed.tasks()[0]).await.result.as_deref(), Some(&b"2"[..]));
    assert_eq!(runs.load(Ordering::SeqCst), 2);
    let after = world.post(push("a-3", "octo/a")).await;
    assert_eq!(after.tasks(), replayed.tasks(), "the latest result is the one that counts");
}

#[tokio::test]
async fn inline_handler_answers_with_the_fresh_result_of_another_delivery() {
    let (runs, handler) = counting();
    let handler = inline(handler).named("report").unique("{repository.full_name}", HOUR);
    let world = World::start(app().on("push", handler)).await;
    for id in ["a-1", "a-2", "a-3"] {
        let answer = world.post(push(id, "octo/a")).await;
        assert_eq!((answer.status, &answer.body["calls"]), (200, &json!({"report": 1})), "{id}");
    }
    assert_eq!(world.post(push("a-4", "octo/b")).await.body["calls"], json!({"report": 2}));
    assert_eq!(runs.load(Ordering::SeqCst), 2);
    assert!(counted(&world, "becket_deliveries_total{source=\"github\",answer=\"hit\"} 4").await);
}

#[tokio::test]
async fn inline_handler_waits_for_the_task_that_runs_for_another_delivery() {
    let (begun, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (tell, wait) = (Arc::clone(&begun), Arc::clone(&go));
    let report = move |Payload(push): Payload| {
        let (tell, wait) = (Arc::clone(&tell), Arc::clone(&wait));
        async move {
            tell.notify_one();
            wait.notified().await;
            if push["repository"]["full_name"] == "octo/bad" { Err(TaskError::give_up("no")) } else { Ok("done") }
        }
    };
    let handler = inline(report).named("report").unique("{repository.full_name}", Duration::ZERO);
    let beside = background(|| async {}).named("beside");
    let world = World::start(app().on("push", handler).on("push", beside)).await;
    for (repository, status) in [("octo/good", 200), ("octo/bad", 500)] {
        let first = world.post(push(&format!("{repository}-1"), repository));
        let second = async {
            begun.notified().await;
            let second = world.post(push(&format!("{repository}-2"), repository));
            let end = async {
                // The second delivery is kept before the first one's handler ends.
                let key = format!("{repository}-2");
                while !world.deliveries().await.iter().any(|one| one.key.as_deref() == Some(&*key)) {
                    tokio::task::yield_now().await;
                }
                go.notify_one();
            };
            tokio::join!(second, end).0
        };
        let (first, second) = tokio::join!(first, second);
        assert_eq!((first.status, second.status), (status, status), "{first:?} {second:?}");
        assert_eq!(first.body["calls"], second.body["calls"]);
        if status == 200 {
            assert_eq!(second.body["calls"], json!({"report": "done"}));
            assert_eq!(second.tasks().len(), 1, "beside it a task of its own runs");
        }
    }
}

#[tokio::test]
async fn inline_handler_that_takes_too_long_for_both_is_answered_202_twice() {
    let app = configured("server.inline_deadline = '50ms'");
    let handler = inline(std::future::pending::<()>).named("report").unique("all", HOUR);
    let world = World::start(app.on("push", handler)).await;
    let first = world.post(push("a-1", "octo/a")).await;
    let second = world.post(push("a-2", "octo/a")).await;
    assert_eq!((first.status, second.status, second.tasks()), (202, 202, first.tasks()));
}

#[tokio::test]
async fn route_has_unique_tasks_too() {
    let toml = "[[routes]]\non = 'push'\nto = 'log'\nunique = '{repository.full_name}'\nfresh_for = '1h'";
    let world = World::start(configured(toml)).await;
    let first = world.post(push("a-1", "octo/a")).await;
    world.ended(first.tasks()[0]).await;
    assert_eq!(world.post(push("a-2", "octo/a")).await.tasks(), first.tasks());
    let policy = world.running.client().policy("log").unwrap().unique.clone().unwrap();
    assert_eq!(policy.fresh, HOUR);
    let nameless = [Post::github_body("push", "b-1", "{}"), Post::github_body("push", "b-2", "{}")];
    let [one, other] = nameless.map(|post| world.post(post));
    assert_ne!(one.await.tasks(), other.await.tasks(), "without a name each is its own");
}

#[tokio::test]
async fn task_that_stands_for_many_is_told_of_once() {
    let receiver = becket_receiver().await;
    let toml = format!(
        "[notify]\nsecret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'\nallow_private = true\n\
         [[routes]]\non = 'push'\nto = 'log'\nunique = 'all'\nfresh_for = '1h'\nnotify = '{}'",
        receiver.url
    );
    let world = World::start(configured(&toml)).await;
    let mut tellers = Vec::new();
    for id in ["a-1", "a-2", "a-3"] {
        let answer = world.post(push(id, "octo/a")).await;
        tellers.push(answer.tasks()[1]);
    }
    for teller in &tellers {
        assert_eq!(world.ended(*teller).await.task.state(), State::Completed);
    }
    assert_eq!(receiver.posts.load(Ordering::SeqCst), 1);
    assert!(counted(&world, "becket_deliveries_total{source=\"github\",answer=\"reused\"} 2").await);

    // Who names a URL for a task of its own is told, whoever else is.
    let body = json!({"kind": "log", "args": {}, "notify": receiver.url});
    let url = world.running.url("/api/v1/tasks");
    let asked = Answer::of(reqwest::Client::new().post(url).json(&body).send().await.unwrap()).await;
    assert_eq!((asked.status, &asked.body["state"]), (200, &json!("completed")), "its result is fresh: {asked:?}");
    while receiver.posts.load(Ordering::SeqCst) < 2 {
        tokio::task::yield_now().await;
    }
}

/// Counts what is posted to it.
struct Receiver {
    url: String,
    posts: Arc<AtomicU32>,
}

async fn becket_receiver() -> Receiver {
    let posts = Arc::<AtomicU32>::default();
    let counter = Arc::clone(&posts);
    let router = axum::Router::new().fallback(move || {
        counter.fetch_add(1, Ordering::SeqCst);
        std::future::ready(http::StatusCode::NO_CONTENT)
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/done", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    Receiver { url, posts }
}

#[tokio::test]
async fn unique_key_that_makes_no_sense_is_told_before_anything_listens() {
    let handler = background(|| async {}).named("report").unique("{a", HOUR);
    let error = App::new().github("secret").on("push", handler).store("memory:").start().await.unwrap_err().to_string();
    assert!(error.contains("the handler `report` has the unique key `{a`: a `{` is never closed"), "{error}");
}

#[tokio::test]
async fn task_by_hand_has_the_key_that_its_handler_makes_of_its_arguments() {
    let handler = background(|| async {}).unique("{repository}", HOUR);
    let world = World::start(app().task("report", handler)).await;
    let client = world.running.client();
    let ask = |repository: &str| client.enqueue("report", &json!({"repository": repository}));
    let (first, second, other) = (ask("a").await.unwrap(), ask("a").await.unwrap(), ask("b").await.unwrap());
    assert_eq!((first == second, first == other), (true, false));
    let submission = |args: Value| -> Submission { client.plan("report", &args, Default::default()).unwrap() };
    let inserted = client.submit(submission(json!({"repository": "a"}))).await.unwrap();
    assert_eq!((inserted.duplicate, inserted.reused), (true, vec![first]), "nothing of it is kept");
}
