//! The verbs that move tasks: each decides through [`transition`], writes changes down, and keeps the schedule in step.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use super::change::{AttemptEnd, Change, Hold, KindNumber, Place, SourceNumber, WorkerNumber};
use super::command::{Carried, Reply, Taken};
use super::schedule::{Best, Ready, Running};
use super::writer::{Parked, Round, Writer, transition_of};
use crate::error::Result;
use crate::id::TaskId;
use crate::state::{Event, State, transition};
use crate::store::Claim;
use crate::store::ending::{Ending, bounded};
use crate::task::{End, Finish, Finished, Lease, Outcome, WorkerId};
use crate::time::Timestamp;

impl Writer {
    pub(super) fn kind(&mut self, round: &mut Round, name: &Arc<str>) -> Result<KindNumber> {
        if let Some(number) = self.kinds.number(name) {
            return Ok(number);
        }
        let number = self.kinds.add(Arc::clone(name));
        if let Some(rules) = &self.rules {
            self.limiter.learn(number, rules.limits(name));
        }
        self.apply(round, &Change::Kind { number, name: Arc::clone(name) })?;
        Ok(number)
    }

    pub(super) fn source(&mut self, round: &mut Round, name: &Arc<str>) -> Result<SourceNumber> {
        if let Some(number) = self.sources.number(name) {
            return Ok(number);
        }
        let number = self.sources.add(Arc::clone(name));
        self.apply(round, &Change::Source { number, name: Arc::clone(name) })?;
        Ok(number)
    }

    pub(super) fn worker(&mut self, round: &mut Round, worker: &WorkerId) -> Result<WorkerNumber> {
        if let Some(number) = self.workers.number_to_use(worker.as_str()) {
            return Ok(number);
        }
        let name: Arc<str> = worker.as_str().into();
        let number = self.workers.add(Arc::clone(&name));
        self.apply(round, &Change::Worker { number, name })?;
        Ok(number)
    }

    /// Answers a claim, or parks it until something becomes due.
    pub(super) fn claim_or_park(&mut self, round: &mut Round, claim: Claim, reply: Reply<Vec<Taken>>) -> Result<()> {
        if reply.is_closed() {
            return Ok(());
        }
        let claimed = self.kinds_of(round, &claim).and_then(|kinds| {
            self.learn_rules(&claim.rules);
            let mut taken = Vec::new();
            self.take_due(round, &claim, &kinds, &mut taken)?;
            Ok((kinds, taken))
        });
        let (kinds, taken) = match claimed {
            Ok(claimed) => claimed,
            Err(error) => {
                let _ = reply.send(Err(super::failure::again(&error)));
                return Err(error);
            }
        };
        if taken.is_empty() && claim.wait.is_zero() {
            let _ = reply.send(Ok(taken));
        } else {
            // With something taken it is answered at the end of this very round.
            self.parked.push(Parked { claim, kinds, reply, taken });
        }
        Ok(())
    }

    fn kinds_of(&mut self, round: &mut Round, claim: &Claim) -> Result<HashSet<KindNumber>> {
        claim.kinds.iter().map(|name| self.kind(round, name)).collect()
    }

    /// Gives parked claims what became due in this round, or by the passing of time.
    pub(super) fn serve_parked(&mut self, round: &mut Round) -> Result<()> {
        let mut parked = std::mem::take(&mut self.parked);
        let mut outcome = Ok(());
        for waiting in &mut parked {
            if outcome.is_ok() && waiting.room() > 0 {
                outcome = self.take_due(round, &waiting.claim, &waiting.kinds, &mut waiting.taken);
            }
        }
        self.parked = parked;
        outcome
    }

    /// Claims what is due until the claim is full.
    fn take_due(
        &mut self,
        round: &mut Round,
        claim: &Claim,
        kinds: &HashSet<KindNumber>,
        taken: &mut Vec<Taken>,
    ) -> Result<()> {
        for _ in taken.len()..claim.limit {
            let Some(kind) = self.take_best(round, claim, kinds, taken)? else { break };
            let batch = claim.rules.batch(&self.kinds.name(kind));
            let mates = HashSet::from([kind]);
            for _ in 1..batch {
                if self.take_best(round, claim, &mates, taken)?.is_none() {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Claims the best task that is due; answers its kind, or that there is none.
    fn take_best(
        &mut self,
        round: &mut Round,
        claim: &Claim,
        kinds: &HashSet<KindNumber>,
        taken: &mut Vec<Taken>,
    ) -> Result<Option<KindNumber>> {
        loop {
            let limiter = &self.limiter;
            let is_open = |kind| limiter.opens_at(kind, round.now).is_some_and(|time| time <= round.now);
            match self.schedule.best_due(kinds, is_open, round.now) {
                None => return Ok(None),
                Some(Best::Unread(unread)) => {
                    let rows = self.rows.ready_after(&unread)?;
                    let more = rows.len() == unread.limit;
                    self.schedule.fill(&unread.stream, rows, more);
                    if !more && unread.along > 0 {
                        let rows = self.rows.ready_beside(&unread)?;
                        let more = rows.len() == unread.along;
                        self.schedule.fill_along(rows, more);
                    }
                }
                Some(Best::Task(ready)) => {
                    if !self.put_aside(round, &ready)? && self.comes_first(round, &ready)? {
                        let worker = self.worker(round, &claim.worker)?;
                        let kind = ready.kind;
                        taken.push(self.start(round, &ready, worker, claim)?);
                        return Ok(Some(kind));
                    }
                }
            }
        }
    }

    /// Begins an attempt of a task that waits.
    fn start(&mut self, round: &mut Round, ready: &Ready, worker: WorkerNumber, claim: &Claim) -> Result<Taken> {
        let from = ready.standing.state;
        self.leave_schedule(ready);
        let Ok(standing) = transition(ready.standing, Event::Claimed, round.now) else {
            return Err(crate::Error::Corrupt(format!("task {} cannot be claimed though it is listed so", ready.id)));
        };
        let tenant = ready.tenant();
        self.schedule.charge(tenant, claim.rules.weight(tenant.map(|tenant| &**tenant)));
        self.note_rated_start(round, ready)?;
        let at = round.now;
        let (task, hold) = (ready.id, ready.hold);
        self.apply(round, &Change::Start { task, from, hold, attempt: standing.attempt, worker, at })?;
        let carried = self.recent.get(ready.submission);
        let started = Ready { standing, hold: Hold::Open, ..ready.clone() };
        self.step_in_lane(ready, &started);
        Ok(self.note_started(round, started, Some(from), worker, claim.lease, carried))
    }

    /// Notes in memory that a task runs.
    pub(super) fn note_started(
        &mut self,
        round: &mut Round,
        ready: Ready,
        from: Option<State>,
        worker: WorkerNumber,
        lease: Duration,
        carried: Option<Arc<Carried>>,
    ) -> Taken {
        let at = round.now;
        round.announce(|| transition_of(self, &ready, from, at, None));
        self.limiter.note_running(&ready);
        let kind = self.kinds.name(ready.kind);
        let running = Running { ready, worker, lease_until: round.elapsed.after(lease) };
        self.schedule.add_running(running.clone());
        Taken { running, kind, started_at: at, carried }
    }

    pub(super) fn renew(&mut self, round: &Round, leases: &[Lease], lease: Duration) -> Vec<bool> {
        let until = round.elapsed.after(lease);
        let mut renew = |lease: &Lease| match self.schedule.running_mut(lease.task) {
            Some(running) if running.ready.standing.attempt == lease.attempt => {
                running.lease_until = until;
                true
            }
            _ => false,
        };
        leases.iter().map(&mut renew).collect()
    }

    /// Takes back what was given to claimers that were gone by then.
    pub(super) fn take_back(&mut self, round: &mut Round) -> Result<()> {
        // Should the commit fail they are not tried again here: the leases' end gives them back.
        for lease in std::mem::take(&mut self.unclaimed) {
            self.finish_one(round, Finish { lease, end: End::Release })?;
        }
        Ok(())
    }

    pub(super) fn finish(&mut self, round: &mut Round, finishes: Vec<Finish>) -> Result<Vec<Finished>> {
        finishes.into_iter().map(|finish| self.finish_one(round, finish)).collect()
    }

    fn finish_one(&mut self, round: &mut Round, finish: Finish) -> Result<Finished> {
        let Lease { task, attempt } = finish.lease;
        self.stop_lingering(round, |lingering| {
            lingering.ready.id == task && lingering.ready.standing.attempt == attempt
        })?;
        let Some(running) = self.schedule.running(task).cloned() else {
            let is_known = self.rows.task(task)?.is_some();
            return Ok(if is_known { Finished::LeaseLost } else { Finished::Unknown });
        };
        let ending = Ending::reported(&finish.end, attempt, round.now);
        // Children that wait for it may ask for the result whenever they run.
        let has_result = matches!(finish.end, End::Completed { result: Some(_), .. });
        let is_wanted = has_result && self.waiting > 0 && self.rows.has_waiting_children(task)?;
        let Some(state) = self.end(round, &running, &ending)? else { return Ok(Finished::LeaseLost) };
        if let End::Completed { result: Some(body), result_ttl } = finish.end {
            let expires_at = if is_wanted { Timestamp::MAX } else { round.now.after(result_ttl) };
            self.apply(round, &Change::Result { task, expires_at, body: body.into() })?;
        }
        Ok(Finished::Now(state))
    }

    /// Ends the running attempt, if it is the one that `ending` speaks of; answers where the task stands then.
    fn end(&mut self, round: &mut Round, running: &Running, ending: &Ending) -> Result<Option<State>> {
        let ready = running.ready.clone();
        let Ok(standing) = transition(ready.standing, ending.event, round.now) else { return Ok(None) };
        let needs_previous = ending.outcome == Outcome::Released;
        let previous = if needs_previous { self.rows.error_of(ready.id)? } else { None };
        let lost = match ending.outcome {
            Outcome::Lost => u64::from(self.rows.attempts_ended(ready.id, Outcome::Lost)?) + 1,
            _ => 0,
        };
        let error = ending.task_error(standing.state, previous, lost);
        let attempt = AttemptEnd { outcome: ending.outcome, error: ending.error.clone() };
        let said = ending.error.as_ref().and(error.clone());
        // One that its lane passes may have to let others by.
        let is_adrift = ready.lane().is_some() && ready.passes() && standing.state.is_claimable();
        let hold = if is_adrift { Hold::Adrift } else { Hold::Open };
        let to = Place::new(standing, hold);
        self.apply(round, &Change::End { task: ready.id, to, at: round.now, attempt, error })?;
        self.schedule.remove_running(ready.id);
        let after = Ready { standing, hold, ..ready.clone() };
        self.step_in_lane(&ready, &after);
        self.note_waiting(round, after.clone(), State::Running, said)?;
        self.leave_place(round, &after)?;
        self.settle_families(round)?;
        Ok(Some(standing.state))
    }

    /// Notes in memory where a task stands now that it does not run (any more).
    pub(super) fn note_waiting(
        &mut self,
        round: &mut Round,
        ready: Ready,
        from: State,
        error: Option<Arc<str>>,
    ) -> Result<()> {
        let at = round.now;
        round.announce(|| transition_of(self, &ready, Some(from), at, error));
        if ready.standing.state.is_finished() {
            round.ended.push((ready.id, ready.standing.state));
        }
        self.enter_schedule(round, ready)
    }

    /// Gives up the place that an attempt had in lane and limits.
    pub(super) fn leave_place(&mut self, round: &mut Round, after: &Ready) -> Result<()> {
        if let Some(freed) = self.limiter.note_ended(after, round.now) {
            self.schedule.take_back(freed);
        }
        let Some(lane) = after.lane().map(|lane| lane.hash) else { return Ok(()) };
        if after.hold == Hold::Adrift || !after.standing.state.is_claimable() {
            self.leave_lane(round, lane)
        } else {
            self.let_older_first(round, lane, after)
        }
    }

    /// Forgets cancelled attempts that are over now, and gives up their places.
    pub(super) fn stop_lingering(&mut self, round: &mut Round, is_over: impl Fn(&Running) -> bool) -> Result<()> {
        let ending = self.lingering.all().filter(|one| is_over(one));
        let mut over: Vec<TaskId> = ending.map(|one| one.ready.id).collect();
        over.sort_unstable();
        for task in over {
            if let Some(Running { ready, .. }) = self.lingering.remove(task) {
                if let Some(lane) = ready.lane() {
                    self.lanes.linger_over(lane);
                    self.apply(round, &Change::LingerOver { task })?;
                }
                self.leave_place(round, &Ready { hold: Hold::Open, ..ready })?;
            }
        }
        Ok(())
    }

    pub(super) fn release(&mut self, round: &mut Round, worker: &WorkerId) -> Result<u64> {
        let Some(number) = self.workers.number(worker.as_str()) else { return Ok(0) };
        let held = self.schedule.running_where(|running| running.worker == number);
        self.stop_lingering(round, |lingering| lingering.worker == number)?;
        self.end_all(round, &held, |attempt, now| Ending::reported(&End::Release, attempt, now))
    }

    pub(super) fn reclaim_expired(&mut self, round: &mut Round) -> Result<u64> {
        let elapsed = round.elapsed;
        let expired = self.schedule.running_where(|running| running.lease_until <= elapsed);
        self.stop_lingering(round, |lingering| lingering.lease_until <= elapsed)?;
        self.end_all(round, &expired, |attempt, _| Ending::lost(attempt))
    }

    pub(super) fn end_all(
        &mut self,
        round: &mut Round,
        running: &[Running],
        ending: impl Fn(u32, Timestamp) -> Ending,
    ) -> Result<u64> {
        let mut ended = 0;
        for running in running {
            let ending = ending(running.ready.standing.attempt, round.now);
            ended += u64::from(self.end(round, running, &ending)?.is_some());
        }
        Ok(ended)
    }

    pub(super) fn cancel(&mut self, round: &mut Round, tasks: Vec<TaskId>, reason: &Arc<str>) -> Result<Vec<TaskId>> {
        let reason = bounded(reason);
        let mut cancelled = Vec::new();
        for task in tasks {
            if self.cancel_one(round, task, &reason)? {
                cancelled.push(task);
            }
        }
        Ok(cancelled)
    }

    pub(super) fn cancel_one(&mut self, round: &mut Round, task: TaskId, reason: &Arc<str>) -> Result<bool> {
        let Some(before) = self.ready_or_running(task)? else { return Ok(false) };
        if before.standing.state.is_finished() {
            return Ok(false);
        }
        self.cancel_ready(round, &before, reason)?;
        self.settle_families(round)?;
        Ok(true)
    }

    /// Cancels an unfinished task; its children are told later.
    pub(super) fn cancel_ready(&mut self, round: &mut Round, before: &Ready, reason: &Arc<str>) -> Result<()> {
        let Ok(standing) = transition(before.standing, Event::Cancelled, round.now) else { return Ok(()) };
        let (task, from) = (before.id, before.standing.state);
        let (to, at, error) = (Place::new(standing, Hold::Open), round.now, Some(Arc::clone(reason)));
        let change = if from == State::Running {
            let attempt = AttemptEnd { outcome: Outcome::Cancelled, error: error.clone() };
            Change::End { task, to, at, attempt, error: error.clone() }
        } else {
            Change::Move { task, from, to, at, error: error.clone() }
        };
        self.apply(round, &change)?;
        let after = Ready { standing, hold: Hold::Open, ..before.clone() };
        if let Some(running) = self.schedule.remove_running(task) {
            round.cancelled.push(Lease { task, attempt: running.ready.standing.attempt });
            if let Some(lane) = running.ready.lane() {
                self.lanes.linger(lane);
                self.apply(round, &Change::Linger { task, lane: Arc::clone(&lane.name) })?;
            }
            self.step_in_lane(before, &after);
            self.lingering.insert(task, running);
        } else {
            self.leave_schedule(before);
            if from == State::Waiting {
                self.waiting = self.waiting.saturating_sub(1);
            }
            self.step_in_lane(before, &after);
            if let Some(lane) = before.lane().filter(|_| before.hold != Hold::Lane) {
                self.leave_lane(round, lane.hash)?;
            }
        }
        self.note_waiting(round, after, from, error)
    }

    pub(super) fn requeue(&mut self, round: &mut Round, tasks: Vec<TaskId>) -> Result<Vec<TaskId>> {
        let mut requeued = Vec::new();
        for task in tasks {
            if self.requeue_one(round, task)? {
                requeued.push(task);
            }
        }
        Ok(requeued)
    }

    fn requeue_one(&mut self, round: &mut Round, task: TaskId) -> Result<bool> {
        let Some(mut before) = self.ready_or_running(task)? else { return Ok(false) };
        let Ok(standing) = transition(before.standing, Event::Requeued, round.now) else { return Ok(false) };
        let from = before.standing.state;
        self.leave_schedule(&before);
        if from.is_finished() {
            before = self.return_to_lane(round, before)?;
        }
        let hold = before.hold;
        let to = Place::new(standing, hold);
        self.apply(round, &Change::Move { task, from, to, at: round.now, error: None })?;
        if from == State::Completed {
            self.apply(round, &Change::ForgetResult { task })?;
            self.apply(round, &Change::ForgetSteps { task })?;
        }
        let after = Ready { standing, ..before.clone() };
        self.step_in_lane(&before, &after);
        self.note_waiting(round, after, from, None)?;
        Ok(true)
    }

    pub(super) fn ready_or_running(&self, task: TaskId) -> Result<Option<Ready>> {
        match self.schedule.running(task) {
            Some(running) => Ok(Some(running.ready.clone())),
            None => self.rows.task(task),
        }
    }
}
