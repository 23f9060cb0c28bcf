//! `becket send` and `becket deliveries`.

use crate::world::{CONFIG, World};

#[test]
fn delivery_is_listed_with_what_its_sender_called_it() {
    let world = World::new(CONFIG);
    let server = world.serve();
    server.send_and_wait("github", "issues.opened --delivery-id abc");
    server.send_and_wait("billing", "invoice.paid --delivery-id def");

    let table = server.ask("deliveries list").ok().out;
    for part in ["issues.opened", "invoice.paid", "abc", "def", "billing"] {
        assert!(table.contains(part), "no {part} in {table}");
    }
    let listed = server.ask_json("deliveries list --delivery-id abc");
    assert_eq!(listed["items"][0]["event"], "issues");
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);
    assert_eq!(server.ask_json("deliveries list --since 1h --source billing")["items"].as_array().unwrap().len(), 1);
    assert_eq!(server.ask_json("deliveries list --until 1h")["items"].as_array().unwrap().len(), 0);
}

#[test]
fn body_is_shown_byte_for_byte() {
    let world = World::new(CONFIG);
    let server = world.serve();
    let body = "{\"action\": \"opened\",\n\t\"number\": 1.50 }\n";
    std::fs::write(world.path().join("payload.json"), body).unwrap();
    server.send("github", "issues --payload payload.json --delivery-id abc").ok();
    assert_eq!(server.ask("deliveries show abc --body").ok().out, body);
    let shown = server.ask_json("deliveries show abc");
    assert_eq!(shown["headers"]["x-github-event"], "issues");
    assert!(server.ask("deliveries show abc").ok().out.contains("x-github-delivery"));
}

#[test]
fn duplicate_is_told_from_a_new_delivery() {
    let world = World::new(CONFIG);
    let server = world.serve();
    let first = server.send("github", "push --delivery-id abc").ok().out;
    let again = server.send("github", "push --delivery-id abc").ok().out;
    assert!(first.starts_with("202 in ") && first.contains("delivery abc, ACCEPTED, tasks "), "{first}");
    assert!(again.contains("ACCEPTED, a duplicate"), "{again}");
}

#[test]
fn many_are_sent_with_an_id_each() {
    let world = World::new(CONFIG);
    let server = world.serve();
    let answers = server.send("billing", "invoice.paid --count 20 --json").ok().json_lines();
    assert_eq!(answers.len(), 20);
    assert!(answers.iter().all(|answer| answer.get("duplicate").is_none()));
    assert_eq!(server.ask_json("deliveries list")["items"].as_array().unwrap().len(), 20);
}

#[test]
fn replayed_deliveries_make_new_tasks() {
    let world = World::new(CONFIG);
    let server = world.serve();
    let first = server.send_and_wait("github", "push --delivery-id abc");
    let replayed = server.ask_json("deliveries replay abc");
    let new = replayed["task_ids"][0].as_str().unwrap().to_owned();
    assert!(!first.contains(&new));
    server.wait(&[new]).ok();

    server.send("github", "push --count 3").ok();
    assert_eq!(server.ask_json("deliveries replay --event push --dry-run")["matching"], 4);
    assert_eq!(server.ask_json("deliveries replay --event push")["replayed"], 4);
    assert_eq!(server.ask("deliveries replay --event push").ok().out.trim(), "replayed: 4");
    assert_eq!(server.ask_json("tasks list --event push")["items"].as_array().unwrap().len(), 4 + 1 + 4 + 4);
    assert_eq!(server.ask("deliveries replay --event never").ok().err.trim(), "no deliveries match");
}
