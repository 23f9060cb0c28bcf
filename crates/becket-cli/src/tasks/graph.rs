//! Tasks that wait for one another, as a tree for people: children stand below what they wait for, one step to the
//! right.

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;

use crate::api::views::{Edge, Graph, Node};
use crate::api::{Api, read};
use crate::cli::Query;
use crate::output::{self, Plain, Table, cell};

/// Shows the whole graph around a task.
pub(super) async fn run(api: &Api, id: &str, json: bool) -> anyhow::Result<ExitCode> {
    let answer = api.get(&["tasks", id, "graph"], &Query::new()).await?;
    if json {
        output::document(&answer)?;
        return Ok(ExitCode::SUCCESS);
    }
    let graph: Graph = read(&answer)?;
    for line in tree(&graph) {
        output::line(Plain(&line))?;
    }
    if graph.truncated {
        output::note("there are more; ask for a task at the edge to see those around it");
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints what a task waits for and what waits for it, if there is anything.
pub(super) async fn family(api: &Api, id: &str) -> anyhow::Result<()> {
    let answer = api.get(&["tasks", id, "graph"], &vec![("depth", "1".to_owned())]).await?;
    let graph: Graph = read(&answer)?;
    let is_parent = |node: &Node| graph.edges.iter().any(|edge| edge.child == id && edge.parent == node.id);
    let is_child = |node: &Node| graph.edges.iter().any(|edge| edge.parent == id && edge.child == node.id);
    print("PARENT", graph.nodes.iter().filter(|node| is_parent(node)))?;
    print("CHILD", graph.nodes.iter().filter(|node| is_child(node)))
}

fn print<'a>(title: &str, nodes: impl Iterator<Item = &'a Node>) -> anyhow::Result<()> {
    let mut table = Table::new([title, "STATE", "KIND"]);
    for node in nodes {
        table.row([cell(&node.id), output::state(&node.state), cell(&node.kind)]);
    }
    if !table.is_empty() {
        output::line("")?;
        table.print()?;
    }
    Ok(())
}

/// One line a task, and one more for each further task that it waits for. The task that was asked for is marked.
fn tree(graph: &Graph) -> Vec<String> {
    let nodes: BTreeMap<&str, &Node> = graph.nodes.iter().map(|node| (node.id.as_str(), node)).collect();
    let mut children: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for Edge { parent, child } in &graph.edges {
        children.entry(parent).or_default().push(child);
    }
    let is_root = |node: &&Node| !graph.edges.iter().any(|edge| edge.child == node.id);
    // The next to be written is the last; graphs may be deeper than a stack.
    let mut next: Vec<(&str, usize)> = graph.nodes.iter().rev().filter(is_root).map(|node| (&*node.id, 0)).collect();
    let (mut written, mut lines) = (BTreeSet::new(), Vec::new());
    while let Some((id, depth)) = next.pop() {
        let Some(node) = nodes.get(id) else { continue };
        let is_first = written.insert(id);
        let below = children.get(id).map(Vec::as_slice).unwrap_or_default();
        let mark = if id == graph.id { "  <" } else { "" };
        let again = if is_first || below.is_empty() { "" } else { "  (as above)" };
        lines.push(format!("{}{id}  {}  {}{again}{mark}", "  ".repeat(depth), node.state, node.kind));
        if is_first {
            next.extend(below.iter().rev().map(|child| (*child, depth + 1)));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn children_stand_below_each_task_that_they_wait_for_and_theirs_only_once() {
        let node = |id: &str| Node { id: id.into(), kind: "work".into(), state: "waiting".into() };
        let edge = |(parent, child): (&str, &str)| Edge { parent: parent.into(), child: child.into() };
        let graph = Graph {
            id: "left".into(),
            nodes: ["root", "left", "right", "join", "last"].map(node).into(),
            edges: [("root", "left"), ("root", "right"), ("left", "join"), ("right", "join"), ("join", "last")]
                .map(edge)
                .into(),
            truncated: false,
        };
        let expected = [
            "root  waiting  work",
            "  left  waiting  work  <",
            "    join  waiting  work",
            "      last  waiting  work",
            "  right  waiting  work",
            "    join  waiting  work  (as above)",
        ];
        assert_eq!(tree(&graph), expected);
    }
}
