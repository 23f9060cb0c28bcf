//! The writer: the one thread that changes the rows.
//!
//! Each round takes all commands that wait, puts their changes into one transaction, commits once, and then answers
//! them all. Nobody waits for a timer: an idle store commits at once, a busy one commits in large groups. The time is
//! read once a round, here, and handed down.

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use super::block::Packer;
use super::change::{Change, KindNumber};
use super::checkpoint::Checkpoints;
use super::claiming::lease_of;
use super::command::{Command, Reply, Taken, Ticket};
use super::commit::Commits;
use super::failure::again;
use super::keys::Keys;
use super::lanes::{Lanes, Lingering, lane_hash};
use super::limiter::Limiter;
use super::names::Names;
use super::recent::RecentPayloads;
use super::rows::Rows;
use super::schedule::{Running, Schedule};
use crate::error::{Error, Result};
use crate::events::{Events, Transition};
use crate::id::{IdGenerator, TaskId};
use crate::measure::CommitMeasures;
use crate::order::Rules;
use crate::state::State;
use crate::store::Claim;
use crate::store::ending::Ending;
use crate::task::Lease;
use crate::time::{Clock, Elapsed, Timestamp};

/// How many commands one round takes at the most.
const ROUND_COMMANDS_MAX: usize = 1_024;
/// So many answers are sent by the writer itself.
const ANSWERED_IN_PLACE_MAX: usize = 4;
/// While something waits for its time the clock is looked at so often, in case that it jumps forwards.
const RECHECK: Duration = Duration::from_secs(1);
/// A task whose finish could not be committed has so long to be finished again.
const LEASE_AFTER_FAILURE: Duration = Duration::from_secs(60);

/// All that the writer's thread owns.
pub(super) struct Writer {
    pub(super) rows: Rows,
    pub(super) schedule: Schedule,
    pub(super) packer: Packer,
    pub(super) ids: IdGenerator,
    pub(super) kinds: Names,
    pub(super) sources: Names,
    pub(super) workers: Names,
    pub(super) recent: RecentPayloads,
    pub(super) keys: Keys,
    pub(super) limiter: Limiter,
    /// The rules that the limiter knows.
    pub(super) rules: Option<Arc<Rules>>,
    /// Cancelled attempts whose workers have not reported; they keep their place in lane and limits.
    pub(super) lingering: Lingering,
    /// The lanes that are in use.
    pub(super) lanes: Lanes,
    /// Whether any task ever had a lane, as the rows say.
    pub(super) has_lanes: bool,
    /// How many tasks wait for their parents.
    pub(super) waiting: u64,
    /// Whether any task ever had parents.
    pub(super) has_families: bool,
    pub(super) parked: Vec<Parked>,
    pub(super) clock: Clock,
    /// Where the callers live, if that is known.
    pub(super) runtime: Option<tokio::runtime::Handle>,
    pub(super) events: Events,
    pub(super) measures: Arc<CommitMeasures>,
    pub(super) commits: Commits,
    pub(super) checkpoints: Checkpoints,
    /// Given to claimers that were gone by then; taken back in the next round.
    pub(super) unclaimed: Vec<Lease>,
    /// Whether the latest commit failed, so that an outage is told once.
    pub(super) is_failing: bool,
    /// The schedule could not be read back after a failure, and must be before anything else is done.
    pub(super) is_stale: bool,
}

/// A claim that waits for something to become due.
pub(super) struct Parked {
    pub(super) claim: Claim,
    pub(super) kinds: HashSet<KindNumber>,
    pub(super) reply: Reply<Vec<Taken>>,
    /// What it gets at the end of the round.
    pub(super) taken: Vec<Taken>,
}

impl Parked {
    pub(super) fn room(&self) -> usize {
        if self.reply.is_closed() { 0 } else { self.claim.limit.saturating_sub(self.taken.len()) }
    }
}

/// What one round has done so far.
pub(super) struct Round {
    pub(super) now: Timestamp,
    /// What leases are measured with.
    pub(super) elapsed: Elapsed,
    is_open: bool,
    answers: Vec<Answer>,
    /// Answers that must not wait for the callers' runtime.
    urgent: Vec<Answer>,
    transitions: Vec<Transition>,
    is_watched: bool,
    /// Tasks that have ended, and whose children have not been told.
    pub(super) ended: Vec<(TaskId, State)>,
    /// Attempts that were cut off by a cancellation; their workers are told once it is committed.
    pub(super) cancelled: Vec<Lease>,
}

/// Sends an answer once it is known whether the round was committed.
type Answer = Box<dyn FnOnce(Option<&Error>) + Send>;

impl Round {
    fn new(clock: &Clock, is_watched: bool) -> Self {
        Self {
            now: clock.now(),
            elapsed: clock.elapsed(),
            is_open: false,
            answers: Vec::new(),
            urgent: Vec::new(),
            transitions: Vec::new(),
            is_watched,
            ended: Vec::new(),
            cancelled: Vec::new(),
        }
    }

    /// Announces a transition once it is committed.
    pub(super) fn announce(&mut self, transition: impl FnOnce() -> Transition) {
        if self.is_watched {
            self.transitions.push(transition());
        }
    }
}

impl Writer {
    /// Serves commands until the store is closed or nobody can call it any more.
    pub(super) fn run(mut self, commands: &Receiver<Ticket>) {
        let mut batch = Vec::new();
        loop {
            match self.next_command(commands) {
                Ok(command) => batch.push(command),
                Err(RecvTimeoutError::Timeout) => batch.push(Command::Tick),
                Err(RecvTimeoutError::Disconnected) => break,
            }
            while batch.len() < ROUND_COMMANDS_MAX
                && let Ok(ticket) = commands.try_recv()
            {
                batch.push(ticket.command);
            }
            let is_last = batch.iter().any(|command| matches!(command, Command::Close(_)));
            // A bug that one command brings to light must not end the service for all others.
            if catch_unwind(AssertUnwindSafe(|| self.round(&mut batch))).is_err() {
                batch.clear();
                self.fail(&Error::Unavailable("the store's writer panicked".to_owned(), None));
            }
            if is_last {
                break;
            }
        }
        self.refuse_what_waits(commands);
        self.checkpoints.finish(&self.rows);
    }

    fn refuse_what_waits(&mut self, commands: &Receiver<Ticket>) {
        for parked in self.parked.drain(..) {
            let _ = parked.reply.send(Err(Error::Closed));
        }
        while let Ok(ticket) = commands.try_recv() {
            refuse(ticket.command, &Error::Closed);
        }
    }

    /// Waits for a command, or until something that a parked claim waits for becomes due.
    fn next_command(&self, commands: &Receiver<Ticket>) -> Result<Command, RecvTimeoutError> {
        if !self.unclaimed.is_empty() || self.limiter.has_to_open() {
            return Ok(Command::Tick);
        }
        let opens_at = |kind| self.limiter.opens_at(kind, self.clock.now());
        let of_parked = |parked: &Parked| self.schedule.next_due(&parked.kinds, opens_at);
        let next_due = self.parked.iter().filter_map(of_parked).chain(self.limiter.next_due()).min();
        let next_due = next_due.filter(|_| !self.parked.is_empty());
        let ticket = match next_due {
            Some(due) if !self.clock.is_manual() => {
                // A little more, so that the clock's next millisecond has begun when we look.
                let until_due = due.since(self.clock.now()) + Duration::from_micros(500);
                commands.recv_timeout(until_due.min(RECHECK))?
            }
            _ => commands.recv().map_err(|_| RecvTimeoutError::Disconnected)?,
        };
        Ok(ticket.command)
    }

    fn round(&mut self, batch: &mut Vec<Command>) {
        let began = Instant::now();
        let operations = batch.len();
        let mut round = Round::new(&self.clock, self.events.has_listeners());
        let is_durable = batch.iter().any(Command::is_durable);
        let mut outcome = self.prepare(is_durable).and_then(|()| self.take_back(&mut round));
        self.free_due(&round);
        for command in batch.drain(..) {
            outcome = self.execute(&mut round, command, outcome);
        }
        let outcome = outcome
            .and_then(|()| self.open_more(&mut round))
            .and_then(|()| self.serve_parked(&mut round))
            .and_then(|()| self.commit(&mut round));
        if outcome.is_ok() && round.is_open {
            self.measures.record(operations, began.elapsed());
        }
        self.conclude(round, outcome);
        self.checkpoints.after_round(&self.rows);
    }

    fn prepare(&mut self, is_durable: bool) -> Result<()> {
        if self.is_stale {
            self.reload()?;
        }
        self.commits.set_durable(&self.rows, is_durable)
    }

    /// Executes one command, unless the round has failed already; answers are sent at the round's end.
    fn execute(&mut self, round: &mut Round, command: Command, so_far: Result<()>) -> Result<()> {
        if let Err(error) = so_far {
            refuse(command, &error);
            return Err(error);
        }
        match command {
            Command::Insert(submissions, reply) => {
                // What makes no sense is refused before anything is changed, and costs the others nothing.
                match self.check_parents(&submissions) {
                    Ok(()) => {}
                    Err(error @ Error::Invalid(_)) => return refuse_one(reply, error),
                    Err(error) => return settle(round, reply, Err(error)),
                }
                let answer = self.insert(round, submissions);
                settle(round, reply, answer)
            }
            Command::Append(submission, tasks, reply) => {
                match self.check_parents_appended(&tasks) {
                    Ok(()) => {}
                    Err(error @ Error::Invalid(_)) => return refuse_one(reply, error),
                    Err(error) => return settle(round, reply, Err(error)),
                }
                let answer = self.append(round, submission, tasks);
                settle(round, reply, answer)
            }
            Command::Claim(claim, reply) => self.claim_or_park(round, claim, reply),
            Command::Renew(leases, lease, reply) => {
                let renewed = self.renew(round, &leases, lease);
                round.urgent.push(answer_with(reply, renewed));
                Ok(())
            }
            Command::Finish(finishes, reply) => {
                let answer = self.finish(round, finishes);
                settle(round, reply, answer)
            }
            Command::SaveStep(lease, name, body, reply) => {
                let answer = self.save_step(round, lease, name, body.into());
                settle(round, reply, answer)
            }
            Command::Release(worker, reply) => {
                let answer = self.release(round, &worker);
                settle(round, reply, answer)
            }
            Command::ReclaimExpired(reply) => {
                let answer = self.reclaim_expired(round);
                settle(round, reply, answer)
            }
            Command::Cancel(tasks, reason, reply) => {
                let answer = self.cancel(round, tasks, &reason);
                settle(round, reply, answer)
            }
            Command::Requeue(tasks, reply) => {
                let answer = self.requeue(round, tasks);
                settle(round, reply, answer)
            }
            Command::Purge(tasks, reply) => {
                let answer = self.purge(round, tasks);
                settle(round, reply, answer)
            }
            Command::Erase(submissions, reply) => {
                let answer = self.erase(round, submissions);
                settle(round, reply, answer)
            }
            Command::Prune(retention, outdated, reply) => {
                let answer = self.prune(round, retention, outdated);
                settle(round, reply, answer)
            }
            Command::Find(key, reply) => {
                let found = self.submissions_with_key(&key);
                let answer = found.map(|found| found.into_iter().map(|(submission, _)| submission).collect());
                settle(round, reply, answer)
            }
            Command::Schedule(name, step, reply) => {
                let answer = self.step_schedule(round, name, step);
                settle(round, reply, answer)
            }
            Command::Mark(marks, reply) => {
                let answer = self.mark(round, marks);
                settle(round, reply, answer)
            }
            Command::Probe(reply) => {
                let at = round.now;
                let answer = self.apply(round, &Change::Probe { at });
                settle(round, reply, answer)
            }
            Command::SetPaused(scope, is_paused, reply) => {
                let answer = self.set_paused(round, &scope, is_paused);
                settle(round, reply, answer)
            }
            Command::Tick => Ok(()),
            Command::Close(reply) => settle(round, reply, Ok(())),
        }
    }

    /// Writes a change down, in the round's transaction.
    pub(super) fn apply(&mut self, round: &mut Round, change: &Change) -> Result<()> {
        if !round.is_open {
            self.rows.begin()?;
            round.is_open = true;
        }
        self.rows.apply(change)
    }

    /// Writes the open block down.
    pub(super) fn cut_block(&mut self, round: &mut Round) -> Result<()> {
        match self.packer.cut()? {
            Some(block) => self.apply(round, &Change::Block(block)),
            None => Ok(()),
        }
    }

    fn commit(&mut self, round: &mut Round) -> Result<()> {
        self.cut_block(round)?;
        self.seal_keys(round)?;
        if round.is_open { self.rows.commit() } else { Ok(()) }
    }

    /// Answers everybody: what was done, or why nothing was.
    fn conclude(&mut self, round: Round, outcome: Result<()>) {
        match outcome {
            Ok(()) => {
                self.lingering.keep();
                if self.is_failing && round.is_open {
                    self.is_failing = false;
                    tracing::info!("commits succeed again");
                }
                for answer in round.urgent {
                    answer(None);
                }
                self.answer_parked();
                self.answer(round.answers);
                for transition in round.transitions {
                    self.events.announce(transition);
                }
                for attempt in round.cancelled {
                    self.events.cancelled(attempt);
                }
            }
            Err(error) => {
                self.fail(&error);
                for answer in round.urgent.into_iter().chain(round.answers) {
                    answer(Some(&error));
                }
            }
        }
    }

    /// Answers what was done. Many answers are handed to the callers' runtime in one piece: to wake its threads once for
    /// each of them costs more than the rest of the round's bookkeeping, and the next round waits meanwhile.
    fn answer(&self, answers: Vec<Answer>) {
        let is_long = answers.len() > ANSWERED_IN_PLACE_MAX;
        let answer_all = move || answers.into_iter().for_each(|answer| answer(None));
        match &self.runtime {
            Some(runtime) if is_long => drop(runtime.spawn(async move { answer_all() })),
            _ => answer_all(),
        }
    }

    /// Makes rows and memory agree again after a failure.
    fn fail(&mut self, error: &Error) {
        if !self.is_failing {
            tracing::error!(%error, "a commit failed, and nothing of it was kept; said again when commits succeed");
        }
        self.is_failing = true;
        self.rows.rollback();
        self.lingering.undo();
        self.packer.discard();
        self.recent.clear();
        // Parked claims are told, too: they may hold what was just undone, and if they stayed, whatever is due for them
        // would be tried again at once and without end.
        for parked in self.parked.drain(..) {
            let _ = parked.reply.send(Err(again(error)));
        }
        self.is_stale = true;
        if let Err(error) = self.reload() {
            tracing::debug!(%error, "cannot read the schedule back; trying again with the next command");
        }
    }

    /// Reads from the rows what is kept in memory. Leases that are known stay as they are.
    pub(super) fn reload(&mut self) -> Result<()> {
        let lease_until = self.clock.elapsed().after(LEASE_AFTER_FAILURE);
        self.kinds = Names::new(self.rows.names("kinds")?);
        self.sources = Names::new(self.rows.names("sources")?);
        self.workers.reload(self.rows.names("workers")?);
        let may_hold = self.rows.number("SELECT 1 FROM tasks INDEXED BY tasks_held WHERE hold = 2 LIMIT 1")?.is_some();
        self.limiter = Limiter::new(self.known_limits(), self.rows.starts()?, may_hold);
        let mut schedule = Schedule::new(self.rows.streams()?, self.schedule.take_turns());
        for (ready, worker) in self.rows.running()? {
            let known = self.schedule.running(ready.id).filter(|known| known.ready == ready).cloned();
            let running = known.unwrap_or(Running { ready, worker, lease_until });
            self.limiter.note_running(&running.ready);
            schedule.add_running(running);
        }
        self.has_lanes = self.rows.number("SELECT has_lanes FROM process")? == Some(1);
        self.lanes = if self.has_lanes { self.rows.lanes()? } else { Lanes::default() };
        for running in schedule.running_where(|running| running.ready.lane().is_some()) {
            self.lanes.step_new(&running.ready);
        }
        for lingering in self.lingering.all() {
            self.limiter.note_running(&lingering.ready);
            lingering.ready.lane().into_iter().for_each(|lane| self.lanes.linger(lane));
        }
        self.schedule = schedule;
        let waiting = self.rows.number("SELECT tasks FROM totals WHERE state = 6")?;
        self.waiting = waiting.map_or(0, super::rows::unsigned);
        self.has_families = self.rows.number("SELECT 1 FROM families LIMIT 1")?.is_some();
        for name in self.rows.paused("kind")? {
            if let Some(kind) = self.kinds.number(&name) {
                self.schedule.pause_kind(kind, true);
            }
        }
        for name in self.rows.paused("source")? {
            if let Some(source) = self.sources.number(&name) {
                self.schedule.pause_source(source, true);
            }
        }
        self.keys.reload(&self.rows)?;
        self.is_stale = false;
        Ok(())
    }

    /// Retries what a crash cut off: everything whose row says that it runs. For use before the first command.
    pub(super) fn retry_all_running(&mut self) -> Result<u64> {
        let mut round = Round::new(&self.clock, false);
        self.commits.set_durable(&self.rows, true)?;
        let cut_off = self.schedule.running_where(|_| true);
        let retried = self.end_all(&mut round, &cut_off, |attempt, _| Ending::lost(attempt))?;
        for (task, lane) in self.rows.lingering()? {
            self.apply(&mut round, &Change::LingerOver { task })?;
            self.leave_lane(&mut round, lane_hash(&lane))?;
        }
        self.commit(&mut round)?;
        Ok(retried)
    }

    /// Gives parked claims what they got, and forgets those that nobody waits for any more.
    fn answer_parked(&mut self) {
        for parked in std::mem::take(&mut self.parked) {
            if !parked.taken.is_empty() {
                if let Err(Ok(taken)) = parked.reply.send(Ok(parked.taken)) {
                    // The claimer has gone meanwhile.
                    self.unclaimed.extend(taken.iter().map(lease_of));
                }
            } else if !parked.reply.is_closed() {
                self.parked.push(parked);
            }
        }
    }
}

/// Sends the answer at the end of the round; an error fails the round.
fn settle<T: Send + 'static>(round: &mut Round, reply: Reply<T>, answer: Result<T>) -> Result<()> {
    match answer {
        Ok(answer) => {
            round.answers.push(answer_with(reply, answer));
            Ok(())
        }
        Err(error) => {
            let _ = reply.send(Err(again(&error)));
            Err(error)
        }
    }
}

/// Answers one command with an error that is its own fault, and lets the round go on.
fn refuse_one<T>(reply: Reply<T>, error: Error) -> Result<()> {
    // A caller that is gone does not want to know.
    let _ = reply.send(Err(error));
    Ok(())
}

fn answer_with<T: Send + 'static>(reply: Reply<T>, answer: T) -> Answer {
    Box::new(move |failure: Option<&Error>| {
        // A caller that is gone does not want to know.
        let _ = reply.send(failure.map_or(Ok(answer), |error| Err(again(error))));
    })
}

/// Answers a command with the error that failed its round.
fn refuse(command: Command, error: &Error) {
    fn send<T>(reply: Reply<T>, error: &Error) {
        let _ = reply.send(Err(again(error)));
    }
    match command {
        Command::Insert(_, reply) => send(reply, error),
        Command::Append(_, _, reply) => send(reply, error),
        Command::Claim(_, reply) => send(reply, error),
        Command::Renew(_, _, reply) => send(reply, error),
        Command::Finish(_, reply) => send(reply, error),
        Command::SaveStep(_, _, _, reply) => send(reply, error),
        Command::Release(_, reply) | Command::ReclaimExpired(reply) => send(reply, error),
        Command::Cancel(_, _, reply) | Command::Requeue(_, reply) | Command::Purge(_, reply) => send(reply, error),
        Command::Erase(_, reply) => send(reply, error),
        Command::Prune(_, _, reply) => send(reply, error),
        Command::Find(_, reply) => send(reply, error),
        Command::Probe(reply) | Command::SetPaused(_, _, reply) | Command::Close(reply) => send(reply, error),
        Command::Schedule(_, _, reply) => send(reply, error),
        Command::Mark(_, reply) => send(reply, error),
        Command::Tick => {}
    }
}

/// A transition of a task that is in memory.
pub(super) fn transition_of(
    writer: &Writer,
    ready: &super::schedule::Ready,
    from: Option<State>,
    at: Timestamp,
    error: Option<Arc<str>>,
) -> Transition {
    Transition {
        task: ready.id,
        submission: ready.submission,
        kind: writer.kinds.name(ready.kind),
        from,
        to: ready.standing.state,
        attempt: ready.standing.attempt,
        at,
        error,
    }
}

#[cfg(test)]
mod tests;
