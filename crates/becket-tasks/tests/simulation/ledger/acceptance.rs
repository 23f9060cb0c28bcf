//! Enters new submissions (G2: a key is accepted once per source), and what a new task replaces in its lane.

use std::sync::Arc;

use becket_tasks::order::Latest;
use becket_tasks::submission::{Due, Inserted, NewTask, Parent, Submission};
use becket_tasks::{State, TaskId, Timestamp};

use super::{At, Check, Known, Ledger, same};

impl Ledger {
    pub(crate) fn accepted(&mut self, new: &[Submission], answers: &[Inserted], at: At) -> Check {
        for (number, (submission, answer)) in new.iter().zip(answers).enumerate() {
            let key = submission.key.clone().map(|key| (Arc::clone(&submission.source), key));
            if let Some((first, tasks)) = key.as_ref().and_then(|key| self.keys.get(key)) {
                let expected = (true, *first, tasks.clone());
                same(
                    "G2: what a redelivery is told",
                    &key,
                    &expected,
                    &(answer.duplicate, answer.submission, answer.tasks.clone()),
                )?;
                continue;
            }
            if answer.duplicate || self.submissions.contains_key(&answer.submission) {
                return Err(format!("G2: {key:?} is new, and the store says {answer:?}"));
            }
            self.submissions.insert(answer.submission, Arc::clone(&submission.source));
            self.add(&submission.source, &submission.tasks, (answers, number), at)?;
            if let Some(key) = key {
                self.keys.insert(key, (answer.submission, answer.tasks.clone()));
            }
        }
        Ok(())
    }

    pub(crate) fn appended(&mut self, tasks: &[NewTask], answer: Option<&Inserted>, at: At) -> Check {
        let Some(answer) = answer else { return Err("a submission is lost".to_owned()) };
        let source = self.submissions.get(&answer.submission).cloned().unwrap_or_default();
        for (_, known) in self.keys.values_mut().filter(|(submission, _)| *submission == answer.submission) {
            known.extend(&answer.tasks);
        }
        self.add(&source, tasks, (std::slice::from_ref(answer), 0), at)
    }

    fn add(&mut self, source: &Arc<str>, new: &[NewTask], (answers, number): (&[Inserted], usize), at: At) -> Check {
        let answer = &answers[number];
        same("how many tasks are accepted", answer.submission, &new.len(), &answer.tasks.len())?;
        for (new, id) in new.iter().zip(&answer.tasks) {
            if self.tasks.last_key_value().is_some_and(|(last, _)| last >= id) {
                return Err(format!("G5: task {id} is not younger than those before it"));
            }
            let (due, since) = self.supersede(new, at);
            let parent = |parent: &Parent| match *parent {
                Parent::Task(id) => id,
                Parent::Submitted { submission, task } => answers[submission].tasks[task],
            };
            let is_over = |id: TaskId| self.tasks.get(&id).is_none_or(|task| task.state.is_finished());
            let parents = new.after.iter().map(parent).map(|id| (id, is_over(id))).collect();
            let task = self.new_task(source, new, parents, (due.resolve(at.now), since));
            self.tasks.insert(*id, task);
            if let Some(claimed) = answer.started.iter().find(|claimed| claimed.id == *id) {
                self.started(claimed, new.start.as_ref(), at)?;
            }
            self.tell_of_ended_parents(*id, at);
        }
        Ok(())
    }

    fn new_task(
        &self,
        source: &Arc<str>,
        new: &NewTask,
        parents: std::collections::BTreeMap<TaskId, bool>,
        (run_at, since): (Timestamp, Option<Timestamp>),
    ) -> Known {
        let waits = parents.values().any(|is_over| !is_over);
        Known {
            kind: Arc::clone(&new.kind),
            source: Arc::clone(source),
            lane: new.lane.clone(),
            limit_key: new.limit_key.clone(),
            survives_parents: new.survives_parents,
            parents,
            is_excused: false,
            state: if waits { State::Waiting } else { State::Queued },
            attempt: 0,
            spared: 0,
            max_attempts: new.max_attempts.max(1),
            has_crashed: false,
            run_at,
            since,
        }
    }

    /// Cancels what a new task replaces; answers when it is due, and since when its burst lasts.
    fn supersede(&mut self, new: &NewTask, at: At) -> (Due, Option<Timestamp>) {
        let Some(lane) = &new.lane else { return (new.due, None) };
        let Some(latest) = lane.latest.or(lane.debounce.map(|_| Latest::Waiting)) else { return (new.due, None) };
        let is_replaced = |task: &Known| {
            let is_older = task.lane.as_ref().is_some_and(|other| other.name == lane.name) && task.kind == new.kind;
            let is_running = task.state == State::Running;
            is_older && !task.state.is_finished() && (!is_running || latest == Latest::Running)
        };
        let replaced: Vec<TaskId> =
            self.tasks.iter().filter(|(_, task)| is_replaced(task)).map(|(id, _)| *id).collect();
        let mut since = at.now;
        for id in replaced {
            // One of them may have gone with another, its parent.
            let task = &self.tasks[&id];
            if task.state != State::Running {
                since = since.min(task.since.unwrap_or(at.now));
            }
            self.cancel(id, at);
        }
        match lane.debounce {
            Some(debounce) => (Due::At(at.now.after(debounce.quiet).min(since.after(debounce.max))), Some(since)),
            None => (new.due, None),
        }
    }
}
