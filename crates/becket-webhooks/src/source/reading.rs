//! What a source reads out of a request, and the rules that all kinds share for it.

use std::borrow::Cow;

use bytes::Bytes;
use http::HeaderMap;

use crate::body::{self, Fields, Found};
use crate::explain::Explanation;
use crate::form;
use crate::header::{self, MediaType, TOKEN_BYTES_MAX};
use crate::normalised::Normalised;
use crate::signature::fingerprint;

/// The event of a request that names none.
pub(super) const EVENT_UNKNOWN: &str = "unknown";

/// The longest name of a repository kept, in bytes; longer ones are left out.
const REPOSITORY_BYTES_MAX: usize = 512;

/// What a scheme reads out of a request.
pub(super) struct Reading {
    pub(super) delivery_id: String,
    pub(super) event: String,
    pub(super) action: Option<String>,
    pub(super) repository: Option<String>,
    /// What other forges call the same.
    pub(super) normalised: Option<Normalised>,
    /// The JSON text, where it is not the body itself.
    pub(super) decoded: Option<Bytes>,
}

impl Reading {
    /// A reading with event and action as the sender writes them; an empty action is none.
    ///
    /// # Errors
    /// [`Explanation::EventTooLong`].
    pub(super) fn new(
        delivery_id: String,
        event: impl Into<String>,
        action: Option<impl Into<String>>,
    ) -> Result<Self, Explanation> {
        let event = event.into();
        let action = action.map(Into::into).filter(|action: &String| !action.is_empty());
        if event.len() > TOKEN_BYTES_MAX || action.as_ref().is_some_and(|action| action.len() > TOKEN_BYTES_MAX) {
            return Err(Explanation::EventTooLong);
        }
        let event = if event.is_empty() { EVENT_UNKNOWN.to_owned() } else { event };
        Ok(Self { delivery_id, event, action, repository: None, normalised: None, decoded: None })
    }

    /// A reading of one name for both: `invoice.payment.failed` is the event `invoice` and the action `payment.failed`.
    ///
    /// Joined by the separator they are the name again, so a name that begins or ends with one is not split.
    pub(super) fn named(delivery_id: String, name: &str, separator: char) -> Result<Self, Explanation> {
        if name.len() > TOKEN_BYTES_MAX {
            return Err(Explanation::EventTooLong);
        }
        match name.split_once(separator) {
            Some((event, action)) if !event.is_empty() && !action.is_empty() => {
                Self::new(delivery_id, event, Some(action))
            }
            _ => Self::new(delivery_id, name, None::<String>),
        }
    }

    /// With the repository, where it can be shown as it is.
    pub(super) fn about<'r>(mut self, repository: Option<impl Into<Cow<'r, str>>>) -> Self {
        let fits = |name: &Cow<'_, str>| {
            (1..=REPOSITORY_BYTES_MAX).contains(&name.len()) && !name.chars().any(char::is_control)
        };
        self.repository = repository.map(Into::into).filter(fits).map(Cow::into_owned);
        self
    }

    /// With the name that the event has for all forges: what `name` makes of the event and the action.
    pub(super) fn normalised(mut self, name: impl FnOnce(&str, Option<&str>) -> Option<Normalised>) -> Self {
        self.normalised = name(&self.event, self.action.as_deref());
        self
    }
}

/// Reads what GitHub sends, and those who write as it does: id and event in these headers, and `action` and the repository
/// as `fields` find them, in JSON or in the field `payload` of a form. `name` normalises.
///
/// # Errors
/// Of a missing or malformed header, another media type, or a body that is not what it is said to be.
pub(super) fn as_github(
    headers: &HeaderMap,
    body: &Bytes,
    (delivery, event): (&str, &str),
    fields: &Fields,
    name: impl FnOnce(&str, Option<&str>, &Found<'_>) -> Option<Normalised>,
) -> Result<Reading, Explanation> {
    let delivery_id = header::token(headers, delivery)?.to_owned();
    let event = header::token(headers, event)?;
    let form = match header::media_type(headers)? {
        MediaType::Json => None,
        MediaType::Form => Some(form::field(body, "payload")?),
    };
    let json = form.as_deref().map_or_else(|| body::text(body), Ok)?;
    let mut found = fields.read(json)?;
    let reading = Reading::new(delivery_id, event, found.text(0))?.about(found.text(1));
    let reading = reading.normalised(|event, action| name(event, action, &found));
    Ok(Reading { decoded: form.map(Bytes::from), ..reading })
}

/// Where `action` and the repository stand in what GitHub sends, and those who write as it does.
pub(super) fn github_fields() -> Fields {
    Fields::at(&["/action", "/repository/full_name"])
}

/// The text of a body that must be JSON.
pub(super) fn json<'b>(headers: &HeaderMap, body: &'b [u8]) -> Result<&'b str, Explanation> {
    header::json(headers)?;
    body::text(body)
}

/// An id that stands in the body, under `field`.
///
/// # Errors
/// [`Explanation::MissingField`], [`Explanation::MalformedField`].
pub(super) fn id_of_field(value: Option<Cow<'_, str>>, field: Cow<'static, str>) -> Result<String, Explanation> {
    match value {
        None => Err(Explanation::MissingField { field }),
        Some(id) if header::is_token(&id) => Ok(id.into_owned()),
        Some(_) => Err(Explanation::MalformedField { field }),
    }
}

/// The first of these headers that is there; without any, the body's fingerprint.
///
/// # Errors
/// As those of [`header::optional_token`].
pub(super) fn id_of_headers(headers: &HeaderMap, names: &[&str], body: &[u8]) -> Result<String, Explanation> {
    for name in names {
        if let Some(id) = header::optional_token(headers, name)? {
            return Ok(id.to_owned());
        }
    }
    Ok(fingerprint(body))
}
