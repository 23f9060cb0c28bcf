//! Refusing a request: little for the sender, everything for the operator.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use axum::response::{IntoResponse, Response};
use becket_tasks::Rate;
use becket_webhooks::Rejection;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, StatusCode};

use super::{Arrival, Place};
use crate::http::answer;
use crate::http::problem::Problem;
use crate::http::rejections;

/// Where senders write their ids, those before GitHub's that send GitHub's along.
const IDS: [&str; 9] = [
    "x-forgejo-delivery",
    "x-gitea-delivery",
    "x-gogs-delivery",
    "x-github-delivery",
    "idempotency-key",
    "x-request-uuid",
    "x-request-id",
    "webhook-id",
    "svix-id",
];
/// Where they write the event.
const EVENTS: [&str; 6] =
    ["x-forgejo-event", "x-gitea-event", "x-gogs-event", "x-github-event", "x-gitlab-event", "x-event-key"];

/// Why a request did not become a delivery.
#[derive(Debug)]
pub(super) enum Refusal {
    /// It came from an address that the source does not allow.
    NotAllowed {
        /// `None` where it is not known.
        address: Option<IpAddr>,
        /// Whether it says that it came through a proxy.
        is_forwarded: bool,
        status: StatusCode,
    },
    /// From which addresses it may come is not known yet.
    NoAllowList,
    /// There were too many before it.
    TooMany {
        rate: Rate,
        /// Until the next may come.
        wait: Duration,
        status: StatusCode,
    },
    /// It is larger than the source takes.
    TooLarge {
        /// In bytes.
        limit: usize,
        /// The declared length, or what had come when it became too much.
        size: u64,
    },
    /// It is compressed. Signatures are made of the bytes that are sent, no forge compresses them, and a small body that
    /// becomes a large one is a known attack.
    Compressed,
    /// The bodies of other requests take all the memory that there is for them.
    NoRoom,
    /// Its body did not come in time.
    Timeout,
    /// Its connection ended before its body did.
    Broken,
    /// The source would not have it.
    Rejected { rejection: Rejection, size: usize },
}

impl Refusal {
    /// Whether the sender is not who it should be.
    pub(super) fn is_unauthorized(&self) -> bool {
        self.status() == StatusCode::UNAUTHORIZED
    }

    /// Whether the same request could be taken later.
    pub(super) const fn is_for_now(&self) -> bool {
        matches!(self, Self::NoAllowList | Self::TooMany { .. } | Self::NoRoom)
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::NotAllowed { status, .. } | Self::TooMany { status, .. } => *status,
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Compressed => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::NoAllowList | Self::NoRoom => StatusCode::SERVICE_UNAVAILABLE,
            Self::Timeout => StatusCode::REQUEST_TIMEOUT,
            Self::Broken => StatusCode::BAD_REQUEST,
            Self::Rejected { rejection, .. } => rejection.status(),
        }
    }

    /// For the sender.
    fn public(&self) -> String {
        match self {
            Self::NotAllowed { .. } => "requests from this address are not taken".to_owned(),
            Self::NoAllowList => {
                "it is not known yet whether requests from this address are taken; send it again".to_owned()
            }
            Self::TooMany { .. } => "too many requests; send it again later".to_owned(),
            Self::TooLarge { limit, .. } => format!("the body is larger than {limit} bytes"),
            Self::Compressed => "compressed bodies are not taken; send it as it is".to_owned(),
            Self::NoRoom => "there is no room for the body now; send it again".to_owned(),
            Self::Timeout => "the body did not arrive in time".to_owned(),
            Self::Broken => "the body did not arrive whole".to_owned(),
            Self::Rejected { rejection, .. } => rejection.public_message().to_owned(),
        }
    }

    /// For the operator: a word that does not change.
    fn reason(&self) -> &'static str {
        match self {
            Self::NotAllowed { .. } => "address_not_allowed",
            Self::NoAllowList => "allow_list_missing",
            Self::TooMany { .. } => "rate_limited",
            Self::TooLarge { .. } => "body_too_large",
            Self::Compressed => "compressed",
            Self::NoRoom => "no_room",
            Self::Timeout => "body_timeout",
            Self::Broken => "body_incomplete",
            Self::Rejected { rejection, .. } => rejection.explanation().reason(),
        }
    }

    /// For the operator: a sentence.
    fn explanation(&self) -> String {
        match self {
            Self::NotAllowed { address: None, .. } => {
                "the source has `allow`, and the address of the sender is not known; serve with \
                 `into_make_service_with_connect_info`"
                    .to_owned()
            }
            Self::NotAllowed { address: Some(address), is_forwarded, .. } => {
                let proxy =
                    if *is_forwarded { "; if it is your proxy's, name it in `server.trusted_proxies`" } else { "" };
                format!("the address {address} is not one that `allow` of the source names{proxy}")
            }
            Self::NoAllowList => {
                "the list of addresses that `allow` of the source speaks of could not be fetched yet".to_owned()
            }
            Self::TooMany { rate, .. } => {
                let period = humantime::format_duration(rate.period);
                format!("the source takes {} requests in {period}; see its `rate`", rate.starts)
            }
            Self::TooLarge { limit, size } => {
                format!("the body has at least {size} bytes, and the source takes {limit}; see `body_limit`")
            }
            Self::Compressed => "the body is compressed (`Content-Encoding`), and is taken only as it is".to_owned(),
            Self::NoRoom => "the bodies of other requests took all of `server.body_memory`".to_owned(),
            Self::Timeout => "the body did not arrive within `server.body_timeout`".to_owned(),
            Self::Broken => "the connection ended before the body did".to_owned(),
            Self::Rejected { rejection, .. } => rejection.explanation().sentence().into_owned(),
        }
    }

    fn size(&self) -> Option<u64> {
        match self {
            Self::TooLarge { size, .. } => Some(*size),
            Self::NotAllowed { .. }
            | Self::NoAllowList
            | Self::TooMany { .. }
            | Self::Compressed
            | Self::NoRoom
            | Self::Timeout
            | Self::Broken => None,
            Self::Rejected { size, .. } => u64::try_from(*size).ok(),
        }
    }
}

/// Whether a body is said to be anything but itself.
pub(super) fn is_compressed(headers: &HeaderMap) -> bool {
    let is_itself = |value: &HeaderValue| {
        let value = value.as_bytes().trim_ascii();
        value.is_empty() || value.eq_ignore_ascii_case(b"identity")
    };
    !headers.get_all(CONTENT_ENCODING).iter().all(is_itself)
}

/// Counts, logs (not more often than is useful) and keeps a refusal, and answers its sender.
pub(super) fn refuse(place: &Place, arrival: &Arrival<'_>, refusal: &Refusal) -> Response {
    let (status, reason, explanation) = (refusal.status(), refusal.reason(), refusal.explanation());
    let source = &*place.name;
    place.metrics.rejected(status, reason);
    if let Some(untold) = place.refusals.note(reason, Instant::now()) {
        let remote = arrival.remote.map(tracing::field::display);
        let not_logged = (untold > 0).then_some(untold);
        tracing::warn!(
            source,
            status = status.as_u16(),
            reason,
            remote,
            not_logged,
            "refused a request: {explanation}"
        );
    }

    let at = place.now();
    let mut rejection =
        rejections::Rejection::new(at, source, status, reason, explanation).with_header_names(arrival.headers);
    rejection.remote = arrival.remote;
    rejection.size = refusal.size();
    rejection.delivery_id = unverified(arrival, &IDS);
    rejection.event = unverified(arrival, &EVENTS);
    place.ingest.rejections.add(rejection);

    let problem = Problem::new(status, refusal.public());
    match refusal {
        Refusal::TooMany { wait, .. } => problem.header(RETRY_AFTER, whole_seconds(*wait)).into_response(),
        _ if status == StatusCode::SERVICE_UNAVAILABLE => {
            problem.header(RETRY_AFTER, answer::retry_after()).into_response()
        }
        // As RFC 9110, section 12.5.3, has it for a 415.
        Refusal::Compressed => problem.header(ACCEPT_ENCODING, HeaderValue::from_static("identity")).into_response(),
        _ => problem.into_response(),
    }
}

/// A time that has passed when so many seconds have.
fn whole_seconds(wait: Duration) -> HeaderValue {
    HeaderValue::from(wait.as_millis().div_ceil(1_000).max(1).try_into().unwrap_or(u32::MAX))
}

/// The first of these headers that is there, as the sender wrote it.
fn unverified(arrival: &Arrival<'_>, names: &[&str]) -> Option<String> {
    let value = names.iter().find_map(|name| arrival.headers.get(*name))?;
    value.to_str().ok().map(str::to_owned)
}
