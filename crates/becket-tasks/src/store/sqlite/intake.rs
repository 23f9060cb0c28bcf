//! What comes into the store: submissions, and tasks added to them.

use std::sync::Arc;

use super::change::{Change, Hold, SourceNumber, SubmissionRow, TaskRow, WorkerNumber};
use super::command::{Appended, Carried, Taken};
use super::family::Parents;
use super::keys::{find_in_part, key_hash, part_of};
use super::lanes::LaneRef;
use super::schedule::{Ready, Ties};
use super::writer::{Parked, Round, Writer, transition_of};
use crate::error::Result;
use crate::id::{SubmissionId, TaskId};
use crate::order::{OnRetry, bounded_name};
use crate::state::{Event, Standing, State, transition};
use crate::store::ending::stands_for_another;
use crate::submission::{Inserted, NewTask, Submission};
use crate::task::Claimed;
use crate::time::Timestamp;

/// A new task's runner, if it starts at once.
struct Runner {
    worker: WorkerNumber,
    lease: std::time::Duration,
    /// The parked claim that gets it; `None` gives it back to the caller.
    parked: Option<usize>,
}

impl Writer {
    pub(super) fn insert(&mut self, round: &mut Round, submissions: Vec<Submission>) -> Result<Vec<Inserted>> {
        let mut inserted: Vec<Inserted> = Vec::with_capacity(submissions.len());
        for submission in submissions {
            let one = self.insert_one(round, submission, &inserted)?;
            inserted.push(one);
        }
        Ok(inserted)
    }

    fn insert_one(&mut self, round: &mut Round, submission: Submission, before: &[Inserted]) -> Result<Inserted> {
        if let Some(key) = &submission.key
            && let Some(first) = self.duplicate_of(&submission.source, key)?
        {
            let tasks = self.rows.tasks_of(first)?;
            return Ok(Inserted { submission: first, tasks, duplicate: true, started: Vec::new(), reused: Vec::new() });
        }
        if let Some(known) = self.all_known(round, &submission)? {
            return Ok(known);
        }
        let id = SubmissionId::from_u64(self.ids.next(round.now));
        let carried = self.insert_submission(round, id, &submission)?;
        // The cut comes first: a task's claimer may look for the block as soon as the round is committed.
        if self.packer.is_full() {
            self.cut_block(round)?;
        }
        let source = self.source(round, &submission.source)?;
        let of = Of { submission: id, source, carried: Some(&carried), before };
        let added = self.add_tasks(round, &of, submission.tasks)?;
        let started = added.started.into_iter().map(|taken| claimed(taken, &carried)).collect();
        Ok(Inserted { submission: id, tasks: added.tasks, duplicate: false, started, reused: added.reused })
    }

    /// The first submission with this source and key.
    pub(super) fn duplicate_of(&self, source: &str, key: &str) -> Result<Option<SubmissionId>> {
        let same = self.submissions_with_key(key)?.into_iter().find(|(_, of)| of == source);
        Ok(same.map(|(first, _)| first))
    }

    /// The submissions with this key, of all sources, oldest first.
    pub(super) fn submissions_with_key(&self, key: &str) -> Result<Vec<(SubmissionId, String)>> {
        let hash = key_hash(key);
        let (mut candidates, segments) = self.keys.look_up(hash);
        for segment in segments {
            candidates.extend(find_in_part(&self.rows.key_part(segment, part_of(hash))?, hash)?);
        }
        if candidates.is_empty() {
            return Ok(Vec::new());
        }
        candidates.sort_unstable();
        self.rows.with_key(&candidates, key)
    }

    /// Writes recent keys down when there are many.
    pub(super) fn seal_keys(&mut self, round: &mut Round) -> Result<()> {
        if !self.keys.is_full() {
            return Ok(());
        }
        let sealed = self.keys.seal();
        self.apply(round, &Change::Keys(sealed))
    }

    fn insert_submission(&mut self, round: &mut Round, id: SubmissionId, new: &Submission) -> Result<Arc<Carried>> {
        let span = self.packer.add(id, &new.meta, &new.payload);
        self.apply(
            round,
            &Change::Submission(SubmissionRow {
                id,
                source: Arc::clone(&new.source),
                event: Arc::clone(&new.event),
                action: new.action.clone(),
                key: new.key.clone(),
                received_at: round.now,
                block: Some(span.block),
                block_offset: span.offset,
                meta_bytes: span.meta_bytes,
                payload_bytes: span.payload_bytes,
            }),
        )?;
        if let Some(key) = &new.key {
            self.keys.add(key_hash(key), id);
        }
        Ok(Arc::new(Carried {
            source: Arc::clone(&new.source),
            event: Arc::clone(&new.event),
            action: new.action.clone(),
            key: new.key.clone(),
            meta: new.meta.clone(),
            payload: new.payload.clone(),
        }))
    }

    pub(super) fn append(
        &mut self,
        round: &mut Round,
        submission: SubmissionId,
        tasks: Vec<NewTask>,
    ) -> Result<Option<Appended>> {
        let Some(row) = self.rows.submission(submission)? else { return Ok(None) };
        let source = self.source(round, &row.source)?;
        let of = Of { submission, source, carried: None, before: &[] };
        let added = self.add_tasks(round, &of, tasks)?;
        Ok(Some(added))
    }

    fn add_tasks(&mut self, round: &mut Round, of: &Of<'_>, tasks: Vec<NewTask>) -> Result<Appended> {
        let mut added = Appended { tasks: Vec::with_capacity(tasks.len()), ..Appended::default() };
        for task in tasks {
            if let Some(known) = self.standing_for(round, &task)? {
                self.stand_in(round, of.submission, known)?;
                added.tasks.push(known);
                added.reused.push(known);
                continue;
            }
            let id = self.add_task(round, of, task, &mut added)?;
            if of.carried.is_none() {
                self.apply(round, &Change::Appended { submission: of.submission, task: id })?;
            }
            added.tasks.push(id);
        }
        Ok(added)
    }

    fn add_task(&mut self, round: &mut Round, of: &Of<'_>, mut task: NewTask, added: &mut Appended) -> Result<TaskId> {
        let since = self.supersede(round, &mut task)?;
        let parents = self.parents_of(&task, of.before, &added.tasks)?;
        let id = TaskId::from_u64(self.ids.next(round.now));
        let kind = self.kind(round, &task.kind)?;
        let run_at = task.due.resolve(round.now);
        let standing = match parents.unfinished() {
            0 => Standing::queued(task.max_attempts, run_at),
            _ => Standing::waiting(task.max_attempts, run_at),
        };
        let mut ready = Ready {
            id,
            submission: of.submission,
            kind,
            source: of.source,
            priority: task.priority,
            standing,
            created_at: round.now,
            hold: Hold::Open,
            stream: 0,
            ties: ties_of(&task, self.lane_of(id, &task)),
        };
        ready.stream = self.schedule.number_of(&ready);
        // What is cancelled below must not begin first.
        let runner = if parents.bad.is_none() { self.runner(round, &task, &ready)? } else { None };
        if runner.is_none() {
            ready.hold = self.hold_in_lane(&ready, round.now);
            if ready.hold == Hold::Open && ready.is_ready(round.now) && self.limiter.should_hold(&ready) {
                ready.hold = Hold::Key;
                self.limiter.note_held(&ready);
            }
        }
        self.apply(round, &Change::Task(row_of(&task, &ready, &parents, since, runner.as_ref())))?;
        self.join_family(round, id, &parents)?;
        if let Some(key) = task.unique.as_ref().and_then(|unique| bounded_name(&unique.key)) {
            self.apply(round, &Change::Unique { kind, key, task: id })?;
        }
        match runner {
            Some(runner) => self.start_new(round, ready, &runner, of.carried, &mut added.started)?,
            None => self.queue_new(round, ready, of.carried)?,
        }
        if let Some(reason) = parents.bad {
            self.cancel_one(round, id, &reason.into())?;
        }
        Ok(id)
    }

    /// The task that stands for a new one.
    fn standing_for(&self, round: &Round, new: &NewTask) -> Result<Option<TaskId>> {
        let Some(unique) = &new.unique else { return Ok(None) };
        let (Some(kind), Some(key)) = (self.kinds.number(&new.kind), bounded_name(&unique.key)) else {
            return Ok(None);
        };
        let Some(known) = self.rows.unique(kind, &key)? else { return Ok(None) };
        let Some(ready) = self.ready_or_running(known)? else { return Ok(None) };
        let since = self.rows.updated_at(known)?.unwrap_or_default();
        Ok(stands_for_another(ready.standing.state, since, unique.fresh, round.now).then_some(known))
    }

    /// Lists a task that stands for one of a submission there too, unless it is the submission's own.
    fn stand_in(&mut self, round: &mut Round, submission: SubmissionId, known: TaskId) -> Result<()> {
        let owner = self.ready_or_running(known)?.map(|ready| ready.submission);
        if owner == Some(submission) { Ok(()) } else { self.apply(round, &Change::StandIn { submission, task: known }) }
    }

    /// The answer to a submission of which nothing is new.
    fn all_known(&self, round: &Round, new: &Submission) -> Result<Option<Inserted>> {
        if new.key.is_some() || new.tasks.is_empty() || new.tasks.iter().any(|task| task.unique.is_none()) {
            return Ok(None);
        }
        let mut tasks = Vec::with_capacity(new.tasks.len());
        for task in &new.tasks {
            let Some(known) = self.standing_for(round, task)? else { return Ok(None) };
            tasks.push(known);
        }
        let Some(first) = self.ready_or_running(tasks[0])? else { return Ok(None) };
        let (submission, reused) = (first.submission, tasks.clone());
        Ok(Some(Inserted { submission, tasks, duplicate: true, started: Vec::new(), reused }))
    }

    /// Who runs a new task from the start: who asked for it, or a claim that waits for just this.
    ///
    /// That a task is inserted already running saves the claim's own change, and the time until it is made. It is done
    /// only where no other task is due that the claim wants, which might be better.
    fn runner(&mut self, round: &mut Round, task: &NewTask, ready: &Ready) -> Result<Option<Runner>> {
        if ready.standing.state != State::Queued || self.schedule.is_paused(ready.kind, ready.source) {
            return Ok(None);
        }
        if let Some(start) = &task.start
            && self.would_be_alone(ready)
        {
            let worker = self.worker(round, &start.worker)?;
            return Ok(Some(Runner { worker, lease: start.lease, parked: None }));
        }
        // What is tied to others has to be looked at more closely, by a claim.
        if ready.standing.run_at > round.now || ready.ties.is_some() || !self.limiter.limits(ready.kind).is_none() {
            return Ok(None);
        }
        let wants = |parked: &Parked| parked.kinds.contains(&ready.kind) && parked.room() > 0;
        let Some(place) = self.parked.iter().position(wants) else { return Ok(None) };
        if self.schedule.may_be_due(&self.parked[place].kinds, round.now) {
            return Ok(None);
        }
        let claim = self.parked[place].claim.clone();
        let worker = self.worker(round, &claim.worker)?;
        Ok(Some(Runner { worker, lease: claim.lease, parked: Some(place) }))
    }

    fn start_new(
        &mut self,
        round: &mut Round,
        ready: Ready,
        runner: &Runner,
        carried: Option<&Arc<Carried>>,
        started: &mut Vec<Taken>,
    ) -> Result<()> {
        // A queued task can always be claimed.
        let standing = transition(ready.standing, Event::Claimed, round.now).unwrap_or(ready.standing);
        let ready = Ready { standing, ..ready };
        self.enter_lane(round, &ready)?;
        let taken = self.note_started(round, ready, None, runner.worker, runner.lease, carried.cloned());
        match runner.parked.and_then(|place| self.parked.get_mut(place)) {
            Some(parked) => {
                self.schedule.charge(None, parked.claim.rules.weight(None));
                parked.taken.push(taken);
            }
            None => started.push(taken),
        }
        Ok(())
    }

    fn queue_new(&mut self, round: &mut Round, ready: Ready, carried: Option<&Arc<Carried>>) -> Result<()> {
        if ready.standing.run_at <= round.now
            && let Some(carried) = carried
        {
            self.recent.keep(ready.submission, carried);
        }
        if ready.standing.state == State::Waiting {
            self.waiting += 1;
        }
        self.enter_lane(round, &ready)?;
        let at = round.now;
        round.announce(|| transition_of(self, &ready, None, at, None));
        self.enter_schedule(round, ready)
    }
}

/// What new tasks come with.
struct Of<'a> {
    submission: SubmissionId,
    source: SourceNumber,
    /// `None` if the submission was there before.
    carried: Option<&'a Arc<Carried>>,
    /// What the same call has accepted before.
    before: &'a [Inserted],
}

fn ties_of(task: &NewTask, lane: Option<LaneRef>) -> Option<Arc<Ties>> {
    let tenant = task.tenant.as_ref().and_then(bounded_name);
    let limit_key = task.limit_key.as_ref().and_then(bounded_name);
    if lane.is_none() && tenant.is_none() && limit_key.is_none() {
        return None;
    }
    let passes = task.lane.as_ref().is_some_and(|lane| lane.on_retry == OnRetry::Pass);
    Some(Arc::new(Ties { lane, passes, tenant, limit_key }))
}

fn row_of(
    task: &NewTask,
    ready: &Ready,
    parents: &Parents,
    since: Option<Timestamp>,
    runner: Option<&Runner>,
) -> TaskRow {
    TaskRow {
        id: ready.id,
        submission: ready.submission,
        kind: ready.kind,
        priority: ready.priority,
        max_attempts: ready.standing.max_attempts,
        run_at: ready.standing.run_at,
        created_at: ready.created_at,
        started_by: runner.map(|runner| runner.worker),
        source: ready.source,
        hold: ready.hold,
        stream: ready.stream,
        lane: ready.lane().map(|lane| Arc::clone(&lane.name)),
        lane_number: ready.lane().map(|lane| lane.number),
        lane_hash: ready.lane().map(|lane| lane.hash),
        passes: ready.passes(),
        since,
        tenant: ready.tenant().cloned(),
        limit_key: ready.limit_key().cloned(),
        parents: parents.unfinished(),
        survives: task.survives_parents,
    }
}

/// What a worker receives.
pub(super) fn claimed(taken: Taken, carried: &Carried) -> Claimed {
    let Ready { id, submission, standing, created_at, .. } = taken.running.ready;
    Claimed {
        id,
        submission,
        kind: taken.kind,
        attempt: standing.attempt,
        attempts_counted: standing.attempts_counted(),
        max_attempts: standing.max_attempts,
        created_at,
        run_at: standing.run_at,
        started_at: taken.started_at,
        source: Arc::clone(&carried.source),
        event: Arc::clone(&carried.event),
        action: carried.action.clone(),
        key: carried.key.clone(),
        meta: carried.meta.clone(),
        payload: carried.payload.clone(),
    }
}
