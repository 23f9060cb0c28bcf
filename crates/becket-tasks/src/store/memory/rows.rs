//! What a memory store keeps, and what its verbs make of it. Knows no lock, no clock and no listener.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::limits::Limits;
use super::order::Order;
use crate::error::Result;
use crate::events::{Events, Transition};
use crate::id::{IdGenerator, SubmissionId, TaskId};
use crate::mark::Mark;
use crate::order::{Lane, bounded_name};
use crate::query::{Payload, SubmissionInfo};
use crate::schedule::ScheduleState;
use crate::state::{self, Event, Standing, State};
use crate::step::Step;
use crate::store::Claim;
use crate::store::ending::{Ending, bounded, stands_for_another};
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
    /// Lanes, turns, limits, pauses.
    pub(super) order: Order,
    /// Which tasks wait or waited for a task.
    pub(super) children: BTreeMap<TaskId, BTreeSet<TaskId>>,
    /// The latest task of each kind and key that is to be unique.
    pub(super) uniques: BTreeMap<(Arc<str>, Arc<str>), TaskId>,
    /// The submissions of others that a task stands for, and is listed at.
    stand_ins: BTreeMap<TaskId, BTreeSet<SubmissionId>>,
    /// Tasks that have ended, and whose children are being told.
    pub(super) ended: Vec<TaskId>,
    pub(super) schedules: BTreeMap<Arc<str>, ScheduleState>,
    pub(super) marks: BTreeMap<Arc<str>, Mark>,
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
    /// What it does to the rest of its lane.
    pub(super) lane: Option<Lane>,
    /// When the first of the burst came whose latest it is.
    pub(super) since: Option<Timestamp>,
    /// What it waits or waited for, and whether that is over.
    pub(super) parents: BTreeMap<TaskId, bool>,
    pub(super) survives_parents: bool,
    pub(super) steps: Vec<Step>,
}

/// A worker's hold on a task.
pub(super) struct Held {
    pub(super) worker: WorkerId,
    pub(super) until: Elapsed,
}

/// What a handler returned.
pub(super) struct KeptResult {
    pub(super) bytes: Bytes,
    /// From here on it is not answered any more.
    pub(super) expires_at: Timestamp,
}

/// The transitions of one verb, in order.
#[derive(Default)]
pub(super) struct Log {
    transitions: Vec<Transition>,
    /// Attempts that were cut off by a cancellation.
    cancelled: Vec<Lease>,
    /// Something else happened that may let a task start.
    is_freed: bool,
}

impl Log {
    pub(super) fn announce(&mut self, events: &Events) {
        for transition in self.transitions.drain(..) {
            self.is_freed |= transition.to.is_claimable() || transition.to.is_finished();
            events.announce(transition);
        }
        self.cancelled.drain(..).for_each(|attempt| events.cancelled(attempt));
    }

    pub(super) fn push(&mut self, transition: Transition) {
        self.transitions.push(transition);
    }

    /// Lets parked claims look again.
    pub(super) const fn free(&mut self) {
        self.is_freed = true;
    }

    /// Whether a parked claim might find something new. For use after the announcement.
    pub(super) const fn may_wake(&self) -> bool {
        self.is_freed
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
            order: Order::default(),
            children: BTreeMap::new(),
            uniques: BTreeMap::new(),
            stand_ins: BTreeMap::new(),
            ended: Vec::new(),
            schedules: BTreeMap::new(),
            marks: BTreeMap::new(),
        }
    }

    pub(super) fn insert(&mut self, new: Vec<Submission>, now: Timestamp, log: &mut Log) -> Result<Vec<Inserted>> {
        let unknown = || new.iter().filter(|submission| self.known(submission).is_none());
        let tasks: usize = unknown().map(|submission| submission.tasks.len()).sum();
        let bytes: usize = unknown().map(|submission| submission.meta.len() + submission.payload.len()).sum();
        self.limits.allow(self.tasks.len() + tasks, self.payload_bytes + bytes)?;
        self.check_parents(&new)?;
        let mut inserted: Vec<Inserted> = Vec::with_capacity(new.len());
        for submission in new {
            let one = self.insert_one(submission, &inserted, now, log);
            inserted.push(one);
        }
        Ok(inserted)
    }

    fn insert_one(&mut self, new: Submission, before: &[Inserted], now: Timestamp, log: &mut Log) -> Inserted {
        if let Some(first) = self.known(&new) {
            let tasks = self.submissions[&first].info.tasks.clone();
            return Inserted { submission: first, tasks, duplicate: true, started: Vec::new(), reused: Vec::new() };
        }
        if let Some(known) = self.all_known(&new, now) {
            return known;
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
        self.add_tasks(id, new.tasks, before, now, log)
    }

    /// The task that stands for a new one.
    fn standing_for(&self, new: &NewTask, now: Timestamp) -> Option<TaskId> {
        let unique = new.unique.as_ref()?;
        let known = self.uniques.get(&(Arc::clone(&new.kind), bounded_name(&unique.key)?))?;
        let task = &self.tasks.get(known)?.task;
        stands_for_another(task.state(), task.updated_at, unique.fresh, now).then_some(*known)
    }

    /// Lists a task that stands for one of a submission there too.
    fn stand_in(&mut self, submission: SubmissionId, known: TaskId) {
        if let Some(of) = self.submissions.get_mut(&submission)
            && let Err(place) = of.info.tasks.binary_search(&known)
        {
            of.info.tasks.insert(place, known);
            self.stand_ins.entry(known).or_default().insert(submission);
        }
    }

    /// The answer to a submission of which nothing is new.
    fn all_known(&self, new: &Submission, now: Timestamp) -> Option<Inserted> {
        if new.key.is_some() || new.tasks.is_empty() {
            return None;
        }
        let tasks: Vec<TaskId> = new.tasks.iter().map(|task| self.standing_for(task, now)).collect::<Option<_>>()?;
        let submission = self.tasks.get(tasks.first()?)?.task.submission;
        Some(Inserted { submission, reused: tasks.clone(), tasks, duplicate: true, started: Vec::new() })
    }

    /// The submission that has this one's source and key already.
    pub(super) fn known(&self, submission: &Submission) -> Option<SubmissionId> {
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
        self.check_parents_appended(&tasks)?;
        if !self.submissions.contains_key(&submission) {
            return Ok(None);
        }
        self.limits.allow(self.tasks.len() + tasks.len(), self.payload_bytes)?;
        Ok(Some(self.add_tasks(submission, tasks, &[], now, log)))
    }

    fn add_tasks(
        &mut self,
        submission: SubmissionId,
        new: Vec<NewTask>,
        before: &[Inserted],
        now: Timestamp,
        log: &mut Log,
    ) -> Inserted {
        let mut inserted =
            Inserted { submission, tasks: Vec::new(), duplicate: false, started: Vec::new(), reused: Vec::new() };
        for mut new in new {
            if let Some(known) = self.standing_for(&new, now) {
                self.stand_in(submission, known);
                inserted.tasks.push(known);
                inserted.reused.push(known);
                continue;
            }
            let since = self.supersede(&mut new, now, log);
            let parents = self.resolve_parents(&new.after, before, &inserted);
            let start = new.start.take();
            let Some(id) = self.add_task(submission, new, since, parents, now) else { break };
            inserted.tasks.push(id);
            let reason = self.ended_parents_of(id);
            match start.filter(|_| reason.is_none() && self.may_start_at_once(id)) {
                Some(start) => inserted.started.extend(self.start(id, start, None, now, log)),
                None => log.push(self.tasks[&id].transition(None, None)),
            }
            if let Some(reason) = reason {
                self.cancel(id, &reason.into(), now, log);
            }
        }
        inserted
    }

    fn add_task(
        &mut self,
        submission: SubmissionId,
        new: NewTask,
        since: Option<Timestamp>,
        parents: BTreeMap<TaskId, bool>,
        now: Timestamp,
    ) -> Option<TaskId> {
        let of = &mut self.submissions.get_mut(&submission)?.info;
        let id = TaskId::from_u64(self.ids.next(now));
        of.tasks.push(id);
        let run_at = new.due.resolve(now);
        let waits = parents.values().any(|is_over| !is_over);
        let task = Task {
            id,
            submission,
            kind: new.kind,
            standing: if waits {
                Standing::waiting(new.max_attempts, run_at)
            } else {
                Standing::queued(new.max_attempts, run_at)
            },
            priority: new.priority,
            lane: new.lane.as_ref().and_then(|lane| bounded_name(&lane.name)),
            tenant: new.tenant.as_ref().and_then(bounded_name),
            limit_key: new.limit_key.as_ref().and_then(bounded_name),
            source: of.source.clone(),
            event: of.event.clone(),
            action: of.action.clone(),
            key: of.key.clone(),
            created_at: now,
            updated_at: now,
            error: None,
        };
        for parent in parents.keys() {
            self.children.entry(*parent).or_default().insert(id);
        }
        if let Some(key) = new.unique.as_ref().and_then(|unique| bounded_name(&unique.key)) {
            self.uniques.insert((Arc::clone(&task.kind), key), id);
        }
        self.claimable.extend(place(&task));
        self.order.enter(&task);
        let row = TaskRow {
            lane: new.lane.filter(|_| task.lane.is_some()),
            task,
            attempts: Vec::new(),
            held: None,
            result: None,
            since,
            parents,
            survives_parents: new.survives_parents,
            steps: Vec::new(),
        };
        self.tasks.insert(id, row);
        Some(id)
    }

    pub(super) fn claim(&mut self, claim: &Claim, now: Timestamp, log: &mut Log) -> Vec<Claimed> {
        let mut claimed = Vec::new();
        for _ in 0..claim.limit {
            let Some(id) = self.best(claim, now) else { break };
            let kind = Arc::clone(&self.tasks[&id].task.kind);
            claimed.extend(self.claim_one(id, claim, now, log));
            let batch = claim.rules.batch(&kind);
            let mates = Claim { kinds: [kind].into(), ..claim.clone() };
            for _ in 1..batch {
                let Some(id) = self.best(&mates, now) else { break };
                claimed.extend(self.claim_one(id, claim, now, log));
            }
        }
        claimed
    }

    fn claim_one(&mut self, id: TaskId, claim: &Claim, now: Timestamp, log: &mut Log) -> Option<Claimed> {
        let task = &self.tasks[&id].task;
        let from = task.state();
        self.order.note_claim(task, &claim.rules, now);
        let start = Start { worker: claim.worker.clone(), lease: claim.lease };
        self.start(id, start, Some(from), now, log)
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
        log.push(row.transition(from, None));
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
        if self.order.stop_lingering(|lingering| lingering.lease == finish.lease) > 0 {
            log.free();
        }
        if !self.tasks.contains_key(&task) {
            return Finished::Unknown;
        }
        // Children that wait for it may ask for the result whenever they run.
        let is_wanted = self.has_waiting_children(task);
        let Some(state) = self.end(task, &Ending::reported(&finish.end, attempt, now), now, log) else {
            return Finished::LeaseLost;
        };
        let expires_at = match finish.end {
            End::Completed { result_ttl, .. } if !is_wanted => now.after(result_ttl),
            _ => Timestamp::MAX,
        };
        if let (End::Completed { result: Some(bytes), .. }, Some(row)) = (finish.end, self.tasks.get_mut(&task)) {
            row.result = Some(KeptResult { bytes, expires_at });
        }
        Finished::Now(state)
    }

    pub(super) fn release(&mut self, worker: &WorkerId, now: Timestamp, log: &mut Log) -> u64 {
        let leases = self.leases(|held| held.worker == *worker);
        if self.order.stop_lingering(|lingering| lingering.held.worker == *worker) > 0 {
            log.free();
        }
        self.end_all(leases, |attempt| Ending::reported(&End::Release, attempt, now), now, log)
    }

    pub(super) fn reclaim_expired(&mut self, now: Timestamp, log: &mut Log) -> u64 {
        let leases = self.leases(|held| held.until <= self.elapsed);
        let elapsed = self.elapsed;
        if self.order.stop_lingering(|lingering| lingering.held.until <= elapsed) > 0 {
            log.free();
        }
        self.end_all(leases, Ending::lost, now, log)
    }

    pub(super) fn crash(&mut self, now: Timestamp, log: &mut Log) {
        self.order.crash();
        let leases = self.leases(|_| true);
        self.end_all(leases, Ending::lost, now, log);
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
        log.push(self.tasks[&id].transition(Some(from), said));
        self.settle_children(id, now, log);
        Some(standing.state)
    }

    pub(super) fn cancel(&mut self, id: TaskId, reason: &Arc<str>, now: Timestamp, log: &mut Log) -> bool {
        let Some(row) = self.tasks.get_mut(&id) else { return false };
        let from = row.task.state();
        let Ok(standing) = state::transition(row.task.standing, Event::Cancelled, now) else { return false };
        let reason = bounded(reason);
        if from == State::Running {
            log.cancelled.push(Lease { task: id, attempt: standing.attempt });
            row.close_attempt(Outcome::Cancelled, Some(reason.clone()), now);
        }
        row.task.error = Some(reason.clone());
        if let Some(held) = row.held.take() {
            self.order.linger(&Task { standing, ..row.task.clone() }, held);
        }
        self.settle(id, standing, now);
        log.push(self.tasks[&id].transition(Some(from), Some(reason)));
        self.settle_children(id, now, log);
        true
    }

    pub(super) fn requeue(&mut self, id: TaskId, now: Timestamp, log: &mut Log) -> bool {
        let Some(row) = self.tasks.get_mut(&id) else { return false };
        let from = row.task.state();
        let Ok(standing) = state::transition(row.task.standing, Event::Requeued, now) else { return false };
        row.task.error = None;
        row.result = None;
        if from == State::Completed {
            row.steps.clear();
        }
        self.settle(id, standing, now);
        log.push(self.tasks[&id].transition(Some(from), None));
        true
    }

    pub(super) fn purge(&mut self, id: TaskId) -> bool {
        let is_finished = self.tasks.get(&id).is_some_and(|row| row.task.state().is_finished());
        let finished = is_finished && !self.has_unfinished_children(id);
        if finished {
            self.remove_task(id);
        }
        finished
    }

    /// Removes a task; answers which submissions it was listed at.
    pub(super) fn remove_task(&mut self, id: TaskId) -> BTreeSet<SubmissionId> {
        let Some(row) = self.tasks.remove(&id) else { return BTreeSet::new() };
        self.uniques.retain(|_, task| *task != id);
        self.leave_family(id, &row.parents);
        let mut bereft = self.stand_ins.remove(&id).unwrap_or_default();
        bereft.insert(row.task.submission);
        for of in &bereft {
            if let Some(of) = self.submissions.get_mut(of) {
                of.info.tasks.retain(|task| *task != id);
            }
        }
        bereft
    }

    pub(super) fn erase(&mut self, id: SubmissionId) -> bool {
        let Some(row) = self.submissions.get_mut(&id) else { return false };
        self.payload_bytes -= row.payload.meta.len() + row.payload.payload.len();
        row.payload = Payload { meta: Bytes::new(), payload: Bytes::new() };
        true
    }

    /// The one place where a task's standing is written.
    pub(super) fn settle(&mut self, id: TaskId, standing: Standing, now: Timestamp) {
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
        self.order.enter(&row.task);
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

    pub(super) fn transition(&self, from: Option<State>, error: Option<Arc<str>>) -> Transition {
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
