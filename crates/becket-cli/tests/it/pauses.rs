//! Pausing and resuming from the command line.

use serde_json::json;

use crate::world::{CONFIG, World};

/// The kind of a route without a name holds a `#`.
const NAMELESS: &str = "
[[routes]]
on = \"push\"
to = { http = \"http://127.0.0.1:1/a/b\", allow_private = true }
lane = \"{repository.full_name}\"
tenant = \"{@source}\"
retries = 0
";

#[test]
fn paused_kind_runs_nothing_until_it_is_resumed() {
    let world = World::new(CONFIG);
    let server = world.serve();
    assert_eq!(server.ask("pauses").ok().err.trim(), "nothing is paused");
    assert_eq!(server.ask("pause kind note").ok().out.trim(), "paused: kind note");
    assert_eq!(server.ask("pause source billing").ok().out.trim(), "paused: source billing");
    let listed = server.ask("pauses").ok().out;
    assert_eq!(listed.split_whitespace().collect::<Vec<_>>(), ["SCOPE", "NAME", "kind", "note", "source", "billing"]);
    let answer = server.send("github", "push --json").ok().json();
    let id = answer["task_ids"][0].as_str().unwrap();
    assert_eq!(server.ask_json(&format!("tasks show {id}"))["state"], "queued");
    let resumed = server.ask_json("resume kind note");
    assert_eq!(resumed, json!({"scope": "kind", "name": "note", "is_paused": false}));
    server.wait(&[id]).ok();
    assert_eq!(server.ask_json("pauses")["items"], json!([{"scope": "source", "name": "billing", "is_paused": true}]));
}

#[test]
fn pause_of_what_there_is_not_lists_what_there_is() {
    let world = World::new(CONFIG);
    let server = world.serve();
    let printed = server.ask("pause kind notes");
    assert_eq!(printed.code, 1);
    assert!(printed.err.contains("there is no kind `notes`; there are lost, note"), "{}", printed.err);
    assert!(server.ask("pause source x").err.contains("there are billing, github, api"));
    assert_eq!(world.run("pause tenant x").code, 2);
}

#[test]
fn kind_with_a_number_sign_is_paused_by_its_name_and_tasks_are_listed_by_lane_and_tenant() {
    let world = World::new(&format!("{CONFIG}{NAMELESS}"));
    let server = world.serve();
    server.send_and_wait("github", "push");
    let listed = server.ask_json("tasks list --tenant github");
    let task = &listed["items"][0];
    let (kind, lane) = (task["kind"].as_str().unwrap(), task["lane"].as_str().unwrap());
    assert!(kind.starts_with("http:127.0.0.1:1#"), "{kind}");
    assert_eq!(
        server.ask_json(&format!("tasks list --lane {lane} --tenant github"))["items"].as_array().unwrap().len(),
        1
    );
    assert_eq!(server.ask_json("tasks list --lane nobody's")["items"], json!([]));
    let shown = server.ask(&format!("tasks show {}", task["id"].as_str().unwrap())).ok().out;
    assert!(shown.contains(lane) && shown.contains("tenant"), "{shown}");
    assert_eq!(server.ask(&format!("pause kind {kind}")).ok().out.trim(), format!("paused: kind {kind}"));
    assert_eq!(server.ask_json("pauses")["items"][0]["name"], kind);
}
