//! Many tasks at once, chosen by a filter: run again, delete.
//!
//! Without `state` both mean the dead letters (`failed`), so that a short filter cannot run again what has succeeded.
//! The work is done in slices that other work fits between.

use axum::Json;
use axum::extract::State;
use becket_tasks::query::TaskFilter;
use becket_tasks::{State as TaskState, Timestamp};
use http::Uri;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use super::Shared;
use super::body::Body;
use super::params::{States, event_and_action};
use crate::http::problem::Problem;

/// Which tasks. Every given condition must hold, and one must be given, or `"all": true`.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Selection {
    /// In one of these states: a list, or text separated by commas. Default: `failed`.
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
    /// Says that no condition is meant: all tasks in the given states, or all dead letters.
    all: bool,
}

/// How many tasks were run again.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Requeued {
    requeued: u64,
}

/// How many tasks were deleted.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Purged {
    purged: u64,
}

/// Runs again every task that matches: dead letters, unless `state` says otherwise.
#[utoipa::path(post, path = "/api/v1/tasks/requeue", tag = "tasks", operation_id = "requeue_tasks",
    request_body = Selection,
    responses(
        (status = 200, description = "How many were run again.", body = Requeued),
        (status = "default", response = Problem),
    ))]
pub(super) async fn requeue(
    State(api): State<Shared>,
    uri: Uri,
    Body(selection): Body<Selection>,
) -> Result<Json<Requeued>, Problem> {
    let filter = selection
        .filter(|state| state != TaskState::Running, "a running task cannot be run again before it has ended")
        .map_err(|problem| problem.at(uri.path()))?;
    let requeued = api.client().requeue_matching(filter, |_| ()).await?;
    Ok(Json(Requeued { requeued }))
}

/// Deletes every task that matches: dead letters, unless `state` says otherwise.
#[utoipa::path(post, path = "/api/v1/tasks/purge", tag = "tasks", operation_id = "purge_tasks",
    request_body = Selection,
    responses(
        (status = 200, description = "How many were deleted.", body = Purged),
        (status = "default", response = Problem),
    ))]
pub(super) async fn purge(
    State(api): State<Shared>,
    uri: Uri,
    Body(selection): Body<Selection>,
) -> Result<Json<Purged>, Problem> {
    let filter = selection
        .filter(TaskState::is_finished, "only finished tasks can be deleted")
        .map_err(|problem| problem.at(uri.path()))?;
    let purged = api.client().purge_matching(filter, |_| ()).await?;
    Ok(Json(Purged { purged }))
}

impl Selection {
    fn filter(self, allowed: impl Fn(TaskState) -> bool, rule: &str) -> Result<TaskFilter, Problem> {
        if self.is_empty() && !self.all {
            return Err(Problem::unprocessable(
                "give at least one condition (state, source, event, action, kind, lane, tenant, since, until), or \"all\": true",
            ));
        }
        let states = self.state.filter(|states| !states.is_empty()).unwrap_or_else(|| vec![TaskState::Failed]);
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
        serde_json::from_str::<Selection>(json).unwrap().filter(TaskState::is_finished, "finished ones only")
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
        let problem = filter(r#"{"state": "failed,running"}"#).unwrap_err();
        assert!(problem.detail().starts_with("state: `running`"), "{problem:?}");
    }
}
