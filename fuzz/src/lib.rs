//! What reads text that others write, fed with text that nobody would write.
//!
//! A target takes bytes and panics where Becket broke a promise: that it never panics itself, that what it lets through
//! keeps the rules, that a refusal is a refusal. `scripts/fuzz` runs them guided by coverage (libFuzzer) for a bounded time;
//! the tests of this crate run them over the committed corpus, the samples, the recorded payloads, and mutations of all of
//! these. Knows nothing of how the readers work.

pub mod configuration;
pub mod filters;
pub mod mutation;
pub mod requests;
pub mod templates;
pub mod webhooks;

/// What a target does with bytes.
pub type Feed = fn(&[u8]);

/// All targets by name; the corpus of each is the folder of that name.
pub const TARGETS: [(&str, Feed); 5] = [
    ("configuration", configuration::feed),
    ("filters", filters::feed),
    ("requests", requests::feed),
    ("templates", templates::feed),
    ("webhooks", webhooks::feed),
];

/// The target of a name.
#[must_use]
pub fn target(name: &str) -> Option<Feed> {
    TARGETS.iter().find(|(known, _)| *known == name).map(|(_, feed)| *feed)
}
