//! Which task a memory store hands out next: lanes, turns, limits and pauses. Simple rather than fast: it looks at
//! everything each time.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::rows::{Held, Log, Rows};
use crate::id::TaskId;
use crate::order::{Latest, OnRetry, Rate, Rules, SUPERSEDED, Scope};
use crate::state::State;
use crate::store::Claim;
use crate::store::fair::Turns;
use crate::store::rate::Starts;
use crate::submission::{Due, NewTask};
use crate::task::{Lease, Task};
use crate::time::Timestamp;

/// Lanes, turns, limits and pauses.
#[derive(Default)]
pub(super) struct Order {
    turns: Turns,
    starts: BTreeMap<(Arc<str>, Option<Arc<str>>), Starts>,
    paused: BTreeSet<Scope>,
    /// The unfinished tasks of each lane.
    lanes: BTreeMap<Arc<str>, BTreeSet<TaskId>>,
    running: BTreeSet<TaskId>,
    lingering: Vec<Lingering>,
}

/// An attempt whose task was cancelled, until its worker has reported.
pub(super) struct Lingering {
    pub(super) lease: Lease,
    pub(super) held: Held,
    kind: Arc<str>,
    lane: Option<Arc<str>>,
    limit_key: Option<Arc<str>>,
}

impl Order {
    /// A task is there, or has changed its state.
    pub(super) fn enter(&mut self, task: &Task) {
        if task.state() == State::Running {
            self.running.insert(task.id);
        } else {
            self.running.remove(&task.id);
        }
        let Some(lane) = &task.lane else { return };
        let tasks = self.lanes.entry(Arc::clone(lane)).or_default();
        if task.state().is_finished() {
            tasks.remove(&task.id);
        } else {
            tasks.insert(task.id);
        }
        if tasks.is_empty() {
            self.lanes.remove(lane);
        }
    }

    /// Notes that a task was chosen for a claim.
    pub(super) fn note_claim(&mut self, task: &Task, rules: &Rules, now: Timestamp) {
        self.turns.charge(task.tenant.as_ref(), rules.weight(task.tenant.as_deref()));
        let limits = rules.limits(&task.kind);
        let mut note = |key: Option<&Arc<str>>, rate: Option<Rate>| {
            if let Some(rate) = rate {
                self.starts.entry((Arc::clone(&task.kind), key.cloned())).or_default().note(rate, now);
            }
        };
        note(None, limits.rate);
        if let Some(key) = &task.limit_key {
            note(Some(key), limits.key_rate);
        }
    }

    /// A running task was cancelled: its attempt keeps its place until it is over.
    pub(super) fn linger(&mut self, task: &Task, held: Held) {
        let lease = Lease { task: task.id, attempt: task.standing.attempt };
        let (kind, lane, limit_key) = (Arc::clone(&task.kind), task.lane.clone(), task.limit_key.clone());
        self.lingering.push(Lingering { lease, held, kind, lane, limit_key });
    }

    /// Whether no attempt is under way, not even one that has lost its task.
    pub(super) fn is_at_rest(&self) -> bool {
        self.running.is_empty() && self.lingering.is_empty()
    }

    /// Forgets what is in the memory of a process only.
    pub(super) fn crash(&mut self) {
        self.lingering.clear();
        self.turns = Turns::default();
    }

    /// Forgets attempts that are over; answers how many.
    pub(super) fn stop_lingering(&mut self, is_over: impl Fn(&Lingering) -> bool) -> usize {
        let before = self.lingering.len();
        self.lingering.retain(|lingering| !is_over(lingering));
        before - self.lingering.len()
    }
}

impl Rows {
    pub(super) fn set_paused(&mut self, scope: Scope, is_paused: bool, log: &mut Log) {
        if is_paused {
            self.order.paused.insert(scope);
        } else {
            self.order.paused.remove(&scope);
            log.free();
        }
    }

    pub(super) fn paused(&self) -> Vec<Scope> {
        self.order.paused.iter().cloned().collect()
    }

    /// The task that a claim gets next: highest priority, then the earliest turn, then longest due, then oldest.
    pub(super) fn best(&self, claim: &Claim, now: Timestamp) -> Option<TaskId> {
        let mut best: Option<(Reverse<i8>, u64, TaskId)> = None;
        for (priority, run_at, id) in &self.claimable {
            if best.is_some_and(|(best, ..)| best < *priority) {
                break;
            }
            let task = &self.tasks[id].task;
            if *run_at > now || !claim.kinds.contains(&task.kind) || self.blocked(task, &claim.rules, now).is_some() {
                continue;
            }
            let turn = self.order.turns.of(task.tenant.as_ref());
            if best.is_none_or(|(_, best, _)| turn < best) {
                best = Some((*priority, turn, *id));
            }
        }
        best.map(|(.., id)| id)
    }

    /// When a claim that found nothing may find something by the passing of time alone.
    pub(super) fn next_chance(&self, claim: &Claim, now: Timestamp) -> Option<Timestamp> {
        let wanted = self.claimable.iter().filter(|(_, _, id)| claim.kinds.contains(&self.tasks[id].task.kind));
        let chances = wanted.filter_map(|(_, run_at, id)| {
            if *run_at > now {
                return Some(*run_at);
            }
            self.blocked(&self.tasks[id].task, &claim.rules, now).and_then(|until| until)
        });
        chances.min()
    }

    /// Why a due task cannot start: `Some(Some(time))` until then, `Some(None)` until something else happens.
    pub(super) fn blocked(&self, task: &Task, rules: &Rules, now: Timestamp) -> Option<Option<Timestamp>> {
        if self.is_paused(task) || !self.has_its_turn_in_its_lane(task, now) {
            return Some(None);
        }
        let limits = rules.limits(&task.kind);
        let is_full = |limit: Option<u32>, key: Option<&Arc<str>>| {
            limit.is_some_and(|limit| self.count_running(&task.kind, key) >= limit.max(1) as usize)
        };
        if is_full(limits.concurrency, None) {
            return Some(None);
        }
        let until = |rate: Option<Rate>, key: Option<&Arc<str>>| {
            let starts = self.order.starts.get(&(Arc::clone(&task.kind), key.cloned()))?;
            Some(starts.allowed_at(rate?, now)).filter(|allowed_at| *allowed_at > now)
        };
        let mut blocked = until(limits.rate, None);
        if let Some(key) = &task.limit_key {
            if is_full(limits.key_concurrency, Some(key)) {
                return Some(None);
            }
            blocked = blocked.max(until(limits.key_rate, Some(key)));
        }
        blocked.map(Some)
    }

    /// How many attempts of a kind run, of those with `key` if that is given.
    fn count_running(&self, kind: &str, key: Option<&Arc<str>>) -> usize {
        let counts = |of: &Arc<str>, has: Option<&Arc<str>>| **of == *kind && (key.is_none() || has == key);
        let tasks = self.order.running.iter().map(|id| &self.tasks[id].task);
        let running = tasks.filter(|task| counts(&task.kind, task.limit_key.as_ref())).count();
        let lingering = self.order.lingering.iter().filter(|one| counts(&one.kind, one.limit_key.as_ref())).count();
        running + lingering
    }

    fn is_paused(&self, task: &Task) -> bool {
        let paused = &self.order.paused;
        paused.contains(&Scope::Kind(Arc::clone(&task.kind)))
            || paused.contains(&Scope::Source(Arc::clone(&task.source)))
    }

    fn is_lane_busy(&self, lane: &Arc<str>) -> bool {
        let tasks = self.order.lanes.get(lane).into_iter().flatten();
        let runs = |id: &TaskId| self.order.running.contains(id);
        tasks.copied().any(|id| runs(&id)) || self.order.lingering.iter().any(|one| one.lane.as_ref() == Some(lane))
    }

    /// Whether a due task is the first of its lane that is not to be passed, and nothing of the lane runs.
    fn has_its_turn_in_its_lane(&self, task: &Task, now: Timestamp) -> bool {
        let Some(lane) = &task.lane else { return true };
        let first = || {
            let tasks = self.order.lanes.get(lane).into_iter().flatten();
            tasks.copied().find(|id| {
                let row = &self.tasks[id];
                let passes = row.lane.as_ref().is_some_and(|lane| lane.on_retry == OnRetry::Pass);
                let is_ready = row.task.state().is_claimable() && row.task.standing.run_at <= now;
                is_ready || !passes
            })
        };
        !self.is_lane_busy(lane) && first() == Some(task.id)
    }

    /// Whether a new task may begin before it was ever queued.
    pub(super) fn may_start_at_once(&self, id: TaskId) -> bool {
        let task = &self.tasks[&id].task;
        let is_alone = |lane| self.order.lanes.get(lane).is_none_or(|tasks| tasks.len() == 1);
        task.state() == State::Queued
            && !self.is_paused(task)
            && task.lane.as_ref().is_none_or(|lane| is_alone(lane) && !self.is_lane_busy(lane))
    }

    /// Cancels what a new task replaces in its lane, and makes it wait for quiet if that is asked for. Answers since when.
    pub(super) fn supersede(&mut self, new: &mut NewTask, now: Timestamp, log: &mut Log) -> Option<Timestamp> {
        let lane = new.lane.as_ref()?;
        let name = crate::order::bounded_name(&lane.name)?;
        let latest = lane.latest.or(lane.debounce.map(|_| Latest::Waiting))?;
        let debounce = lane.debounce;
        let in_lane: Vec<TaskId> = self.order.lanes.get(&name).into_iter().flatten().copied().collect();
        let mut since = now;
        for id in in_lane {
            let row = &self.tasks[&id];
            if row.task.kind != new.kind || (row.task.state() == State::Running && latest == Latest::Waiting) {
                continue;
            }
            if row.task.state() != State::Running {
                since = since.min(row.since.unwrap_or(now));
            }
            self.cancel(id, &SUPERSEDED.into(), now, log);
        }
        let debounce = debounce?;
        new.due = Due::At(now.after(debounce.quiet).min(since.after(debounce.max)));
        Some(since)
    }
}
