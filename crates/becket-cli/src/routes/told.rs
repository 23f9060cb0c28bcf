//! What is told about routes: to people, and as JSON.

use becket::route::Sought;
use becket::route::explain::{Explained, Part, Shown, Why};
use serde_json::{Value, json};

/// What is tested: `issues.opened (issue.opened) from github, with the built-in sample`; the name that all forges share only
/// where it is another.
pub(super) fn heading(sought: &Sought<'_>, payload: Option<&str>) -> String {
    let payload = match payload {
        Some("sample") => "with the built-in sample",
        Some("made_up") => "with a payload that is made up; give one with --payload FILE",
        Some(_) => "with the payload given",
        None => "without a payload; give one with --payload FILE",
    };
    let own = name(sought);
    let shared = sought.normalised.filter(|shared| **shared != *own);
    let shared = shared.map(|name| format!(" ({name})")).unwrap_or_default();
    format!("{own}{shared} from {}, {payload}", sought.source)
}

/// What becomes of it at a route, and the parts of its filter below.
pub(super) fn lines(explained: &Explained) -> Vec<String> {
    let Explained { route, why, parts, .. } = explained;
    let on = || route.on.join(", ");
    let told = match why {
        Why::Matches if route.stop => "gets it, and stops: routes below do not".to_owned(),
        Why::Matches => "gets it".to_owned(),
        Why::OtherEvent(Some(_)) if route.on.len() == 1 => format!("no: it is on {}, which is near", on()),
        Why::OtherEvent(Some(near)) => format!("no: it is on {}; {near} is nearest", on()),
        Why::OtherEvent(None) => format!("no: it is on {}", on()),
        Why::OtherSource => format!("no: it is for the source {}", route.sources.join(", ")),
        Why::Filter => "no: its filter is not true".to_owned(),
        Why::NoPayload => "not known: its filter needs the payload".to_owned(),
        Why::StoppedBy(by) => format!("no: {by} got it, and stops"),
        _ => "no".to_owned(),
    };
    let mut lines = vec![format!("{}: {told}", route.name)];
    lines.extend(parts.iter().map(part));
    lines
}

fn part(part: &Part) -> String {
    let word = match part.is_true {
        Some(true) => "true ",
        Some(false) => "false",
        None => "?    ",
    };
    let there = part.values.iter().filter_map(|(path, value)| Some(format!("{path} is {}", value.as_ref()?)));
    let why = part.why.clone().unwrap_or_else(|| there.collect::<Vec<_>>().join(", "));
    if why.is_empty() { format!("    {word}  {}", part.text) } else { format!("    {word}  {}  ({why})", part.text) }
}

/// All of it, for programs.
pub(super) fn document(sought: &Sought<'_>, payload: Option<&str>, explained: &[Explained]) -> Value {
    let routes: Vec<Value> = explained.iter().map(one).collect();
    json!({
        "source": sought.source,
        "event": sought.event,
        "action": sought.action,
        "normalised": sought.normalised,
        "payload": payload,
        "routes": routes,
    })
}

fn one(explained: &Explained) -> Value {
    let (outcome, detail) = match &explained.why {
        Why::Matches => ("matches", None),
        Why::OtherEvent(near) => ("other_event", near.clone()),
        Why::OtherSource => ("other_source", None),
        Why::Filter => ("filter", None),
        Why::NoPayload => ("no_payload", None),
        Why::StoppedBy(by) => ("stopped", Some(by.clone())),
        _ => ("unknown", None),
    };
    let mut document = route(&explained.route);
    document["outcome"] = outcome.into();
    document[match outcome {
        "stopped" => "stopped_by",
        _ => "nearest",
    }] = detail.into();
    document["parts"] = explained
        .parts
        .iter()
        .map(|part| {
            let values: serde_json::Map<String, Value> =
                part.values.iter().map(|(path, value)| (path.clone(), value.clone().into())).collect();
            json!({"text": part.text, "is_true": part.is_true, "why": part.why, "values": values})
        })
        .collect();
    document
}

/// A route, for programs.
pub(super) fn route(route: &Shown) -> Value {
    json!({
        "name": route.name,
        "on": route.on,
        "sources": route.sources,
        "when": route.when,
        "stop": route.stop,
        "mode": route.mode.to_string(),
        "to": route.target,
    })
}

fn name(sought: &Sought<'_>) -> String {
    match sought.action {
        Some(action) => format!("{}.{action}", sought.event),
        None => sought.event.to_owned(),
    }
}
