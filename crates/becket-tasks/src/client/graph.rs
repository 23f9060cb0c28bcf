//! Graphs: tasks that wait for one another, accepted in one step.
//!
//! A [`Graph`] names its tasks, so that they can be given in any order; what a store wants, parents before their
//! children, is made of it when it is submitted (`order`). Whether it makes sense is checked before anything is
//! accepted.

mod order;

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Index;
use std::sync::Arc;

use serde::Serialize;

use super::enqueue::Planned;
use super::{Address, Client, EnqueueError, EnqueueOptions};
use crate::id::TaskId;
use crate::submission::{Parent, Submission};

/// How many tasks of a circle an error names.
const CIRCLE_SHOWN_MAX: usize = 20;

/// Tasks with names, some of which wait for others.
///
/// ```
/// use becket_tasks::client::Graph;
/// # async fn run(client: &becket_tasks::Client) -> Result<(), becket_tasks::EnqueueError> {
/// let mut graph = Graph::new();
/// graph.task("report", "report", &()).after(["photos", "texts"]); // may be named before they are given
/// graph.task("photos", "count", "photos").after(["load"]);
/// graph.task("texts", "count", "texts").after(["load"]);
/// graph.task("load", "load", "https://example.org/archive");
/// let tasks = graph.submit(client).await?;
/// println!("the report will be {}", tasks["report"]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Default)]
pub struct Graph {
    nodes: Vec<Node>,
}

/// One task of a [`Graph`].
#[derive(Debug)]
pub struct Node {
    name: Arc<str>,
    task: Planned,
    after: Vec<Arc<str>>,
}

/// Why a graph makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GraphError {
    /// Tasks wait for each other in a circle, so that none of them would ever run. Each waits for the next, and the
    /// last for the first.
    #[error("tasks wait for each other in a circle: {}", Circle(.0))]
    Circle(Vec<Arc<str>>),
    /// A task waits for one that is not in the graph.
    #[error("`{task}` waits for `{parent}`, and the graph has no such task")]
    Unknown {
        /// The task that waits.
        task: Arc<str>,
        /// What it waits for.
        parent: Arc<str>,
    },
    /// Two tasks have the same name.
    #[error("two tasks have the name `{0}`")]
    SameName(Arc<str>),
    /// There are more than [`Graph::TASKS_MAX`].
    #[error("a graph has at most {max} tasks, and not {0}", max = Graph::TASKS_MAX)]
    TooMany(usize),
}

struct Circle<'a>(&'a [Arc<str>]);

impl fmt::Display for Circle<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for name in self.0.iter().take(CIRCLE_SHOWN_MAX) {
            write!(f, "`{name}` waits for ")?;
        }
        match (self.0.len().checked_sub(CIRCLE_SHOWN_MAX), self.0.first()) {
            (Some(more @ 1..), _) => write!(f, "{more} more"),
            (_, Some(first)) => write!(f, "`{first}`"),
            (_, None) => Ok(()),
        }
    }
}

/// The ids that the tasks of a graph got, by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enqueued(BTreeMap<Arc<str>, TaskId>);

impl Enqueued {
    /// The id of the task with this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<TaskId> {
        self.0.get(name).copied()
    }

    /// All names with their ids, in the order of the names.
    pub fn iter(&self) -> impl Iterator<Item = (&Arc<str>, TaskId)> {
        self.0.iter().map(|(name, task)| (name, *task))
    }
}

/// # Panics
/// When the graph had no task with this name; [`Enqueued::get`] does not.
impl Index<&str> for Enqueued {
    type Output = TaskId;

    fn index(&self, name: &str) -> &TaskId {
        &self.0[name]
    }
}

impl Graph {
    /// How many tasks a graph has at the most.
    pub const TASKS_MAX: usize = 1_000;

    /// A graph without tasks.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a task of `kind` with JSON `arguments`, as its policy says.
    ///
    /// Names are for the graph alone and are not kept. What is wrong is told when the graph is submitted.
    pub fn task<A: Serialize + ?Sized>(&mut self, name: impl Into<Arc<str>>, kind: &str, arguments: &A) -> &mut Node {
        let place = self.nodes.len();
        self.nodes.push(Node { name: name.into(), task: Planned::new(kind, arguments), after: Vec::new() });
        &mut self.nodes[place]
    }

    /// How many tasks there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Accepts the graph as a whole; answers once it is durable. A graph without tasks is accepted and changes nothing.
    ///
    /// # Errors
    /// [`EnqueueError::Graph`] when the graph makes no sense, and as [`Client::enqueue_with`]; nothing was accepted.
    pub async fn submit(self, client: &Client) -> Result<Enqueued, EnqueueError> {
        let (names, submissions) = self.plan(client)?;
        let tasks = client.submit_each(submissions).await?;
        Ok(Enqueued(names.into_iter().zip(tasks).collect()))
    }

    /// The submissions of the graph, one for each task, parents first, each with its task's name.
    fn plan(self, client: &Client) -> Result<(Vec<Arc<str>>, Vec<Submission>), EnqueueError> {
        let parents = self.parents()?;
        let sorted = order::sorted(&parents).map_err(|circle| {
            GraphError::Circle(circle.into_iter().map(|place| Arc::clone(&self.nodes[place].name)).collect())
        })?;
        let mut submission_of = vec![0; sorted.len()];
        for (submission, place) in sorted.iter().enumerate() {
            submission_of[*place] = submission;
        }
        let mut nodes: Vec<Option<Node>> = self.nodes.into_iter().map(Some).collect();
        let mut planned = (Vec::with_capacity(sorted.len()), Vec::with_capacity(sorted.len()));
        for (submission, place) in sorted.into_iter().enumerate() {
            let Some(node) = nodes[place].take() else { continue };
            let after =
                parents[place].iter().map(|parent| Parent::Submitted { submission: submission_of[*parent], task: 0 });
            planned.0.push(node.name);
            planned.1.push(node.task.submission(client, submission, after)?);
        }
        Ok(planned)
    }

    /// The places of each task's parents.
    fn parents(&self) -> Result<Vec<Vec<usize>>, GraphError> {
        if self.nodes.len() > Self::TASKS_MAX {
            return Err(GraphError::TooMany(self.nodes.len()));
        }
        let mut places: BTreeMap<&str, usize> = BTreeMap::new();
        for (place, node) in self.nodes.iter().enumerate() {
            if places.insert(&node.name, place).is_some() {
                return Err(GraphError::SameName(Arc::clone(&node.name)));
            }
        }
        let place_of = |node: &Node, parent: &Arc<str>| {
            let unknown = || GraphError::Unknown { task: Arc::clone(&node.name), parent: Arc::clone(parent) };
            places.get(&**parent).copied().ok_or_else(unknown)
        };
        let of = |node: &Node| node.after.iter().map(|parent| place_of(node, parent)).collect();
        self.nodes.iter().map(of).collect()
    }
}

impl Node {
    /// Waits for tasks of the graph, by name, until each has ended. May be called several times; naming one twice
    /// changes nothing.
    pub fn after<N: Into<Arc<str>>>(&mut self, names: impl IntoIterator<Item = N>) -> &mut Self {
        self.after.extend(names.into_iter().map(Into::into));
        self
    }

    /// Waits for tasks that exist already.
    pub fn after_tasks(&mut self, tasks: impl IntoIterator<Item = TaskId>) -> &mut Self {
        self.task.options.after.extend(tasks);
        self
    }

    /// Runs also after tasks that failed or were cancelled. Otherwise it is cancelled with the first that does.
    pub fn survive(&mut self) -> &mut Self {
        self.task.options.survives_parents = true;
        self
    }

    /// Tells somebody how the task ended; see [`EnqueueOptions::notify`].
    pub fn notify(&mut self, address: impl Into<Address>) -> &mut Self {
        self.task.options.notify = Some(address.into());
        self
    }

    /// Takes all of what may differ from the kind's policy, instead of what was said before but for
    /// [`after`](Self::after).
    pub fn options(&mut self, options: EnqueueOptions) -> &mut Self {
        self.task.options = options;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn circle_is_told_as_a_sentence_that_ends_where_it_began() {
        let names = |count: usize| (0..count).map(|n| n.to_string().into()).collect::<Vec<Arc<str>>>();
        let told = |count| GraphError::Circle(names(count)).to_string();
        assert_eq!(told(1), "tasks wait for each other in a circle: `0` waits for `0`");
        assert_eq!(told(2), "tasks wait for each other in a circle: `0` waits for `1` waits for `0`");
        assert!(told(20).ends_with("`19` waits for `0`"), "{}", told(20));
        assert!(told(1_000).ends_with("`19` waits for 980 more"), "{}", told(1_000));
    }
}
