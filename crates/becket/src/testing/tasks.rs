//! What a test asserts of tasks. Failures show all tasks, with their states, attempts and errors.

use std::fmt::{self, Write as _};
use std::ops::Deref;

use becket_tasks::query::{Page, TaskFilter};
use becket_tasks::{State, Step, Store, Task, TaskDetail, TaskId};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::TestApp;
use super::flights::Moment;

/// One task as it stood when the test asked. `Debug` shows it with its attempts, steps, error and result.
#[derive(Clone)]
pub struct TaskReport {
    /// The task, its attempts and its result.
    pub detail: TaskDetail,
    /// What it has done for good, oldest first; sleeps are among them, as `@sleep 1`, …
    pub steps: Vec<Step>,
}

/// Some tasks as they stood when the test asked, oldest first. It reads like a slice.
#[derive(Clone)]
pub struct TaskReports(Vec<TaskReport>);

impl TestApp {
    /// A task as it stands.
    ///
    /// # Panics
    /// When there is no such task.
    #[must_use]
    #[track_caller]
    pub fn task(&self, id: TaskId) -> TaskReport {
        self.report(id).unwrap_or_else(|| panic!("there is no task {id}{}", self.shown()))
    }

    /// The tasks of a handler, by its name: the function's, or what `named` says.
    #[must_use]
    pub fn tasks(&self, kind: &str) -> TaskReports {
        self.reports(&TaskFilter { kind: Some(kind.into()), ..TaskFilter::default() })
    }

    /// All tasks.
    #[must_use]
    pub fn all_tasks(&self) -> TaskReports {
        self.reports(&TaskFilter::default())
    }

    /// Asserts that there are no tasks.
    ///
    /// # Panics
    /// When there are some.
    #[track_caller]
    pub fn assert_no_tasks(&self) {
        let tasks = self.all_tasks();
        assert!(tasks.is_empty(), "expected no tasks{}", self.shown());
    }

    /// When handlers began and ended, in that order: one moment each.
    #[must_use]
    pub fn moments(&self) -> Vec<Moment> {
        self.flights.moments()
    }

    /// Asserts that these tasks ran one after the other, as those of a lane do: each began after the one before it had
    /// ended its last attempt.
    ///
    /// # Panics
    /// When it was not so, or one of them has not run.
    #[track_caller]
    pub fn assert_ran_in_order(&self, tasks: &[TaskId]) {
        let moments = self.moments();
        let place = |task: &TaskId, began: bool| {
            let mut places = moments.iter().enumerate().filter(|(_, one)| one.task == *task && one.began == began);
            let found = if began { places.next() } else { places.next_back() };
            found.unwrap_or_else(|| panic!("the task {task} has not run{}", self.shown())).0
        };
        for pair in tasks.windows(2) {
            let in_order = place(&pair[0], false) < place(&pair[1], true);
            assert!(in_order, "{} did not wait for {}: {moments:#?}{}", pair[1], pair[0], self.shown());
        }
    }

    /// All tasks, to end a message with.
    pub(super) fn shown(&self) -> String {
        let tasks = self.all_tasks();
        if tasks.is_empty() { "; there are no tasks".to_owned() } else { format!("; the tasks:\n{tasks:?}") }
    }

    fn reports(&self, filter: &TaskFilter) -> TaskReports {
        let mut page = Page::first(Page::LIMIT_MAX);
        let mut ids = Vec::new();
        loop {
            let listed = at_once(self.store.tasks(filter.clone(), page));
            ids.extend(listed.items.iter().map(|task: &Task| task.id));
            page.after = listed.next;
            if page.after.is_none() {
                break;
            }
        }
        TaskReports(ids.into_iter().rev().filter_map(|id| self.report(id)).collect())
    }

    fn report(&self, id: TaskId) -> Option<TaskReport> {
        let detail = at_once(self.store.task(id))?;
        Some(TaskReport { detail, steps: at_once(self.store.steps(id)) })
    }
}

/// A store in memory waits for nothing when it is asked.
pub(super) fn at_once<T>(asked: BoxFuture<'_, becket_tasks::Result<T>>) -> T {
    match asked.now_or_never() {
        Some(Ok(answer)) => answer,
        Some(Err(error)) => panic!("the store of the test does not answer: {error}"),
        None => unreachable!("a store in memory waits for nothing when it is asked"),
    }
}

impl TaskReport {
    /// Its state.
    #[must_use]
    pub fn state(&self) -> State {
        self.detail.task.state()
    }

    /// How many of its attempts count: parked ones and those given back do not.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.detail.task.standing.attempts_counted()
    }

    /// Asserts the state.
    ///
    /// # Panics
    /// When it is another.
    #[track_caller]
    pub fn assert_state(&self, state: State) -> &Self {
        assert!(self.state() == state, "expected the task to be {state}:\n{self:?}");
        self
    }

    /// Asserts that it is completed.
    ///
    /// # Panics
    /// When it is not.
    #[track_caller]
    pub fn assert_completed(&self) -> &Self {
        self.assert_state(State::Completed)
    }

    /// Asserts that it is to be tried again.
    ///
    /// # Panics
    /// When it is not.
    #[track_caller]
    pub fn assert_retrying(&self) -> &Self {
        self.assert_state(State::Retrying)
    }

    /// Asserts that it failed for good, with an error that contains this.
    ///
    /// # Panics
    /// When it did not.
    #[track_caller]
    pub fn assert_failed_with(&self, error: &str) -> &Self {
        self.assert_state(State::Failed);
        let said = self.detail.task.error.as_deref().unwrap_or_default();
        assert!(said.contains(error), "expected the error {error:?}:\n{self:?}");
        self
    }

    /// Asserts what the handler returned.
    ///
    /// # Panics
    /// When it was something else, or is not kept any more.
    #[track_caller]
    pub fn assert_result(&self, expected: impl Into<Value>) -> &Self {
        let (expected, result) = (expected.into(), self.result::<Value>());
        assert!(result == expected, "expected the result {expected}:\n{self:?}");
        self
    }

    /// What the handler returned; nothing reads as `null`.
    ///
    /// # Panics
    /// When the task is not completed, or the result does not fit.
    #[must_use]
    #[track_caller]
    pub fn result<R: DeserializeOwned>(&self) -> R {
        self.assert_completed();
        let json = self.detail.result.as_deref().unwrap_or(b"null");
        serde_json::from_slice(json).unwrap_or_else(|error| panic!("the result does not fit: {error}:\n{self:?}"))
    }

    /// Asserts how many of its attempts count.
    ///
    /// # Panics
    /// When it is another number.
    #[track_caller]
    pub fn assert_attempts(&self, attempts: u32) -> &Self {
        assert!(self.attempts() == attempts, "expected {attempts} attempts that count:\n{self:?}");
        self
    }

    /// Asserts that it has done this step.
    ///
    /// # Panics
    /// When it has not.
    #[track_caller]
    pub fn assert_step(&self, name: &str) -> &Self {
        assert!(self.step(name).is_some(), "expected the step `{name}`:\n{self:?}");
        self
    }

    /// Asserts that it has not done this step.
    ///
    /// # Panics
    /// When it has.
    #[track_caller]
    pub fn assert_no_step(&self, name: &str) -> &Self {
        assert!(self.step(name).is_none(), "expected no step `{name}`:\n{self:?}");
        self
    }

    /// What a step has returned; `None` when it was not done.
    ///
    /// # Panics
    /// When it is not JSON, which only a store of another maker could bring about.
    #[must_use]
    #[track_caller]
    pub fn step(&self, name: &str) -> Option<Value> {
        let step = self.steps.iter().find(|step| *step.name == *name)?;
        let read = serde_json::from_slice(&step.body);
        Some(read.unwrap_or_else(|error| panic!("the step `{name}` is not JSON: {error}:\n{self:?}")))
    }
}

impl fmt::Debug for TaskReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { detail: TaskDetail { task, attempts, result }, steps } = self;
        let (counted, max) = (self.attempts(), task.standing.max_attempts);
        write!(f, "{} {} {}, {counted} of {max} attempts", task.kind, task.id, task.state())?;
        if task.state().is_claimable() || task.state() == State::Waiting {
            write!(f, ", due {}", task.standing.run_at)?;
        }
        if let Some(error) = &task.error {
            write!(f, ", error {error:?}")?;
        }
        if let Some(result) = result {
            write!(f, ", result {}", String::from_utf8_lossy(result))?;
        }
        for attempt in attempts {
            let outcome = attempt.outcome.map_or("running", |outcome| outcome.as_str());
            write!(f, "\n  attempt {} at {}: {outcome}", attempt.attempt, attempt.started_at)?;
            if let Some(error) = &attempt.error {
                write!(f, ", {error:?}")?;
            }
        }
        for step in steps {
            write!(f, "\n  step {:?} at {}: {}", step.name, step.at, String::from_utf8_lossy(&step.body))?;
        }
        Ok(())
    }
}

impl TaskReports {
    /// The only one.
    ///
    /// # Panics
    /// When there is none, or several.
    #[must_use]
    #[track_caller]
    pub fn only(&self) -> &TaskReport {
        self.assert_count(1);
        &self[0]
    }

    /// Asserts how many there are.
    ///
    /// # Panics
    /// When it is another number.
    #[track_caller]
    pub fn assert_count(&self, count: usize) -> &Self {
        assert!(self.len() == count, "expected {count} tasks, and there are {}:\n{self:?}", self.len());
        self
    }

    /// Asserts that all of them are completed, and that there are some.
    ///
    /// # Panics
    /// When it is not so.
    #[track_caller]
    pub fn assert_completed(&self) -> &Self {
        let are = !self.is_empty() && self.iter().all(|task| task.state() == State::Completed);
        assert!(are, "expected tasks that are all completed:\n{self:?}");
        self
    }
}

impl Deref for TaskReports {
    type Target = [TaskReport];

    fn deref(&self) -> &[TaskReport] {
        &self.0
    }
}

impl fmt::Debug for TaskReports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, task) in self.0.iter().enumerate() {
            if place > 0 {
                f.write_char('\n')?;
            }
            task.fmt(f)?;
        }
        Ok(())
    }
}
