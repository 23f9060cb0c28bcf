//! What people are told when something goes wrong: what, where, and how to mend it.

use serde_json::Value;

use crate::world::{CONFIG, World};

#[test]
fn refused_delivery_says_what_and_where_and_ends_with_1() {
    let world = World::new(CONFIG);
    let server = world.serve();
    let printed = server.send("github", "push --secret wrong");
    assert_eq!(printed.code, 1);
    let lines: Vec<&str> = printed.err.lines().collect();
    assert!(lines[0].starts_with("error: "), "{}", printed.err);
    assert!(lines[1].starts_with("where: POST http://") && lines[1].ends_with("(401 Unauthorized)"), "{}", printed.err);
    assert!(lines[2].starts_with("mend:  "), "{}", printed.err);

    let json = server.send("github", "push --secret wrong --json");
    let problem: Value = serde_json::from_str(&json.err).unwrap();
    assert_eq!((problem["status"].as_u64(), json.out.as_str()), (Some(401), ""));
}

#[test]
fn error_as_json_has_the_status_even_where_the_answer_explains_nothing() {
    let world = World::new(CONFIG);
    let server = world.serve();
    // This path is nobody's: the answer has no body.
    let args = format!("send push --to {}/nowhere --source github", server.url);
    let json = world.run(&format!("{args} --json"));
    let problem: Value = serde_json::from_str(&json.err).unwrap();
    assert_eq!((problem["status"].as_u64(), problem["title"].as_str()), (Some(404), Some("Not Found")), "{}", json.err);
    let text = world.run(&args);
    assert!(text.err.contains("/webhooks/NAME") && !text.err.contains("rejections"), "{}", text.err);
}

#[test]
fn server_without_a_path_is_sent_to_where_it_receives_the_source() {
    let world = World::new(CONFIG);
    let server = world.serve();
    let printed = world.run(&format!("send push --to {}", server.url)).ok();
    assert!(printed.out.starts_with("202 "), "{}", printed.out);
}

#[test]
fn unknown_task_is_explained() {
    let world = World::new(CONFIG);
    let server = world.serve();
    let printed = server.ask("tasks show nothing");
    assert_eq!(printed.code, 1);
    assert!(printed.err.contains("error: there is no task with this id"), "{}", printed.err);
    assert!(printed.err.contains("becket tasks list"), "{}", printed.err);
}

#[test]
fn server_that_wants_a_token_is_asked_with_the_one_that_is_given() {
    let world = World::new(&format!("{CONFIG}\n[admin]\ntoken = \"0123456789abcdef\"\n"));
    let server = world.serve();
    server.ask("tasks list").ok();
    let printed = server.ask("tasks list --token fedcba9876543210");
    assert_eq!(printed.code, 1);
    assert!(
        printed.err.contains("(401 Unauthorized)") && printed.err.contains("BECKET_ADMIN__TOKEN"),
        "{}",
        printed.err
    );
}

#[test]
fn server_that_does_not_run_is_said_so() {
    let world = World::new("");
    let printed = world.run("tasks list --url http://127.0.0.1:1");
    assert_eq!(printed.code, 1);
    assert!(printed.err.contains("cannot connect to 127.0.0.1:1"), "{}", printed.err);
    assert!(printed.err.contains("becket serve"), "{}", printed.err);
}

#[test]
fn event_that_is_not_built_in_asks_for_a_payload() {
    let printed = World::new(CONFIG).run("send exploded --to http://127.0.0.1:1/webhooks/github");
    assert_eq!(printed.code, 1);
    assert!(printed.err.contains("becket send --list"), "{}", printed.err);
}

#[test]
fn arguments_that_make_no_sense_end_with_2() {
    let world = World::new("");
    for args in ["", "explode", "tasks requeue", "demo --keep --exit", "tasks list --state broken", "send"] {
        assert_eq!(world.run(args).code, 2, "becket {args}");
    }
}

#[test]
fn completions_are_printed_for_every_shell() {
    let world = World::new("");
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        assert!(world.run(&format!("completions {shell}")).ok().out.contains("deliveries"), "{shell}");
    }
}
