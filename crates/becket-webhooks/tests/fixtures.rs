//! Every recorded GitHub payload, signed, is accepted with the event and action that the index states.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod recorded;

use becket_webhooks::{Secrets, Source, signature};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue};

const SECRET: &str = "development";

/// One line of `index.tsv`: path, forge, event, action, and more columns that do not matter here.
struct Recording {
    path: String,
    event: String,
    action: Option<String>,
}

fn github_recordings() -> Vec<Recording> {
    let index = String::from_utf8(recorded::read("index.tsv")).unwrap();
    index
        .lines()
        .map(|line| line.split('\t').collect::<Vec<_>>())
        .filter(|columns| columns[1] == "github")
        .map(|columns| Recording {
            path: columns[0].to_owned(),
            event: columns[2].to_owned(),
            action: Some(columns[3].to_owned()).filter(|action| !action.is_empty()),
        })
        .collect()
}

fn headers(event: &str, content_type: &'static str, body: &[u8]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static(content_type));
    headers.insert("x-github-event", HeaderValue::try_from(event).unwrap());
    headers.insert("x-github-delivery", HeaderValue::from_static("72d3162e-cc78-11e3-81ab-4c9367dc0958"));
    let signature = signature::github(SECRET.as_bytes(), body);
    headers.insert("x-hub-signature-256", HeaderValue::try_from(signature).unwrap());
    headers
}

/// Writes a form as GitHub does: everything but letters and digits is escaped.
fn form(json: &[u8]) -> Vec<u8> {
    let mut form = b"payload=".to_vec();
    for byte in json {
        match byte {
            b' ' => form.push(b'+'),
            byte if byte.is_ascii_alphanumeric() => form.push(*byte),
            byte => form.extend(format!("%{byte:02X}").into_bytes()),
        }
    }
    form
}

#[test]
fn every_recorded_github_payload_is_accepted_with_its_event_and_action() {
    let github = Source::github("github", Secrets::new([SECRET]).unwrap());
    let recordings = github_recordings();
    assert!(recordings.len() >= 150, "only {} recordings", recordings.len());
    for Recording { path, event, action } in recordings {
        let body = Bytes::from(recorded::read(&path));
        let delivery = github.receive(&headers(&event, "application/json", &body), body.clone(), 0);
        let delivery = delivery.unwrap_or_else(|rejection| panic!("{path}: {:?}", rejection.explanation()));
        assert_eq!((delivery.event(), delivery.action()), (event.as_str(), action.as_deref()), "{path}");
        assert_eq!(delivery.body(), &body, "{path}");
    }
}

#[test]
fn every_recorded_github_payload_is_accepted_as_a_form_too() {
    let github = Source::github("github", Secrets::new([SECRET]).unwrap());
    for Recording { path, event, action } in github_recordings() {
        let json = recorded::read(&path);
        let body = Bytes::from(form(&json));
        let delivery = github.receive(&headers(&event, "application/x-www-form-urlencoded", &body), body.clone(), 0);
        let delivery = delivery.unwrap_or_else(|rejection| panic!("{path}: {:?}", rejection.explanation()));
        assert_eq!(delivery.action(), action.as_deref(), "{path}");
        assert!(delivery.json() == json && delivery.body() == &body, "{path}: the payload was changed");
    }
}
