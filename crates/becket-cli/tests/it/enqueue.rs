//! `becket tasks enqueue`, and routes whose tasks stand for one another, against a server that really runs.

use std::io::Write as _;
use std::process::Stdio;

use serde_json::json;

use crate::world::{CONFIG, World};

#[test]
fn enqueued_task_is_told_and_waited_for() {
    let world = World::new(CONFIG);
    let server = world.serve();
    let told = server.ask("tasks enqueue note").ok().out;
    let id = told.trim().strip_prefix("enqueued: ").unwrap_or_else(|| panic!("{told}")).to_owned();
    server.wait(&[&id]).ok();

    let shown = server.ask("tasks enqueue note --wait").ok().out;
    assert!(shown.starts_with("TASK ") && shown.contains("completed") && shown.contains("OUTCOME"), "{shown}");
    let task = server.ask_json("tasks enqueue note --wait");
    assert_eq!((&task["kind"], &task["state"], &task["source"]), (&json!("note"), &json!("completed"), &json!("api")));

    let failed = server.ask("tasks enqueue lost --wait --json");
    assert_eq!((failed.code, &failed.json()["state"]), (1, &json!("failed")), "{}", failed.err);
}

#[test]
fn arguments_are_given_as_text_as_a_file_or_on_the_standard_input() {
    let world = World::new(CONFIG);
    let server = world.serve();
    let json = r#"{"amount":12345678901234567890.10}"#;
    std::fs::write(world.path().join("args.json"), format!("{json}\n")).unwrap();
    let payload = |task: serde_json::Value| {
        let delivery = task["delivery_id"].as_str().unwrap();
        world.run(&format!("deliveries show {delivery} --body --url {}", server.url)).ok().out
    };
    assert_eq!(payload(server.ask_json(&format!("tasks enqueue note --key a --args {json}"))), json);
    assert_eq!(payload(server.ask_json("tasks enqueue note --key b --args @args.json")).trim(), json);
    assert_eq!(payload(server.ask_json("tasks enqueue note --key c")), "null");

    let args = format!("tasks enqueue note --key d --args - --json --url {}", server.url);
    let mut command = world.becket(args.split_whitespace());
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(json.as_bytes()).unwrap();
    let printed = crate::world::Printed::from(child.wait_with_output().unwrap()).ok();
    assert_eq!(payload(printed.json()), json);

    let refused = server.ask("tasks enqueue note --args {repository:octo}");
    assert_eq!(refused.code, 1);
    assert!(refused.err.contains("error: the arguments are not JSON (line 1, column 2)"), "{}", refused.err);
    assert!(refused.err.contains("where: --args") && refused.err.contains("mend:  "), "{}", refused.err);
}

#[test]
fn all_that_can_be_said_of_a_task_arrives() {
    let world = World::new(CONFIG);
    let server = world.serve();
    let flags = "--run-at 2199-01-02T03:04:05Z --priority -5 --max-attempts 7 --key nightly-1 --lane octo/a \
                 --on-retry pass --latest --tenant 17 --limit-key octo/b";
    let task = server.ask_json(&format!("tasks enqueue note {flags}"));
    let expected = json!({
        "state": "queued", "run_at": "2199-01-02T03:04:05.000Z", "max_attempts": 7, "delivery_id": "nightly-1",
        "lane": "octo/a", "tenant": "17", "limit_key": "octo/b",
    });
    for (field, value) in expected.as_object().unwrap() {
        assert_eq!(&task[field], value, "{field}");
    }
    let again = server.ask("tasks enqueue note --key nightly-1").ok().out;
    assert_eq!(again.trim(), format!("there already: {} (queued)", task["id"].as_str().unwrap()));

    let newer = server.ask_json("tasks enqueue note --lane octo/a --debounce 1h --debounce-max 2h");
    assert_eq!(server.ask_json(&format!("tasks show {}", task["id"].as_str().unwrap()))["state"], "cancelled");
    let child = format!("tasks enqueue note --after {} --survive-parents", newer["id"].as_str().unwrap());
    let child = server.ask_json(&child);
    assert_eq!(child["state"], "waiting");
    server.ask(&format!("tasks cancel {}", newer["id"].as_str().unwrap())).ok();
    server.wait(&[child["id"].as_str().unwrap()]).ok();
}

#[test]
fn what_the_server_refuses_is_explained() {
    let world = World::new(CONFIG);
    let server = world.serve();
    for (args, part) in [
        ("quick", "error: kind: no handler is registered for `quick`; there are lost, note"),
        ("note --delay soon", "error: delay: `soon` is not a duration with a unit"),
        ("note --at soon", "error: run_at: `soon` is not a time"),
        ("note --after 1", "error: after: `1` is not a task's id"),
        ("note --notify https://example.org/t0ken", "error: notify: this server has no secret to sign with"),
    ] {
        let refused = server.ask(&format!("tasks enqueue {args}"));
        assert_eq!((refused.code, refused.out.as_str()), (1, ""), "{args}");
        assert!(refused.err.contains(part) && refused.err.contains("where: POST "), "{args}: {}", refused.err);
    }
    assert_eq!(server.ask("tasks enqueue note --latest").code, 2, "there is no lane");
}

#[test]
fn unique_task_stands_for_others_by_hand_and_by_deliveries() {
    let world = World::new(&format!("{CONFIG}unique = '{{repository.full_name}}'\nfresh_for = '1h'\n"));
    let server = world.serve();
    let asked = server.ask_json("tasks enqueue note --unique report --fresh-for 10m --wait");
    let again = server.ask("tasks enqueue note --unique report --fresh-for 10m").ok().out;
    assert_eq!(again.trim(), format!("there already: {} (completed)", asked["id"].as_str().unwrap()));

    // The route `lost` fails: its tasks stand for nothing once they have, so that each delivery gets a new one.
    let (first, second) =
        (server.send_and_wait("github", "issues.opened"), server.send_and_wait("github", "issues.opened"));
    assert!(first.iter().all(|id| !second.contains(id)), "{first:?} {second:?}");
}

#[test]
fn deliveries_whose_task_another_stands_for_are_kept_counted_and_remembered_over_a_restart() {
    let route = "[[routes]]\nname = 'report'\non = 'push'\nto = 'log'\nunique = '{repository.full_name}'\n\
                 fresh_for = '1h'\n";
    let (head, _) = CONFIG.split_once("[[routes]]").unwrap();
    let world = World::new(&format!("{head}{route}"));
    let server = world.serve();
    let first = server.send_and_wait("github", "push");
    assert_eq!(first.len(), 1);
    let second = server.send("github", "push --json").ok().json();
    assert_eq!((&second["status"], &second["task_ids"]), (&json!("ACCEPTED"), &json!(first)));
    server.stop();

    let server = world.serve();
    let third = server.send("github", "push --json").ok().json();
    assert_eq!(third["task_ids"], json!(first), "the store remembers it");
    assert_eq!(server.ask_json("tasks list")["items"].as_array().unwrap().len(), 1);
    let deliveries = server.ask_json("deliveries list");
    assert_eq!(deliveries["items"].as_array().unwrap().len(), 3);
    let replayed = server.ask_json(&format!("deliveries replay {}", third["delivery_id"].as_str().unwrap()));
    assert_ne!(replayed["task_ids"], json!(first), "who replays wants it done again");
}
