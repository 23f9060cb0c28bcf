//! Every recorded GitHub payload, posted to the real binary with a right signature, is acknowledged and kept once.
//!
//! The recordings are other people's and not part of this repository: `BECKET_FIXTURES` names the folder.

#![cfg(unix)]
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should stop")]

#[expect(dead_code, reason = "shared with the target `reliability`, which uses the rest")]
#[path = "reliability/operator.rs"]
mod operator;
#[expect(dead_code, reason = "shared with the target `reliability`, which uses the rest")]
#[path = "reliability/sender.rs"]
mod sender;
#[expect(dead_code, reason = "shared with the target `reliability`, which uses the rest")]
#[path = "reliability/server.rs"]
mod server;

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::operator::Operator;
use crate::sender::{Outgoing, Sender};
use crate::server::Place;

/// One line of `index.tsv`: path, forge, event, action, header, size in bytes, and more that does not matter here.
struct Recording {
    path: String,
    event: String,
    action: Option<String>,
    bytes: u64,
}

fn folder() -> PathBuf {
    let folder = std::env::var_os("BECKET_FIXTURES");
    folder.expect("BECKET_FIXTURES is not set: run scripts/test, which finds the recorded payloads").into()
}

fn recordings() -> Vec<Recording> {
    let index = std::fs::read_to_string(folder().join("index.tsv")).unwrap();
    let lines = index.lines().map(|line| line.split('\t').collect::<Vec<_>>());
    lines
        .filter(|columns| columns[1] == "github")
        .map(|columns| Recording {
            path: columns[0].to_owned(),
            event: columns[2].to_owned(),
            action: Some(columns[3].to_owned()).filter(|action| !action.is_empty()),
            bytes: columns[5].parse().unwrap(),
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_recorded_github_payload_is_acknowledged_and_listed_once() {
    let recordings = recordings();
    assert!(recordings.len() >= 150, "only {} recordings", recordings.len());
    let place = Place::new("[[routes]]\non = '*'\nto = 'log'\n");
    let server = place.start().await;
    let sender = Sender::new();
    for Recording { path, event, .. } in &recordings {
        let body = std::fs::read(folder().join(path)).unwrap();
        // Each file is its own delivery, so its path serves as the id.
        let tasks = sender.must_post(&server.url, &Outgoing::new(event, path.as_str(), body)).await;
        assert_eq!(tasks.len(), 1, "{path}");
    }

    let operator = Operator::of(&server.url);
    let mut listed: BTreeMap<String, Vec<_>> = BTreeMap::new();
    for delivery in operator.deliveries().await {
        let said = (delivery.event, delivery.action, delivery.size);
        listed.entry(delivery.delivery_id).or_default().push(said);
    }
    assert_eq!(listed.len(), recordings.len());
    for Recording { path, event, action, bytes } in recordings {
        assert_eq!(listed[&path], [(event, action, bytes)], "{path}");
    }
    operator.until_all_ended().await;
    assert!(operator.tasks().await.iter().all(|task| task.state == "completed"));
}
