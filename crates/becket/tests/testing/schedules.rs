//! Schedules: ticks come when the test moves the clock, and keep nothing from ending.

use std::time::Duration;

use becket::testing::TestApp;
use becket::{App, Payload, TaskContext, TaskError, background, cron};
use serde_json::{Value, json};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);

async fn tick(Payload(firing): Payload) -> Value {
    firing["tick"].clone()
}

fn hourly() -> App {
    App::new().task("tick", background(tick)).schedule("hourly", "@hourly", "tick")
}

/// The times of day at which the schedule has fired.
fn ticks(app: &TestApp) -> Vec<String> {
    app.tasks("tick").iter().map(|task| task.result::<String>()[11..16].to_owned()).collect()
}

async fn fires_when_its_time_comes() {
    let app = TestApp::start(hourly()).await;
    app.drain().await;
    app.assert_no_tasks();
    app.advance(HOUR - MINUTE).await;
    app.drain().await;
    app.assert_no_tasks();
    for _ in 0..3 {
        app.advance(HOUR).await;
        app.drain().await;
    }
    assert_eq!(ticks(&app), ["01:00", "02:00", "03:00"]);
}

#[tokio::test]
async fn schedule_fires_when_the_test_moves_the_time() {
    fires_when_its_time_comes().await;
}

#[tokio::test(start_paused = true)]
async fn schedule_fires_when_the_test_moves_the_time_also_where_tokio_is_paused() {
    fires_when_its_time_comes().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn schedule_fires_when_the_test_moves_the_time_also_on_many_threads() {
    fires_when_its_time_comes().await;
}

#[tokio::test]
async fn of_several_ticks_in_one_go_the_latest_fires_or_all_if_it_catches_up() {
    let app = TestApp::start(hourly()).await;
    app.advance(3 * HOUR).await;
    app.drain().await;
    assert_eq!(ticks(&app), ["03:00"]);
    let catching = App::new().task("tick", background(tick)).schedule("hourly", cron("@hourly").catch_up(), "tick");
    let app = TestApp::start(catching).await;
    app.advance(3 * HOUR).await;
    app.drain().await;
    assert_eq!(ticks(&app), ["01:00", "02:00", "03:00"]);
}

#[tokio::test]
async fn ticks_go_on_after_a_crash_and_each_fires_once() {
    let app = TestApp::start(hourly()).await;
    app.advance(HOUR).await;
    app.drain().await;
    app.crash().await;
    app.drain().await;
    app.advance(HOUR).await;
    app.drain().await;
    assert_eq!(ticks(&app), ["01:00", "02:00"]);
}

#[tokio::test]
async fn draining_of_all_ends_though_a_schedule_never_does() {
    async fn slow(task: TaskContext) -> Result<(), TaskError> {
        task.sleep(2 * MINUTE).await
    }
    async fn long(task: TaskContext) -> Result<(), TaskError> {
        task.sleep(HOUR).await
    }
    let app = App::new().task("slow", background(slow)).schedule("often", "* * * * *", "slow");
    let app = TestApp::start(app.on("push", background(long))).await;
    assert_eq!(app.drain_all().await, Duration::ZERO, "it waits for no tick");
    let task = app.deliver("push", json!({})).await.task_id();
    assert_eq!(app.drain_all().await, HOUR);
    app.task(task).assert_completed();
    let fired = app.tasks("slow");
    assert_eq!(fired.len(), 1, "the latest of those on the way: {fired:?}");

    // What a schedule has fired before counts like any other work.
    assert_eq!(app.drain_all().await, 2 * MINUTE);
    app.task(fired[0].detail.task.id).assert_completed();
}

#[tokio::test]
async fn schedule_is_fired_by_hand() {
    let app = TestApp::start(hourly()).await;
    let fire = http::Request::post("/api/v1/schedules/hourly/fire").body(axum::body::Body::empty()).unwrap();
    app.request(fire).await.assert_status(202);
    app.drain().await;
    assert_eq!(ticks(&app), ["00:00"]);
}
