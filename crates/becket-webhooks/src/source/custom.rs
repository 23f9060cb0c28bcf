//! Any sender that puts an HMAC into a header, as its settings say.
//!
//! The event's name is split at its first full stop, as everywhere: `invoice.paid` is the event `invoice` and the action
//! `paid`. Without an event it is `unknown`; without an id a request is refused, since it could be sent again and again.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;

use super::clock::Stamp;
use super::keyring::{Keyring, Text};
use super::{Reading, Request, Scheme, reading};
use crate::body::{Fields, Found, Pointer};
use crate::custom::{Custom as Settings, In, Part, Place};
use crate::explain::Explanation;
use crate::header;
use crate::secret::Secrets;

pub(super) struct Custom {
    settings: Arc<Settings>,
    keyring: Keyring,
    /// Those of the id, the event and the repository that stand in the body, in this order.
    fields: Fields,
}

impl Custom {
    pub(super) fn new(settings: Arc<Settings>, secrets: Secrets) -> Self {
        let places = [Some(&settings.id), Some(&settings.event), settings.repository.as_ref()];
        let fields = Fields::new(places.into_iter().flatten().filter_map(pointer).cloned());
        let keyring = Keyring::new(secrets, settings.spelling.clone());
        Self { settings, keyring, fields }
    }
}

impl Scheme for Custom {
    fn verify(&self, request: &Request<'_>) -> Result<usize, Explanation> {
        let settings = &*self.settings;
        let received = header::once(request.headers, settings.signature.as_str())?;
        let received = received.ok_or(Explanation::NoSignatureHeader)?;
        let stamp = settings.timestamp.as_ref().map(|name| Stamp::of_header(request.headers, name.as_str()));
        let stamp = stamp.transpose()?;
        let id = match &settings.id.0 {
            In::Header(name) if settings.signed.parts().contains(&Part::Id) => {
                header::token(request.headers, name.as_str())?
            }
            _ => "",
        };
        let (mut before, mut after, mut is_after) = (Vec::new(), Vec::new(), false);
        for part in settings.signed.parts() {
            let text = match part {
                Part::Literal(text) => text.as_bytes(),
                Part::Id => id.as_bytes(),
                Part::Timestamp => stamp.map_or(&b""[..], |stamp| stamp.text.as_bytes()),
                Part::Body => {
                    is_after = true;
                    continue;
                }
            };
            if is_after { after.push(text) } else { before.push(text) }
        }
        let text = Text { before: &before, body: request.body, after: &after };
        let index = self.keyring.find(request, text, &[received.as_bytes()])?;
        stamp.map_or(Ok(()), |stamp| stamp.check(request))?;
        Ok(index)
    }

    fn read(&self, headers: &HeaderMap, body: &Bytes) -> Result<Reading, Explanation> {
        let settings = &*self.settings;
        let mut found = self.fields.read(reading::json(headers, body)?)?;
        let mut in_body = 0..;
        let mut next =
            |found: &mut Found<'_>| in_body.next().and_then(|place| found.text_or_integer(place)).map(Cow::into_owned);
        let id = match &settings.id.0 {
            In::Header(name) => header::token(headers, name.as_str())?.to_owned(),
            In::Body(pointer) => reading::id_of_field(next(&mut found).map(Cow::Owned), pointer.written().into())?,
        };
        let event = match &settings.event.0 {
            In::Header(name) => header::optional_token(headers, name.as_str())?.map(str::to_owned),
            In::Body(_) => next(&mut found),
        };
        let repository = match settings.repository.as_ref().map(|place| &place.0) {
            None => None,
            Some(In::Header(name)) => header::optional_token(headers, name.as_str())?.map(str::to_owned),
            Some(In::Body(_)) => next(&mut found),
        };
        Ok(Reading::named(id, &event.unwrap_or_default(), '.')?.about(repository))
    }

    fn keeps(&self, header: &str) -> bool {
        let settings = &*self.settings;
        let is = |place: &Place| matches!(&place.0, In::Header(name) if name == header);
        matches!(header, "content-type" | "user-agent")
            || settings.signature == header
            || settings.timestamp.as_ref().is_some_and(|name| name == header)
            || is(&settings.id)
            || is(&settings.event)
    }

    fn recognises(&self, headers: &HeaderMap) -> bool {
        headers.contains_key(&self.settings.signature)
    }
}

fn pointer(place: &Place) -> Option<&Pointer> {
    match &place.0 {
        In::Header(_) => None,
        In::Body(pointer) => Some(pointer),
    }
}

#[cfg(test)]
mod tests;
