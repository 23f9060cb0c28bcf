//! What must be true, kept beside the store: each commit is entered here as it happens, and the store's answer is
//! held against what was entered before. Knows the contract and no store; what it expects is written out once more on
//! purpose, and shares no decision with the code under test.
//!
//! [`acceptance`] enters new tasks, [`families`] tells children, [`grants`] holds claims against the order.

mod acceptance;
mod families;
mod grants;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use becket_tasks::order::{Lane, Rules, Scope};
use becket_tasks::query::Counts;
use becket_tasks::state::CRASHES_MIN;
use becket_tasks::submission::Due;
use becket_tasks::task::{End, Finish, Finished, Lease};
use becket_tasks::time::Elapsed;
use becket_tasks::{Saved, State, Step, SubmissionId, TaskDetail, TaskId, Timestamp, WorkerId};
use bytes::Bytes;

/// `Err` says what is wrong.
pub(crate) type Check = Result<(), String>;

/// A submission and its tasks.
type First = (SubmissionId, Vec<TaskId>);
/// A kind, or one key of it.
type Limited = (Arc<str>, Option<Arc<str>>);

/// The time of a commit, by both scales of the store's clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct At {
    pub(crate) now: Timestamp,
    pub(crate) elapsed: Elapsed,
}

/// One task as it must stand.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) kind: Arc<str>,
    source: Arc<str>,
    pub(crate) lane: Option<Lane>,
    limit_key: Option<Arc<str>>,
    survives_parents: bool,
    /// What it waits or waited for, and whether that is over.
    parents: BTreeMap<TaskId, bool>,
    /// Somebody ran it again: then it waits for nobody.
    is_excused: bool,
    pub(crate) state: State,
    attempt: u32,
    spared: u32,
    max_attempts: u32,
    has_crashed: bool,
    run_at: Timestamp,
    since: Option<Timestamp>,
}

/// An attempt between its grant and its end.
#[derive(Clone, Debug)]
struct Hold {
    worker: WorkerId,
    until: Elapsed,
    /// The task was cancelled: the attempt only keeps its place.
    is_fenced: bool,
}

/// All that was committed.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    rules: Arc<Rules>,
    pub(crate) tasks: BTreeMap<TaskId, Known>,
    /// What was accepted first with a source's key.
    keys: BTreeMap<(Arc<str>, Arc<str>), First>,
    pub(crate) submissions: BTreeMap<SubmissionId, Arc<str>>,
    holds: BTreeMap<(TaskId, u32), Hold>,
    paused: BTreeSet<Scope>,
    starts: BTreeMap<Limited, Vec<Timestamp>>,
    /// The steps that are kept.
    saved: BTreeMap<(TaskId, Arc<str>), Bytes>,
    /// The attempts whose handlers have begun.
    begun: BTreeSet<(TaskId, u32)>,
    /// All that were ever saved.
    ever_saved: BTreeSet<(TaskId, Arc<str>, Bytes)>,
}

impl Ledger {
    pub(crate) fn new(rules: Arc<Rules>) -> Self {
        Self { rules, ..Self::default() }
    }

    pub(crate) fn rules(&self) -> Arc<Rules> {
        Arc::clone(&self.rules)
    }

    /// Whether the attempt may still say how it ended.
    pub(crate) fn holds(&self, lease: Lease) -> bool {
        self.holds.get(&(lease.task, lease.attempt)).is_some_and(|hold| !hold.is_fenced)
    }

    pub(crate) fn renewed(&mut self, leases: &[Lease], answers: &[bool], until: Elapsed) -> Check {
        for (lease, answer) in leases.iter().zip(answers) {
            let holds = self.holds(*lease);
            same("G4: whether a renewed lease is held", *lease, &holds, answer)?;
            if let Some(hold) = self.holds.get_mut(&(lease.task, lease.attempt)).filter(|_| holds) {
                hold.until = until;
            }
        }
        Ok(())
    }

    pub(crate) fn finished(&mut self, finishes: &[Finish], answers: &[Finished], at: At) -> Check {
        for (finish, answer) in finishes.iter().zip(answers) {
            let lease = finish.lease;
            let expected = if self.holds(lease) {
                Finished::Now(self.ended(lease, &finish.end, at)?)
            } else if self.tasks.contains_key(&lease.task) {
                Finished::LeaseLost
            } else {
                Finished::Unknown
            };
            self.holds.remove(&(lease.task, lease.attempt));
            same("G4: what a finish does", lease, &expected, answer)?;
        }
        Ok(())
    }

    fn ended(&mut self, lease: Lease, end: &End, at: At) -> Result<State, String> {
        let task = self.known(lease.task)?;
        let counted = task.attempt - task.spared;
        let resolve = |due: &Due| due.resolve(at.now);
        match end {
            End::Completed { .. } => task.state = State::Completed,
            End::GiveUp { .. } => task.state = State::Failed,
            End::Retry { .. } if counted >= task.max_attempts => task.state = State::Failed,
            End::Retry { due, .. } => (task.state, task.run_at) = (State::Retrying, resolve(due)),
            End::Park { due, .. } => {
                (task.state, task.run_at) = (State::Queued, resolve(due));
                task.spared += 1;
            }
            End::Release => {
                task.state = State::Queued;
                task.spared += 1;
            }
        }
        let state = task.state;
        self.tell_children(lease.task, at);
        Ok(state)
    }

    pub(crate) fn released(&mut self, worker: &WorkerId, answer: u64, at: At) -> Check {
        let given_back = self.take_holds(|hold| hold.worker == *worker);
        for lease in &given_back {
            self.ended(*lease, &End::Release, at)?;
        }
        same("how many tasks a worker gives back", worker, &(given_back.len() as u64), &answer)
    }

    pub(crate) fn reclaimed(&mut self, answer: u64, at: At) -> Check {
        let lost = self.take_holds(|hold| hold.until <= at.elapsed);
        same("G3: how many leases have ended", at, &(lost.len() as u64), &answer)?;
        self.lose(lost, at)
    }

    /// The process of the store was killed, and all that ran with it.
    pub(crate) fn crashed(&mut self, at: At) -> Check {
        let lost = self.take_holds(|_| true);
        self.lose(lost, at)
    }

    fn lose(&mut self, leases: Vec<Lease>, at: At) -> Check {
        for lease in leases {
            let task = self.known(lease.task)?;
            task.has_crashed = true;
            let counted = task.attempt - task.spared;
            if counted >= task.max_attempts.max(CRASHES_MIN) {
                task.state = State::Failed;
            } else {
                (task.state, task.run_at) = (State::Retrying, at.now);
            }
            self.tell_children(lease.task, at);
        }
        Ok(())
    }

    /// Lets go of holds; answers those that were not fenced.
    fn take_holds(&mut self, which: impl Fn(&Hold) -> bool) -> Vec<Lease> {
        let taken = self.holds.extract_if(.., |_, hold| which(hold));
        taken.filter(|(_, hold)| !hold.is_fenced).map(|((task, attempt), _)| Lease { task, attempt }).collect()
    }

    pub(crate) fn cancelled(&mut self, tasks: &[TaskId], answer: &[TaskId], at: At) -> Check {
        let expected: Vec<TaskId> = tasks.iter().copied().filter(|id| self.cancel(*id, at)).collect();
        same("which tasks are cancelled", tasks, expected.as_slice(), answer)
    }

    pub(crate) fn requeued(&mut self, tasks: &[TaskId], answer: &[TaskId], at: At) -> Check {
        let mut expected = Vec::new();
        for id in tasks {
            let task = self.known(*id)?;
            if matches!(task.state, State::Waiting | State::Running) {
                continue;
            }
            if task.state == State::Completed {
                self.saved.retain(|(of, _), _| of != id);
            }
            let task = self.known(*id)?;
            (task.state, task.spared, task.run_at) = (State::Queued, task.attempt, at.now);
            (task.is_excused, task.has_crashed) = (true, false);
            expected.push(*id);
        }
        same("which tasks are requeued", tasks, expected.as_slice(), answer)
    }

    pub(crate) fn paused(&mut self, scope: Scope, is_paused: bool) {
        if is_paused {
            self.paused.insert(scope);
        } else {
            self.paused.remove(&scope);
        }
    }

    /// A step of an attempt that holds its task is kept, unless there is one of its name.
    pub(crate) fn saved(&mut self, lease: Lease, (name, body): (&Arc<str>, &Bytes), answer: Saved) -> Check {
        let place = (lease.task, Arc::clone(name));
        let expected = match (self.holds(lease), self.saved.contains_key(&place)) {
            (false, _) => Saved::LeaseLost,
            (true, true) => Saved::Already,
            (true, false) => Saved::Now,
        };
        if expected == Saved::Now {
            self.saved.insert(place, body.clone());
            self.ever_saved.insert((lease.task, Arc::clone(name), body.clone()));
        }
        same("G4: what saving a step does", (lease, name), &expected, &answer)
    }

    /// A handler begins: once for each attempt that was granted.
    pub(crate) fn begins(&mut self, lease: Lease) -> Check {
        let was_granted = self.tasks.get(&lease.task).is_some_and(|task| (1..=task.attempt).contains(&lease.attempt));
        must(was_granted, || format!("G5: a handler begins {lease:?}, which was never granted"))?;
        must(self.begun.insert((lease.task, lease.attempt)), || format!("G5: {lease:?} begins twice"))
    }

    /// A handler goes on with what came of a step.
    pub(crate) fn goes_on(&self, task: TaskId, name: &str, body: &str) -> Check {
        must(self.ever_saved.contains(&(task, name.into(), body.to_owned().into())), || {
            format!("a handler of {task} goes on with {body} of step `{name}`, which was never saved")
        })
    }

    /// The store has the steps that were saved.
    pub(crate) fn steps(&self, id: TaskId, steps: Vec<Step>) -> Check {
        let kept: BTreeMap<_, _> = steps.into_iter().map(|step| ((id, step.name), step.body)).collect();
        let of_it = self.saved.iter().filter(|((task, _), _)| *task == id);
        let expected = of_it.map(|(place, body)| (place.clone(), body.clone())).collect();
        same("the steps that are kept", id, &expected, &kept)
    }

    /// The store counts what was entered.
    pub(crate) fn counts(&self, counts: &Counts) -> Check {
        let mut expected = [0; State::ALL.len()];
        for task in self.tasks.values() {
            expected[State::ALL.iter().position(|state| *state == task.state).unwrap_or(0)] += 1;
        }
        same("how many tasks are in each state", State::ALL, &expected, &counts.by_state)
    }

    /// The store has the task as it was entered, and it was never run more often than it may be.
    pub(crate) fn detail(&self, id: TaskId, detail: Option<&TaskDetail>) -> Check {
        let Some(task) = self.tasks.get(&id) else { return Err(format!("task {id} was never accepted")) };
        let Some(TaskDetail { task: kept, attempts, .. }) = detail else { return Err(format!("task {id} is lost")) };
        let standing = (task.state, task.attempt, task.attempt - task.spared);
        let stands = (kept.state(), kept.standing.attempt, kept.standing.attempts_counted());
        same("G3: where a task stands at the end", id, &standing, &stands)?;
        same("how many attempts are kept", id, &(task.attempt as usize), &attempts.len())
    }

    pub(crate) fn has_unfinished(&self) -> bool {
        self.tasks.values().any(|task| !task.state.is_finished())
    }

    pub(crate) fn unfinished(&self) -> Vec<String> {
        let tasks = self.tasks.iter().filter(|(_, task)| !task.state.is_finished());
        tasks.map(|(id, task)| format!("{id}: {task:?}")).collect()
    }

    fn known(&mut self, id: TaskId) -> Result<&mut Known, String> {
        self.tasks.get_mut(&id).ok_or_else(|| format!("task {id} was never accepted"))
    }
}

/// Fails where something does not hold.
pub(crate) fn must(holds: bool, why: impl FnOnce() -> String) -> Check {
    if holds { Ok(()) } else { Err(why()) }
}

/// Fails where the store's answer is not the one expected.
fn same<T: PartialEq + std::fmt::Debug + ?Sized>(
    what: &str,
    of: impl std::fmt::Debug,
    expected: &T,
    answer: &T,
) -> Check {
    must(expected == answer, || format!("{what}, {of:?}: expected {expected:?}, and the store says {answer:?}"))
}
