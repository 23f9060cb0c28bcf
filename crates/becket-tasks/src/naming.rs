//! Names that are made from a submission: of a task's lane, its tenant, its limit's key.
//!
//! A [`Naming`] is a template such as `{repository.full_name}#{issue.number}`, or a function. It is pure, and never
//! fails: where it finds nothing there is no name, and the task is in no lane, has no tenant, or no key. `template` is
//! what can be written, `pick` finds the values in the payload. Nothing here knows what a name is for. A [`TextTemplate`] is
//! written the same way, for text of any length that somebody else makes out of its pieces.

mod pick;
mod template;
mod text;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use serde_json::Value;

pub(crate) use self::pick::Found;
pub use self::template::{TEMPLATE_BYTES_MAX, TemplateError};
pub use self::text::{Piece, TEXT_BYTES_MAX, TextTemplate};

use self::template::{Grammar, Part, Template};
use crate::order::{NAME_BYTES_MAX, bounded_name};

/// Makes a name from a submission.
///
/// A template is text with placeholders in braces:
///
/// | | |
/// |---|---|
/// | `{issue.number}` | a path into the payload's JSON: keys of objects and, as numbers from 0, places in lists |
/// | `{issue.number\|number}` | the first of them that is there |
/// | `{@kind}` `{@source}` `{@event}` `{@action}` | the task's kind; the submission's source, event and action |
/// | `{{` `}}` | a brace |
///
/// Texts, numbers (as they are written), `true` and `false` become text. `null`, objects, lists and what is not in the
/// payload count as missing, and so does everything in a payload that is no JSON. **If one placeholder finds nothing,
/// there is no name.** Keys that hold `.`, `|`, `{` or `}` cannot be written; use a function for them.
///
/// ```
/// use becket_tasks::naming::{Naming, Subject};
///
/// let naming = Naming::template("{repository.full_name}#{issue.number|number}")?;
/// let subject = Subject::new("triage", "github", "issues", None, r#"{"repository": {"full_name": "octo/a"}, "number": 7}"#);
/// assert_eq!(naming.name(&subject).as_deref(), Some("octo/a#7"));
/// assert_eq!(naming.name(&Subject::new("triage", "github", "ping", None, "{}")), None);
///
/// let by_hand = Naming::by(|subject| Some(subject.payload()["labels"].as_array()?.len().to_string()));
/// assert_eq!(by_hand.name(&Subject::new("a", "b", "c", None, r#"{"labels": [1, 2]}"#)).as_deref(), Some("2"));
/// # Ok::<(), becket_tasks::naming::TemplateError>(())
/// ```
#[derive(Clone)]
pub struct Naming(Rule);

#[derive(Clone)]
enum Rule {
    Template(Arc<Template<Label>>),
    Function(Arc<Function>),
}

/// What a name may be made of besides the payload.
#[derive(Clone, Copy)]
enum Label {
    Kind,
    Source,
    Event,
    Action,
}

const GRAMMAR: Grammar<'_, Label> = Grammar {
    labels: &[("kind", Label::Kind), ("source", Label::Source), ("event", Label::Event), ("action", Label::Action)],
    bytes_max: TEMPLATE_BYTES_MAX,
};

type Function = dyn Fn(&Subject) -> Option<String> + Send + Sync;

impl Naming {
    /// Reads a template of at most [`TEMPLATE_BYTES_MAX`] bytes.
    ///
    /// # Errors
    /// What is wrong with it, where, and how to mend it.
    pub fn template(text: &str) -> Result<Self, TemplateError> {
        Template::parse(text, &GRAMMAR).map(|template| Self(Rule::Template(Arc::new(template))))
    }

    /// Asks a function. It is called while a submission is being accepted, so it must be quick; one that panics gives no
    /// name.
    pub fn by(function: impl Fn(&Subject) -> Option<String> + Send + Sync + 'static) -> Self {
        Self(Rule::Function(Arc::new(function)))
    }

    /// The name, cut to [`NAME_BYTES_MAX`] bytes; `None` where there is none, or an empty
    /// one.
    #[must_use]
    pub fn name(&self, subject: &Subject) -> Option<Arc<str>> {
        self.name_among(&look([self], subject.json()), subject)
    }

    /// The same with values that were found before, for several namings at once.
    pub(crate) fn name_among(&self, found: &Found<'_, '_>, subject: &Subject) -> Option<Arc<str>> {
        let name = match &self.0 {
            Rule::Template(template) => render(template, found, subject)?,
            Rule::Function(function) => ask(&**function, subject)?,
        };
        bounded_name(&name.into())
    }

    /// Whether it looks into the payload at all.
    pub(crate) fn reads_payload(&self) -> bool {
        match &self.0 {
            Rule::Template(template) => template.paths().next().is_some(),
            Rule::Function(_) => true,
        }
    }
}

/// Finds, in one pass over the payload, all that the templates among `namings` want of it.
pub(crate) fn look<'n, 'j>(namings: impl IntoIterator<Item = &'n Naming>, json: &'j [u8]) -> Found<'n, 'j> {
    let templates = namings.into_iter().filter_map(|naming| match &naming.0 {
        Rule::Template(template) => Some(template),
        Rule::Function(_) => None,
    });
    pick::pick(templates.flat_map(|template| template.paths()), json)
}

/// Fills a template; `None` when a placeholder finds nothing. What is too long for a name is left off.
fn render(template: &Template<Label>, found: &Found<'_, '_>, subject: &Subject) -> Option<String> {
    let mut name = String::new();
    for part in template.parts() {
        let text = match part {
            Part::Text(text) => text,
            Part::Placeholder(choices) => template::first(choices, found, |label| label.of(subject))?,
        };
        // A character more than a name may have, so that the whole is still seen to be too long.
        name.push_str(&text[..text.floor_char_boundary(NAME_BYTES_MAX + 4)]);
    }
    Some(name)
}

impl Label {
    fn of(self, subject: &Subject) -> Option<&str> {
        match self {
            Self::Kind => Some(subject.kind()),
            Self::Source => Some(subject.source()),
            Self::Event => Some(subject.event()),
            Self::Action => subject.action(),
        }
    }
}

/// A delivery must not be refused for ever because a function stumbles over it.
fn ask(function: &Function, subject: &Subject) -> Option<String> {
    catch_unwind(AssertUnwindSafe(|| function(subject))).unwrap_or_else(|_| {
        tracing::error!(
            kind = &*subject.kind,
            "a function that names lanes, tenants or keys panicked: there is no name"
        );
        None
    })
}

impl PartialEq for Naming {
    /// Templates with one text are equal; a function is equal to itself alone.
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Rule::Template(one), Rule::Template(other)) => one.text() == other.text(),
            (Rule::Function(one), Rule::Function(other)) => Arc::ptr_eq(one, other),
            _ => false,
        }
    }
}

impl fmt::Debug for Naming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Rule::Template(template) => write!(f, "Naming({:?})", template.text()),
            Rule::Function(_) => f.write_str("Naming(a function)"),
        }
    }
}

/// What a name is made from: one task of a submission. Cloning is cheap.
///
/// `Debug` does not show the payload.
#[derive(Clone)]
pub struct Subject {
    kind: Arc<str>,
    source: Arc<str>,
    event: Arc<str>,
    action: Option<Arc<str>>,
    payload: Arc<Payload>,
}

struct Payload {
    json: Bytes,
    parsed: OnceLock<Value>,
}

impl Subject {
    /// A task of `kind`, of a submission with these labels and this payload.
    pub fn new(
        kind: impl Into<Arc<str>>,
        source: impl Into<Arc<str>>,
        event: impl Into<Arc<str>>,
        action: Option<Arc<str>>,
        json: impl Into<Bytes>,
    ) -> Self {
        let payload = Arc::new(Payload { json: json.into(), parsed: OnceLock::new() });
        Self { kind: kind.into(), source: source.into(), event: event.into(), action, payload }
    }

    /// Another task of the same submission.
    pub(crate) fn of_kind(&self, kind: &Arc<str>) -> Self {
        Self { kind: Arc::clone(kind), ..self.clone() }
    }

    /// The task's kind.
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// Who sends the submission.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// What it says.
    #[must_use]
    pub fn event(&self) -> &str {
        &self.event
    }

    /// What it says more closely.
    #[must_use]
    pub fn action(&self) -> Option<&str> {
        self.action.as_deref()
    }

    /// The payload's text; JSON, if the sender wrote some.
    #[must_use]
    pub fn json(&self) -> &[u8] {
        &self.payload.json
    }

    /// The payload, parsed when it is first asked for; `null` when it is no JSON. Takes five times as long as a template.
    #[must_use]
    pub fn payload(&self) -> &Value {
        self.payload.parsed.get_or_init(|| serde_json::from_slice(&self.payload.json).unwrap_or_default())
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subject")
            .field("kind", &self.kind)
            .field("source", &self.source)
            .field("event", &self.event)
            .field("action", &self.action)
            .field("payload_bytes", &self.payload.json.len())
            .finish()
    }
}

/// A template, a function from [`&Subject`](Subject) to `Option<String>`, or a [`Naming`].
///
/// The compiler must be told the type of a closure's argument: `|subject: &Subject| …`; [`Naming::by`] knows it. `M` tells
/// the implementations apart and is always inferred.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not make names",
    label = "write a template such as `\"{{repository.full_name}}\"`, or `|subject: &Subject| …` that returns an `Option<String>`"
)]
pub trait IntoNaming<M> {
    /// The naming.
    ///
    /// # Errors
    /// What is wrong with a template.
    fn into_naming(self) -> Result<Naming, TemplateError>;
}

impl IntoNaming<()> for Naming {
    fn into_naming(self) -> Result<Naming, TemplateError> {
        Ok(self)
    }
}

impl IntoNaming<()> for &str {
    fn into_naming(self) -> Result<Naming, TemplateError> {
        Naming::template(self)
    }
}

impl IntoNaming<()> for String {
    fn into_naming(self) -> Result<Naming, TemplateError> {
        Naming::template(&self)
    }
}

impl<F> IntoNaming<(Subject,)> for F
where
    F: Fn(&Subject) -> Option<String> + Send + Sync + 'static,
{
    fn into_naming(self) -> Result<Naming, TemplateError> {
        Ok(Naming::by(self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject(json: &'static str) -> Subject {
        Subject::new("triage", "github", "issues", Some("opened".into()), json)
    }

    fn name(template: &str, json: &'static str) -> Option<String> {
        Naming::template(template).unwrap().name(&subject(json)).map(|name| name.to_string())
    }

    #[test]
    fn template_is_filled_from_payload_and_labels() {
        let json =
            r#"{"repository":{"full_name":"octo/a","private":false},"issue":{"number":7},"list":[{"id":1.50},"x"]}"#;
        let table = [
            ("all", Some("all")),
            ("{repository.full_name}#{issue.number}", Some("octo/a#7")),
            ("{@kind} {@source} {@event} {@action}", Some("triage github issues opened")),
            ("{pull_request.number|issue.number}", Some("7")),
            ("{@action|issue.number}", Some("opened")),
            ("{list.0.id} {list.1} {repository.private}", Some("1.50 x false")),
            ("{{{issue.number}}}", Some("{7}")),
            ("{repository}", None),
            ("{list}", None),
            ("{list.2}", None),
            ("{issue.number} {issue.title}", None),
            ("{a|b}", None),
        ];
        for (template, expected) in table {
            assert_eq!(name(template, json).as_deref(), expected, "{template}");
        }
    }

    #[test]
    fn missing_label_counts_as_missing() {
        let without_action = Subject::new("triage", "github", "push", None, "{}");
        let name = |template| Naming::template(template).unwrap().name(&without_action);
        assert_eq!(name("{@event}.{@action}"), None);
        assert_eq!(name("{@action|@event}").as_deref(), Some("push"));
    }

    #[test]
    fn payload_that_is_no_json_gives_no_name_and_does_not_disturb_labels() {
        for json in ["", "{", "payload=%7B%7D", r#"{"a": 1} x"#, r#"{"a": 1, "b": }"#] {
            assert_eq!(name("{a}", json), None, "{json}");
            assert_eq!(name("{a|@kind}", json).as_deref(), Some("triage"), "{json}");
        }
    }

    #[test]
    fn name_is_cut_and_an_empty_one_is_none() {
        assert_eq!(name("{a}", r#"{"a": ""}"#), None);
        let long: &'static str = Box::leak(format!(r#"{{"a": "{}"}}"#, "é".repeat(300)).into_boxed_str());
        assert_eq!(name("{a}{a}", long).map(|name| name.len()), Some(256));
    }

    #[test]
    fn function_that_panics_gives_no_name() {
        let naming = Naming::by(|_| panic!("as a test may"));
        assert_eq!(naming.name(&subject("{}")), None);
    }

    #[test]
    fn function_and_template_are_both_namings() {
        fn made<M>(naming: impl IntoNaming<M>) -> Option<Arc<str>> {
            naming.into_naming().unwrap().name(&subject(r#"{"a": 1}"#))
        }
        assert_eq!(made("{a}").as_deref(), Some("1"));
        assert_eq!(made(String::from("{a}")).as_deref(), Some("1"));
        assert_eq!(made(|subject: &Subject| Some(subject.event().to_owned())).as_deref(), Some("issues"));
        assert_eq!(made(Naming::by(|subject| subject.action().map(str::to_owned))).as_deref(), Some("opened"));
    }

    #[test]
    fn one_look_serves_several_namings() {
        let namings = ["{a.b}", "{a}", "{a.b|c}"].map(|text| Naming::template(text).unwrap());
        let subject = subject(r#"{"a": {"b": 1}}"#);
        let found = look(&namings, subject.json());
        let names = namings.each_ref().map(|naming| naming.name_among(&found, &subject));
        assert_eq!(names, [Some("1".into()), None, Some("1".into())]);
    }

    #[test]
    fn debug_shows_no_payload() {
        assert!(!format!("{:?}", subject(r#"{"a": "s3cret"}"#)).contains("s3cret"));
    }
}
