//! Shapes: what kind of tasks a leg enqueues.
//!
//! A backlog of tasks that all look alike is the easiest to work off. Each way in which tasks may differ, and in which the
//! engine must choose between them, is a shape of its own: it is measured by the same legs and judged by the same budgets.

use std::collections::HashMap;
use std::sync::Arc;

use becket_tasks::{Lane, Limits, NewTask, Rules, Submission};
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
    /// Each in one of 100,000 lanes.
    Lanes,
    /// Each of one of 10,000 tenants.
    Tenants,
    /// Each under one of 1,000 limit keys, with limits by kind and by key that are counted and never reached.
    Limits,
}

/// How many lanes, tenants and limit keys there are.
const LANES: u64 = 100_000;
const TENANTS: u64 = 10_000;
const LIMIT_KEYS: u64 = 1_000;

impl Shape {
    /// The word for it in tables and flags.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Lanes => "lanes",
            Self::Tenants => "tenants",
            Self::Limits => "limits",
        }
    }

    /// What limits the tasks.
    #[must_use]
    pub fn limits(self) -> Limits {
        match self {
            Self::Plain | Self::Lanes | Self::Tenants => Limits::default(),
            Self::Limits => Limits { concurrency: Some(100_000), key_concurrency: Some(1_000), ..Limits::default() },
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

    pub(super) fn limits(&self) -> Limits {
        self.shape.limits()
    }

    /// What claims of them come with.
    pub(super) fn rules(&self) -> Arc<Rules> {
        let limits = HashMap::from([(Arc::clone(&self.kind), self.shape.limits())]);
        Arc::new(Rules { limits, ..Rules::default() })
    }

    fn task(&self, number: u64) -> NewTask {
        let plain = NewTask::new(Arc::clone(&self.kind));
        match self.shape {
            Shape::Plain => plain,
            Shape::Lanes => {
                let name = format!("octo/repo-{}#{}", number % 1_000, number % LANES);
                NewTask { lane: Some(Lane::new(name)), ..plain }
            }
            Shape::Tenants => NewTask { tenant: Some((number % TENANTS).to_string().into()), ..plain },
            Shape::Limits => NewTask { limit_key: Some((number % LIMIT_KEYS).to_string().into()), ..plain },
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
