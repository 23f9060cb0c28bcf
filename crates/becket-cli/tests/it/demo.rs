//! `becket demo`: it keeps what it promises, and says so when it does not.

use crate::world::World;

#[test]
fn demo_ends_with_0_when_everything_is_as_promised() {
    let world = World::new("this is no TOML: the demo reads no configuration");
    let printed = world.run("demo --exit --rate 0 --json").ok();
    let summary = printed.json();
    assert_eq!(summary["missing"].as_array().unwrap().len(), 0);
    assert!(summary["acknowledged"].as_u64().unwrap() >= 150, "{summary}");
    assert!(summary["event_types"].as_u64().unwrap() >= 20, "{summary}");
    assert_eq!(summary["duplicates_sent"], summary["duplicates_recognised"]);
    assert!(summary["retried_then_completed"].as_u64().unwrap() > 0, "{summary}");
    let letters = summary["dead_letters"].as_array().unwrap();
    assert!(letters.iter().all(|letter| letter["kind"] == "broken" && letter["error"].is_string()), "{summary}");
    assert_eq!(summary["tasks"]["failed"].as_u64().unwrap(), letters.len() as u64);
    assert!(printed.err.contains("acknowledged "), "the view is plain lines here: {}", printed.err);
}

#[test]
fn demo_that_falls_short_ends_with_1_and_says_what_is_missing() {
    let printed = World::new("").run("demo --exit --rate 0 --count 10");
    assert_eq!(printed.code, 1, "{}", printed.err);
    assert!(printed.out.contains("MISSING: 10 deliveries were acknowledged, and 100 are wanted"), "{}", printed.out);
}

#[test]
fn demo_posts_the_payloads_of_a_folder() {
    let world = World::new("");
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../samples/github");
    let printed = world.run(&format!("demo --exit --rate 0 --payloads {folder}")).ok();
    assert!(printed.out.contains("DEAD LETTER"), "{}", printed.out);
    assert_eq!(world.run("demo --payloads absent").code, 1);
}

#[test]
fn demo_without_a_terminal_ends_after_the_summary() {
    let printed = World::new("").run("demo --rate 0 --count 5").ok();
    assert!(printed.out.contains("SUMMARY"), "{}", printed.out);
}
