//! Every sample, sent by the program as its sender sends it, is taken by the program as what its file is called.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should stop")]

#[expect(dead_code, reason = "shared with the target `it`, which uses the rest")]
#[path = "it/world.rs"]
mod world;

use std::collections::BTreeMap;

use serde_json::Value;

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
