//! Routes of the configuration beside handlers in code.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use becket::inline;
use becket_tasks::State;
use tokio::sync::mpsc;

use crate::world::{Post, SECRET, World, configured};

/// A program of somebody's that takes deliveries, and what it is sent.
async fn target() -> (String, mpsc::UnboundedReceiver<(http::HeaderMap, String)>) {
    let (sender, received) = mpsc::unbounded_channel();
    let sender = Arc::new(sender);
    let hook = move |headers: http::HeaderMap, body: String| async move {
        sender.send((headers, body)).unwrap();
        "taken"
    };
    let router = axum::Router::new().route("/hook", axum::routing::post(hook));
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, received)
}

#[tokio::test]
async fn route_posts_the_original_body_to_its_target_beside_the_handlers_in_code() {
    let (url, mut received) = target().await;
    let toml = format!(
        "[[routes]]\non = ['issues.opened', 'push']\nto = {{ http = '{url}', allow_private = true }}\nretries = 4\n\
         [[routes]]\non = '*'\nto = 'log'\nname = 'everything'"
    );
    let world = World::start(configured(&toml).on("push", inline(|| async { "in code" }).named("code"))).await;
    let post = Post::github("push", "a-1");
    let answer = world.post(post.clone()).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body["calls"]["code"], "in code");

    let (headers, body) = received.recv().await.unwrap();
    assert_eq!(body.as_bytes(), post.body);
    assert_eq!(headers["x-github-delivery"], "a-1");
    let tasks = answer.tasks();
    assert_eq!(headers["becket-task-id"].to_str().unwrap(), tasks[0].to_string());
    assert_eq!(headers["becket-attempt"], "1");

    let posted = world.ended(tasks[0]).await;
    assert_eq!((posted.task.state(), posted.task.standing.max_attempts), (State::Completed, 5));
    let host = url.strip_prefix("http://").and_then(|url| url.strip_suffix("/hook")).unwrap();
    let hash = posted.task.kind.strip_prefix(&format!("http:{host}#")).map(str::len);
    assert_eq!(hash, Some(6), "{}", posted.task.kind);
    assert_eq!(&*world.ended(tasks[1]).await.task.kind, "everything");
}

/// What is logged, as text.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn token_in_a_targets_url_is_in_no_kind_no_answer_and_no_log() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_env_filter("trace,hyper=off,hyper_util=off,reqwest=off,tower=off");
    let _logging = tracing::subscriber::set_default(subscriber.with_writer(move || writer.clone()).finish());
    let (taken, _received) = target().await;
    let (gone, host) = (taken.replace("/hook", "/t0ken"), taken.replace("/hook", ""));
    let toml = [format!("{taken}?key=t0ken"), gone, format!("{host}/?t0ken")]
        .map(|url| format!("[[routes]]\non = 'push'\nto = {{ http = '{url}', allow_private = true }}\nretries = 0\n"));
    let world = World::start(configured(&toml.concat())).await;
    let answer = world.post(Post::github("push", "a-1")).await;
    let tasks = answer.tasks();
    assert_eq!(tasks.len(), 3);
    let mut shown = answer.body.to_string();
    for task in tasks {
        shown.push_str(&format!("{:?}", world.ended(task).await));
        let url = world.running.url(&format!("/api/v1/tasks/{task}"));
        shown.push_str(&reqwest::get(url).await.unwrap().text().await.unwrap());
    }
    shown.push_str(&String::from_utf8_lossy(&log.0.lock().unwrap()));
    assert!(shown.contains("http:127.0.0.1:"), "nothing was shown: {shown}");
    assert!(!shown.contains("t0ken"), "{shown}");
}

#[tokio::test]
async fn route_of_one_source_takes_nothing_from_another() {
    let toml = format!(
        "[sources.hub]\nkind = 'github'\nsecret = '{SECRET}'\n[[routes]]\non = '*'\nsource = 'hub'\nto = 'log'"
    );
    let world = World::start(configured(&toml)).await;
    assert_eq!(world.post(Post::github("push", "a-1")).await.body["status"], "MISS");
    let other = world.post(Post::github("push", "a-2").path("/webhooks/hub")).await;
    assert_eq!(other.body["status"], "ACCEPTED");
}
