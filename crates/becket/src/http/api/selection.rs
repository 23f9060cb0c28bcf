//! Many tasks or deliveries, chosen by a filter. What is done to them is in [`bulk`](super::bulk).
//!
//! A filter without a condition chooses nothing unless `all` says that it is meant, so that nobody purges everything by a
//! typing mistake.

use becket_tasks::query::{SubmissionFilter, TaskFilter};
use becket_tasks::{State as TaskState, Timestamp};
use serde::{Deserialize, Deserializer};
use utoipa::ToSchema;

use super::params::{States, event_and_action};
use crate::http::problem::Problem;

/// Which tasks. Every given condition must hold, and one must be given, or `"all": true`.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Selection {
    /// In one of these states: a list, or text separated by commas. Default: `failed`; to cancel, all that have not
    /// ended.
    #[serde(deserialize_with = "states")]
    #[schema(value_type = Option<Vec<String>>, example = json!(["failed"]))]
    state: Option<Vec<TaskState>>,
    /// Of this source.
    #[schema(example = "github")]
    source: Option<String>,
    /// Of this event, `issues` or `issues.opened`.
    #[schema(example = "issues.opened")]
    event: Option<String>,
    /// Of this action.
    action: Option<String>,
    /// Of this kind.
    kind: Option<String>,
    /// In this lane.
    lane: Option<String>,
    /// Of this tenant.
    tenant: Option<String>,
    /// Accepted at this time or later.
    #[schema(value_type = Option<String>, format = DateTime)]
    since: Option<Timestamp>,
    /// Accepted before this time.
    #[schema(value_type = Option<String>, format = DateTime)]
    until: Option<Timestamp>,
    /// Says that no condition is meant: all tasks in the given states, or in the default ones.
    all: bool,
    /// Changes nothing, and answers how many match.
    pub(super) dry_run: bool,
    /// Why tasks are cancelled; becomes their error. At most 500 characters.
    pub(super) reason: Option<String>,
}

/// Which deliveries. Every given condition must hold, and one must be given, or `"all": true`.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct DeliverySelection {
    /// Of this source.
    #[schema(example = "github")]
    source: Option<String>,
    /// Of this event, `issues` or `issues.opened`.
    #[schema(example = "issues.opened")]
    event: Option<String>,
    /// Of this action.
    action: Option<String>,
    /// Accepted at this time or later.
    #[schema(value_type = Option<String>, format = DateTime)]
    since: Option<Timestamp>,
    /// Accepted before this time.
    #[schema(value_type = Option<String>, format = DateTime)]
    until: Option<Timestamp>,
    /// Says that no condition is meant: all deliveries.
    all: bool,
    /// Changes nothing, and answers how many match.
    pub(super) dry_run: bool,
}

impl Selection {
    /// The filter; `states` are meant where none is named, and only `allowed` ones may be.
    pub(super) fn filter(
        self,
        states: &[TaskState],
        allowed: impl Fn(TaskState) -> bool,
        rule: &str,
    ) -> Result<TaskFilter, Problem> {
        if self.is_empty() && !self.all {
            return Err(Problem::unprocessable(
                "give at least one condition (state, source, event, action, kind, lane, tenant, since, until), or \"all\": true",
            ));
        }
        let states = self.state.filter(|named| !named.is_empty()).unwrap_or_else(|| states.to_vec());
        if let Some(state) = states.iter().find(|state| !allowed(**state)) {
            return Err(Problem::unprocessable(format!("state: `{state}` is not possible here; {rule}")));
        }
        let (event, action) = event_and_action(self.event.as_deref(), self.action.as_deref());
        Ok(TaskFilter {
            states,
            event: event.map(Into::into),
            action: action.map(Into::into),
            source: self.source.map(Into::into),
            kind: self.kind.map(Into::into),
            lane: self.lane.map(Into::into),
            tenant: self.tenant.map(Into::into),
            since: self.since,
            until: self.until,
        })
    }

    fn is_empty(&self) -> bool {
        let texts = [&self.source, &self.event, &self.action, &self.kind, &self.lane, &self.tenant];
        let times = [self.since, self.until];
        self.state.as_ref().is_none_or(Vec::is_empty)
            && texts.iter().all(|text| text.is_none())
            && times.iter().all(Option::is_none)
    }
}

impl DeliverySelection {
    /// The filter.
    pub(super) fn filter(self) -> Result<SubmissionFilter, Problem> {
        let texts = [&self.source, &self.event, &self.action];
        let is_empty = texts.iter().all(|text| text.is_none()) && self.since.or(self.until).is_none();
        if is_empty && !self.all {
            return Err(Problem::unprocessable(
                "give at least one condition (source, event, action, since, until), or \"all\": true",
            ));
        }
        let (event, action) = event_and_action(self.event.as_deref(), self.action.as_deref());
        Ok(SubmissionFilter {
            event: event.map(Into::into),
            action: action.map(Into::into),
            source: self.source.map(Into::into),
            key: None,
            since: self.since,
            until: self.until,
        })
    }
}

fn states<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<TaskState>>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Text(String),
        List(Vec<String>),
    }
    let words = match Option::<Written>::deserialize(deserializer)? {
        None => return Ok(None),
        Some(Written::Text(text)) => text,
        Some(Written::List(words)) => words.join(","),
    };
    let states = States::deserialize(serde::de::value::StringDeserializer::<D::Error>::new(words))?;
    Ok(Some(states.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(json: &str) -> Result<TaskFilter, Problem> {
        let selection: Selection = serde_json::from_str(json).unwrap();
        selection.filter(&[TaskState::Failed], TaskState::is_finished, "finished ones only")
    }

    #[test]
    fn without_a_state_the_dead_letters_are_meant() {
        assert_eq!(filter(r#"{"all": true}"#).unwrap().states, [TaskState::Failed]);
        assert_eq!(filter(r#"{"kind": "triage"}"#).unwrap().states, [TaskState::Failed]);
        assert_eq!(filter(r#"{"all": true, "state": []}"#).unwrap().states, [TaskState::Failed]);
    }

    #[test]
    fn states_are_a_list_or_a_text() {
        let both = [TaskState::Failed, TaskState::Cancelled];
        assert_eq!(filter(r#"{"state": ["failed", "cancelled"]}"#).unwrap().states, both);
        assert_eq!(filter(r#"{"state": "failed,cancelled"}"#).unwrap().states, both);
        assert!(serde_json::from_str::<Selection>(r#"{"state": "dead"}"#).is_err());
    }

    #[test]
    fn nothing_given_changes_nothing() {
        for json in ["{}", r#"{"all": false}"#, r#"{"state": null}"#, r#"{"state": []}"#] {
            assert!(filter(json).is_err(), "{json}");
        }
        for json in ["{}", r#"{"all": false}"#, r#"{"dry_run": true}"#] {
            assert!(serde_json::from_str::<DeliverySelection>(json).unwrap().filter().is_err(), "{json}");
        }
        let problem = filter(r#"{"state": "failed,running"}"#).unwrap_err();
        assert!(problem.detail().starts_with("state: `running`"), "{problem:?}");
    }
}
