//! What a sender writes into the body: the event and the id, for the kinds that say them there.

use serde_json::{Map, Value};

use super::{Sender, first, key};
use crate::body::Pointer;
use crate::custom::In;
use crate::dialect::Dialect;
use crate::kind::Kind;

/// A payload says something else than the event's name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the payload's `{field}` is {given}, and the event is `{event}`")]
pub struct Contradiction {
    field: String,
    given: String,
    event: String,
}

impl Sender {
    /// Writes into `payload` what the event's name says and the payload leaves out, and the delivery's id where the body
    /// is what carries it.
    ///
    /// ```
    /// use becket_webhooks::{Dialect, Sender};
    /// use serde_json::json;
    ///
    /// let mut payload = json!({"data": {"object": {}}});
    /// Sender::new(Dialect::Stripe, None)?.complete(&mut payload, "invoice.paid", "evt_1")?;
    /// assert_eq!(payload, json!({"id": "evt_1", "type": "invoice.paid", "data": {"object": {}}}));
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`Contradiction`] when the payload says another event.
    pub fn complete(&self, payload: &mut Value, event: &str, id: &str) -> Result<(), Contradiction> {
        let action = event.split_once('.').map(|(_, action)| action);
        let mut draft = Draft { payload, event };
        match &self.dialect {
            Dialect::Github | Dialect::Gitea => draft.fill_some(&["action"], action),
            Dialect::Gitlab => {
                // System hooks are named in another field, and releases have no attributes.
                let is_system = draft.payload.get("event_name").is_some() && draft.payload.get("object_kind").is_none();
                draft.fill(&[if is_system { "event_name" } else { "object_kind" }], first(event))?;
                let is_flat = draft.payload.get("action").is_some();
                draft.fill_some(if is_flat { &["action"] } else { &["object_attributes", "action"] }, action)
            }
            Dialect::BitbucketServer => draft.fill(&["eventKey"], &key(event)),
            Dialect::BitbucketCloud => Ok(()),
            Dialect::AzureDevops(_) => {
                let (subscription, notification) = id.split_once(':').unwrap_or((id, "1"));
                draft.set(&["subscriptionId"], subscription.into());
                let notification = notification.parse().map_or_else(|_| notification.into(), |n: u64| n.into());
                draft.set(&["notificationId"], notification);
                draft.fill(&["eventType"], event)
            }
            Dialect::Slack => {
                draft.set(&["event_id"], id.into());
                draft.fill(&["type"], "event_callback")?;
                draft.fill(&["event", "type"], first(event))?;
                draft.fill_some(&["event", "subtype"], action)
            }
            Dialect::Stripe => {
                draft.set(&["id"], id.into());
                draft.fill(&["type"], event)
            }
            Dialect::StandardWebhooks => draft.fill(&["type"], event),
            Dialect::Custom(custom) => {
                if let In::Body(pointer) = &custom.id.0 {
                    draft.set(&names(pointer), id.into());
                }
                match &custom.event.0 {
                    In::Body(pointer) => draft.fill(&names(pointer), event),
                    In::Header(_) => Ok(()),
                }
            }
        }
    }

    /// Whether the delivery's id stands in the body, so that a body can be sent only once.
    pub fn id_is_in_body(&self) -> bool {
        match &self.dialect {
            Dialect::Custom(custom) => matches!(custom.id.0, In::Body(_)),
            _ => matches!(self.kind(), Kind::AzureDevops | Kind::Slack | Kind::Stripe),
        }
    }
}

fn names(pointer: &Pointer) -> Vec<&str> {
    pointer.names().iter().map(|name| &**name).collect()
}

/// A payload that is being completed.
struct Draft<'p> {
    payload: &'p mut Value,
    event: &'p str,
}

impl Draft<'_> {
    /// Sets a field, whatever it was.
    fn set(&mut self, names: &[&str], value: Value) {
        if let Some(place) = self.place(names) {
            *place = value;
        }
    }

    /// Sets a field that is not there; one that is there must say the same.
    fn fill(&mut self, names: &[&str], text: &str) -> Result<(), Contradiction> {
        let event = self.event.to_owned();
        match self.place(names) {
            None => Ok(()),
            Some(place) if place.is_null() => {
                *place = text.into();
                Ok(())
            }
            Some(place) if place == text => Ok(()),
            Some(place) => Err(Contradiction { field: names.join("."), given: place.to_string(), event }),
        }
    }

    fn fill_some(&mut self, names: &[&str], text: Option<&str>) -> Result<(), Contradiction> {
        text.map_or(Ok(()), |text| self.fill(names, text))
    }

    /// The field at these names, made if it is not there; `None` where something on the way is neither object nor list.
    fn place(&mut self, names: &[&str]) -> Option<&mut Value> {
        let mut place = &mut *self.payload;
        for name in names {
            if place.is_null() {
                *place = Value::Object(Map::new());
            }
            place = match place {
                Value::Object(fields) => fields.entry(*name).or_insert(Value::Null),
                Value::Array(items) => items.get_mut(name.parse::<usize>().ok()?)?,
                _ => return None,
            };
        }
        Some(place)
    }
}
