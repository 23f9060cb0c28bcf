//! `becket config`, and what a wrong configuration does to every command that reads it.

use crate::world::{CONFIG, World};

const WRONG: &str = "[server]\nlisten = \"here\"\n[worker]\nconcurency = 3\n[sources.github]\n";

#[test]
fn defaults_printed_are_a_configuration_that_checks() {
    let world = World::new("");
    let defaults = world.run("config default").ok().out;
    assert!(defaults.contains("\n[server]\n"), "{defaults}");
    std::fs::write(world.path().join("becket.toml"), &defaults).unwrap();
    world.run("config check").ok();
    assert_eq!(world.run("config default --json").ok().json()["toml"], defaults);
}

#[test]
fn check_says_where_each_value_came_from_and_masks_secrets() {
    let world = World::new(CONFIG);
    let check = |args: &[&str]| world.becket(args.iter().copied()).env("BECKET_WORKER__CONCURRENCY", "3").output();
    let table: crate::world::Printed = check(&["config", "check", "--set", "worker.lease=9s"]).unwrap().into();
    let table = table.ok().out;
    assert!(!table.contains("Everybody") && !table.contains("whsec_"), "{table}");
    assert!(!table.contains('\u{1b}'), "no colours in a pipe");

    let json: crate::world::Printed = check(&["config", "check", "--json", "--listen", "[::1]:7"]).unwrap().into();
    let json = json.ok().json();
    assert_eq!(json["valid"], true);
    let origin = |key: &str| {
        let rows = json["values"].as_array().unwrap();
        rows.iter().find(|row| row["key"] == key).unwrap()["origin"].as_str().unwrap().to_owned()
    };
    assert_eq!(origin("worker.concurrency"), "BECKET_WORKER__CONCURRENCY");
    assert_eq!(origin("server.listen"), "--listen");
    assert_eq!(origin("store.url"), "becket.toml:5");
    assert_eq!(origin("worker.lease"), "default");
}

#[test]
fn wrong_configuration_prints_every_error_and_ends_with_2() {
    let world = World::new(WRONG);
    for command in ["config check", "serve", "tasks list", "send push"] {
        let printed = world.run(command);
        assert_eq!(printed.code, 2, "{command}: {}", printed.err);
        for part in ["becket.toml:2:1: server.listen", "worker.concurency", "did you mean", "sources.github"] {
            assert!(printed.err.contains(part), "{command}: no {part} in {}", printed.err);
        }
    }
    let json = world.run("config check --json");
    assert_eq!(json.code, 2);
    assert_eq!(json.json()["valid"], false);
    assert_eq!(json.json()["errors"].as_array().unwrap().len(), 3, "{}", json.out);
}

#[test]
fn file_that_is_named_must_exist() {
    let printed = World::new("").run("serve --config absent.toml");
    assert_eq!(printed.code, 2);
    assert!(printed.err.contains("absent.toml"), "{}", printed.err);
}
