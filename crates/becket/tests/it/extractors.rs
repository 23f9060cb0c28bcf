//! What handlers receive.

use std::collections::BTreeMap;

use becket::event::{IssuesAction, IssuesEvent, PushEvent};
use becket::{
    Client, Delivery, Event, FromTask, Headers, Json, Parents, Payload, Requirements, State, TaskContext, TaskError,
    TaskInput, background, inline,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::world::{Post, World, app};

#[derive(Clone)]
struct Greeting(&'static str);

#[derive(Deserialize, Serialize)]
struct Resize {
    width: u32,
}

fn issue() -> Vec<u8> {
    let body = json!({
        "action": "opened",
        "issue": {"id": 5, "number": 12, "title": "It breaks", "labels": [{"name": "bug"}], "made_up": [1]},
        "repository": {"id": 1, "name": "hello", "full_name": "octo/hello"},
        "sender": {"id": 2, "login": "mona"},
        "more": true,
    });
    serde_json::to_vec(&body).unwrap()
}

#[tokio::test]
async fn typed_event_keeps_the_fields_that_it_does_not_name() {
    async fn typed(Event(event): Event<IssuesEvent>) -> Json<Value> {
        assert_eq!(event.action, IssuesAction::Opened);
        assert_eq!(event.installation, None, "a webhook that is not an App's");
        Json(json!({
            "number": event.issue.number, "label": event.issue.labels[0].name,
            "made_up": event.issue.extra["made_up"], "more": event.extra["more"],
        }))
    }
    let world = World::start(app().on("issues", typed)).await;
    let answer = world.post(Post::github_body("issues", "a-1", issue())).await;
    let expected = json!({"number": 12, "label": "bug", "made_up": [1], "more": true});
    assert_eq!(answer.body["calls"]["typed"], expected);
}

#[tokio::test]
async fn handler_sees_delivery_headers_payload_state_and_attempt() {
    async fn all(
        delivery: Delivery,
        headers: Headers,
        Payload(payload): Payload,
        Payload(named): Payload<BTreeMap<String, Value>>,
        State(Greeting(greeting)): State<Greeting>,
        State(number): State<u8>,
        task: TaskContext,
    ) -> Json<Value> {
        assert_eq!(delivery.body(), &issue());
        assert_eq!(delivery.headers()["x-github-event"], headers["x-github-event"]);
        assert_eq!(named["more"], payload["more"]);
        assert!(!format!("{delivery:?}").contains("breaks"), "a payload reached `Debug`");
        Json(json!([
            delivery.source(),
            delivery.delivery_id(),
            delivery.event(),
            delivery.action(),
            headers["content-type"].to_str().unwrap(),
            payload["issue"]["title"],
            greeting,
            number,
            task.attempt(),
            task.max_attempts(),
            &**task.kind(),
            delivery.id() == task.submission(),
        ]))
    }
    let app = app().state(Greeting("hello")).state(7_u8).on("issues.opened", inline(all).retries(2));
    let answer = World::start(app).await.post(Post::github_body("issues", "a-1", issue())).await;
    let expected =
        json!(["github", "a-1", "issues", "opened", "application/json", "It breaks", "hello", 7, 1, 3, "all", true]);
    assert_eq!(answer.body["calls"]["all"], expected);
}

#[tokio::test]
async fn form_encoded_delivery_is_read_as_the_json_inside_and_kept_as_it_came() {
    async fn title(Event(event): Event<IssuesEvent>, delivery: Delivery) -> String {
        assert!(delivery.body().starts_with(b"payload=%7B"));
        event.issue.title
    }
    let json = String::from_utf8(issue()).unwrap();
    let form = form_urlencoded::Serializer::new(String::new()).append_pair("payload", &json).finish();
    let post = Post::github_body("issues", "a-1", form).header("content-type", "application/x-www-form-urlencoded");
    let answer = World::start(app().on("issues.opened", title)).await.post(post).await;
    assert_eq!((answer.status, &answer.body["calls"]["title"]), (200, &json!("It breaks")));
}

#[tokio::test]
async fn payload_that_is_not_the_expected_event_fails_without_retries() {
    let handler = background(|_: Event<PushEvent>| async {}).named("wrong").retries(5);
    let world = World::start(app().on("issues", handler)).await;
    let answer = world.post(Post::github_body("issues", "a-1", issue())).await;
    let detail = world.ended(answer.tasks()[0]).await;
    assert_eq!(detail.attempts.len(), 1);
    let error = detail.task.error.unwrap();
    assert!(error.starts_with("the payload is no PushEvent: missing field `ref`"), "{error}");
}

#[tokio::test]
async fn task_enqueued_by_hand_or_by_a_handler_gets_its_arguments() {
    async fn resize(Json(job): Json<Resize>, State(factor): State<u32>) -> Json<u32> {
        Json(job.width * factor)
    }
    async fn enqueue(client: Client) -> Result<String, TaskError> {
        Ok(client.enqueue("resize", &Resize { width: 5 }).await?.to_string())
    }
    let world = World::start(app().state(2_u32).task("resize", resize).on("push", enqueue)).await;

    let client = world.running.client();
    let by_hand = client.enqueue("resize", &Resize { width: 4 }).await.unwrap();
    assert_eq!(client.result::<u32>(by_hand).await.unwrap(), 8);

    let answer = world.post(Post::github("push", "a-1")).await;
    let by_handler = answer.body["calls"]["enqueue"].as_str().unwrap().parse().unwrap();
    assert_eq!(client.result::<u32>(by_handler).await.unwrap(), 10);
}

#[tokio::test]
async fn handler_reads_what_its_parents_returned() {
    async fn sum(parents: Parents, Json(own): Json<u32>) -> Result<u32, TaskError> {
        assert!(parents.iter().all(|parent| &*parent.kind == "number"));
        Ok(own + parents.results::<u32>()?.iter().sum::<u32>())
    }
    let number = |Json(number): Json<u32>| async move { Json(number) };
    let world = World::start(app().task("number", number).task("sum", sum)).await;
    let client = world.running.client();
    let one = client.enqueue("number", &1).await.unwrap();
    let chain = client.enqueue("number", &10).then("sum", &100).after([one]).await.unwrap();
    assert_eq!(client.result::<u32>(chain[1]).await.unwrap(), 111);
    let alone = client.enqueue("sum", &5).await.unwrap();
    assert_eq!(client.result::<u32>(alone).await.unwrap(), 5);
}

#[tokio::test]
async fn extractor_of_the_users_own_works_like_the_others() {
    struct Repository(String);
    impl FromTask for Repository {
        async fn from_task(input: &TaskInput) -> Result<Self, TaskError> {
            let State(Greeting(greeting)) = State::from_task(input).await?;
            let Payload(body) = Payload::<Value>::from_task(input).await?;
            let name = body["repository"]["full_name"].as_str().ok_or_else(|| TaskError::give_up("no repository"))?;
            Ok(Self(format!("{greeting} {name}")))
        }

        fn requirements(needs: &mut Requirements) {
            State::<Greeting>::requirements(needs);
        }
    }
    async fn greet(Repository(text): Repository) -> String {
        text
    }
    let world = World::start(app().state(Greeting("hello")).on("push", greet)).await;
    assert_eq!(world.post(Post::github("push", "a-1")).await.body["calls"]["greet"], "hello octo/hello");
}
