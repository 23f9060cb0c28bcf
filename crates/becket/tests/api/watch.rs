//! One task: its steps, its progress, and what happens to it, as events and over a WebSocket.

use becket_tasks::task::Lease;
use becket_tasks::{Saved, TaskId};
use reqwest::Method;
use serde_json::{Value, json};

use crate::events::Listener;
use crate::socket::Socket;
use crate::world::{World, delivery, problem_of};

impl World {
    /// A task that has done a step, has come to 1 of 3, and runs until [`World::go`] has a permit.
    async fn stepwise(&self, key: &str) -> TaskId {
        let task = self.deliver(delivery("github", "issues.opened", key, &["stepwise"])).await.tasks[0];
        self.begun.acquire().await.unwrap().forget();
        task
    }
}

fn at_a_time(mut value: Value) -> Value {
    assert!(value["at"].as_str().unwrap().ends_with('Z'), "{value}");
    value["at"] = Value::Null;
    value
}

#[tokio::test]
async fn task_shows_its_steps_and_while_it_runs_its_progress() {
    for world in World::of_each_store().await {
        let id = world.stepwise("d-1").await;
        let lease = Lease { task: id, attempt: 1 };
        assert_eq!(world.store.save_step(lease, "no JSON".into(), "\u{e9}".into()).await.unwrap(), Saved::Now);
        let task = world.get(&format!("/api/v1/tasks/{id}")).await;
        let expected = json!({"done": 1, "total": 3, "message": "one is done", "at": null});
        assert_eq!(at_a_time(task["progress"].clone()), expected);
        let steps = || task["steps"].as_array().unwrap().iter().cloned().map(at_a_time);
        let mut steps: Vec<Value> = steps().collect();
        steps.sort_by_key(|step| step["name"].to_string());
        let expected = json!([
            {"name": "comment", "size": 8, "result": {"id": 7}, "at": null},
            {"name": "no JSON", "size": 2, "result": null, "at": null},
        ]);
        assert_eq!(Value::from(steps), expected);

        world.go.add_permits(1);
        world.engine.client().wait(id).await.unwrap();
        let task = world.get(&format!("/api/v1/tasks/{id}")).await;
        assert_eq!((&task["progress"], task["steps"].as_array().unwrap().len()), (&Value::Null, 2));
        let (_, again) = world.call(Method::POST, &format!("/api/v1/tasks/{id}/requeue"), None).await;
        assert_eq!(again["steps"], json!([]), "it does everything again");
        world.go.add_permits(1);
    }
}

#[tokio::test]
async fn late_listener_hears_where_the_task_stands_and_then_the_rest_until_its_end() {
    for world in World::of_each_store().await {
        let id = world.stepwise("d-1").await;
        // The sender's id leads to it, too.
        let mut listener = Listener::at(&world, "/api/v1/tasks/d-1/events").await;
        let mut socket = Socket::open(world.address, &format!("/api/v1/tasks/{id}/events"), "").await.unwrap();
        for heard in [listener.next().await, socket.next().await] {
            let (name, task) = heard.unwrap();
            assert_eq!((&*name, &task["id"], &task["state"]), ("task", &json!(id), &json!("running")));
        }
        let progress = |done: u64, message: &str| {
            json!({"id": id, "delivery": null, "kind": "stepwise", "attempt": 1, "done": done, "total": 3,
                "message": message, "at": null})
        };
        let without_delivery = |mut data: Value| {
            data["delivery"] = Value::Null;
            at_a_time(data)
        };
        for heard in [listener.next().await, socket.next().await] {
            let (name, data) = heard.unwrap();
            assert_eq!((&*name, without_delivery(data)), ("progress", progress(1, "one is done")));
        }
        // What happens to others is of no interest.
        world.ended(delivery("github", "push", "d-2", &["failing"])).await;
        world.go.add_permits(1);
        for heard in [listener.next().await, socket.next().await] {
            let (name, data) = heard.unwrap();
            assert_eq!((&*name, without_delivery(data)), ("progress", progress(3, "all is done")));
        }
        for heard in [listener.next().await, socket.next().await] {
            let (name, data) = heard.unwrap();
            let told = (&*name, &data["from"], &data["state"], &data["attempt"]);
            assert_eq!(told, ("transition", &json!("running"), &json!("completed"), &json!(1)));
        }
        assert_eq!((listener.next().await, socket.next().await), (None, None), "it has ended");
    }
}

#[tokio::test]
async fn slow_listener_of_a_task_is_told_anew_where_it_stands() {
    let world = World::start().await;
    let id = world.stepwise("d-1").await;
    let mut listener = Listener::at(&world, &format!("/api/v1/tasks/{id}/events")).await;
    // One commit announces more than a listener may lag behind, before the stream can take any.
    let kinds = vec!["nobody_runs_this"; 20_000];
    world.deliver(delivery("github", "push", "d-2", &kinds)).await;
    world.go.add_permits(1);
    let (mut names, mut states) = (Vec::new(), Vec::new());
    while let Some((name, data)) = listener.next().await {
        states.extend(data["state"].as_str().map(str::to_owned));
        names.push(name);
    }
    assert_eq!(names.iter().filter(|name| *name == "task").count(), 2, "{names:?}");
    assert_eq!(states.last().unwrap(), "completed");
}

#[tokio::test]
async fn listener_of_a_task_that_has_ended_hears_so_and_no_more() {
    let world = World::start().await;
    let id = world.ended(delivery("github", "push", "d-1", &["failing"])).await;
    let mut listener = Listener::at(&world, &format!("/api/v1/tasks/{id}/events")).await;
    let (name, task) = listener.next().await.unwrap();
    assert_eq!((&*name, &task["state"], &task["error"]), ("task", &json!("failed"), &json!("it is broken")));
    assert_eq!(listener.next().await, None);
}

#[tokio::test]
async fn task_that_is_not_there_and_an_upgrade_that_makes_no_sense_are_problems() {
    let world = World::start().await;
    let unknown = world.problem(Method::GET, "/api/v1/tasks/nobody/events", None, 404).await;
    assert_eq!(unknown["instance"], "/api/v1/tasks/nobody/events");
    let refused = Socket::open(world.address, "/api/v1/tasks/nobody/events", "").await.err().unwrap();
    assert!(refused.starts_with("HTTP/1.1 404 "), "{refused}");
    let id = world.ended(delivery("github", "push", "d-1", &["quick"])).await;
    let request = world.request(Method::GET, &format!("/api/v1/tasks/{id}/events"));
    problem_of(request.header("upgrade", "websocket"), 400).await;
}

#[tokio::test]
async fn page_of_another_site_opens_no_socket_of_a_server_without_a_token() {
    let world = World::start().await;
    let id = world.ended(delivery("github", "push", "d-1", &["quick"])).await;
    let path = format!("/api/v1/tasks/{id}/events");
    let refused = Socket::open(world.address, &path, "origin: https://evil.example\r\n").await.err().unwrap();
    assert!(refused.starts_with("HTTP/1.1 403 "), "{refused}");
    let own = format!("origin: http://{}\r\n", world.address);
    Socket::open(world.address, &path, &own).await.unwrap();
}

#[tokio::test]
async fn listeners_of_a_task_are_let_go_when_the_server_stops() {
    let world = World::start().await;
    let id = world.running("d-1").await;
    let path = format!("/api/v1/tasks/{id}/events");
    let mut listener = Listener::at(&world, &path).await;
    let mut socket = Socket::open(world.address, &path, "").await.unwrap();
    listener.next().await.unwrap();
    socket.next().await.unwrap();
    world.shutdown.cancel();
    assert_eq!((listener.next().await, socket.next().await), (None, None));
}

#[tokio::test]
async fn stream_of_all_tasks_carries_progress_when_asked() {
    let world = World::start().await;
    let mut without = Listener::at(&world, "/api/v1/events?kind=stepwise").await;
    let mut with = Listener::at(&world, "/api/v1/events?kind=stepwise&progress=true&state=completed").await;
    let id = world.stepwise("d-1").await;
    world.go.add_permits(1);
    let mut heard = Vec::new();
    while heard.last().is_none_or(|(name, _)| name != "transition") {
        heard.push(with.next().await.unwrap());
    }
    let told: Vec<_> = heard.iter().map(|(name, data)| (&**name, data["done"].as_u64())).collect();
    assert_eq!(told, [("progress", Some(1)), ("progress", Some(3)), ("transition", None)]);
    assert_eq!(heard[0].1["id"], json!(id));
    let mut state = Value::Null;
    while state != "completed" {
        let (name, data) = without.next().await.unwrap();
        assert_eq!(name, "transition");
        state = data["state"].clone();
    }
}
