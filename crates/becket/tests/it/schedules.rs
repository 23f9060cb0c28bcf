//! Tasks by the clock, from code and from the configuration.

use std::sync::{Arc, Mutex};

use axum::routing::post;
use becket::{App, Config, Headers, Payload, cron};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::world::{Answer, World, app, configured};

async fn text(app: App) -> String {
    app.store("memory:").start().await.unwrap_err().to_string()
}

#[tokio::test]
async fn schedule_fires_by_itself_and_its_handler_learns_the_tick() {
    let (tell, mut told) = mpsc::unbounded_channel();
    let reindex = move |Payload(payload): Payload| {
        let tell = tell.clone();
        async move { tell.send(payload).unwrap() }
    };
    let each_second = cron("* * * * * *").zone("Europe/Berlin").payload(json!({"full": true}));
    let world = World::start(app().task("reindex", reindex).schedule("often", each_second, "reindex")).await;
    let payloads = [told.recv().await.unwrap(), told.recv().await.unwrap()];
    let ticks = payloads.map(|payload| {
        assert_eq!((&payload["schedule"], &payload["full"]), (&json!("often"), &json!(true)));
        payload["tick"].as_str().unwrap().to_owned()
    });
    assert!(ticks[0] < ticks[1] && ticks[0].ends_with(".000Z"), "{ticks:?}");
    let first = world.deliveries().await.pop().unwrap();
    assert_eq!((&*first.source, &*first.event), ("schedule", "often"));
    assert_eq!(first.key.as_deref(), Some(&*format!("often/{}", ticks[0])));
}

#[tokio::test]
async fn schedule_of_the_configuration_posts_its_payload_as_json() {
    let received: Arc<Mutex<Vec<(String, Value)>>> = Arc::default();
    let seen = Arc::clone(&received);
    let receive = move |headers: http::HeaderMap, body: String| async move {
        let media_type = headers["content-type"].to_str().unwrap().to_owned();
        seen.lock().unwrap().push((media_type, serde_json::from_str(&body).unwrap()));
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, axum::Router::new().route("/", post(receive))).await });
    let config = format!(
        "[[schedules]]\nname = 'nightly'\ncron = '0 3 * * *'\nto = {{ http = 'http://{address}/', allow_private = true }}\n\
         payload = {{ shards = [1, 2] }}"
    );
    let world = World::start(configured(&config)).await;
    let fired = world.running.engine().schedules().fire("nightly").await.unwrap().unwrap();
    let task = world.ended(fired.tasks[0]).await.task;
    assert_eq!((&*task.kind, task.state().as_str(), task.error), ("schedule:nightly", "completed", None));
    let (media_type, body) = received.lock().unwrap().remove(0);
    assert_eq!(media_type, "application/json");
    assert_eq!((&body["schedule"], &body["shards"]), (&json!("nightly"), &json!([1, 2])));
}

#[tokio::test]
async fn schedule_may_name_a_route_and_needs_no_source() {
    let config = "[[schedules]]\nname = 'weekly'\ncron = '@weekly'\nto = 'log'";
    let app = App::new().config(Config::from_toml(config).unwrap()).listen(([127, 0, 0, 1], 0)).store("memory:");
    app.start().await.unwrap().shutdown().await;
    let config = "[[routes]]\nname = 'note'\non = 'push'\nto = 'log'\n\
                  [[schedules]]\nname = 'weekly'\ncron = '@weekly'\ntask = 'note'";
    let world = World::start(configured(config)).await;
    let fired = world.running.engine().schedules().fire("weekly").await.unwrap().unwrap();
    assert_eq!(world.ended(fired.tasks[0]).await.task.state().as_str(), "completed");
}

#[tokio::test]
async fn headers_of_a_firing_are_its_media_type() {
    let (tell, mut told) = mpsc::unbounded_channel();
    let reindex = move |Headers(headers): Headers| {
        let tell = tell.clone();
        async move { tell.send(headers).unwrap() }
    };
    let world = World::start(app().task("reindex", reindex).schedule("nightly", "@daily", "reindex")).await;
    world.running.engine().schedules().fire("nightly").await.unwrap().unwrap();
    let headers = told.recv().await.unwrap();
    assert_eq!((headers.len(), headers["content-type"].to_str().unwrap()), (1, "application/json"));
}

#[tokio::test]
async fn what_is_wrong_with_schedules_is_told_at_once_before_anything_listens() {
    async fn reindex() {}
    let config = "[[schedules]]\nname = 'nightly'\ncron = '@daily'\ntask = 'reindex'\n\
                  [[schedules]]\nname = 'posted'\ncron = '@daily'\nto = { http = 'http://10.0.0.1/' }";
    let app = configured(config)
        .task("reindex", reindex)
        .schedule("nightly", "0 3 * * *", "reindex")
        .schedule("a/b", "0 3 * * *", "reindex")
        .schedule("bad-pattern", "0 3 * *", "reindex")
        .schedule("bad-zone", cron("0 3 * * *").zone("Berlin"), "reindex")
        .schedule("bad-payload", cron("0 3 * * *").payload(json!(1)), "reindex")
        .schedule("bad-kind", "0 3 * * *", "reindx");
    insta::assert_snapshot!(text(app).await, @r#"
    the application has 7 mistakes:
      the schedule `posted` has no usable target: 10.0.0.1 is a private address; set allow_private = true if the receiver is meant to be there; see `schedules.to` in the configuration reference
      the schedule `a/b`: it cannot have this name; use letters, digits, `.`, `_` and `-`, at most 64
      the schedule `bad-pattern`: `0 3 * *` has 4 and not five fields; write minute, hour, day of the month, month and day of the week, such as `0 3 * * *`
      the schedule `bad-zone`: `Berlin` is not a time zone that is known here; write a name of the IANA database, such as "Europe/Berlin" or "UTC"
      the schedule `bad-payload`: its payload is not a JSON object; give one, or none
      the schedule `bad-kind`: it wants tasks of kind `reindx`, for which there is no handler; there are `reindex`
      the schedule `nightly`: another schedule has this name; choose another
    "#);
}

#[tokio::test]
async fn source_cannot_have_the_name_of_schedules() {
    let app = App::new().standard_webhooks("schedule", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    assert!(text(app).await.contains("a source cannot have the name `schedule`"));
}

#[tokio::test]
async fn replay_of_a_firing_goes_to_its_schedules_handler_and_not_to_routes() {
    let config = "[[routes]]\nname = 'note'\non = '*'\nto = 'log'";
    let app = configured(config).task("reindex", || async {}).schedule("nightly", "@daily", "reindex");
    let world = World::start(app).await;
    let fired = world.running.engine().schedules().fire("nightly").await.unwrap().unwrap();
    world.ended(fired.tasks[0]).await;
    let url = world.running.url(&format!("/api/v1/deliveries/{}/replay", fired.submission));
    let answer = reqwest::Client::new().post(url).send().await.unwrap();
    let again = Answer::of(answer).await.tasks();
    assert_eq!(again.len(), 1);
    assert_eq!(&*world.ended(again[0]).await.task.kind, "reindex");
}
