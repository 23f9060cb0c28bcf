//! `becket schedules`, against a server with one that logs and one that cannot be delivered.

use crate::world::{Server, World};

const CONFIG: &str = r#"
[server]
listen = "127.0.0.1:0"
[store]
url = "sqlite:becket.db"
[[schedules]]
name = "nightly"
cron = "0 3 * * *"
zone = "Europe/Berlin"
to = "log"
[[schedules]]
name = "weekly"
cron = "@weekly"
to = "log"
"#;

fn paused(server: &Server<'_>) -> Vec<bool> {
    let listed = server.ask_json("schedules list");
    listed["items"].as_array().unwrap().iter().map(|schedule| schedule["paused"].as_bool().unwrap()).collect()
}

#[test]
fn schedules_are_listed() {
    let world = World::new(CONFIG);
    let server = world.serve();
    let table = server.ask("schedules list").ok().out;
    let lines: Vec<&str> = table.lines().collect();
    assert!(lines[0].starts_with("NAME ") && lines[0].contains("NEXT"), "{table}");
    assert!(lines[1].starts_with("nightly  0 3 * * *  Europe/Berlin  schedule:nightly"), "{table}");
    assert!(lines[2].starts_with("weekly   @weekly    UTC "), "{table}");
    let listed = server.ask_json("schedules list");
    assert_eq!((&listed["items"][0]["name"], &listed["items"][0]["cron"]), (&"nightly".into(), &"0 3 * * *".into()));
}

#[test]
fn pause_holds_over_a_restart_until_it_is_resumed() {
    let world = World::new(CONFIG);
    let server = world.serve();
    assert_eq!(server.ask("schedules pause nightly").ok().out.trim(), "paused: nightly");
    assert!(server.ask("schedules list").ok().out.contains("paused"));
    server.stop();
    let server = world.serve();
    assert_eq!(paused(&server), [true, false]);
    assert_eq!(server.ask_json("schedules resume nightly")["paused"], false);
    assert_eq!(paused(&server), [false, false]);
}

#[test]
fn fired_schedule_becomes_a_task() {
    let world = World::new(CONFIG);
    let server = world.serve();
    let task = server.ask_json("schedules fire nightly");
    assert_eq!((&task["source"], &task["event"]), (&"schedule".into(), &"nightly".into()));
    assert_eq!(server.wait(&[task["id"].as_str().unwrap()]).code, 0);
    server.ask("schedules fire nightly weekly").ok();
    assert_eq!(server.ask_json("tasks list --source schedule")["items"].as_array().unwrap().len(), 3);
}

#[test]
fn unknown_schedule_is_told_and_the_others_are_done() {
    let world = World::new(CONFIG);
    let server = world.serve();
    let printed = server.ask("schedules pause hourly weekly");
    assert_eq!(printed.code, 1);
    assert!(printed.err.contains("there is no schedule with this name"), "{}", printed.err);
    assert_eq!(paused(&server), [false, true]);
}
