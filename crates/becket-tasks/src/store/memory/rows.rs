//! What a memory store keeps, and what its verbs make of it. Knows no lock, no clock and no listener.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::limits::Limits;
use crate::error::Result;
use crate::events::{Events, Transition};
use crate::id::{IdGenerator, SubmissionId, TaskId};
use crate::query::{Payload, SubmissionInfo};
use crate::schedule::ScheduleState;
use crate::state::{self, Event, Standing, State};
use crate::store::Claim;
use crate::store::ending::{Ending, bounded};
use crate::submission::{Inserted, NewTask, Start, Submission};
use crate::task::{Attempt, Claimed, End, Finish, Finished, Lease, Outcome, Task, WorkerId};
use crate::time::{Elapsed, Timestamp};

/// Everything.
pub(super) struct Rows {
    /// How much time has passed at the start of the verb: what leases are measured with.
    pub(super) elapsed: Elapsed,
    ids: IdGenerator,
    limits: Limits,
    pub(super) submissions: BTreeMap<SubmissionId, SubmissionRow>,
    /// Which submission has a source's key.
    pub(super) keys: BTreeMap<(Arc<str>, Arc<str>), SubmissionId>,
    pub(super) tasks: BTreeMap<TaskId, TaskRow>,
    /// What may be claimed once it is due, best first.
    pub(super) claimable: BTreeSet<(Reverse<i8>, Timestamp, TaskId)>,
    pub(super) payload_bytes: usize,
    pub(super) schedules: BTreeMap<Arc<str>, ScheduleState>,
}

/// One submission.
pub(super) struct SubmissionRow {
    pub(super) info: SubmissionInfo,
    pub(super) payload: Payload,
}

/// One task.
pub(super) struct TaskRow {
    pub(super) task: Task,
    pub(super) attempts: Vec<Attempt>,
    /// Who holds it and until when; only while it runs.
    pub(super) held: Option<Held>,
    pub(super) result: Option<KeptResult>,
}

/// A worker's hold on a task.
pub(super) struct Held {
    worker: WorkerId,
    until: Elapsed,
}

/// What a handler returned.
pub(super) struct KeptResult {
    pub(super) bytes: Bytes,
    /// From here on it is not answered any more.
    pub(super) expires_at: Timestamp,
}

/// The transitions of one verb, in order.
#[derive(Default)]
pub(super) struct Log(Vec<Transition>);

impl Log {
    pub(super) fn announce(&mut self, events: &Events) {
        for transition in &self.0 {
            events.announce(transition.clone());
        }
    }

    /// Whether a parked claim might find something new.
    pub(super) fn has_claimable(&self) -> bool {
        self.0.iter().any(|transition| transition.to.is_claimable())
    }
}

impl Rows {
    pub(super) fn new(ids: IdGenerator, limits: Limits) -> Self {
        Self {
            elapsed: Elapsed::default(),
            ids,
            limits,
            submissions: BTreeMap::new(),
            keys: BTreeMap::new(),
            tasks: BTreeMap::new(),
            claimable: BTreeSet::new(),
            payload_bytes: 0,
            schedules: BTreeMap::new(),
        }
    }

    pub(super) fn insert(&mut self, new: Vec<Submission>, now: Timestamp, log: &mut Log) -> Result<Vec<Inserted>> {
        let unknown = || new.iter().filter(|submission| self.known(submission).is_none());
        let tasks: usize = unknown().map(|submission| submission.tasks.len()).sum();
        let bytes: usize = unknown().map(|submission| submission.meta.len() + submission.payload.len()).sum();
        self.limits.allow(self.tasks.len() + tasks, self.payload_bytes + bytes)?;
        Ok(new.into_iter().map(|submission| self.insert_one(submission, now, log)).collect())
    }

    fn insert_one(&mut self, new: Submission, now: Timestamp, log: &mut Log) -> Inserted {
        if let Some(first) = self.known(&new) {
            let tasks = self.submissions[&first].info.tasks.clone();
            return Inserted { submission: first, tasks, duplicate: true, started: Vec::new() };
        }
        let id = SubmissionId::from_u64(self.ids.next(now));
        if let Some(key) = &new.key {
            self.keys.insert((new.source.clone(), key.clone()), id);
        }
        self.payload_bytes += new.meta.len() + new.payload.len();
        let info = SubmissionInfo {
            id,
            source: new.source,
            event: new.event,
            action: new.action,
            key: new.key,
            received_at: now,
            payload_bytes: new.payload.len() as u64,
            tasks: Vec::new(),
        };
        let payload = Payload { meta: new.meta, payload: new.payload };
        self.submissions.insert(id, SubmissionRow { info, payload });
        self.add_tasks(id, new.tasks, now, log)
    }

    /// The submission that has this one's source and key already.
    fn known(&self, submission: &Submission) -> Option<SubmissionId> {
        let key = submission.key.clone()?;
        self.keys.get(&(submission.source.clone(), key)).copied()
    }

    pub(super) fn append(
        &mut self,
        submission: SubmissionId,
        tasks: Vec<NewTask>,
        now: Timestamp,
        log: &mut Log,
    ) -> Result<Option<Inserted>> {
        if !self.submissions.contains_key(&submission) {
            return Ok(None);
        }
        self.limits.allow(self.tasks.len() + tasks.len(), self.payload_bytes)?;
        Ok(Some(self.add_tasks(submission, tasks, now, log)))
    }

    fn add_tasks(&mut self, submission: SubmissionId, new: Vec<NewTask>, now: Timestamp, log: &mut Log) -> Inserted {
        let mut inserted = Inserted { submission, tasks: Vec::new(), duplicate: false, started: Vec::new() };
        for new in new {
            let Some(id) = self.add_task(submission, &new, now) else { break };
            inserted.tasks.push(id);
            match new.start {
                Some(start) => inserted.started.extend(self.start(id, start, None, now, log)),
                None => log.0.push(self.tasks[&id].transition(None, None)),
            }
        }
        inserted
    }

    fn add_task(&mut self, submission: SubmissionId, new: &NewTask, now: Timestamp) -> Option<TaskId> {
        let of = &mut self.submissions.get_mut(&submission)?.info;
        let id = TaskId::from_u64(self.ids.next(now));
        of.tasks.push(id);
        let task = Task {
            id,
            submission,
            kind: new.kind.clone(),
            standing: Standing::queued(new.max_attempts, new.due.resolve(now)),
            priority: new.priority,
            source: of.source.clone(),
            event: of.event.clone(),
            action: of.action.clone(),
            key: of.key.clone(),
            created_at: now,
            updated_at: now,
            error: None,
        };
        self.claimable.extend(place(&task));
        self.tasks.insert(id, TaskRow { task, attempts: Vec::new(), held: None, result: None });
        Some(id)
    }

    pub(super) fn claim(&mut self, claim: &Claim, now: Timestamp, log: &mut Log) -> Vec<Claimed> {
        let wanted = |id: &TaskId| claim.kinds.contains(&self.tasks[id].task.kind);
        let best: Vec<TaskId> = self
            .claimable
            .iter()
            .filter(|(_, run_at, id)| *run_at <= now && wanted(id))
            .map(|(_, _, id)| *id)
            .take(claim.limit)
            .collect();
        best.into_iter()
            .filter_map(|id| {
                let from = self.tasks[&id].task.state();
                let start = Start { worker: claim.worker.clone(), lease: claim.lease };
                self.start(id, start, Some(from), now, log)
            })
            .collect()
    }

    /// When the next task of one of these kinds is due, be it past.
    pub(super) fn next_due(&self, kinds: &[Arc<str>]) -> Option<Timestamp> {
        let wanted = |id: &TaskId| kinds.contains(&self.tasks[id].task.kind);
        self.claimable.iter().filter(|(_, _, id)| wanted(id)).map(|(_, run_at, _)| *run_at).min()
    }

    /// Begins an attempt.
    fn start(
        &mut self,
        id: TaskId,
        start: Start,
        from: Option<State>,
        now: Timestamp,
        log: &mut Log,
    ) -> Option<Claimed> {
        let row = self.tasks.get_mut(&id)?;
        let standing = state::transition(row.task.standing, Event::Claimed, now).ok()?;
        row.attempts.push(Attempt {
            attempt: standing.attempt,
            worker: start.worker.clone(),
            started_at: now,
            ended_at: None,
            outcome: None,
            error: None,
        });
        row.held = Some(Held { worker: start.worker, until: self.elapsed.after(start.lease) });
        self.settle(id, standing, now);
        let row = &self.tasks[&id];
        log.0.push(row.transition(from, None));
        Some(row.claimed(&self.submissions[&row.task.submission].payload, now))
    }

    /// Answers whether the attempt still holds its task.
    pub(super) fn renew(&mut self, lease: Lease, lasts: Duration) -> bool {
        let until = self.elapsed.after(lasts);
        let Some(row) = self.tasks.get_mut(&lease.task) else { return false };
        match &mut row.held {
            Some(held) if row.task.standing.attempt == lease.attempt => {
                held.until = until;
                true
            }
            _ => false,
        }
    }

    pub(super) fn finish(&mut self, finish: Finish, now: Timestamp, log: &mut Log) -> Finished {
        let Lease { task, attempt } = finish.lease;
        if !self.tasks.contains_key(&task) {
            return Finished::Unknown;
        }
        let Some(state) = self.end(task, &Ending::reported(&finish.end, attempt, now), now, log) else {
            return Finished::LeaseLost;
        };
        if let (End::Completed { result: Some(bytes), result_ttl }, Some(row)) = (finish.end, self.tasks.get_mut(&task))
        {
            row.result = Some(KeptResult { bytes, expires_at: now.after(result_ttl) });
        }
        Finished::Now(state)
    }

    pub(super) fn release(&mut self, worker: &WorkerId, now: Timestamp, log: &mut Log) -> u64 {
        let leases = self.leases(|held| held.worker == *worker);
        self.end_all(leases, |attempt| Ending::reported(&End::Release, attempt, now), now, log)
    }

    pub(super) fn reclaim_expired(&mut self, now: Timestamp, log: &mut Log) -> u64 {
        let leases = self.leases(|held| held.until <= self.elapsed);
        self.end_all(leases, Ending::lost, now, log)
    }

    fn leases(&self, which: impl Fn(&Held) -> bool) -> Vec<Lease> {
        let chosen = |row: &&TaskRow| row.held.as_ref().is_some_and(&which);
        let rows = self.tasks.values().filter(chosen);
        rows.map(|row| Lease { task: row.task.id, attempt: row.task.standing.attempt }).collect()
    }

    fn end_all(&mut self, leases: Vec<Lease>, ending: impl Fn(u32) -> Ending, now: Timestamp, log: &mut Log) -> u64 {
        let ended = leases.into_iter().filter(|lease| self.end(lease.task, &ending(lease.attempt), now, log).is_some());
        ended.count() as u64
    }

    /// Ends the running attempt, if it is the one that `ending` speaks of; answers where the task stands then.
    fn end(&mut self, id: TaskId, ending: &Ending, now: Timestamp, log: &mut Log) -> Option<State> {
        let row = self.tasks.get_mut(&id)?;
        let from = row.task.state();
        let standing = state::transition(row.task.standing, ending.event, now).ok()?;
        row.close_attempt(ending.outcome, ending.error.clone(), now);
        let lost = row.attempts.iter().filter(|attempt| attempt.outcome == Some(Outcome::Lost)).count() as u64;
        row.task.error = ending.task_error(standing.state, row.task.error.take(), lost);
        let said = ending.error.as_ref().and(row.task.error.clone());
        self.settle(id, standing, now);
        log.0.push(self.tasks[&id].transition(Some(from), said));
        Some(standing.state)
    }

    pub(super) fn cancel(&mut self, id: TaskId, reason: &Arc<str>, now: Timestamp, log: &mut Log) -> bool {
        let Some(row) = self.tasks.get_mut(&id) else { return false };
        let from = row.task.state();
        let Ok(standing) = state::transition(row.task.standing, Event::Cancelled, now) else { return false };
        let reason = bounded(reason);
        if from == State::Running {
            row.close_attempt(Outcome::Cancelled, Some(reason.clone()), now);
        }
        row.task.error = Some(reason.clone());
        self.settle(id, standing, now);
        log.0.push(self.tasks[&id].transition(Some(from), Some(reason)));
        true
    }

    pub(super) fn requeue(&mut self, id: TaskId, now: Timestamp, log: &mut Log) -> bool {
        let Some(row) = self.tasks.get_mut(&id) else { return false };
        let from = row.task.state();
        let Ok(standing) = state::transition(row.task.standing, Event::Requeued, now) else { return false };
        row.task.error = None;
        row.result = None;
        self.settle(id, standing, now);
        log.0.push(self.tasks[&id].transition(Some(from), None));
        true
    }

    pub(super) fn purge(&mut self, id: TaskId) -> bool {
        let finished = self.tasks.get(&id).is_some_and(|row| row.task.state().is_finished());
        if finished {
            self.remove_task(id);
        }
        finished
    }

    /// Removes a task; answers which submission it was of.
    pub(super) fn remove_task(&mut self, id: TaskId) -> Option<SubmissionId> {
        let submission = self.tasks.remove(&id)?.task.submission;
        if let Some(of) = self.submissions.get_mut(&submission) {
            of.info.tasks.retain(|task| *task != id);
        }
        Some(submission)
    }

    pub(super) fn erase(&mut self, id: SubmissionId) -> bool {
        let Some(row) = self.submissions.get_mut(&id) else { return false };
        self.payload_bytes -= row.payload.meta.len() + row.payload.payload.len();
        row.payload = Payload { meta: Bytes::new(), payload: Bytes::new() };
        true
    }

    /// The one place where a task's standing is written.
    fn settle(&mut self, id: TaskId, standing: Standing, now: Timestamp) {
        let Some(row) = self.tasks.get_mut(&id) else { return };
        if let Some(place) = place(&row.task) {
            self.claimable.remove(&place);
        }
        row.task.standing = standing;
        row.task.updated_at = now;
        if standing.state != State::Running {
            row.held = None;
        }
        self.claimable.extend(place(&row.task));
    }
}

/// The task's place among what may be claimed.
fn place(task: &Task) -> Option<(Reverse<i8>, Timestamp, TaskId)> {
    task.state().is_claimable().then_some((Reverse(task.priority), task.standing.run_at, task.id))
}

impl TaskRow {
    fn close_attempt(&mut self, outcome: Outcome, error: Option<Arc<str>>, now: Timestamp) {
        if let Some(running) = self.attempts.last_mut() {
            running.ended_at = Some(now);
            running.outcome = Some(outcome);
            running.error = error;
        }
    }

    fn transition(&self, from: Option<State>, error: Option<Arc<str>>) -> Transition {
        Transition {
            task: self.task.id,
            submission: self.task.submission,
            kind: self.task.kind.clone(),
            from,
            to: self.task.state(),
            attempt: self.task.standing.attempt,
            at: self.task.updated_at,
            error,
        }
    }

    fn claimed(&self, payload: &Payload, now: Timestamp) -> Claimed {
        let Task { standing, .. } = self.task;
        Claimed {
            id: self.task.id,
            submission: self.task.submission,
            kind: self.task.kind.clone(),
            attempt: standing.attempt,
            attempts_counted: standing.attempts_counted(),
            max_attempts: standing.max_attempts,
            created_at: self.task.created_at,
            run_at: standing.run_at,
            started_at: now,
            source: self.task.source.clone(),
            event: self.task.event.clone(),
            action: self.task.action.clone(),
            key: self.task.key.clone(),
            meta: payload.meta.clone(),
            payload: payload.payload.clone(),
        }
    }
}
