//! Holds what a store hands out against the order: due, not paused, its lane's turn (G5), within the limits, after its
//! parents, under the next attempt.

use std::sync::Arc;

use becket_tasks::order::{OnRetry, Rate, Scope};
use becket_tasks::state::CRASHES_MIN;
use becket_tasks::store::Claim;
use becket_tasks::submission::Start;
use becket_tasks::{Claimed, State, TaskId};

use super::{At, Check, Hold, Known, Ledger, same};

impl Ledger {
    pub(crate) fn claimed(&mut self, claim: &Claim, answer: &[Claimed], at: At) -> Check {
        if answer.len() > claim.limit {
            return Err(format!("{} tasks were claimed, and {} asked for", answer.len(), claim.limit));
        }
        for claimed in answer {
            let task = self.checked(claimed.id)?;
            if !claim.kinds.contains(&task.kind) {
                return Err(format!("task {} is of a kind that nobody asked for", claimed.id));
            }
            if task.run_at > at.now {
                return Err(format!("task {} is not due before {}", claimed.id, task.run_at));
            }
            self.check_limits(claimed.id, at)?;
            self.check_lane(claimed.id)?;
            let start = Start { worker: claim.worker.clone(), lease: claim.lease };
            self.grant(claimed, &start, at)?;
        }
        Ok(())
    }

    /// A task began as it was accepted.
    pub(super) fn started(&mut self, claimed: &Claimed, start: Option<&Start>, at: At) -> Check {
        let Some(start) = start else { return Err(format!("task {} began unasked", claimed.id)) };
        let task = self.checked(claimed.id)?;
        if task.state != State::Queued {
            return Err(format!("task {} began while it was {}", claimed.id, task.state));
        }
        let ended_badly = |id: &TaskId| matches!(self.tasks[id].state, State::Failed | State::Cancelled);
        if !task.survives_parents && task.parents.keys().any(ended_badly) {
            return Err(format!("task {} began, though it does not survive its parents", claimed.id));
        }
        self.check_lane(claimed.id)?;
        self.grant(claimed, start, at)
    }

    /// What holds of every task that begins.
    fn checked(&self, id: TaskId) -> Result<&Known, String> {
        let Some(task) = self.tasks.get(&id) else { return Err(format!("task {id} was never accepted")) };
        if !matches!(task.state, State::Queued | State::Retrying) {
            return Err(format!("task {id} was handed out while it was {}", task.state));
        }
        let scopes = [Scope::Kind(Arc::clone(&task.kind)), Scope::Source(Arc::clone(&task.source))];
        if let Some(scope) = scopes.into_iter().find(|scope| self.paused.contains(scope)) {
            return Err(format!("task {id} began while {scope} was paused"));
        }
        if !task.is_excused && task.parents.values().any(|is_over| !is_over) {
            return Err(format!("task {id} began before its parents had ended"));
        }
        Ok(task)
    }

    fn check_lane(&self, id: TaskId) -> Check {
        let Some(lane) = &self.tasks[&id].lane else { return Ok(()) };
        let in_lane = |id: &TaskId| self.tasks[id].lane.as_ref().is_some_and(|other| other.name == lane.name);
        if let Some((running, attempt)) = self.holds.keys().find(|(running, _)| in_lane(running)) {
            return Err(format!(
                "G5: task {id} began in lane {}, where attempt {attempt} of {running} runs",
                lane.name
            ));
        }
        let holds_up = |(other, task): &(&TaskId, &Known)| {
            let is_strict = task.lane.as_ref().is_some_and(|lane| lane.on_retry == OnRetry::Hold);
            in_lane(other) && is_strict && !task.state.is_finished()
        };
        match self.tasks.range(..id).find(holds_up) {
            Some((first, task)) => Err(format!("G5: task {id} began before {first}, which is {}", task.state)),
            None => Ok(()),
        }
    }

    fn check_limits(&mut self, id: TaskId, at: At) -> Check {
        let (kind, key) = (Arc::clone(&self.tasks[&id].kind), self.tasks[&id].limit_key.clone());
        let limits = self.rules.limits(&kind);
        let mut counted = vec![(None, limits.concurrency, limits.rate)];
        counted.extend(key.map(|key| (Some(key), limits.key_concurrency, limits.key_rate)));
        for (key, concurrency, rate) in counted {
            let counts = |task: &Known| task.kind == kind && (key.is_none() || task.limit_key == key);
            let running = self.holds.keys().filter(|(id, _)| counts(&self.tasks[id])).count();
            if concurrency.is_some_and(|limit| running >= limit as usize) {
                return Err(format!("limit: task {id} is one more than {running} of `{kind}`, key {key:?}"));
            }
            let Some(Rate { starts: allowed, period }) = rate else { continue };
            let starts = self.starts.entry((Arc::clone(&kind), key.clone())).or_default();
            // What began before the clock was set back counts as if it began now.
            starts.iter_mut().for_each(|start| *start = (*start).min(at.now));
            starts.push(at.now);
            let within = starts.iter().filter(|start| start.after(period) > at.now).count();
            if within > allowed as usize {
                return Err(format!("rate: task {id} is one of {within} of `{kind}`, key {key:?}"));
            }
        }
        Ok(())
    }

    fn grant(&mut self, claimed: &Claimed, start: &Start, at: At) -> Check {
        let task = self.known(claimed.id)?;
        task.attempt += 1;
        task.state = State::Running;
        let counted = task.attempt - task.spared;
        let allowed = if task.has_crashed { task.max_attempts.max(CRASHES_MIN) } else { task.max_attempts };
        if counted > allowed {
            return Err(format!("G3: attempt {counted} of {} counts, and {allowed} may", claimed.id));
        }
        same(
            "the numbers of an attempt",
            claimed.id,
            &(task.attempt, counted),
            &(claimed.attempt, claimed.attempts_counted),
        )?;
        let hold = Hold { worker: start.worker.clone(), until: at.elapsed.after(start.lease), is_fenced: false };
        self.holds.insert((claimed.id, claimed.attempt), hold);
        Ok(())
    }
}
