//! What a task waits for and what waits for it, and so on, as a graph.

#![expect(unused_qualifications, reason = "what utoipa makes of `params(…)` has them")]

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use becket_tasks::query::Family;
use becket_tasks::{State as TaskState, Store, TaskId};
use http::Uri;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::params::Params;
use super::{Shared, find};
use crate::http::problem::Problem;

/// How many tasks one answer has at the most.
const NODES_MAX: usize = 500;

/// A task and those around it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Graph)]
pub(super) struct GraphView {
    /// The task that was asked for.
    #[schema(value_type = String, example = "0NGK5H8Q0G000")]
    id: TaskId,
    /// It and those around it that are still kept, in the order of their ids: parents come before their children.
    nodes: Vec<NodeView>,
    /// Who waits or waited for whom.
    edges: Vec<EdgeView>,
    /// Whether there are more tasks than are shown.
    truncated: bool,
}

/// A task of a graph.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = GraphNode)]
struct NodeView {
    /// Its id.
    #[schema(value_type = String, example = "0NGK5H8Q0G000")]
    id: TaskId,
    /// Its kind.
    #[schema(value_type = String, example = "resize")]
    kind: Arc<str>,
    /// Its state.
    #[schema(value_type = String, example = "waiting")]
    state: TaskState,
}

/// That one task waits or waited for another.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = GraphEdge)]
struct EdgeView {
    /// What had to end first.
    #[schema(value_type = String, example = "0NGK5H8Q0G000")]
    parent: TaskId,
    /// What waits or waited for it.
    #[schema(value_type = String, example = "0NGK5H8Q0G001")]
    child: TaskId,
}

/// How much of the graph.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Asked {
    /// How many steps away from the task at the most, up or down. Default: any number.
    depth: Option<u32>,
}

/// Shows what a task waits for and what waits for it, and so on in both directions. At most 500 tasks, the nearest
/// first.
#[utoipa::path(get, path = "/api/v1/tasks/{id}/graph", tag = "tasks", operation_id = "show_graph",
    params(
        ("id" = String, Path, description = "The task's id, or the sender's id of a delivery that has one task."),
        Asked,
    ),
    responses(
        (status = 200, description = "The graph.", body = GraphView),
        (status = "default", response = Problem),
    ))]
pub(super) async fn show(
    State(api): State<Shared>,
    Path(id): Path<String>,
    Params(asked): Params<Asked>,
    uri: Uri,
) -> Result<Json<GraphView>, Problem> {
    let graph = async {
        let root = find::task(api.store(), &id).await?.task.id;
        walk(api.store(), root, asked.depth.unwrap_or(u32::MAX)).await
    };
    graph.await.map(Json).map_err(|problem| problem.at(uri.path()))
}

/// Walks from task to task, the nearest first, over parents and children alike.
async fn walk(store: &dyn Store, root: TaskId, depth_max: u32) -> Result<GraphView, Problem> {
    let mut nodes: BTreeMap<TaskId, (NodeView, Family)> = BTreeMap::new();
    let mut seen = BTreeSet::from([root]);
    let mut next = VecDeque::from([(root, 0_u32)]);
    let mut truncated = false;
    while let Some((id, depth)) = next.pop_front() {
        let (Some(family), Some(detail)) = (store.family(id).await?, store.task(id).await?) else { continue };
        truncated |= family.children.len() >= Family::CHILDREN_MAX;
        for near in family.parents.iter().chain(&family.children).copied() {
            if seen.contains(&near) {
                continue;
            }
            if depth >= depth_max || seen.len() >= NODES_MAX {
                truncated = true;
                continue;
            }
            seen.insert(near);
            next.push_back((near, depth + 1));
        }
        let node = NodeView { id, state: detail.task.state(), kind: detail.task.kind };
        nodes.insert(id, (node, family));
    }
    let mut edges = Vec::new();
    for (child, (_, family)) in &nodes {
        let parents = family.parents.iter().filter(|parent| nodes.contains_key(parent));
        edges.extend(parents.map(|parent| EdgeView { parent: *parent, child: *child }));
    }
    Ok(GraphView { id: root, nodes: nodes.into_values().map(|(node, _)| node).collect(), edges, truncated })
}
