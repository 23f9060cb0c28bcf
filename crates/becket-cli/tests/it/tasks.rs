//! `becket tasks`, against a server with one task that completes and one that cannot.

use serde_json::Value;

use crate::world::{CONFIG, Server, World};

/// The tasks of a kind, as the API lists them.
fn of_kind(server: &Server<'_>, kind: &str) -> Vec<Value> {
    server.ask_json(&format!("tasks list --kind {kind}"))["items"].as_array().unwrap().clone()
}

#[test]
fn sent_delivery_becomes_tasks_that_are_listed_and_shown() {
    let world = World::new(CONFIG);
    let server = world.serve();
    let ids = server.send_and_wait("github", "issues.opened");
    assert_eq!(ids.len(), 2);

    let table = server.ask("tasks list").ok().out;
    assert!(table.starts_with("ID "), "{table}");
    assert!(table.contains("issues.opened") && table.contains("completed") && table.contains("failed"), "{table}");
    assert!(!table.contains('\u{1b}'), "no colours in a pipe");
    assert_eq!(server.ask_json("tasks list --state failed")["items"].as_array().unwrap().len(), 1);
    assert_eq!(server.ask_json("tasks list --event issues.closed")["items"].as_array().unwrap().len(), 0);

    let lost = of_kind(&server, "lost")[0]["id"].as_str().unwrap().to_owned();
    let shown = server.ask(&format!("tasks show {lost}")).ok().out;
    assert!(shown.contains("state") && shown.contains("OUTCOME"), "{shown}");
    let shown = server.ask_json(&format!("tasks show {lost}"));
    assert_eq!(shown["attempts"].as_array().unwrap().len(), 1);
}

#[test]
fn page_after_page_lists_every_task_once() {
    let world = World::new(CONFIG);
    let server = world.serve();
    server.send("github", "push --count 5").ok();
    let (mut cursor, mut seen) = (String::new(), Vec::new());
    loop {
        let page = server.ask_json(&format!("tasks list --limit 2 {cursor}"));
        seen.extend(page["items"].as_array().unwrap().iter().map(|task| task["id"].clone()));
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("--cursor {next}");
    }
    assert_eq!(seen.len(), 5);
    seen.dedup();
    assert_eq!(seen.len(), 5);
}

#[test]
fn dead_letter_runs_again_when_it_is_requeued_by_id_or_by_filter() {
    let world = World::new(CONFIG);
    let server = world.serve();
    server.send_and_wait("github", "issues.opened");
    let id = of_kind(&server, "lost")[0]["id"].as_str().unwrap().to_owned();
    let attempts = || server.ask_json(&format!("tasks show {id}"))["attempts"].as_array().unwrap().len();

    assert_eq!(server.ask_json(&format!("tasks requeue {id}"))["id"], id.as_str());
    assert_eq!(server.wait(&[&id]).code, 1, "it fails again, and watching it says so");
    assert_eq!(attempts(), 2);

    let printed = server.ask("tasks requeue --kind lost").ok().out;
    assert_eq!(printed.trim(), "requeued: 1");
    server.wait(&[&id]);
    assert_eq!(attempts(), 3);
    assert_eq!(server.ask_json("tasks requeue --all --source billing")["requeued"], 0);
}

#[test]
fn watching_a_completed_task_ends_at_once_with_0() {
    let world = World::new(CONFIG);
    let server = world.serve();
    let ids = server.send_and_wait("github", "push");
    server.wait(&ids).ok();
}

#[test]
fn watch_prints_what_happens_as_it_happens() {
    let world = World::new(CONFIG);
    let server = world.serve();
    let (mut text, mut json) = (server.watch("--state failed"), server.watch("--kind note --json"));
    // A listener is told only what follows, so deliveries go on until both have heard of one.
    let heard = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|threads| {
        threads.spawn(|| {
            while !heard.load(std::sync::atomic::Ordering::Relaxed) {
                server.send("github", "issues.opened").ok();
            }
        });
        let (text, json) = (text.line(), json.line());
        heard.store(true, std::sync::atomic::Ordering::Relaxed);
        assert!(text.contains("  lost  ") && text.contains(" -> failed  "), "{text}");
        let transition: Value = serde_json::from_str(&json).unwrap();
        assert_eq!(transition["kind"], "note");
    });
}

#[test]
fn purged_dead_letters_are_gone() {
    let world = World::new(CONFIG);
    let server = world.serve();
    server.send_and_wait("github", "issues.opened");
    server.send_and_wait("github", "issues.closed");
    let first = of_kind(&server, "lost")[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(server.ask_json(&format!("tasks purge {first}"))["purged"], 1);
    assert_eq!(server.ask_json("tasks purge --all")["purged"], 1);
    assert!(of_kind(&server, "lost").is_empty());
    assert_eq!(of_kind(&server, "note").len(), 2, "what completed stays");
    let gone = server.ask(&format!("tasks show {first}"));
    assert_eq!(gone.code, 1);
}

#[test]
fn task_that_has_ended_cannot_be_cancelled_and_the_others_are_still_tried() {
    let world = World::new(CONFIG);
    let server = world.serve();
    let ids = server.send_and_wait("github", "issues.opened");
    let printed = server.ask(&format!("tasks cancel {} {}", ids[0], ids[1]));
    assert_eq!(printed.code, 1);
    assert_eq!(printed.err.matches("only a task that has not ended can be cancelled").count(), 3, "{}", printed.err);
}

#[test]
fn task_that_tells_how_another_ended_is_shown_below_it() {
    let notify = "notify = 'http://127.0.0.1:1/t0ken'\n[notify]\nsecret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'\n\
                  allow_private = true\nretries = 0\n";
    let world = World::new(&format!("{CONFIG}{notify}"));
    let server = world.serve();
    let ids = server.send_and_wait("github", "issues.opened");
    let lost = of_kind(&server, "lost")[0]["id"].as_str().unwrap().to_owned();
    let teller = of_kind(&server, "becket.notify")[0]["id"].as_str().unwrap().to_owned();
    assert!(ids.contains(&teller));
    let tree = server.ask(&format!("tasks graph {teller}")).ok().out;
    assert_eq!(tree, format!("{lost}  failed  lost\n  {teller}  failed  becket.notify  <\n"));
    assert_eq!(server.ask_json(&format!("tasks graph {lost}"))["edges"][0]["child"], teller.as_str());
    let shown = server.ask(&format!("tasks show {lost}")).ok().out;
    assert!(shown.contains("CHILD") && shown.contains(&teller) && !shown.contains("PARENT"), "{shown}");
    let shown = server.ask(&format!("tasks show {teller}")).ok().out;
    assert!(shown.contains("PARENT") && shown.contains(&lost) && !shown.contains("CHILD"), "{shown}");
    let checked = world.run("config check").ok();
    assert!(!checked.out.contains("t0ken") && checked.out.contains("notify"), "{}", checked.out);
}
