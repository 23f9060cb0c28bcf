//! Every recorded payload of every forge, posted to the real binary with the headers and the signature of its sender, is
//! acknowledged and kept once, with the right source, event, action and repository.
//!
//! The recordings are other people's and not part of this repository: `BECKET_FIXTURES` names the folder. The headers are
//! written here as the forges document them, and what is expected is read from the index and from the payload as a tree;
//! neither is taken from the library that is under test.

#![cfg(unix)]
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should stop")]

#[path = "fixtures/forge.rs"]
mod forge;
#[path = "fixtures/normalised.rs"]
mod normalised;
#[expect(dead_code, reason = "shared with the target `reliability`, which uses the rest")]
#[path = "reliability/operator.rs"]
mod operator;
#[path = "fixtures/reached.rs"]
mod reached;
#[expect(dead_code, reason = "shared with the target `reliability`, which uses the rest")]
#[path = "reliability/sender.rs"]
mod sender;
#[expect(dead_code, reason = "shared with the target `reliability`, which uses the rest")]
#[path = "reliability/server.rs"]
mod server;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::Value;

use crate::forge::Forge;
use crate::operator::Operator;
use crate::server::Place;

/// How many there are at least, so that a test without recordings does not pass. A clone with nothing beside it has GitHub's
/// alone (`scripts/fixtures` fetches them); the other forges are there together or not at all, and a clone's tests send
/// this project's own samples of them (`samples.rs`).
const AT_LEAST: [(&str, usize); 7] = [
    ("azure-devops", 7),
    ("bitbucket-cloud", 33),
    ("bitbucket-server", 35),
    ("forgejo", 11),
    ("gitea", 37),
    ("github", 150),
    ("gitlab", 76),
];

/// One line of `index.tsv`: path, forge, event, action, header, size in bytes, and more that does not matter here.
struct Recording {
    path: String,
    forge: Forge,
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
    let lines = index.lines().skip(1).map(|line| line.split('\t').collect::<Vec<_>>());
    lines
        .map(|columns| Recording {
            path: columns[0].to_owned(),
            forge: Forge::named(columns[1]),
            event: columns[2].to_owned(),
            action: Some(columns[3].to_owned()).filter(|action| !action.is_empty()),
            bytes: columns[5].parse().unwrap(),
        })
        .collect()
}

/// What the operator must see of a delivery: source, event, action, repository, size.
type Seen = (String, String, Option<String>, Option<String>, u64);

impl Recording {
    fn body(&self) -> Vec<u8> {
        std::fs::read(folder().join(&self.path)).unwrap()
    }

    fn expected(&self, payload: &Value) -> Seen {
        let (event, action) = self.forge.event_and_action(&self.event, self.action.as_deref(), payload);
        (self.forge.source().to_owned(), event, action, self.forge.repository(payload), self.bytes)
    }
}

async fn post(http: &reqwest::Client, url: &str, headers: &[(&str, String)], body: Vec<u8>) -> (u16, Value) {
    let request = headers.iter().fold(http.post(url), |request, (name, value)| request.header(*name, value));
    let response = request.body(body).send().await.unwrap();
    let status = response.status().as_u16();
    (status, serde_json::from_slice(&response.bytes().await.unwrap()).unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_recorded_payload_is_acknowledged_at_both_paths_and_listed_once() {
    let recordings = recordings();
    let has_others = recordings.iter().any(|recording| recording.forge != Forge::Github);
    for (forge, at_least) in AT_LEAST.into_iter().filter(|(forge, _)| has_others || *forge == "github") {
        let count = recordings.iter().filter(|recording| recording.forge == Forge::named(forge)).count();
        assert!(count >= at_least, "only {count} recordings of {forge}");
    }
    let place = Place::new(&format!("{}[[routes]]\non = '*'\nto = 'log'\n", forge::SOURCES));
    let server = place.start().await;
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut expected: BTreeMap<String, (String, Seen)> = BTreeMap::new();
    for recording in &recordings {
        let (path, body) = (&recording.path, recording.body());
        let payload: Value = serde_json::from_slice(&body).unwrap();
        // Each file is its own delivery, so its path serves as the id where a header carries one.
        let headers = recording.forge.headers(&recording.event, path, &body);
        let own = format!("{}/webhooks/{}", server.url, recording.forge.source());
        let (status, answer) = post(&http, &own, &headers, body.clone()).await;
        assert!((200..300).contains(&status), "{path}: {status} {answer}");
        let (status, again) = post(&http, &format!("{}/webhooks/any", server.url), &headers, body).await;
        assert!((200..300).contains(&status), "{path}: {status} {again}");
        if recording.event == "diagnostics:ping" {
            assert_eq!(answer, again, "{path}: a test of the connection is no delivery");
            continue;
        }
        assert_eq!((&answer["duplicate"], &again["duplicate"]), (&Value::Null, &true.into()), "{path}");
        assert_eq!(answer["task_ids"].as_array().unwrap().len(), 1, "{path}");
        let id = answer["delivery_id"].as_str().unwrap().to_owned();
        let other = expected.insert(id, (path.clone(), recording.expected(&payload)));
        assert!(other.is_none(), "{path} and {other:?} have one id");
    }

    let operator = Operator::of(&server.url);
    let mut listed: BTreeMap<String, Vec<Seen>> = BTreeMap::new();
    for delivery in operator.deliveries().await {
        let shown = operator.delivery(&delivery.id).await;
        let seen = (delivery.source, delivery.event, delivery.action, shown.repository, delivery.size);
        listed.entry(delivery.delivery_id).or_default().push(seen);
    }
    assert_eq!(listed.len(), expected.len());
    for (id, (path, seen)) in expected {
        assert_eq!(listed[&id], [seen], "{path}");
    }
    operator.until_all_ended().await;
    assert!(operator.tasks().await.iter().all(|task| task.state == "completed"));
}
