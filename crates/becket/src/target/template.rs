//! Templates: what a target sends, made of the delivery.
//!
//! They are written as the names of lanes are, with more labels. Each place that a text may go to escapes what was found
//! in its own way; here are the labels, and JSON, whose texts need no escaping of ours.

use std::cell::OnceCell;
use std::sync::Arc;

use becket_tasks::naming::{Piece, TextTemplate};
use becket_tasks::{Claimed, TaskError};
use bytes::Bytes;
use serde_json::{Map, Value};

use super::TextError;
use super::about::{About, Text};
use crate::http::kept;

/// The longest text that is made, in bytes; also of all texts of one piece of JSON together.
pub(super) const MADE_BYTES_MAX: usize = 1 << 20;

/// What a template may say besides the payload.
#[derive(Clone, Copy, Debug)]
pub(super) enum Label {
    Kind,
    Source,
    Event,
    Action,
    DeliveryId,
    TaskId,
    Attempt,
    /// Of what a normalised event is about.
    About(Text),
}

const TASK_LABELS: [(&str, Label); 7] = [
    ("kind", Label::Kind),
    ("source", Label::Source),
    ("event", Label::Event),
    ("action", Label::Action),
    ("delivery_id", Label::DeliveryId),
    ("task_id", Label::TaskId),
    ("attempt", Label::Attempt),
];

fn labels() -> Vec<(&'static str, Label)> {
    TASK_LABELS.into_iter().chain(Text::ALL.map(|(name, text)| (name, Label::About(text)))).collect()
}

/// A text with placeholders. Cloning is cheap.
pub(super) type Template = Arc<TextTemplate<Label>>;

pub(super) fn parse(text: &str) -> Result<Template, TextError> {
    TextTemplate::parse(text, &labels()).map(Arc::new)
}

/// Whether a text is a template.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn check_text(text: &str) -> Result<(), TextError> {
    parse(text).map(drop)
}

/// Whether all texts in it are templates.
///
/// # Errors
/// What is wrong with the first that is none.
pub(crate) fn check_json(object: &Map<String, Value>) -> Result<(), TextError> {
    JsonTemplate::parse(object).map(drop)
}

/// What templates are filled from: one attempt of a task.
pub(super) struct Subject<'t> {
    task: &'t Claimed,
    json: Bytes,
    id: String,
    attempt: String,
    /// Read when a template asks for it.
    about: OnceCell<About>,
}

impl<'t> Subject<'t> {
    pub(super) fn new(task: &'t Claimed) -> Self {
        // A form without JSON in it is a payload in which nothing is found.
        let json = kept::json(&task.meta, &task.payload).unwrap_or_default();
        Self { task, json, id: task.id.to_string(), attempt: task.attempts_counted.to_string(), about: OnceCell::new() }
    }

    pub(super) fn fill(&self, template: &TextTemplate<Label>, each: impl FnMut(Piece<'_>)) {
        template.fill(&self.json, |label| self.label(label), each);
    }

    /// The text as it is, with nothing where nothing was found; `None` if it would be longer than `bytes_max`.
    pub(super) fn text(&self, template: &TextTemplate<Label>, bytes_max: usize) -> Option<String> {
        let (mut text, mut is_long) = (String::new(), false);
        self.fill(template, |piece| {
            let piece = match piece {
                Piece::Text(text) | Piece::Value(text) => text,
                Piece::Missing => "",
            };
            is_long |= text.len() + piece.len() > bytes_max;
            if !is_long {
                text.push_str(piece);
            }
        });
        (!is_long).then_some(text)
    }

    fn label(&self, label: Label) -> Option<&str> {
        match label {
            Label::Kind => Some(&self.task.kind),
            Label::Source => Some(&self.task.source),
            Label::Event => Some(&self.task.event),
            Label::Action => self.task.action.as_deref(),
            Label::DeliveryId => self.task.key.as_deref(),
            Label::TaskId => Some(&self.id),
            Label::Attempt => Some(&self.attempt),
            Label::About(text) => self.about.get_or_init(|| About::of(self.task)).get(text),
        }
    }
}

/// JSON whose texts are templates. Keys are as they are written.
#[derive(Debug)]
pub(super) struct JsonTemplate(Vec<(String, Node)>);

#[derive(Debug)]
enum Node {
    Fixed(Value),
    Text(Template),
    List(Vec<Node>),
    Object(Vec<(String, Node)>),
}

impl JsonTemplate {
    pub(super) fn parse(object: &Map<String, Value>) -> Result<Self, TextError> {
        entries(object).map(Self)
    }

    /// The JSON, on one line.
    pub(super) fn fill(&self, subject: &Subject<'_>) -> Result<Vec<u8>, TaskError> {
        let mut room = MADE_BYTES_MAX;
        let object = filled(&self.0, subject, &mut room)?;
        Ok(serde_json::to_vec(&object)?)
    }
}

pub(super) fn too_long(what: &str) -> TaskError {
    TaskError::give_up(format!("{what} would be longer than {MADE_BYTES_MAX} bytes; shorten its template"))
}

fn entries(object: &Map<String, Value>) -> Result<Vec<(String, Node)>, TextError> {
    object.iter().map(|(key, value)| Ok((key.clone(), node(value)?))).collect()
}

fn node(value: &Value) -> Result<Node, TextError> {
    Ok(match value {
        // An empty text is no template, and there is nothing to fill in.
        Value::String(text) if !text.is_empty() => Node::Text(parse(text)?),
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => Node::Fixed(value.clone()),
        Value::Array(items) => Node::List(items.iter().map(node).collect::<Result<_, _>>()?),
        Value::Object(object) => Node::Object(entries(object)?),
    })
}

fn filled(
    entries: &[(String, Node)],
    subject: &Subject<'_>,
    room: &mut usize,
) -> Result<Map<String, Value>, TaskError> {
    entries.iter().map(|(key, node)| Ok((key.clone(), value(node, subject, room)?))).collect()
}

fn value(node: &Node, subject: &Subject<'_>, room: &mut usize) -> Result<Value, TaskError> {
    Ok(match node {
        Node::Fixed(value) => value.clone(),
        Node::Text(template) => {
            let text = subject.text(template, *room).ok_or_else(|| too_long("the JSON"))?;
            *room -= text.len();
            Value::String(text)
        }
        Node::List(items) => {
            Value::Array(items.iter().map(|node| value(node, subject, room)).collect::<Result<_, _>>()?)
        }
        Node::Object(entries) => Value::Object(filled(entries, subject, room)?),
    })
}

#[cfg(test)]
pub(super) mod tests {
    use becket_tasks::{SubmissionId, TaskId, Timestamp};
    use serde_json::json;

    use super::super::about::tests::of_gitlab;
    use super::*;

    /// A task with this payload, of an event `issues.opened`.
    pub(in super::super) fn task(payload: &str) -> Claimed {
        let time = Timestamp::from_millis(1_793_000_000_000);
        Claimed {
            id: TaskId::from_u64(77),
            submission: SubmissionId::from_u64(76),
            kind: "forward".into(),
            attempt: 9,
            attempts_counted: 3,
            max_attempts: 5,
            created_at: time,
            run_at: time,
            started_at: time,
            source: "github".into(),
            event: "issues".into(),
            action: Some("opened".into()),
            key: Some("d-1".into()),
            meta: Bytes::new(),
            payload: Bytes::copy_from_slice(payload.as_bytes()),
        }
    }

    fn filled(template: Value, payload: &str) -> Result<Value, TaskError> {
        let Value::Object(object) = template else { panic!("no object") };
        let task = task(payload);
        let made = JsonTemplate::parse(&object).unwrap().fill(&Subject::new(&task))?;
        Ok(serde_json::from_slice(&made)?)
    }

    #[test]
    fn texts_of_json_are_filled_and_all_else_stays() {
        let template = json!({"text": "{a} by {@source}", "n": 1, "list": ["{@action}", true, null], "o": {"e": ""}});
        let expected = json!({"text": "x by github", "n": 1, "list": ["opened", true, null], "o": {"e": ""}});
        assert_eq!(filled(template, r#"{"a": "x"}"#).unwrap(), expected);
    }

    #[test]
    fn what_a_sender_wrote_cannot_leave_its_text() {
        let payload = r#"{"a": "\", \"admin\": true, \"b\": \"{@source}\n"}"#;
        let made = filled(json!({"text": "{a}"}), payload).unwrap();
        assert_eq!(made, json!({"text": "\", \"admin\": true, \"b\": \"{@source}\n"}));
    }

    #[test]
    fn labels_tell_of_the_attempt() {
        let made = filled(json!({"t": "{@kind} {@event} {@delivery_id} {@task_id} {@attempt} {x}!"}), "{}").unwrap();
        assert_eq!(made, json!({"t": "forward issues d-1 000000000002D 3 !"}));
    }

    #[test]
    fn labels_tell_of_what_a_normalised_event_is_about() {
        let Value::Object(template) = json!({"t": "{@normalised}: {@repository} #{@number} {@title}{@tag} {@link}"})
        else {
            panic!("no object")
        };
        let payload = r#"{"object_attributes": {"iid": 7, "title": "\"Light\"", "url": "https://gitlab.example/7"}}"#;
        let task = of_gitlab("issue.opened", payload);
        let made = JsonTemplate::parse(&template).unwrap().fill(&Subject::new(&task)).unwrap();
        let made: Value = serde_json::from_slice(&made).unwrap();
        assert_eq!(made, json!({"t": "issue.opened: tower/lamp #7 \"Light\" https://gitlab.example/7"}));
    }

    #[test]
    fn what_would_grow_without_bound_gives_up() {
        let payload = json!({"a": "x".repeat(MADE_BYTES_MAX / 2 - 10)}).to_string();
        assert!(filled(json!({"a": "{a}", "b": "{a}"}), &payload).is_ok());
        let error = filled(json!({"a": "{a}", "b": ["{a}", "{a}"]}), &payload).unwrap_err();
        assert!(error.message().contains("longer than 1048576 bytes"), "{error}");
    }
}
