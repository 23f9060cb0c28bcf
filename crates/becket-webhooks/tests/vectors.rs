//! Signature vectors: the documents' own, and those recorded from other implementations.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod recorded;

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use becket_webhooks::{AzureAuth, Dialect, RejectionKind, Secrets, Source};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;

/// One vector of `signatures.json`, as described by its `_format`.
#[derive(Deserialize)]
struct Vector {
    id: String,
    scheme: String,
    expect: String,
    why: String,
    #[serde(default)]
    secrets: Vec<String>,
    username: Option<String>,
    password: Option<String>,
    headers: BTreeMap<String, String>,
    body: Option<String>,
    body_base64: Option<String>,
    body_file: Option<String>,
    #[serde(default)]
    now: i64,
    tolerance_s: Option<u64>,
}

impl Vector {
    /// Those that can receive it: Bitbucket's are the same for both kinds.
    fn sources(&self) -> Vec<Source> {
        let basic = self.username.iter().zip(&self.password).map(|(user, password)| format!("{user}:{password}"));
        let secrets = Secrets::new(self.secrets.iter().cloned().chain(basic)).unwrap();
        let dialects = match self.scheme.as_str() {
            "github" => vec![Dialect::Github],
            "standard-webhooks" => vec![Dialect::StandardWebhooks],
            "gitlab-token" | "gitlab-signing-token" => vec![Dialect::Gitlab],
            "bitbucket" => vec![Dialect::BitbucketServer, Dialect::BitbucketCloud],
            "gitea" => vec![Dialect::Gitea],
            "azure-basic" => vec![Dialect::AzureDevops(AzureAuth::Basic)],
            other => panic!("{}: no source for {other}", self.id),
        };
        let source = |dialect| self.with_tolerance(Source::new("source", dialect, secrets.clone()).unwrap());
        dialects.into_iter().map(source).collect()
    }

    fn with_tolerance(&self, source: Source) -> Source {
        match self.tolerance_s {
            Some(secs) => source.with_timestamp_tolerance(Duration::from_secs(secs)),
            None => source,
        }
    }

    fn headers(&self) -> HeaderMap {
        let pairs = self.headers.iter();
        pairs
            .map(|(name, value)| (HeaderName::try_from(name).unwrap(), HeaderValue::try_from(value).unwrap()))
            .collect()
    }

    fn body(&self) -> Bytes {
        match (&self.body, &self.body_base64, &self.body_file) {
            (Some(text), None, None) => text.clone().into(),
            (None, Some(base64), None) => STANDARD.decode(base64).unwrap().into(),
            (None, None, Some(path)) => recorded::read(path).into(),
            _ => panic!("{}: not exactly one body", self.id),
        }
    }

    /// Checks the signature alone: the vectors' headers lack what a whole delivery has.
    fn check(&self) {
        for source in self.sources() {
            let accepted = match source.verify(&self.headers(), &self.body(), self.now * 1000) {
                Ok(secret) => {
                    assert!(secret.is_some(), "{}", self.id);
                    "accept"
                }
                Err(rejection) => {
                    assert_eq!(rejection.kind(), RejectionKind::Unauthorized, "{}", self.id);
                    "reject"
                }
            };
            assert_eq!(accepted, self.expect, "{} as {}: {}", self.id, source.kind(), self.why);
        }
    }
}

#[test]
fn every_recorded_vector_is_judged_as_stated() {
    #[derive(Deserialize)]
    struct Recorded {
        vectors: Vec<Vector>,
    }
    let recorded: Recorded = serde_json::from_slice(&recorded::read("signatures.json")).unwrap();
    let mut schemes: BTreeMap<String, usize> = BTreeMap::new();
    for vector in &recorded.vectors {
        vector.check();
        *schemes.entry(vector.scheme.clone()).or_default() += 1;
    }
    // A clone with nothing beside it has those of the first two alone; the others are there together or not at all.
    let everywhere = [("github", 8), ("standard-webhooks", 4)];
    let others =
        [("azure-basic", 2), ("bitbucket", 10), ("gitea", 9), ("gitlab-signing-token", 1), ("gitlab-token", 2)];
    let has_others = schemes.len() > everywhere.len();
    for (scheme, count) in everywhere.into_iter().chain(others.into_iter().filter(|_| has_others)) {
        assert!(schemes.get(scheme).is_some_and(|seen| *seen >= count), "{scheme}: {schemes:?}");
    }
}

/// <https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries#testing-the-webhook-payload-validation>
#[test]
fn githubs_documented_example_is_verified() {
    let source = Source::github("github", Secrets::new(["It's a Secret to Everybody"]).unwrap());
    let mut headers = HeaderMap::new();
    let signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
    headers.insert("x-hub-signature-256", HeaderValue::from_static(signature));
    assert_eq!(source.verify(&headers, b"Hello, World!", 0), Ok(Some(0)));
    assert!(source.verify(&headers, b"Hello, World", 0).is_err());
}

/// The reference libraries' example:
/// <https://github.com/standard-webhooks/standard-webhooks/blob/main/libraries/go/webhook_test.go>
#[test]
fn standard_webhooks_example_is_verified() {
    let secrets = Secrets::new(["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]).unwrap();
    let source = Source::standard_webhooks("billing", secrets).unwrap();
    let headers = HeaderMap::from_iter(
        [
            ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"),
            ("webhook-timestamp", "1614265330"),
            ("webhook-signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
        ]
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))),
    );
    assert_eq!(source.verify(&headers, br#"{"test": 2432232314}"#, 1_614_265_330_000), Ok(Some(0)));
    assert!(source.verify(&headers, br#"{"test": 2432232315}"#, 1_614_265_330_000).is_err());
}
