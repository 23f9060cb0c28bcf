//! Enqueueing tasks that wait for one another, in one call.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use becket_tasks::{Graph, TaskId};
use http::{StatusCode, Uri};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::body::Body;
use super::enqueue::{Enqueue, problem_of};
use super::{Api, Shared};
use crate::http::problem::Problem;

/// Tasks that wait for one another.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewGraph {
    /// The tasks by name, in any order; at most 1000. In `after` they name each other, or tasks that exist already by
    /// their ids. Names are for this call alone.
    #[schema(example = json!({"load": {"kind": "load"}, "count": {"kind": "count", "after": ["load"]}}))]
    tasks: BTreeMap<String, Enqueue>,
}

/// The tasks of a graph that was accepted.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AcceptedGraph {
    /// Their ids by name.
    #[schema(value_type = BTreeMap<String, String>,
        example = json!({"load": "0NGK5H8Q0G000", "count": "0NGK5H8Q0G001"}))]
    tasks: BTreeMap<String, TaskId>,
}

/// Accepts tasks that wait for one another, all or none; answers once they are durable.
#[utoipa::path(post, path = "/api/v1/graphs", tag = "tasks", operation_id = "enqueue_graph", request_body = NewGraph,
    responses(
        (status = 202, description = "The tasks' ids.", body = AcceptedGraph),
        (status = 422, description = "They cannot wait for one another like that; a circle is named.",
            content_type = "application/problem+json", body = Problem),
        (status = "default", response = Problem),
    ))]
pub(super) async fn enqueue(
    State(api): State<Shared>,
    uri: Uri,
    Body(graph): Body<NewGraph>,
) -> Result<(StatusCode, Json<AcceptedGraph>), Problem> {
    let accepted = accept(&api, graph).await.map_err(|problem| problem.at(uri.path()))?;
    Ok((StatusCode::ACCEPTED, Json(accepted)))
}

async fn accept(api: &Api, NewGraph { tasks: new }: NewGraph) -> Result<AcceptedGraph, Problem> {
    if new.is_empty() {
        return Err(Problem::unprocessable("tasks: a graph has at least one task"));
    }
    let mut graph = Graph::new();
    for (name, task) in &new {
        let is_id = |parent: &&String| !new.contains_key(*parent) && parent.parse::<TaskId>().is_ok();
        let (ids, names): (Vec<_>, Vec<_>) = task.after().iter().partition(is_id);
        let at = |problem: Problem| Problem::unprocessable(format!("tasks.{name}.{}", problem.detail()));
        let options = task.options(api).map_err(at)?;
        let node = graph.task(name.as_str(), task.kind(), task.args()).options(options);
        node.after(names.into_iter().map(String::as_str)).after_tasks(ids.into_iter().filter_map(|id| id.parse().ok()));
    }
    let accepted = graph.submit(api.client()).await.map_err(|error| problem_of(api, error))?;
    Ok(AcceptedGraph { tasks: accepted.iter().map(|(name, task)| (name.to_string(), task)).collect() })
}
