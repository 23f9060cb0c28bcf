//! Changes to all that match, asked for at the command line.

use crate::world::{CONFIG, Server, World};

/// A server with so many tasks that have not ended: their receiver hangs, and there is one slot.
fn with_queued<'w>(world: &'w World, count: usize) -> Server<'w> {
    let server = world.serve();
    server.send("github", &format!("push --count {count}")).ok();
    server
}

/// Everything goes to a port that takes connections and never answers.
fn hanging(listener: &std::net::TcpListener) -> String {
    let to = format!("to = {{ http = \"http://{}/\", allow_private = true }}", listener.local_addr().unwrap());
    CONFIG.replace("to = \"log\"", &to) + "[worker]\nconcurrency = 1\n"
}

#[test]
fn dry_run_says_how_many_match_and_changes_nothing() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let world = World::new(&hanging(&listener));
    let server = with_queued(&world, 5);
    assert_eq!(server.ask("tasks cancel --kind note --dry-run").ok().out.trim(), "matching: 5");
    assert_eq!(server.ask_json("tasks cancel --all --dry-run")["matching"], 5);
    assert_eq!(server.ask_json("tasks purge --all --dry-run")["matching"], 0);
    assert_eq!(server.ask_json("deliveries replay --all --dry-run")["matching"], 5);
    assert_eq!(server.ask_json("tasks list --state cancelled")["items"].as_array().unwrap().len(), 0);
}

#[test]
fn tasks_are_cancelled_by_filter_with_a_reason() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let world = World::new(&hanging(&listener));
    let server = with_queued(&world, 3);
    assert_eq!(server.ask("tasks cancel --event push --reason unwanted").ok().out.trim(), "cancelled: 3");
    let items = server.ask_json("tasks list --state cancelled")["items"].clone();
    assert!(items.as_array().unwrap().iter().all(|task| task["error"] == "unwanted"), "{items}");
    let printed = server.ask("tasks cancel --event push").ok();
    assert_eq!((printed.out.trim(), printed.err.trim()), ("cancelled: 0", "no tasks match"));
}

#[test]
fn more_than_a_hundred_are_changed_only_with_a_yes() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let world = World::new(&hanging(&listener));
    let server = with_queued(&world, 101);
    let refused = server.ask("tasks cancel --event push");
    assert_eq!(refused.code, 1);
    assert!(refused.err.contains("101 tasks match, and there is no terminal to ask on"), "{}", refused.err);
    assert!(refused.err.contains("--yes"), "{}", refused.err);
    assert_eq!(server.ask_json("tasks list --state cancelled")["items"].as_array().unwrap().len(), 0);
    assert_eq!(server.ask_json("tasks cancel --event push --yes")["cancelled"], 101);
}

#[test]
fn change_to_many_is_followed_to_its_end() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let world = World::new(&hanging(&listener));
    let server = with_queued(&world, 2_100);
    let printed = server.ask("tasks cancel --all --yes").ok();
    assert_eq!(printed.out.trim(), "cancelled: 2100");
    assert!(printed.err.starts_with("operation "), "{}", printed.err);
    let purged = server.ask_json("tasks purge --state cancelled --yes");
    assert_eq!((&purged["state"], &purged["done"]), (&"completed".into(), &2_100.into()));
}
