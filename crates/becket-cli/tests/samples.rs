//! Every sample, sent by the program as its sender sends it, is taken by the program as what its file is called.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should stop")]

#[path = "../../becket-webhooks/tests/normalised/names.rs"]
mod names;
#[expect(dead_code, reason = "shared with the target `it`, which uses the rest")]
#[path = "it/world.rs"]
mod world;

use std::collections::BTreeMap;

use serde_json::Value;

use crate::names::NAMES;
use crate::world::World;

/// A source for each kind that has samples, and a path for all.
const CONFIG: &str = "\
    server.listen = '127.0.0.1:0'\nstore.url = 'sqlite:becket.db'\n\
    sources.github.secret = 'github'\n\
    sources.gitlab.secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'\n\
    sources.bitbucket_server.secret = 'server'\n\
    sources.bitbucket_cloud.secret = 'cloud'\n\
    sources.azure_devops.secret = 'user:password'\n\
    sources.gitea.secret = 'gitea'\n\
    sources.slack.secret = 'slack'\n\
    sources.stripe.secret = 'whsec_stripe'\n\
    sources.any.kind = 'auto'\n\
    [[routes]]\non = '*'\nto = 'log'\n";

fn text(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap_or_default().to_owned()
}

#[test]
fn every_sample_is_signed_and_taken_as_what_its_file_is_called() {
    let world = World::new(CONFIG);
    let server = world.serve();
    let samples = world.run("send --list --json").ok().json();
    let samples = samples["items"].as_array().unwrap();
    let mut expected: BTreeMap<(String, String), usize> = BTreeMap::new();
    for sample in samples {
        let (kind, event) = (text(sample, "source_kind"), text(sample, "event"));
        let sent = server.send("any", &format!("{event} --source {kind} --json")).ok().json();
        assert_eq!(sent["task_ids"].as_array().unwrap().len(), 1, "{kind} {event}: {sent}");
        *expected.entry((kind, event)).or_default() += 1;
    }
    assert!(expected.len() >= 100, "only {} samples", expected.len());

    let mut listed: BTreeMap<(String, String), usize> = BTreeMap::new();
    let page = server.ask_json("deliveries list --limit 1000");
    let items = page["items"].as_array().unwrap();
    for delivery in items {
        let action = text(delivery, "action");
        let name =
            if action.is_empty() { text(delivery, "event") } else { format!("{}.{action}", text(delivery, "event")) };
        *listed.entry((text(delivery, "source"), name.replace(':', "."))).or_default() += 1;
    }
    assert_eq!(listed, expected);
}

#[test]
fn every_sample_reaches_the_route_of_its_normalised_event_for_whatever_forge() {
    let mut names: BTreeMap<&str, &str> = NAMES.iter().copied().collect();
    let routes: String = ["change_request.*", "push", "branch.deleted", "tag.*", "issue.*", "build.finished"]
        .map(|pattern| {
            let name = pattern.trim_end_matches(".*").replace('.', "-");
            format!("[[routes]]\nname = '{name}'\non = '{pattern}'\nto = 'log'\n")
        })
        .concat();
    let config = CONFIG.replace("[[routes]]\non = '*'\nto = 'log'\n", &routes);
    let world = World::new(&config);
    let server = world.serve();
    let samples = world.run("send --list --json").ok().json();
    let mut tasks: BTreeMap<String, &str> = BTreeMap::new();
    for sample in samples["items"].as_array().unwrap() {
        let (kind, event) = (text(sample, "source_kind"), text(sample, "event"));
        let name = names.remove(&*format!("{kind}/{event}"));
        let sent = server.send("any", &format!("{event} --source {kind} --json")).ok().json();
        let ids = sent["task_ids"].as_array().map(Vec::as_slice).unwrap_or_default();
        assert_eq!(ids.len(), usize::from(name.is_some()), "{kind} {event}: {sent}");
        tasks.extend(ids.iter().map(|id| id.as_str().unwrap().to_owned()).zip(name));
        // Of each forge one is enough to be shown.
        if matches!(name, Some("change_request.opened")) || event == "project_create" {
            let newest = text(&server.ask_json("deliveries list --limit 1")["items"][0], "id");
            let shown = server.ask_json(&format!("deliveries show {newest}"));
            assert_eq!((text(&shown, "source"), shown["normalised"].as_str()), (kind, name), "{event}");
            let table = server.ask(&format!("deliveries show {newest}")).ok().out;
            assert!(table.contains(name.unwrap_or("normalised")), "{table}");
        }
    }
    assert!(names.is_empty(), "these were not sent: {names:?}");
    let listed = server.ask_json("tasks list --limit 1000");
    let listed = listed["items"].as_array().unwrap();
    assert_eq!(listed.len(), tasks.len());
    for task in listed {
        let (name, route) = (tasks[&text(task, "id")], text(task, "kind").replace('-', "."));
        assert!(name.starts_with(&route), "{name} reached {route}");
    }
}
