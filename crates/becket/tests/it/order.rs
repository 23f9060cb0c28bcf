//! Lanes, tenants and limits of handlers, with deliveries as they come.

use std::sync::Arc;
use std::time::Duration;

use becket::{App, Subject, background, inline};
use becket_tasks::{Scope, State, Store};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::world::{Answer, Post, World, app, configured};

async fn quick() {}

fn issue(id: &str, number: u32) -> Post {
    let body = json!({"action": "opened", "issue": {"number": number}, "repository": {"full_name": "octo/a"}});
    Post::github_body("issues", id, body.to_string())
}

fn as_form(post: Post) -> Post {
    let json = String::from_utf8(post.body.clone()).unwrap();
    let body = form_urlencoded::Serializer::new(String::new()).append_pair("payload", &json).finish();
    Post { body: body.into_bytes(), ..post }
        .header("content-type", "application/x-www-form-urlencoded")
        .signed(crate::world::SECRET)
}

/// A handler that begins, says so, and ends when it is let.
fn gated() -> (Arc<Semaphore>, Arc<Semaphore>, impl Fn() -> futures_util::future::BoxFuture<'static, ()> + Clone) {
    let (begun, go) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let (tell, wait) = (Arc::clone(&begun), Arc::clone(&go));
    let handler = move || -> futures_util::future::BoxFuture<'static, ()> {
        let (tell, wait) = (Arc::clone(&tell), Arc::clone(&wait));
        Box::pin(async move {
            tell.add_permits(1);
            if let Ok(permit) = wait.acquire().await {
                permit.forget();
            }
        })
    };
    (begun, go, handler)
}

async fn state(world: &World, answer: &Answer) -> State {
    world.running.client().get(answer.tasks()[0]).await.unwrap().unwrap().task.state()
}

#[tokio::test]
async fn task_is_in_the_lane_of_the_tenant_and_under_the_key_that_its_handler_names() {
    let handler = background(quick)
        .lane("{repository.full_name}#{issue.number|number}")
        .tenant(|subject: &Subject| Some(format!("{} of {}", subject.event(), subject.source())))
        .limit_key("{@kind}")
        .concurrency_per_key(4);
    let world = World::start(app().on("*", handler)).await;
    let json = world.post(issue("a-1", 7)).await.tasks()[0];
    let form = world.post(as_form(issue("a-2", 8))).await.tasks()[0];
    let none = world.post(Post::github("push", "a-3")).await.tasks()[0];
    let mut found = Vec::new();
    for task in [json, form, none] {
        let task = world.ended(task).await.task;
        assert_eq!(task.limit_key.as_deref(), Some("quick"));
        found.push((task.lane.as_deref().map(str::to_owned), task.tenant.as_deref().map(str::to_owned)));
    }
    let expected = |lane: &str, tenant: &str| (Some(lane.to_owned()), Some(tenant.to_owned()));
    assert_eq!(found[..2], [expected("octo/a#7", "issues of github"), expected("octo/a#8", "issues of github")]);
    assert_eq!(found[2], (None, Some("push of github".to_owned())), "without a name it is in no lane");
}

#[tokio::test]
async fn replayed_form_is_in_the_lane_of_its_json() {
    let world = World::start(app().on("issues", background(quick).lane("{repository.full_name}"))).await;
    let answer = world.post(as_form(issue("a-1", 7))).await;
    world.ended(answer.tasks()[0]).await;
    let url = world.running.url("/api/v1/deliveries/a-1/replay");
    let replayed = Answer::of(reqwest::Client::new().post(url).send().await.unwrap()).await;
    assert!(matches!(replayed.status, 200 | 202), "{replayed:?}");
    let tasks = world.tasks().await;
    assert_eq!(tasks.len(), 2);
    assert!(tasks.iter().all(|task| task.lane.as_deref() == Some("octo/a")), "{tasks:?}");
}

#[tokio::test]
async fn inline_handler_whose_lane_is_taken_is_answered_202_and_runs_in_its_turn() {
    let (begun, go, handler) = gated();
    let app = configured("server.inline_deadline = '50ms'");
    let world = World::start(app.on("issues", inline(handler).named("gated").lane("{issue.number}"))).await;
    let first = world.post(issue("a-1", 7)).await;
    assert_eq!(first.status, 202, "it takes too long");
    let behind = world.post(issue("a-2", 7)).await;
    assert_eq!((behind.status, state(&world, &behind).await), (202, State::Queued));
    let beside = world.post(issue("a-3", 8)).await;
    assert_eq!((beside.status, state(&world, &beside).await), (202, State::Running));
    go.add_permits(3);
    assert_eq!(world.ended(behind.tasks()[0]).await.task.state(), State::Completed);
    assert_eq!(begun.available_permits(), 3);
}

#[tokio::test]
async fn inline_handler_with_limits_is_answered_202_and_runs_from_the_queue() {
    let world = World::start(app().on("issues", inline(quick).concurrency(1))).await;
    let answer = world.post(issue("a-1", 7)).await;
    assert_eq!((answer.status, &answer.body["status"]), (202, &json!("ACCEPTED")));
    assert_eq!(world.ended(answer.tasks()[0]).await.task.state(), State::Completed);
}

#[tokio::test]
async fn paused_inline_handler_is_answered_202_and_runs_when_it_is_resumed() {
    let world = World::start(app().on("issues", inline(quick))).await;
    for scope in [Scope::Kind("quick".into()), Scope::Source("github".into())] {
        world.store.set_paused(scope.clone(), true).await.unwrap();
        let answer = world.post(issue(scope.word(), 7)).await;
        assert_eq!((answer.status, state(&world, &answer).await), (202, State::Queued), "{scope}");
        world.store.set_paused(scope, false).await.unwrap();
        assert_eq!(world.ended(answer.tasks()[0]).await.task.state(), State::Completed);
    }
}

#[tokio::test]
async fn latest_delivery_of_an_issue_replaces_those_that_wait() {
    let (begun, go, handler) = gated();
    let world = World::start(app().on("issues", background(handler).named("gated").latest())).await;
    let running = world.post(issue("a-1", 7)).await;
    begun.acquire().await.unwrap().forget();
    let replaced = world.post(issue("a-2", 7)).await;
    let latest = world.post(issue("a-3", 7)).await;
    let replaced = world.ended(replaced.tasks()[0]).await.task;
    assert_eq!((replaced.state(), replaced.error.as_deref()), (State::Cancelled, Some("superseded")));
    assert_eq!(replaced.lane.as_deref(), Some("gated octo/a#7"), "the lane of those that name none");
    go.add_permits(2);
    for answer in [running, latest] {
        assert_eq!(world.ended(answer.tasks()[0]).await.task.state(), State::Completed);
    }
}

#[tokio::test]
async fn latest_delivery_stops_the_running_one_when_told_to() {
    let (begun, go, handler) = gated();
    let world = World::start(app().on("issues", background(handler).named("gated").latest_stopping())).await;
    let running = world.post(issue("a-1", 7)).await;
    begun.acquire().await.unwrap().forget();
    let latest = world.post(issue("a-2", 7)).await;
    assert_eq!(world.ended(running.tasks()[0]).await.task.state(), State::Cancelled);
    begun.acquire().await.unwrap().forget();
    go.add_permits(1);
    assert_eq!(world.ended(latest.tasks()[0]).await.task.state(), State::Completed);
}

#[tokio::test]
async fn debounced_handler_runs_once_for_a_burst() {
    let quiet = Duration::from_millis(200);
    let world = World::start(app().on("issues", inline(quick).debounce(quiet, quiet * 20))).await;
    let mut answers = Vec::new();
    for id in ["a-1", "a-2", "a-3"] {
        answers.push(world.post(issue(id, 7)).await);
    }
    assert!(answers.iter().all(|answer| answer.status == 202), "{answers:?}");
    let last = world.ended(answers[2].tasks()[0]).await;
    assert_eq!(last.task.state(), State::Completed);
    assert!(last.attempts[0].started_at.since(last.task.created_at) >= quiet, "{last:?}");
    for answer in &answers[..2] {
        assert_eq!(world.ended(answer.tasks()[0]).await.task.state(), State::Cancelled);
    }
}

#[tokio::test]
async fn route_of_the_configuration_has_lanes_and_limits_too() {
    let app = configured(
        "[[routes]]\non = 'issues'\nto = 'log'\nlane = '{repository.full_name}'\ntenant = '{@source}'\n\
         limit_key = '{issue.number}'\nconcurrency_per_key = 1\nrate = '100/1s'",
    );
    let world = World::start(app).await;
    let task = world.post(issue("a-1", 7)).await.tasks()[0];
    let task = world.ended(task).await.task;
    assert_eq!((task.lane.as_deref(), task.tenant.as_deref()), (Some("octo/a"), Some("github")));
    assert_eq!(task.limit_key.as_deref(), Some("7"));
    let policy = world.running.client().policy("log").unwrap().clone();
    assert_eq!(policy.limits.key_concurrency, Some(1));
    assert_eq!(policy.limits.rate.map(|rate| (rate.starts, rate.period)), Some((100, Duration::from_secs(1))));
}

async fn mistakes(app: App) -> Vec<String> {
    let error = app.store("memory:").start().await.unwrap_err().to_string();
    error.lines().skip(1).map(|line| line.trim().to_owned()).collect()
}

#[tokio::test]
async fn order_that_makes_no_sense_is_told_before_anything_listens() {
    let second = Duration::from_secs(1);
    let handler = || background(quick);
    let table = [
        (handler().lane("{a"), "the handler `quick` has the lane `{a`: a `{` is never closed at column 1; write `}`"),
        (handler().tenant("{@who}"), "has the tenant `{@who}`: there is no `@who` at column 2; write `@kind`"),
        (handler().limit_key(""), "has the limit key ``: it is empty"),
        (handler().concurrency(0), "may run 0 tasks at once in all; allow at least 1"),
        (handler().limit_key("x").concurrency_per_key(0), "may run 0 tasks at once for each key"),
        (handler().rate(0, second), "may start 0 tasks in 1s in all; allow 1 to 10000 starts"),
        (handler().rate(1, Duration::ZERO), "may start 1 tasks in 0s in all"),
        (handler().limit_key("x").rate_per_key(10_001, second), "may start 10001 tasks in 1s for each key"),
        (handler().rate_per_key(1, second), "has a limit for each key, and no key; say with `.limit_key(…)`"),
        (handler().debounce(second * 2, second), "waits for quiet longer than at the most; give"),
        (handler().debounce(Duration::ZERO, second), "waits for a quiet of no length"),
        (handler().pass_on_retry(), "lets its lane pass, and has none; name it with `.lane(…)`"),
    ];
    for (handler, expected) in table {
        let told = mistakes(app().on("issues", handler)).await;
        assert!(told.len() == 1 && told[0].contains(expected), "{expected}: {told:?}");
    }
    let told = mistakes(app().task("by_hand", handler().latest())).await;
    assert!(told[0].contains("the handler `by_hand` replaces older tasks of its lane, and has none"), "{told:?}");
}

#[tokio::test]
async fn task_enqueued_by_hand_may_bring_its_limit_key_along() {
    let world = World::start(app().task("by_hand", background(quick).concurrency_per_key(1))).await;
    let options = becket_tasks::EnqueueOptions { limit_key: Some("mine".into()), ..Default::default() };
    let task = world.running.client().enqueue_with("by_hand", &Value::Null, options).await.unwrap();
    assert_eq!(world.ended(task).await.task.limit_key.as_deref(), Some("mine"));
}
