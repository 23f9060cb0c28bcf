//! Sources: who sends webhooks, and how what they send is verified and read.
//!
//! Pure: headers, bytes and the receiver's time go in, a delivery or a rejection comes out. Each kind of sender is a
//! [`Scheme`] in a file of its own; this file holds what is the same for all of them, above all the order of the steps:
//! nothing is read from a request before its signature was found right.

mod azure_devops;
mod bitbucket_cloud;
mod bitbucket_server;
mod clock;
mod custom;
mod gitea;
mod github;
mod gitlab;
mod keyring;
#[cfg(test)]
mod post;
mod reading;
mod slack;
mod standard_webhooks;
mod stripe;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;

use self::reading::Reading;

use crate::answer::Answer;
use crate::delivery::{Delivery, Parts};
use crate::dialect::Dialect;
use crate::explain::Explanation;
use crate::header;
use crate::kind::Kind;
use crate::rejection::Rejection;
use crate::secret::{SecretError, Secrets};

/// The tolerance that the libraries of Standard Webhooks, Slack and Stripe have.
const TIMESTAMP_TOLERANCE: Duration = Duration::from_secs(5 * 60);

/// A configured sender: a name, a dialect and its secrets. Cheap to clone.
///
/// `Debug` masks the secrets.
#[derive(Clone)]
pub struct Source {
    name: Arc<str>,
    dialect: Dialect,
    secrets: Arc<Secrets>,
    scheme: Arc<dyn Scheme>,
    body_limit: usize,
    timestamp_tolerance: Duration,
}

impl Source {
    /// Creates a source that takes webhooks of this dialect.
    ///
    /// # Errors
    /// [`SecretError::NotBase64`] or [`SecretError::Length`] when a secret that has to be `whsec_` and base64 of 24 to 64
    /// bytes is not (Standard Webhooks; those of GitLab that begin so), [`SecretError::NotBasic`] when one has to be
    /// `user:password` (Azure DevOps with basic authentication).
    pub fn new(name: impl Into<Arc<str>>, dialect: Dialect, secrets: Secrets) -> Result<Self, SecretError> {
        let scheme = scheme(&dialect, secrets.clone())?;
        let (secrets, body_limit) = (Arc::new(secrets), dialect.kind().body_limit());
        let timestamp_tolerance = TIMESTAMP_TOLERANCE;
        Ok(Self { name: name.into(), dialect, secrets, scheme, body_limit, timestamp_tolerance })
    }

    /// Creates a source that takes GitHub's webhooks.
    ///
    /// Secrets are taken as they are, white space included, as GitHub does.
    pub fn github(name: impl Into<Arc<str>>, secrets: Secrets) -> Self {
        Self {
            name: name.into(),
            dialect: Dialect::Github,
            scheme: Arc::new(github::Github::new(secrets.clone())),
            secrets: Arc::new(secrets),
            body_limit: Kind::Github.body_limit(),
            timestamp_tolerance: TIMESTAMP_TOLERANCE,
        }
    }

    /// Creates a source that takes webhooks of anyone who follows Standard Webhooks.
    ///
    /// # Errors
    /// [`SecretError::NotBase64`] or [`SecretError::Length`] when a secret is not `whsec_` and base64 of 24 to 64 bytes.
    pub fn standard_webhooks(name: impl Into<Arc<str>>, secrets: Secrets) -> Result<Self, SecretError> {
        Self::new(name, Dialect::StandardWebhooks, secrets)
    }

    /// The same source with other secrets.
    ///
    /// # Errors
    /// As those of [`new`](Self::new).
    pub fn with_secrets(self, secrets: Secrets) -> Result<Self, SecretError> {
        let scheme = scheme(&self.dialect, secrets.clone())?;
        Ok(Self { secrets: Arc::new(secrets), scheme, ..self })
    }

    /// Sets the largest body that the server should read for this source, in bytes. Default: [`Kind::body_limit`].
    #[must_use]
    pub fn with_body_limit(mut self, bytes: usize) -> Self {
        self.body_limit = bytes;
        self
    }

    /// Sets how far a signed timestamp may be from the receiver's clock, either way, in whole seconds. Default: 5 minutes.
    ///
    /// Nothing changes where no timestamp is signed; see [`Kind::may_sign_time`].
    #[must_use]
    pub fn with_timestamp_tolerance(mut self, tolerance: Duration) -> Self {
        self.timestamp_tolerance = tolerance;
        self
    }

    /// Returns the configured name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the kind of sender.
    pub fn kind(&self) -> Kind {
        self.dialect.kind()
    }

    /// Returns how its sender signs and shapes requests.
    pub fn dialect(&self) -> &Dialect {
        &self.dialect
    }

    /// Returns the largest body that the server should read for this source, in bytes.
    ///
    /// [`receive`](Self::receive) is given whole bodies and does not look at it.
    pub fn body_limit(&self) -> usize {
        self.body_limit
    }

    /// Returns how many secrets it has; [`Delivery::secret_index`] is below that.
    pub fn secret_count(&self) -> usize {
        self.secrets.count()
    }

    /// Returns its secrets: their names and windows, and what tells them apart.
    pub fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    /// Whether unsigned requests are accepted, because the configuration says so.
    pub fn accepts_unsigned(&self) -> bool {
        self.secrets.accepts_unsigned()
    }

    /// Verifies and reads one request; `now_ms` is the receiver's clock in milliseconds of Unix time.
    ///
    /// `body` must be the bytes as they were sent: a body that was decoded, trimmed or written again has another
    /// signature.
    ///
    /// # Errors
    /// A [`Rejection`] of the kind `Unauthorized` when the signature is missing or wrong, otherwise `Unreadable` or
    /// `UnsupportedMediaType` when what was signed is not a webhook of this kind.
    pub fn receive(&self, headers: &HeaderMap, body: Bytes, now_ms: i64) -> Result<Delivery, Rejection> {
        let secret_index = self.verify(headers, &body, now_ms)?;
        let reading = self.scheme.read(headers, &body).map_err(Rejection::unreadable)?;
        Ok(Delivery::verified(Parts {
            source: self.name.clone(),
            delivery_id: reading.delivery_id,
            event: reading.event,
            action: reading.action,
            repository: reading.repository,
            kind: self.kind(),
            normalised: reading.normalised,
            headers: header::kept(headers, |name| self.scheme.keeps(name)),
            body,
            decoded: reading.decoded,
            received_at_ms: now_ms,
            secret_index,
        }))
    }

    /// Verifies one request without reading it, and returns which secret it was signed with.
    ///
    /// `None` when this source accepts unsigned requests: then nothing is verified. A secret counts only within its
    /// [`Window`](crate::Window), by `now_ms`.
    ///
    /// # Errors
    /// A [`Rejection`] of the kind `Unauthorized`.
    pub fn verify(&self, headers: &HeaderMap, body: &[u8], now_ms: i64) -> Result<Option<usize>, Rejection> {
        if self.accepts_unsigned() {
            return Ok(None);
        }
        let counts = |place| self.secrets.counts(place, now_ms);
        let request = Request { counts: Some(&counts), ..self.request(headers, body, now_ms) };
        let verified = self.scheme.verify(&request).and_then(|index| self.secrets.valid(index, now_ms));
        verified.map(Some).map_err(Rejection::unauthorized)
    }

    /// Returns what the sender wants to hear at once, when a request only asks and is no delivery; to be called before
    /// [`receive`](Self::receive), which does not know such requests.
    ///
    /// Slack's `url_verification`, when it is signed, is answered with its challenge. Bitbucket Server's "Test connection"
    /// is answered without a signature, which it does not have. All other kinds never only ask.
    pub fn answer(&self, headers: &HeaderMap, body: &[u8], now_ms: i64) -> Option<Answer> {
        let request = self.request(headers, body, now_ms);
        self.scheme.answer(&request, &|| self.verify(headers, body, now_ms).is_ok())
    }

    /// Whether a request with these headers can come from its sender. Says nothing about who sent it: to find the source
    /// of a request where one path serves several, each that recognises it is to [verify](Self::verify) it.
    ///
    /// Gitea, Forgejo and Gogs send GitHub's headers along; a `github` source does not recognise what they send.
    pub fn recognises(&self, headers: &HeaderMap) -> bool {
        self.scheme.recognises(headers)
    }

    fn request<'r>(&self, headers: &'r HeaderMap, body: &'r [u8], now_ms: i64) -> Request<'r> {
        let tolerance_secs = i64::try_from(self.timestamp_tolerance.as_secs()).unwrap_or(i64::MAX);
        Request { headers, body, now_ms, tolerance_secs, counts: None }
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source")
            .field("name", &self.name)
            .field("kind", &self.kind())
            .field("secrets", &format_args!("{} (masked)", self.secret_count()))
            .field("body_limit", &self.body_limit)
            .field("timestamp_tolerance", &self.timestamp_tolerance)
            .finish_non_exhaustive()
    }
}

/// The scheme of a dialect.
fn scheme(dialect: &Dialect, secrets: Secrets) -> Result<Arc<dyn Scheme>, SecretError> {
    Ok(match dialect {
        Dialect::Github => Arc::new(github::Github::new(secrets)),
        Dialect::Gitlab => Arc::new(gitlab::Gitlab::new(&secrets)?),
        Dialect::BitbucketServer => Arc::new(bitbucket_server::BitbucketServer::new(secrets)),
        Dialect::BitbucketCloud => Arc::new(bitbucket_cloud::BitbucketCloud::new(secrets)),
        Dialect::AzureDevops(auth) => Arc::new(azure_devops::AzureDevops::new(auth.clone(), &secrets)?),
        Dialect::Gitea => Arc::new(gitea::Gitea::new(secrets)),
        Dialect::Slack => Arc::new(slack::Slack::new(secrets)),
        Dialect::Stripe => Arc::new(stripe::Stripe::new(secrets)),
        Dialect::StandardWebhooks => Arc::new(standard_webhooks::StandardWebhooks::new(secrets)?),
        Dialect::Custom(settings) => Arc::new(custom::Custom::new(Arc::clone(settings), secrets)),
    })
}

/// One kind of sender. The next kind is another file here that implements this, and a variant of [`Kind`] and
/// [`Dialect`].
trait Scheme: Send + Sync {
    /// Returns the index of the secret that the request is signed with. Without secrets it must fail.
    fn verify(&self, request: &Request<'_>) -> Result<usize, Explanation>;

    /// Reads a request whose signature is right, or need not be.
    fn read(&self, headers: &HeaderMap, body: &Bytes) -> Result<Reading, Explanation>;

    /// Whether to keep a header, its name in lower case, with a delivery. Never one that holds a secret.
    fn keeps(&self, header: &str) -> bool;

    /// Whether the headers are those of its sender.
    fn recognises(&self, headers: &HeaderMap) -> bool;

    /// The answer to a request that only asks. `is_verified` verifies it, as [`verify`](Self::verify) does.
    fn answer(&self, _request: &Request<'_>, _is_verified: &dyn Fn() -> bool) -> Option<Answer> {
        None
    }
}

/// What verification looks at.
pub(crate) struct Request<'a> {
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: &'a [u8],
    /// The receiver's clock.
    pub(crate) now_ms: i64,
    /// How far a signed timestamp may be from it, either way.
    pub(crate) tolerance_secs: i64,
    /// Which secrets count at that time, by their places; `None` where all do.
    pub(crate) counts: Option<&'a dyn Fn(usize) -> bool>,
}

impl Request<'_> {
    /// The first of so many secrets that `proves` it, by its place: of those that count now if there is one, since a sender
    /// may sign with several while they are changed; of the others only to tell why it is refused.
    pub(crate) fn first_of(&self, secrets: usize, proves: impl Fn(usize) -> bool) -> Option<usize> {
        let counts = |place: &usize| self.counts.is_none_or(|counts| counts(*place));
        let prove =
            |counting: bool| (0..secrets).filter(|place| counts(place) == counting).find(|place| proves(*place));
        prove(true).or_else(|| prove(false))
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use crate::rejection::RejectionKind;
    use crate::secret::Secret;

    fn signed_ping() -> (HeaderMap, Bytes) {
        let body = Bytes::from_static(b"{}");
        let headers = HeaderMap::from_iter(
            [
                ("x-github-event", "ping".to_owned()),
                ("x-github-delivery", "1".to_owned()),
                ("x-hub-signature-256", crate::signature::github(b"tulips", &body)),
                ("authorization", "Bearer hunter2".to_owned()),
                ("cookie", "session=hunter2".to_owned()),
            ]
            .map(|(name, value)| (http::HeaderName::from_static(name), HeaderValue::try_from(value).unwrap())),
        );
        (headers, body)
    }

    fn source(secrets: Secrets) -> Source {
        Source::github("octo", secrets)
    }

    #[test]
    fn delivery_says_source_time_and_secret() {
        let (headers, body) = signed_ping();
        let delivery =
            source(Secrets::new(["new", "tulips"]).unwrap()).receive(&headers, body, 1_700_000_000_123).unwrap();
        assert_eq!(delivery.source(), "octo");
        assert_eq!(delivery.received_at_ms(), 1_700_000_000_123);
        assert_eq!(delivery.secret_index(), Some(1));
        assert_eq!(delivery.name(), "ping");
    }

    #[test]
    fn authorization_and_cookies_are_dropped() {
        let (headers, body) = signed_ping();
        let delivery = source(Secrets::new(["tulips"]).unwrap()).receive(&headers, body, 0).unwrap();
        let names: Vec<_> = delivery.headers().iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["x-github-event", "x-github-delivery", "x-hub-signature-256"]);
        assert_eq!(delivery.header("x-github-event"), Some("ping"));
        assert_eq!(delivery.header("cookie"), None);
    }

    #[test]
    fn unsigned_request_is_accepted_only_where_the_configuration_says_so() {
        let (mut headers, body) = signed_ping();
        headers.remove("x-hub-signature-256");

        let delivery = source(Secrets::insecure_accept_unsigned()).receive(&headers, body.clone(), 0).unwrap();
        assert_eq!(delivery.secret_index(), None);

        let rejection = source(Secrets::new(["tulips"]).unwrap()).receive(&headers, body, 0).unwrap_err();
        assert_eq!(rejection.kind(), RejectionKind::Unauthorized);
    }

    #[test]
    fn scheme_without_secrets_verifies_nothing_by_itself() {
        let (headers, body) = signed_ping();
        let request = Request { headers: &headers, body: &body, now_ms: 0, tolerance_secs: 300, counts: None };
        let scheme = github::Github::new(Secrets::insecure_accept_unsigned());
        assert_eq!(scheme.verify(&request), Err(Explanation::WrongSecret));
    }

    #[test]
    fn secret_verifies_only_within_its_window() {
        let (headers, body) = signed_ping();
        let tulips = Secret::new("tulips").named("spring").not_before(1_000).not_after(2_000);
        let source = source(Secrets::new([Secret::new("roses"), tulips]).unwrap());
        let at = |now_ms| source.receive(&headers, body.clone(), now_ms);

        for now_ms in [1_000, 1_999] {
            assert_eq!(at(now_ms).unwrap().secret_index(), Some(1));
        }
        let (early, late) = (at(999).unwrap_err(), at(2_000).unwrap_err());
        assert_eq!(early.explanation().reason(), "secret_not_yet_valid");
        assert_eq!(
            early.explanation().sentence(),
            "the secret `spring` (place 1) made the signature, and is valid from 1970-01-01T00:00:01Z on only"
        );
        assert_eq!(
            late.explanation().sentence(),
            "the secret `spring` (place 1) made the signature, and is no longer valid since 1970-01-01T00:00:02Z"
        );
        for rejection in [early, late] {
            assert_eq!(rejection.status().as_u16(), 401);
            assert_eq!(rejection.to_string(), "the signature could not be verified", "the sender learns no more");
        }
    }

    #[test]
    fn secrets_of_every_dialect_have_windows() {
        let custom = crate::Custom::new("x-acme-signature", "x-id", "x-event");
        let azure = [crate::AzureAuth::Basic].map(Dialect::AzureDevops);
        let plain = [
            Dialect::Github,
            Dialect::Gitlab,
            Dialect::BitbucketServer,
            Dialect::BitbucketCloud,
            Dialect::Gitea,
            Dialect::Slack,
            Dialect::Stripe,
            Dialect::StandardWebhooks,
        ];
        for dialect in plain.into_iter().chain(azure).chain(custom.map(|custom| Dialect::Custom(custom.into()))) {
            let value = match &dialect {
                Dialect::StandardWebhooks => "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
                _ => "user:password",
            };
            let sender = crate::Sender::new(dialect.clone(), Some(value.into())).unwrap();
            let mut payload = serde_json::json!({});
            sender.complete(&mut payload, "push", "1").unwrap();
            let body = Bytes::from(payload.to_string());
            let headers = sender.headers("push", "1", 1_000, &body).unwrap();
            let secrets = Secrets::new([Secret::new(value).not_before(1_000_000).not_after(1_001_000)]).unwrap();
            let source = Source::new("source", dialect.clone(), secrets).unwrap();
            let reason = |now_ms| source.verify(&headers, &body, now_ms).map_err(|one| one.explanation().reason());
            assert_eq!(reason(1_000_999), Ok(Some(0)), "{dialect:?}");
            assert_eq!(reason(999_999), Err("secret_not_yet_valid"), "{dialect:?}");
            assert_eq!(reason(1_001_000), Err("secret_expired"), "{dialect:?}");
        }
    }

    /// While a secret is rolled, these send a signature for the old one and one for the new one.
    #[test]
    fn one_of_several_signatures_is_enough_if_its_secret_counts() {
        let [one, other] =
            ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_YSBzZWNyZXQgZm9yIHRlc3RzIG9mIDMyIGJ5dGVzLi4="];
        for (dialect, header, joint) in [
            (Dialect::Gitlab, "webhook-signature", " "),
            (Dialect::StandardWebhooks, "webhook-signature", " "),
            (Dialect::Stripe, "stripe-signature", ","),
        ] {
            let body = Bytes::from_static(br#"{"id":"1","type":"push"}"#);
            let sign = |secret: &str| {
                let sender = crate::Sender::new(dialect.clone(), Some(secret.into())).unwrap();
                sender.headers("push", "1", 1_000, &body).unwrap()
            };
            let mut headers = sign(one);
            let both = [one, other].map(|secret| sign(secret)[header].to_str().unwrap().to_owned()).join(joint);
            // Stripe's time stands there once.
            let both = both.replacen(",t=1000", "", 1);
            headers.insert(header, HeaderValue::try_from(both).unwrap());
            let future = |secret| Secret::new(secret).not_before(2_000_000);
            let past = |secret| Secret::new(secret).not_after(500_000);
            for (secrets, place) in [
                ([future(one), Secret::new(other)], 1),
                ([future(other), Secret::new(one)], 1),
                ([past(one), Secret::new(other)], 1),
                ([Secret::new(one), past(other)], 0),
                ([Secret::new(one), Secret::new(other)], 0),
            ] {
                let source = Source::new("source", dialect.clone(), Secrets::new(secrets).unwrap()).unwrap();
                let verified = source.verify(&headers, &body, 1_000_000).map_err(|one| one.explanation().reason());
                assert_eq!(verified, Ok(Some(place)), "{dialect:?}");
            }
            let source =
                Source::new("source", dialect.clone(), Secrets::new([future(one), past(other)]).unwrap()).unwrap();
            let refused = source.verify(&headers, &body, 1_000_000).map_err(|one| one.explanation().reason());
            assert_eq!(refused, Err("secret_not_yet_valid"), "{dialect:?}: the newest that made one of them");
        }
    }

    #[test]
    fn unverified_request_learns_nothing_about_its_form() {
        let (mut headers, body) = signed_ping();
        headers.remove("x-github-event");
        headers.insert("content-type", HeaderValue::from_static("text/plain"));
        let rejection = source(Secrets::new(["other"]).unwrap()).receive(&headers, body, 0).unwrap_err();
        assert_eq!(rejection.kind(), RejectionKind::Unauthorized);
    }

    #[test]
    fn debug_shows_neither_secrets_nor_body_nor_header_values() {
        let source = source(Secrets::new(["tulips"]).unwrap());
        let (mut headers, _) = signed_ping();
        let body = Bytes::from_static(b"{\"password\":\"roses\"}");
        let signature = crate::signature::github(b"tulips", &body);
        headers.insert("x-hub-signature-256", HeaderValue::try_from(&signature).unwrap());
        let delivery = source.receive(&headers, body, 0).unwrap();
        for shown in [format!("{source:?}"), format!("{delivery:?}")] {
            for hidden in ["tulips", "roses", "password", &signature] {
                assert!(!shown.contains(hidden), "{shown}");
            }
        }
        assert!(format!("{source:?}").contains("1 (masked)"));
        assert!(format!("{delivery:?}").contains("body_bytes: 20"), "{delivery:?}");
    }

    #[test]
    fn body_limit_is_the_kinds_unless_it_is_set() {
        let source = source(Secrets::new(["tulips"]).unwrap());
        assert_eq!((source.body_limit(), source.kind(), source.name()), (26_214_400, Kind::Github, "octo"));
        assert_eq!(source.with_body_limit(10).body_limit(), 10);
    }
}
