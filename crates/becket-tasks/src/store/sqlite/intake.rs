//! What comes into the store: submissions, and tasks added to them.

use std::sync::Arc;

use super::change::{Change, SubmissionRow, TaskRow, WorkerNumber};
use super::command::{Appended, Carried, Taken};
use super::keys::{find_in_part, key_hash, part_of};
use super::schedule::Ready;
use super::writer::{Parked, Round, Writer, transition_of};
use crate::error::Result;
use crate::id::{SubmissionId, TaskId};
use crate::state::{Event, Standing, transition};
use crate::submission::{Inserted, NewTask, Submission};
use crate::task::Claimed;

/// A new task's runner, if it starts at once.
struct Runner {
    worker: WorkerNumber,
    lease: std::time::Duration,
    /// The parked claim that gets it; `None` gives it back to the caller.
    parked: Option<usize>,
}

impl Writer {
    pub(super) fn insert(&mut self, round: &mut Round, submissions: Vec<Submission>) -> Result<Vec<Inserted>> {
        submissions.into_iter().map(|submission| self.insert_one(round, submission)).collect()
    }

    fn insert_one(&mut self, round: &mut Round, submission: Submission) -> Result<Inserted> {
        if let Some(key) = &submission.key
            && let Some(first) = self.duplicate_of(&submission.source, key)?
        {
            let tasks = self.rows.tasks_of(first)?;
            return Ok(Inserted { submission: first, tasks, duplicate: true, started: Vec::new() });
        }
        let id = SubmissionId::from_u64(self.ids.next(round.now));
        let carried = self.insert_submission(round, id, &submission)?;
        // The cut comes first: a task's claimer may look for the block as soon as the round is committed.
        if self.packer.is_full() {
            self.cut_block(round)?;
        }
        let added = self.add_tasks(round, id, &carried, submission.tasks)?;
        let started = added.started.into_iter().map(|taken| claimed(taken, &carried)).collect();
        Ok(Inserted { submission: id, tasks: added.tasks, duplicate: false, started })
    }

    /// The first submission with this source and key.
    fn duplicate_of(&self, source: &str, key: &str) -> Result<Option<SubmissionId>> {
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
        if self.rows.submission(submission)?.is_none() {
            return Ok(None);
        }
        let mut added = Appended { tasks: Vec::new(), started: Vec::new() };
        for task in tasks {
            let id = self.add_task(round, submission, None, &task, &mut added.started)?;
            self.apply(round, &Change::Appended { submission, task: id })?;
            added.tasks.push(id);
        }
        Ok(Some(added))
    }

    fn add_tasks(
        &mut self,
        round: &mut Round,
        submission: SubmissionId,
        carried: &Arc<Carried>,
        tasks: Vec<NewTask>,
    ) -> Result<Appended> {
        let mut added = Appended { tasks: Vec::with_capacity(tasks.len()), started: Vec::new() };
        for task in tasks {
            let id = self.add_task(round, submission, Some(carried), &task, &mut added.started)?;
            added.tasks.push(id);
        }
        Ok(added)
    }

    fn add_task(
        &mut self,
        round: &mut Round,
        submission: SubmissionId,
        carried: Option<&Arc<Carried>>,
        task: &NewTask,
        started: &mut Vec<Taken>,
    ) -> Result<TaskId> {
        let id = TaskId::from_u64(self.ids.next(round.now));
        let kind = self.kind(round, &task.kind)?;
        let run_at = task.due.resolve(round.now);
        let standing = Standing::queued(task.max_attempts, run_at);
        let ready = Ready { id, submission, kind, priority: task.priority, standing, created_at: round.now };
        let runner = self.runner(round, task, &ready)?;
        let row = TaskRow {
            id,
            submission,
            kind,
            priority: task.priority,
            max_attempts: standing.max_attempts,
            run_at,
            created_at: round.now,
            started_by: runner.as_ref().map(|runner| runner.worker),
        };
        self.apply(round, &Change::Task(row))?;
        match runner {
            Some(runner) => self.start_new(round, ready, &runner, carried, started),
            None => self.queue_new(round, ready, carried),
        }
        Ok(id)
    }

    /// Who runs a new task from the start: who asked for it, or a claim that waits for just this.
    ///
    /// That a task is inserted already running saves the claim's own change, and the time until it is made. It is done
    /// only where no other task is due that the claim wants, which might be better.
    fn runner(&mut self, round: &mut Round, task: &NewTask, ready: &Ready) -> Result<Option<Runner>> {
        if let Some(start) = &task.start {
            let worker = self.worker(round, &start.worker)?;
            return Ok(Some(Runner { worker, lease: start.lease, parked: None }));
        }
        if ready.standing.run_at > round.now {
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
    ) {
        // A queued task can always be claimed.
        let standing = transition(ready.standing, Event::Claimed, round.now).unwrap_or(ready.standing);
        let ready = Ready { standing, ..ready };
        let taken = self.note_started(round, ready, None, runner.worker, runner.lease, carried.cloned());
        match runner.parked.and_then(|place| self.parked.get_mut(place)) {
            Some(parked) => parked.taken.push(taken),
            None => started.push(taken),
        }
    }

    fn queue_new(&mut self, round: &mut Round, ready: Ready, carried: Option<&Arc<Carried>>) {
        if ready.standing.run_at <= round.now
            && let Some(carried) = carried
        {
            self.recent.keep(ready.submission, carried);
        }
        self.schedule.add_ready(ready);
        let at = round.now;
        round.announce(|| transition_of(self, &ready, None, at, None));
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
