//! The description in `/openapi.json`, the routes, and `docs/reference/api.md` say the same.

use std::collections::BTreeSet;

use reqwest::{Method, StatusCode};
use serde_json::Value;

use crate::world::World;

const REFERENCE: &str = include_str!("../../../../docs/reference/api.md");

/// `GET /api/v1/tasks`, … as the description lists them.
fn described(document: &Value) -> BTreeSet<String> {
    let paths = document["paths"].as_object().unwrap().iter();
    paths
        .flat_map(|(path, methods)| {
            methods.as_object().unwrap().keys().map(move |method| format!("{} {path}", method.to_uppercase()))
        })
        .collect()
}

#[tokio::test]
async fn reference_has_a_section_for_each_endpoint_and_for_nothing_else() {
    let world = World::start().await;
    let document = world.get("/openapi.json").await;
    let headings = REFERENCE.lines().filter_map(|line| line.strip_prefix("### `")?.strip_suffix('`'));
    let written: BTreeSet<String> = headings.map(str::to_owned).collect();
    assert_eq!(written, described(&document));
}

#[tokio::test]
async fn each_described_endpoint_is_routed() {
    let world = World::start().await;
    for endpoint in described(&world.get("/openapi.json").await) {
        let (method, path) = endpoint.split_once(' ').unwrap();
        // What senders call is received elsewhere, and this server has nothing but the API.
        if path == "/webhooks/{source}" {
            continue;
        }
        let path = path.replace("{id}", "nobody").replace("{delivery_id}", "nobody").replace("{name}", "nobody");
        let response = world.request(method.parse::<Method>().unwrap(), &path).send().await.unwrap();
        assert_ne!(response.status(), StatusCode::METHOD_NOT_ALLOWED, "{endpoint}");
        if response.status() == StatusCode::NOT_FOUND {
            let text = response.text().await.unwrap();
            assert!(text.contains("with this id") || text.contains("with this name"), "{endpoint}: {text}");
        }
    }
}

#[tokio::test]
async fn senders_endpoint_is_described_with_the_answers_that_the_reference_lists() {
    let world = World::start().await;
    let document = world.get("/openapi.json").await;
    let responses = document["paths"]["/webhooks/{source}"]["post"]["responses"].as_object().unwrap();
    let section = REFERENCE.split("### `POST /webhooks/{source}`").nth(1).unwrap().split("\n### ").next().unwrap();
    let statuses = section.lines().filter_map(|line| line.strip_prefix("| ")?.split(" |").next());
    let written: BTreeSet<&str> =
        statuses.flat_map(|cell| cell.split(", ")).filter(|word| word.parse::<u16>().is_ok()).collect();
    assert_eq!(responses.keys().map(String::as_str).collect::<BTreeSet<_>>(), written);
    assert!(responses["503"]["headers"]["Retry-After"].is_object(), "{}", responses["503"]);
    assert!(responses["202"]["content"]["application/json"]["schema"]["$ref"].is_string(), "{}", responses["202"]);
}

#[tokio::test]
async fn description_names_schemas_that_exist() {
    let world = World::start().await;
    let document = world.get("/openapi.json").await;
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"), "{}", document["openapi"]);
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    let mut references = Vec::new();
    collect_references(&document, &mut references);
    assert!(!references.is_empty());
    for reference in references {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
}

fn collect_references(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            found.extend(fields.get("$ref").and_then(Value::as_str).map(str::to_owned));
            fields.values().for_each(|field| collect_references(field, found));
        }
        Value::Array(items) => items.iter().for_each(|item| collect_references(item, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
