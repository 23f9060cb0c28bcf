//! Tasks that wait for one another: enqueued in one call, and shown as a graph.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::world::World;

const GRAPHS: &str = "/api/v1/graphs";
const TASKS: &str = "/api/v1/tasks";

/// Enqueues a graph and answers the id of each task.
async fn enqueue(world: &World, tasks: Value) -> Value {
    let (status, accepted) = world.call(Method::POST, GRAPHS, Some(json!({"tasks": tasks}))).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{accepted}");
    accepted["tasks"].clone()
}

async fn graph_of(world: &World, id: &Value, query: &str) -> Value {
    world.get(&format!("{TASKS}/{}/graph{query}", id.as_str().unwrap())).await
}

fn diamond() -> Value {
    json!({
        "join": {"kind": "quick", "args": 4, "after": ["left", "right"]},
        "left": {"kind": "quick", "after": ["root"]},
        "right": {"kind": "quick", "after": ["root"], "priority": 3},
        "root": {"kind": "blocked"},
    })
}

#[tokio::test]
async fn diamond_is_accepted_in_one_call_and_shown_from_each_of_its_tasks() {
    for world in World::of_each_store().await {
        let ids = enqueue(&world, diamond()).await;
        world.begun.acquire().await.unwrap().forget();
        for name in ["root", "left", "join"] {
            let graph = graph_of(&world, &ids[name], "").await;
            assert_eq!((&graph["id"], &graph["truncated"]), (&ids[name], &json!(false)));
            let nodes: Vec<&Value> = graph["nodes"].as_array().unwrap().iter().map(|node| &node["id"]).collect();
            assert_eq!(nodes, [&ids["root"], &ids["left"], &ids["right"], &ids["join"]]);
            let edge = |parent: &str, child: &str| json!({"parent": ids[parent], "child": ids[child]});
            let edges =
                json!([edge("root", "left"), edge("root", "right"), edge("left", "join"), edge("right", "join")]);
            assert_eq!(graph["edges"], edges);
            assert_eq!(graph["nodes"][0], json!({"id": ids["root"], "kind": "blocked", "state": "running"}));
            assert_eq!(graph["nodes"][3]["state"], "waiting");
        }
        let near = graph_of(&world, &ids["join"], "?depth=1").await;
        assert_eq!((near["nodes"].as_array().unwrap().len(), &near["truncated"]), (3, &json!(true)));
        world.go.add_permits(1);
        let join = ids["join"].as_str().unwrap().parse().unwrap();
        let ended = world.engine.client().wait(join).await.unwrap();
        assert_eq!(ended.result.as_deref(), Some(&b"4"[..]));
    }
}

#[tokio::test]
async fn graph_that_makes_no_sense_is_refused_as_a_whole() {
    let world = World::start().await;
    let quick = |after: &[&str]| json!({"kind": "quick", "after": after});
    for (tasks, part) in [
        (
            json!({"a": quick(&["c"]), "b": quick(&["a"]), "c": quick(&["b"]), "d": quick(&["a"])}),
            "tasks wait for each other in a circle: `a` waits for `c` waits for `b` waits for `a`",
        ),
        (json!({"a": quick(&["nobody"])}), "`a` waits for `nobody`, and the graph has no such task"),
        (json!({"a": quick(&["0000000000007"])}), "after: there is no task 0000000000007 to wait for"),
        (json!({"a": {"kind": "quik"}}), "kind: no handler is registered for `quik`"),
        (json!({"a": {"kind": "quick", "max_attempts": 0}}), "tasks.a.max_attempts: not a whole number"),
        (json!({"a": {"kind": "quick", "args": 1, "x": 1}}), "tasks.a.x: unknown field `x`"),
        (json!({"a": {"kind": "quick", "notify": "https://example.org"}}), "tasks.a.notify: this server has no secret"),
        (json!({}), "tasks: a graph has at least one task"),
    ] {
        let problem = world.problem(Method::POST, GRAPHS, Some(json!({"tasks": tasks})), 422).await;
        assert!(problem["detail"].as_str().unwrap().contains(part), "{problem}");
    }
    let many: serde_json::Map<String, Value> = (0..1_001).map(|place| (place.to_string(), quick(&[]))).collect();
    let problem = world.problem(Method::POST, GRAPHS, Some(json!({"tasks": many})), 422).await;
    assert_eq!(problem["detail"], "a graph has at most 1000 tasks, and not 1001");
    assert_eq!(world.get(TASKS).await["items"], json!([]));
}

#[tokio::test]
async fn task_waits_for_those_that_it_names_by_id() {
    for world in World::of_each_store().await {
        let parent = world.running("a-1").await.to_string();
        let post = async |body: Value| world.call(Method::POST, TASKS, Some(body)).await;
        let (status, child) = post(json!({"kind": "quick", "after": [parent]})).await;
        assert_eq!((status, &child["state"]), (StatusCode::ACCEPTED, &json!("waiting")));
        let (_, survivor) = post(json!({"kind": "quick", "after": [parent], "survive_parents": true})).await;
        let ids = enqueue(&world, json!({"a": {"kind": "quick", "after": [parent]}})).await;
        world.call(Method::POST, &format!("{TASKS}/{parent}/cancel"), None).await;
        let ended = world.engine.client().wait(survivor["id"].as_str().unwrap().parse().unwrap()).await.unwrap();
        assert_eq!(ended.task.state(), becket_tasks::State::Completed);
        let graph = graph_of(&world, &ids["a"], "").await;
        let states: Vec<&Value> = graph["nodes"].as_array().unwrap().iter().map(|node| &node["state"]).collect();
        assert_eq!(states, ["cancelled", "cancelled", "completed", "cancelled"]);
        world.go.add_permits(1);
    }
    let world = World::start().await;
    let problem = world.problem(Method::POST, TASKS, Some(json!({"kind": "quick", "after": ["x"]})), 422).await;
    assert_eq!(problem["detail"], "after: `x` is not a task's id");
}

#[tokio::test]
async fn large_graph_is_cut_to_the_nearest_500_tasks() {
    let world = World::start().await;
    let mut tasks = serde_json::Map::from_iter([("0".to_owned(), json!({"kind": "blocked"}))]);
    for place in 1..600_usize {
        tasks.insert(place.to_string(), json!({"kind": "quick", "after": [(place - 1).to_string()]}));
    }
    let ids = enqueue(&world, tasks.into()).await;
    let graph = graph_of(&world, &ids["0"], "").await;
    assert_eq!((graph["nodes"].as_array().unwrap().len(), &graph["truncated"]), (500, &json!(true)));
    assert_eq!((graph["edges"].as_array().unwrap().len(), &graph["nodes"][499]["id"]), (499, &ids["499"]));
    world.go.add_permits(1);
}
