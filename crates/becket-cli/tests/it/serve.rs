//! `becket serve`: what it says and how it ends.

use crate::world::{CONFIG, World};

#[test]
fn server_says_where_it_listens_and_ends_with_0_on_sigterm() {
    let world = World::new(CONFIG);
    let server = world.serve();
    server.send("github", "push").ok();
    let (status, printed) = server.stop();
    assert!(status.success(), "{printed}");
    assert!(printed.contains("stopped"), "{printed}");
}

#[test]
fn what_was_kept_is_there_after_a_restart() {
    let world = World::new(CONFIG);
    let server = world.serve();
    let tasks = server.send_and_wait("github", "push --delivery-id once");
    server.stop();
    let server = world.serve();
    let again = server.send("github", "push --delivery-id once --json").ok().json();
    assert_eq!(again["duplicate"], true);
    assert_eq!(serde_json::to_value(tasks).unwrap(), again["task_ids"]);
}

#[test]
fn source_that_accepts_unsigned_webhooks_is_warned_of_loudly() {
    let world = World::new("[server]\nlisten = \"127.0.0.1:0\"\n[sources.github]\ninsecure_accept_unsigned = true\n");
    let server = world.serve();
    server.send("github", "push").ok();
    let (_, printed) = server.stop();
    assert!(printed.contains("WARNING: anyone who reaches /webhooks/github can post to it"), "{printed}");
}

#[test]
fn log_is_json_where_that_is_configured() {
    let world = World::new(&format!("{CONFIG}\n[log]\nformat = \"json\"\n"));
    let (_, printed) = world.serve().stop();
    let lines = printed.lines().filter(|line| line.starts_with('{'));
    let levels: Vec<_> =
        lines.map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["level"].clone()).collect();
    assert!(levels.iter().any(|level| level == "INFO"), "{printed}");
}

#[test]
fn address_in_use_is_an_error_that_names_it() {
    let world = World::new(CONFIG);
    let server = world.serve();
    let address = server.url.trim_start_matches("http://");
    let printed = world.run(&format!("serve --store memory: --listen {address}"));
    assert_eq!(printed.code, 1);
    assert!(printed.err.contains(&format!("cannot listen on {address}")), "{}", printed.err);
}
