//! A delivery as routes see it: what they choose by.

use becket_webhooks::{Delivery, Normalised};
use bytes::Bytes;

/// What handlers for a delivery are looked for by.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Sought<'a> {
    /// The name of the source.
    pub source: &'a str,
    /// What happened, in the sender's word.
    pub event: &'a str,
    /// What was done.
    pub action: Option<&'a str>,
    /// The name that the event has for all forges, such as `change_request.opened`, where it has one. A pattern matches
    /// this name as well as the sender's.
    pub normalised: Option<&'a str>,
    /// The sender's id.
    pub delivery_id: Option<&'a str>,
    /// The payload: JSON text. `None` where it is not known.
    pub json: Option<Bytes>,
}

impl<'a> Sought<'a> {
    /// An event of a source, of which nothing else is known.
    #[must_use]
    pub const fn new(source: &'a str, event: &'a str, action: Option<&'a str>) -> Self {
        Self { source, event, action, normalised: None, delivery_id: None, json: None }
    }

    /// A delivery.
    #[must_use]
    pub fn of(delivery: &'a Delivery) -> Self {
        Self {
            normalised: delivery.normalised().map(Normalised::name),
            delivery_id: Some(delivery.delivery_id()),
            json: Some(delivery.json()),
            ..Self::new(delivery.source(), delivery.event(), delivery.action())
        }
    }

    /// Event and action of the name that all forges share.
    pub(super) fn shared(&self) -> Option<(&'a str, Option<&'a str>)> {
        self.normalised.map(|name| match name.split_once('.') {
            Some((event, action)) => (event, Some(action)),
            None => (name, None),
        })
    }
}
