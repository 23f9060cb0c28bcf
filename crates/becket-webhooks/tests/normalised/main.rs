//! One story, told by six forges: their samples and other people's recordings give the same names and the same views.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod guide;
mod names;
#[path = "../recorded/mod.rs"]
mod recorded;
mod recordings;
mod samples;

use becket_webhooks::{AzureAuth, Delivery, Dialect, Kind, Secrets, Sender, Source};

/// What `kind` sends for `event` with this body, received.
fn delivered(kind: Kind, event: &str, body: Vec<u8>) -> Delivery {
    let (dialect, secret) = match kind {
        Kind::Github => (Dialect::Github, "secret"),
        Kind::Gitlab => (Dialect::Gitlab, "secret"),
        Kind::BitbucketServer => (Dialect::BitbucketServer, "secret"),
        Kind::BitbucketCloud => (Dialect::BitbucketCloud, "secret"),
        Kind::AzureDevops => (Dialect::AzureDevops(AzureAuth::Basic), "user:password"),
        Kind::Gitea => (Dialect::Gitea, "secret"),
        Kind::Slack => (Dialect::Slack, "secret"),
        Kind::Stripe => (Dialect::Stripe, "secret"),
        other => panic!("there is nothing of {other}"),
    };
    let sender = Sender::new(dialect.clone(), Some(secret.into())).unwrap();
    let headers = sender.headers(event, "a-delivery", 0, &body).unwrap();
    let source = Source::new("source", dialect, Secrets::new([secret]).unwrap()).unwrap();
    source
        .receive(&headers, body.into(), 0)
        .unwrap_or_else(|rejection| panic!("{event}: {:?}", rejection.explanation()))
}
