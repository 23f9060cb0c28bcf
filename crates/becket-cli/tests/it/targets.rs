//! Targets that have a name, from the command line.

use serde_json::json;

use crate::world::{CONFIG, World};

/// A target that nobody answers for.
const TARGETS: &str = r#"
[targets.gone]
http = "http://127.0.0.1:1/t0ken"
allow_private = true
breaker_failures = 1
breaker_pause = "1h"
[targets.script]
command = ["true"]
[[routes]]
on = "push"
to = "gone"
retries = 0
"#;

#[test]
fn breaker_of_a_target_is_seen_and_reset() {
    let world = World::new(&format!("{CONFIG}{TARGETS}"));
    let server = world.serve();
    server.send_and_wait("github", "push");
    let listed = server.ask("targets").ok().out;
    assert!(!listed.contains("t0ken"), "{listed}");
    let row: Vec<&str> = listed.lines().find(|line| line.contains("gone")).unwrap().split_whitespace().collect();
    assert_eq!(row[..7], ["gone", "http", "http://127.0.0.1:1", "target:gone", "0", "open", "until"], "{listed}");
    assert_eq!(server.ask("targets reset gone").ok().out.trim(), "reset: gone");
    let listed = server.ask_json("targets list");
    assert_eq!(listed["items"][0]["breaker"]["state"], "closed");
    assert_eq!((&listed["items"][1]["sort"], &listed["items"][1]["breaker"]), (&json!("command"), &json!(null)));
}

#[test]
fn reset_of_what_has_no_breaker_says_so() {
    let world = World::new(&format!("{CONFIG}{TARGETS}"));
    let server = world.serve();
    let unknown = server.ask("targets reset x");
    assert_eq!(unknown.code, 1);
    assert!(unknown.err.contains("there is no target with this name, `x`; there are gone, script"), "{}", unknown.err);
    assert!(server.ask("targets reset script").err.contains("has no breaker; set breaker_failures"));
}
