//! Requests of senders: recognised, answered, verified and read by the source of their kind.
//!
//! An input is written as a request is: the kind of sender, ` signed` behind it if the right headers are to be made first;
//! headers, which replace or add to those; an empty line; the body. So an input that is mutated keeps a right signature.

use std::sync::{Arc, LazyLock};

use becket_webhooks::{AzureAuth, Custom, Delivery, Dialect, Kind, Secrets, Sender, Source};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Map, Value};

const SECRET: &str = "a secret to fuzz with";
const BASIC: &str = "user:a secret to fuzz with";
const WHSEC: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
/// When everything is received: milliseconds of Unix time.
const NOW_MS: i64 = 1_800_000_000_000;
/// The longest id and event.
const TOKEN_BYTES_MAX: usize = 256;

struct Pair {
    name: &'static str,
    source: Source,
    sender: Sender,
}

static PAIRS: LazyLock<Vec<Pair>> = LazyLock::new(|| {
    let all = [
        ("github", Dialect::Github, SECRET),
        ("gitlab", Dialect::Gitlab, SECRET),
        ("gitlab_signing", Dialect::Gitlab, WHSEC),
        ("bitbucket_server", Dialect::BitbucketServer, SECRET),
        ("bitbucket_cloud", Dialect::BitbucketCloud, SECRET),
        ("azure_devops", Dialect::AzureDevops(AzureAuth::Basic), BASIC),
        ("azure_header", Dialect::AzureDevops(AzureAuth::Header(HeaderName::from_static("x-secret"))), SECRET),
        ("gitea", Dialect::Gitea, SECRET),
        ("slack", Dialect::Slack, SECRET),
        ("stripe", Dialect::Stripe, SECRET),
        ("standard_webhooks", Dialect::StandardWebhooks, WHSEC),
        ("custom", pointers(), SECRET),
        ("custom_parts", parts(), SECRET),
    ];
    all.into_iter().map(|(name, dialect, secret)| pair(name, dialect, secret)).collect()
});

/// A custom sender with a prefix, a timestamp, and a text that is made of parts.
fn parts() -> Dialect {
    let custom = Custom::new("x-signature", "x-id", "x-event")
        .and_then(|custom| custom.timestamp("x-timestamp"))
        .and_then(|custom| custom.signed("{id}.{timestamp}.{body}"))
        .and_then(|custom| custom.prefix("v1=").checked());
    Dialect::Custom(Arc::new(custom.unwrap_or_else(|error| panic!("{error}"))))
}

/// A custom sender that writes all into the body.
fn pointers() -> Dialect {
    let custom = Custom::new("x-signature", "/id", "/type").and_then(|custom| custom.repository("/repository/name"));
    Dialect::Custom(Arc::new(custom.unwrap_or_else(|error| panic!("{error}"))))
}

fn pair(name: &'static str, dialect: Dialect, secret: &str) -> Pair {
    let secrets = Secrets::new(["another secret, which is newer", secret]);
    let secrets = if secret == WHSEC { Secrets::new([WHSEC]) } else { secrets };
    let secrets = if secret == BASIC { Secrets::new([BASIC]) } else { secrets };
    let source = secrets.and_then(|secrets| Source::new(name, dialect.clone(), secrets));
    let sender = Sender::new(dialect, Some(secret.into()));
    match (source, sender) {
        (Ok(source), Ok(sender)) => Pair { name, source, sender },
        (Err(error), _) | (_, Err(error)) => panic!("{name}: {error}"),
    }
}

/// The names that an input may begin with.
pub fn kinds() -> impl Iterator<Item = &'static str> {
    PAIRS.iter().map(|pair| pair.name)
}

/// Feeds one request.
///
/// # Panics
/// When a promise is broken.
pub fn feed(data: &[u8]) {
    // What the sender writes itself, it may be told.
    let is_told = |secret: &str| data.windows(secret.len()).any(|window| window == secret.as_bytes());
    if is_told(SECRET) || is_told(WHSEC) {
        return;
    }
    let Some((pair, headers, body)) = request(data) else { return };
    let source = &pair.source;
    let _ = source.recognises(&headers);
    let answered = source.answer(&headers, &body, NOW_MS);
    let verified = source.verify(&headers, &body, NOW_MS);
    let received = source.receive(&headers, body.clone(), NOW_MS);
    if answered.is_some() {
        return;
    }
    match received {
        Ok(delivery) => {
            assert!(verified.is_ok(), "{}: received what is not verified", pair.name);
            check(&delivery, &body);
        }
        Err(rejection) => {
            let said =
                format!("{rejection} {} {:?} {rejection:?}", rejection.public_message(), rejection.explanation());
            assert!(![SECRET, WHSEC].iter().any(|secret| said.contains(secret)), "a refusal tells a secret: {said}");
            let status = rejection.status().as_u16();
            assert!(matches!(status, 400 | 401 | 415 | 503), "{status}");
            assert!(source.kind() != Kind::AzureDevops || !matches!(status, 404 | 410));
        }
    }
}

/// Whether a request becomes a delivery: for tests of this target.
#[must_use]
pub fn is_let_through(data: &[u8]) -> bool {
    request(data).is_some_and(|(pair, headers, body)| pair.source.receive(&headers, body, NOW_MS).is_ok())
}

/// What holds of all that is let through.
fn check(delivery: &Delivery, body: &Bytes) {
    let is_token = |text: &str| (1..=TOKEN_BYTES_MAX).contains(&text.len());
    assert!(is_token(delivery.delivery_id()) && delivery.delivery_id().bytes().all(|byte| byte.is_ascii_graphic()));
    assert!(is_token(delivery.event()), "{:?}", delivery.event());
    assert!(delivery.action().is_none_or(is_token), "{:?}", delivery.action());
    assert!(delivery.repository().is_none_or(|name| !name.is_empty() && !name.chars().any(char::is_control)));
    assert_eq!(delivery.body(), body);
    // What has a name for all forges has a view, or says what is wrong with the payload; nothing else has one.
    match (delivery.normalised(), delivery.view()) {
        (Some(event), Some(_)) => assert_eq!(event.name().parse(), Ok(event)),
        (None, None) => {}
        (event, view) => panic!("{event:?} has the view {view:?}"),
    }
    let json: Result<Map<String, Value>, _> = serde_json::from_slice(&delivery.json());
    assert!(json.is_ok(), "let through, and no JSON object: {json:?}");
    let shown = format!("{delivery:?}");
    assert!(!shown.contains(SECRET) && !shown.contains(WHSEC));
    for (name, value) in delivery.headers() {
        assert!(!value.contains(SECRET) && !value.chars().any(char::is_control), "{name} is kept");
    }
}

/// Reads an input; `None` where it does not begin with a kind.
fn request(data: &[u8]) -> Option<(&'static Pair, HeaderMap, Bytes)> {
    let (first, mut rest) = line(data);
    let first = std::str::from_utf8(first).ok()?;
    let (kind, signed) = first.split_once(' ').unwrap_or((first, ""));
    let pair = PAIRS.iter().find(|pair| pair.name == kind)?;
    let mut given = Vec::new();
    loop {
        let (head, after) = line(rest);
        rest = after;
        if head.is_empty() {
            break;
        }
        given.push(head);
    }
    let mut headers = HeaderMap::new();
    if signed == "signed" {
        // An event or an id that cannot stand in a header is not what is fed here.
        headers = pair.sender.headers("push", "one", NOW_MS / 1_000, rest).unwrap_or_default();
    }
    for head in given {
        let at = head.iter().position(|byte| *byte == b':')?;
        let name = HeaderName::from_bytes(head[..at].trim_ascii()).ok()?;
        let value = HeaderValue::from_bytes(head[at + 1..].trim_ascii()).ok()?;
        if headers.contains_key(&name) && signed == "signed" {
            headers.insert(name, value);
        } else {
            headers.append(name, value);
        }
    }
    Some((pair, headers, Bytes::copy_from_slice(rest)))
}

fn line(data: &[u8]) -> (&[u8], &[u8]) {
    match data.iter().position(|byte| *byte == b'\n') {
        Some(at) => (data[..at].trim_ascii_end(), &data[at + 1..]),
        None => (data, &[]),
    }
}
