//! The bodies that are sent: many variants of two samples, made and signed before the clock starts.
//!
//! One body sent again and again would flatter a store that compresses. So every variant has its own repository, people,
//! ids, hashes, times and words, all drawn from a seeded generator; what stays the same is what stays the same
//! in real deliveries: the keys and the shape of the URLs. The [pool](Pool) hands the variants out in turn over all
//! connections, so requests in flight together (and the group commit that they form) hold no variant twice.

mod variant;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use bytes::Bytes;
use serde_json::Value;

use crate::signature::Key;

/// What is sent in one leg.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum Mix {
    /// `issues.opened`, about 11 KB.
    Issues,
    /// `pull_request.opened`, about 25 KB.
    PullRequest,
    /// One of each in turn.
    Mixed,
}

impl Mix {
    /// The word for it in tables and flags.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Issues => "issues",
            Self::PullRequest => "pull_request",
            Self::Mixed => "mixed",
        }
    }

    fn events(self) -> &'static [&'static str] {
        match self {
            Self::Issues => &["issues"],
            Self::PullRequest => &["pull_request"],
            Self::Mixed => &["issues", "pull_request"],
        }
    }
}

/// A body with what the sender says about it.
#[derive(Debug, Clone)]
pub struct Payload {
    /// The value of `X-GitHub-Event`.
    pub event: &'static str,
    /// The raw JSON.
    pub body: Bytes,
    /// The value of `X-Hub-Signature-256` for `body`.
    pub signature: String,
}

/// Signed variants, handed out in turn.
#[derive(Debug)]
pub struct Pool {
    payloads: Vec<Payload>,
}

impl Pool {
    /// Makes `size` variants from the samples of `mix`; the same seed gives the same bytes.
    ///
    /// # Errors
    /// When a sample is missing or is not JSON.
    pub fn from_samples(samples: &Path, mix: Mix, size: usize, seed: u64, key: &Key) -> Result<Self> {
        let templates = mix.events().iter().map(|event| Ok((*event, sample(samples, event)?)));
        Self::from_templates(&templates.collect::<Result<Vec<_>>>()?, size, seed, key)
    }

    fn from_templates(templates: &[(&'static str, Value)], size: usize, seed: u64, key: &Key) -> Result<Self> {
        let mut random = fastrand::Rng::with_seed(seed);
        let payloads = templates.iter().cycle().take(size).map(|(event, template)| {
            let body = serde_json::to_vec(&variant::of(template, &mut random)).context("write a payload as JSON")?;
            Ok(Payload { event, signature: key.sign(&body), body: body.into() })
        });
        Ok(Self { payloads: payloads.collect::<Result<_>>()? })
    }

    /// The payload for the request with this number; numbers that follow each other get different ones.
    #[must_use]
    pub fn payload(&self, number: u64) -> &Payload {
        &self.payloads[(number % self.payloads.len() as u64) as usize]
    }

    /// Mean length of a body, in bytes.
    #[must_use]
    pub fn body_bytes_mean(&self) -> usize {
        self.payloads.iter().map(|payload| payload.body.len()).sum::<usize>() / self.payloads.len()
    }
}

/// Where this repository keeps its samples.
#[must_use]
pub fn samples_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../samples/github")
}

/// The folder with the samples of all kinds, one folder each.
#[must_use]
pub fn all_samples_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../samples")
}

fn sample(samples: &Path, event: &str) -> Result<Value> {
    let path = samples.join(format!("{event}.opened.json"));
    let text = std::fs::read(&path).with_context(|| format!("read the sample {}", path.display()))?;
    serde_json::from_slice(&text).with_context(|| format!("the sample {} is not JSON", path.display()))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn pool(mix: Mix, seed: u64) -> Pool {
        Pool::from_samples(&samples_dir(), mix, 64, seed, &Key::new("secret")).unwrap()
    }

    #[test]
    fn every_variant_is_json_differs_from_all_others_and_is_signed() {
        let pool = pool(Mix::Mixed, 7);
        let mut seen = HashSet::new();
        for payload in &pool.payloads {
            let value: Value = serde_json::from_slice(&payload.body).unwrap();
            assert_eq!(value["action"], "opened");
            assert!(seen.insert(payload.body.clone()));
            assert!(Key::new("secret").verifies(&payload.body, payload.signature.as_bytes()));
        }
        assert_eq!(seen.len(), 64);
    }

    #[test]
    fn variants_keep_the_size_of_real_deliveries() {
        let (issues, pull_request) = (pool(Mix::Issues, 7), pool(Mix::PullRequest, 7));
        assert!((9_000..14_000).contains(&issues.body_bytes_mean()), "issues: {}", issues.body_bytes_mean());
        assert!((20_000..30_000).contains(&pull_request.body_bytes_mean()), "{}", pull_request.body_bytes_mean());
    }

    #[test]
    fn a_mixed_pool_alternates_its_events() {
        let pool = pool(Mix::Mixed, 7);
        let events: Vec<_> = (62..66).map(|number| pool.payload(number).event).collect();
        assert_eq!(events, ["issues", "pull_request", "issues", "pull_request"]);
    }

    #[test]
    fn the_same_seed_gives_the_same_bytes() {
        assert_eq!(pool(Mix::Issues, 7).payloads[63].body, pool(Mix::Issues, 7).payloads[63].body);
        assert_ne!(pool(Mix::Issues, 7).payloads[63].body, pool(Mix::Issues, 8).payloads[63].body);
    }

    #[test]
    fn a_missing_sample_is_named() {
        let error = Pool::from_samples(Path::new("/nowhere"), Mix::Issues, 1, 7, &Key::new("")).unwrap_err();
        assert_eq!(error.to_string(), "read the sample /nowhere/issues.opened.json");
    }
}
