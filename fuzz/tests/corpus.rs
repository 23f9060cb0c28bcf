//! All targets over the committed corpus, the samples and the recorded payloads, and over mutations of them.
//!
//! Without coverage to guide it this finds less than `scripts/fuzz`, and it is run each time. `BECKET_SEED` repeats a run,
//! `BECKET_MUTATIONS` says how many mutations each target is fed (2,000).

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should stop")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use becket_fuzz::{Feed, TARGETS, mutation, target, webhooks};
use fastrand::Rng;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn files(folder: &Path) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    let mut names: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort_unstable();
    for path in names {
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(std::fs::read(path).unwrap());
        }
    }
    found
}

fn corpus(name: &str) -> Vec<Vec<u8>> {
    let found = files(&root().join("corpus").join(name));
    assert!(found.len() >= 5, "{name}: {} inputs", found.len());
    found
}

/// Feeds one input; a failure shows it.
fn fed(name: &str, feed: Feed, input: &[u8]) {
    if catch_unwind(AssertUnwindSafe(|| feed(input))).is_err() {
        panic!("{name} fails with {:?}", String::from_utf8_lossy(input));
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect(name))
}

fn bears(name: &str) {
    let feed = target(name).unwrap();
    let mut inputs = corpus(name);
    for input in &inputs {
        fed(name, feed, input);
    }
    if name == "webhooks" {
        inputs.extend(requests(&root().join("../samples"), 20_000));
    }
    let seed = number("BECKET_SEED").unwrap_or_else(|| fastrand::u64(..));
    let mut rng = Rng::with_seed(seed);
    for _ in 0..number("BECKET_MUTATIONS").unwrap_or(2_000) {
        let input = mutation::mutated(&inputs, &mut rng);
        if catch_unwind(AssertUnwindSafe(|| feed(&input))).is_err() {
            panic!("BECKET_SEED={seed}: {name} fails with {:?}", String::from_utf8_lossy(&input));
        }
    }
}

/// Payloads as signed requests of every kind of sender.
fn requests(folder: &Path, bytes_max: usize) -> Vec<Vec<u8>> {
    let payloads = files(folder).into_iter().filter(|payload| payload.len() <= bytes_max && payload.starts_with(b"{"));
    payloads
        .flat_map(|payload| {
            webhooks::kinds().map(move |kind| [format!("{kind} signed\n\n").as_bytes(), &payload].concat())
        })
        .collect()
}

#[test]
fn configuration_is_read_or_refused_with_a_reason() {
    bears("configuration");
}

#[test]
fn filters_are_checked_and_say_the_same_each_time() {
    bears("filters");
}

#[test]
fn requests_of_the_api_are_answered() {
    bears("requests");
}

#[test]
fn templates_are_read_or_refused_and_make_bounded_names() {
    bears("templates");
}

#[test]
fn requests_of_senders_are_let_through_or_refused() {
    bears("webhooks");
}

#[test]
fn every_recorded_payload_is_read_by_every_kind_of_source() {
    let fixtures = std::env::var_os("BECKET_FIXTURES");
    let fixtures = fixtures.expect("BECKET_FIXTURES is not set: run scripts/test, which finds the recorded payloads");
    let inputs = requests(Path::new(&fixtures), usize::MAX);
    assert!(inputs.len() > 100 * webhooks::kinds().count(), "{}", inputs.len());
    for input in inputs {
        fed("webhooks", webhooks::feed, &input);
    }
}

#[test]
fn every_target_has_a_test_and_a_corpus() {
    let source = include_str!("corpus.rs");
    for (name, _) in TARGETS {
        assert!(source.contains(&format!("bears(\"{name}\")")), "{name}");
        corpus(name);
    }
}

/// The target sees what is let through: otherwise all its promises are empty.
#[test]
fn signed_request_of_each_kind_is_let_through_and_a_changed_one_is_not() {
    for kind in webhooks::kinds() {
        let input = format!("{kind} signed\n\n{{\"id\":\"one\",\"type\":\"push\"}}");
        assert!(webhooks::is_let_through(input.as_bytes()), "{kind}");
        assert!(!webhooks::is_let_through(input.replace(" signed", "").as_bytes()), "{kind}");
    }
}
