//! The payloads in `samples/` keep GitHub's shape.
//!
//! Each sample is validated against GitHub's published JSON Schema, which `BECKET_FIXTURES` holds (`scripts/test` sets
//! it), and the same validator is shown to refuse each sample once it is broken. The other tests here say what a sample
//! promises beside its shape: its name, its size, and that it names nobody but us. Nothing here uses the library.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use jsonschema::{Draft, Validator};
use serde_json::{Map, Value, json};

const KB: usize = 1000;

#[test]
fn every_sample_is_valid_against_the_published_schema_of_its_event_and_action() {
    let schema = Schema::published();
    let mut faults = Vec::new();
    for sample in samples() {
        for error in schema.validator(&sample).iter_errors(&sample.body) {
            faults.push(format!("{}: {} {error}", sample.name, error.instance_path));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_sample_is_refused_once_it_is_broken() {
    let schema = Schema::published();
    for sample in samples() {
        let validator = schema.validator(&sample);
        let required = schema.required(&sample);
        assert!(!required.is_empty(), "{}: the schema requires nothing", sample.name);

        let lacks = required.iter().map(|field| {
            let mut body = sample.body.clone();
            object_mut(&mut body).remove(field);
            (format!("without {field}"), body)
        });
        let mut nameless = sample.body.clone();
        object_mut(&mut nameless["sender"]).remove("login");
        let mut misspelt = sample.body.clone();
        object_mut(&mut misspelt).insert("repositry".into(), json!({}));
        let others = [("without sender.login".into(), nameless), ("with an unknown field".into(), misspelt)];

        for (how, body) in lacks.chain(others) {
            assert!(!validator.is_valid(&body), "{} is valid {how}", sample.name);
        }
    }
}

#[test]
fn a_sample_with_a_time_or_an_address_that_is_none_is_refused() {
    let opened = sample("issues.opened");
    let validator = Schema::published().validator(&opened);
    let breaks = [
        ("/issue/created_at", "last Tuesday"),
        ("/issue/html_url", "the second one from the top"),
        ("/issue/labels_url", "https://api.github.com/repos/lighthouse-works/harbour/issues/412/labels{/name"),
    ];
    for (field, text) in breaks {
        let mut broken = opened.body.clone();
        *broken.pointer_mut(field).unwrap() = json!(text);
        assert!(!validator.is_valid(&broken), "{field} may be {text:?}");
    }
}

#[test]
fn a_sample_is_not_valid_as_another_action_of_its_event() {
    let closed = Schema::published().validator(&sample("issues.closed"));
    assert!(!closed.is_valid(&sample("issues.opened").body));
}

#[test]
fn there_are_samples_of_at_least_thirty_event_types() {
    let events: BTreeSet<_> = samples().into_iter().map(|sample| sample.event).collect();
    assert!(events.len() >= 30, "{} event types: {events:?}", events.len());
}

#[test]
fn the_file_name_says_event_and_action() {
    for sample in samples() {
        let action = sample.body.get("action").and_then(Value::as_str);
        assert_eq!(sample.action.as_deref(), action, "{}", sample.name);
    }
}

#[test]
fn samples_have_the_size_of_real_deliveries() {
    let samples = samples();
    for sample in &samples {
        assert_size(sample, 4 * KB..=36 * KB);
    }
    assert_size(&sample("issues.opened"), 10 * KB..=13 * KB);
    assert_size(&sample("pull_request.opened"), 22 * KB..=30 * KB);

    // A star or a label is small at GitHub too; twenty kinds of event are not.
    let large = samples.iter().filter(|sample| sample.text.len() >= 10 * KB);
    let large: BTreeSet<_> = large.map(|sample| &sample.event).collect();
    assert!(large.len() >= 20, "{} event types have 10 KB or more: {large:?}", large.len());
}

#[test]
fn samples_are_compact_json_as_github_sends_it() {
    for sample in samples() {
        // The order of keys differs, the length does not: no white space between tokens, no key twice, no line break.
        assert_eq!(sample.text.len(), sample.body.to_string().len(), "{}", sample.name);
    }
}

#[test]
fn samples_name_no_account_and_no_host_but_ours_and_githubs() {
    for sample in samples() {
        for login in texts_of("login", &sample.body) {
            assert!(ACCOUNTS.contains(&login), "{} names the account {login}", sample.name);
        }
        for url in sample.text.split("://").skip(1) {
            let host = url.split(['/', '"', '\\', ')', ' ']).next().unwrap_or_default();
            let ours = host.ends_with(".lighthouse-works.example");
            assert!(ours || GITHUB_HOSTS.contains(&host), "{} names the host {host}", sample.name);
        }
    }
}

const ACCOUNTS: &[&str] = &[
    "lighthouse-works",
    "maren-holt",
    "tomas-keel",
    "ines-varga",
    "quiet-anchor",
    "pier-nineteen",
    "breakwater-ci[bot]",
];

const GITHUB_HOSTS: &[&str] = &["api.github.com", "avatars.githubusercontent.com", "github.com", "uploads.github.com"];

/// One file of `samples/github`.
struct Sample {
    /// The file's name without `.json`.
    name: String,
    event: String,
    action: Option<String>,
    text: String,
    body: Value,
}

fn samples() -> Vec<Sample> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../samples/github");
    let entries = folder.read_dir().unwrap_or_else(|error| panic!("read {}: {error}", folder.display()));
    let mut samples: Vec<_> = entries
        .map(|entry| entry.unwrap_or_else(|error| panic!("read {}: {error}", folder.display())).path())
        .map(|path| Sample::read(&path))
        .collect();
    samples.sort_by(|a, b| a.name.cmp(&b.name));
    samples
}

fn sample(name: &str) -> Sample {
    samples().into_iter().find(|sample| sample.name == name).unwrap_or_else(|| panic!("there is no sample {name}"))
}

impl Sample {
    fn read(path: &Path) -> Self {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let text = read(path);
        let body = parse(path, &text);
        let (event, action) = match name.split_once('.') {
            Some((event, action)) => (event.to_owned(), Some(action.to_owned())),
            None => (name.clone(), None),
        };
        Self { name, event, action, text, body }
    }
}

/// GitHub's published schema: one document whose `definitions` are named `issues$opened`, or `push$event` for an event
/// that has no action (or one that its sender makes up, as `repository_dispatch` has).
struct Schema {
    definitions: Value,
}

impl Schema {
    fn published() -> Self {
        let Some(fixtures) = std::env::var_os("BECKET_FIXTURES") else {
            panic!(
                "BECKET_FIXTURES is not set: run scripts/test, or set it to the folder that scripts/fixtures prints"
            );
        };
        let path = PathBuf::from(fixtures).join("schemas/github-webhooks.schema.json");
        let mut document = parse(&path, &read(&path));
        Self { definitions: document["definitions"].take() }
    }

    /// The validator for what the sample's name says that it is.
    fn validator(&self, sample: &Sample) -> Validator {
        let reference = format!("#/definitions/{}", self.definition_of(sample));
        let root = json!({ "allOf": [{ "$ref": reference }], "definitions": self.definitions });
        let options = jsonschema::options()
            .with_draft(Draft::Draft7)
            .should_validate_formats(true)
            .with_format("uri-template", is_uri_template);
        options.build(&root).unwrap_or_else(|error| panic!("compile the schema of {}: {error}", sample.name))
    }

    fn required(&self, sample: &Sample) -> Vec<String> {
        let required = self.definitions[self.definition_of(sample)]["required"].as_array();
        required.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    }

    fn definition_of(&self, sample: &Sample) -> String {
        let of_action = format!("{}${}", sample.event, sample.action.as_deref().unwrap_or("event"));
        let of_event = format!("{}$event", sample.event);
        let found = [of_action, of_event].into_iter().find(|name| self.definitions.get(name).is_some());
        found.unwrap_or_else(|| panic!("the published schema does not know {}", sample.name))
    }
}

/// Whether braces open, hold something and close, in this order, and nothing is white space.
///
/// It stands in for the crate's own check, which refuses the upper-case `%5B` in the address of `someone[bot]`
/// (RFC 3986 section 2.1 allows both cases, and GitHub sends upper).
fn is_uri_template(text: &str) -> bool {
    let mut pieces = text.split('{');
    let starts_outside = pieces.next().is_some_and(|literal| !literal.contains('}'));
    let closes =
        |piece: &str| matches!(piece.split_once('}'), Some((name, rest)) if !name.is_empty() && !rest.contains('}'));
    starts_outside && pieces.all(closes) && !text.contains(char::is_whitespace)
}

/// Every text that stands under `key`, however deep.
fn texts_of<'a>(key: &str, value: &'a Value) -> Vec<&'a str> {
    match value {
        Value::Object(fields) => {
            let here = fields.get(key).and_then(Value::as_str);
            here.into_iter().chain(fields.values().flat_map(|inner| texts_of(key, inner))).collect()
        }
        Value::Array(items) => items.iter().flat_map(|inner| texts_of(key, inner)).collect(),
        _ => Vec::new(),
    }
}

fn assert_size(sample: &Sample, expected: RangeInclusive<usize>) {
    let bytes = sample.text.len();
    assert!(expected.contains(&bytes), "{} has {bytes} bytes, expected {expected:?}", sample.name);
}

fn object_mut(value: &mut Value) -> &mut Map<String, Value> {
    value.as_object_mut().unwrap_or_else(|| panic!("a JSON object is expected"))
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("read {}: {error}", path.display()))
}

fn parse(path: &Path, text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("read {} as JSON: {error}", path.display()))
}
