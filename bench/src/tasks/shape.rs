//! Shapes: what kind of tasks a leg enqueues.
//!
//! A backlog of tasks that all look alike is the easiest to work off. Each way in which tasks may differ, and in which the
//! engine must choose between them, is a shape of its own: it is measured by the same legs and judged by the same budgets.

use std::sync::Arc;

use becket_tasks::{NewTask, Submission};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::arguments::Arguments;

/// The one kind of task that the engine of a leg runs.
pub const KIND: &str = "nothing";

/// What kind of tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub enum Shape {
    /// All alike, due at once, with nothing that keeps one from running beside another.
    Plain,
}

impl Shape {
    /// The word for it in tables and flags.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
        }
    }
}

/// Makes the tasks of one shape.
#[derive(Debug, Clone)]
pub(super) struct Tasks {
    shape: Shape,
    kind: Arc<str>,
    source: Arc<str>,
    arguments: Arc<Arguments>,
}

impl Tasks {
    pub(super) fn new(shape: Shape) -> Self {
        Self { shape, kind: KIND.into(), source: "bench".into(), arguments: Arc::new(Arguments::new()) }
    }

    /// The submission with this number: one task with arguments of about 1 KB. Numbers that follow each other get
    /// different ones.
    pub(super) fn submission(&self, number: u64) -> Submission {
        Submission {
            source: Arc::clone(&self.source),
            event: Arc::clone(&self.kind),
            action: None,
            key: None,
            meta: Bytes::new(),
            payload: self.arguments.of(number),
            tasks: vec![self.task(number)],
        }
    }

    /// So many submissions, from this number on.
    pub(super) fn slice(&self, first: u64, submissions: usize) -> Vec<Submission> {
        (first..).take(submissions).map(|number| self.submission(number)).collect()
    }

    fn task(&self, _number: u64) -> NewTask {
        match self.shape {
            Shape::Plain => NewTask::new(Arc::clone(&self.kind)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slice_holds_one_task_a_submission_and_different_arguments() {
        let slice = Tasks::new(Shape::Plain).slice(5, 3);
        assert!(slice.iter().all(|submission| submission.tasks.len() == 1 && &*submission.tasks[0].kind == KIND));
        assert!(slice[0].payload != slice[1].payload && slice[1].payload != slice[2].payload);
        assert_eq!(slice[1].payload, Tasks::new(Shape::Plain).submission(6).payload, "in every process the same");
    }
}
