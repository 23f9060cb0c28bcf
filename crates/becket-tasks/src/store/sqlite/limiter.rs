//! Limits in memory: how many attempts of each kind and key run, when they started, and which tasks that keeps waiting.
//!
//! What runs is counted as it is, so the counts cannot drift. A task whose key is at its limit when its turn comes is set
//! aside here, and goes back to the schedule when there is room. How many of one key are set aside is bounded: the rest is
//! held back in the rows (`Hold::Key`), worst first, and opened in time.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use super::change::{Hold, KindNumber};
use super::schedule::{Key, Ready};
use crate::order::{Limits, Rate};
use crate::store::rate::Starts;
use crate::time::Timestamp;

/// So many more tasks of a key than its limit allows to start are kept open.
const SPARE: usize = 32;
/// Keys that are not in use any more are looked for when there are so many.
const KEYS_SWEPT: usize = 4_096;

/// A kind's name and a limit's key.
pub(super) type LimitKey = (KindNumber, Arc<str>);
/// A start of a kind, or of a key of it, that is kept over a restart.
pub(super) type KeptStart = (KindNumber, Option<Arc<str>>, Timestamp);
/// The order of tasks of one key, best first.
type Rank = (Reverse<i8>, Key);

/// What one kind, or one key of it, uses of its limits.
#[derive(Debug, Default)]
struct Usage {
    running: u32,
    starts: Starts,
}

#[derive(Debug, Default)]
struct KeyUsage {
    usage: Usage,
    /// How many tasks of it were opened and have not begun.
    open: usize,
    /// No open task comes after this; what does may be held back.
    worst: Option<Rank>,
    /// Set aside: due, and kept from starting.
    aside: BTreeMap<Rank, Ready>,
    /// The rows may hold back more.
    may_hold: bool,
}

/// What keeps a task from starting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Obstacle {
    /// As many run as may.
    Full,
    /// As many have started as may before this time.
    Until(Timestamp),
}

/// All limits.
#[derive(Debug, Default)]
pub(super) struct Limiter {
    rules: HashMap<KindNumber, Limits>,
    kinds: HashMap<KindNumber, Usage>,
    keys: HashMap<LimitKey, KeyUsage>,
    /// When a key that was at its rate may start again.
    timers: BTreeSet<(Timestamp, LimitKey)>,
    /// Keys of which more tasks should be opened.
    to_open: HashSet<LimitKey>,
    /// Kinds whose keys have no limit any more, so that nothing of them must be held back.
    to_open_wholly: HashSet<KindNumber>,
    /// Whether the rows held something back when they were read; then any key may have some.
    may_hold: bool,
    swept_at: usize,
}

impl Limiter {
    /// Limits of which nothing is used but these starts. `may_hold`: whether the rows hold tasks back.
    pub(super) fn new(rules: HashMap<KindNumber, Limits>, starts: Vec<KeptStart>, may_hold: bool) -> Self {
        let mut by_key: HashMap<(KindNumber, Option<Arc<str>>), Vec<Timestamp>> = HashMap::new();
        for (kind, key, at) in starts {
            by_key.entry((kind, key)).or_default().push(at);
        }
        let mut limiter = Self { rules, may_hold, ..Self::default() };
        for ((kind, key), times) in by_key {
            let starts = Starts::new(times);
            match key {
                None => limiter.kinds.entry(kind).or_default().starts = starts,
                Some(key) => limiter.key((kind, key)).usage.starts = starts,
            }
        }
        limiter
    }

    fn key(&mut self, key: LimitKey) -> &mut KeyUsage {
        let may_hold = self.may_hold;
        self.keys.entry(key).or_insert_with(|| KeyUsage { may_hold, ..KeyUsage::default() })
    }

    pub(super) fn limits(&self, kind: KindNumber) -> Limits {
        self.rules.get(&kind).copied().unwrap_or_default()
    }

    /// Takes in the limits of a kind. Answers what they no longer keep waiting.
    pub(super) fn learn(&mut self, kind: KindNumber, limits: Limits) -> Vec<Ready> {
        if self.limits(kind) == limits {
            return Vec::new();
        }
        self.rules.insert(kind, limits);
        let mut freed = Vec::new();
        let of_kind: Vec<LimitKey> = self.keys.keys().filter(|(of, _)| *of == kind).cloned().collect();
        for key in of_kind {
            if let Some(usage) = self.keys.get_mut(&key) {
                freed.extend(std::mem::take(&mut usage.aside).into_values());
            }
            self.want_more(key);
        }
        if room_at_most(limits).is_none()
            && (self.may_hold || self.keys.iter().any(|(key, one)| key.0 == kind && one.may_hold))
        {
            self.to_open_wholly.insert(kind);
        }
        freed
    }

    /// From when on a kind as a whole may start: a time that has passed, one to come, or `None` until something ends.
    pub(super) fn opens_at(&self, kind: KindNumber, now: Timestamp) -> Option<Timestamp> {
        let limits = self.limits(kind);
        let Some(usage) = self.kinds.get(&kind) else { return Some(Timestamp::default()) };
        match obstacle(usage, limits.concurrency, limits.rate, now) {
            None => Some(Timestamp::default()),
            Some(Obstacle::Until(time)) => Some(time),
            Some(Obstacle::Full) => None,
        }
    }

    /// What keeps a task from starting for the sake of its key.
    pub(super) fn obstacle(&self, ready: &Ready, now: Timestamp) -> Option<Obstacle> {
        let key = ready.limit_key()?;
        let limits = self.limits(ready.kind);
        let usage = &self.keys.get(&(ready.kind, Arc::clone(key)))?.usage;
        obstacle(usage, limits.key_concurrency, limits.key_rate, now)
    }

    /// Whether a new task that is due should be held back in the rows: enough of its key are open, all of them before it.
    pub(super) fn should_hold(&self, ready: &Ready) -> bool {
        let Some(key) = ready.limit_key() else { return false };
        let Some(room) = room_at_most(self.limits(ready.kind)) else { return false };
        self.keys
            .get(&(ready.kind, Arc::clone(key)))
            .is_some_and(|usage| usage.open >= room + SPARE && usage.worst.is_some_and(|worst| rank(ready) > worst))
    }

    /// Notes a task that is held back in the rows.
    pub(super) fn note_held(&mut self, ready: &Ready) {
        if let Some(key) = ready.limit_key() {
            self.key((ready.kind, Arc::clone(key))).may_hold = true;
        }
    }

    /// Notes a due task that is not held back.
    pub(super) fn note_open(&mut self, ready: &Ready) {
        if let Some(key) = ready.limit_key() {
            let usage = self.key((ready.kind, Arc::clone(key)));
            usage.open += 1;
            usage.worst = usage.worst.max(Some(rank(ready)));
        }
    }

    /// Sets a task aside that its key keeps from starting; gives it back if so many are aside that it should rather be
    /// held back in the rows.
    pub(super) fn set_aside(&mut self, ready: Ready, obstacle: Obstacle) -> Result<(), Ready> {
        let Some(name) = ready.limit_key().cloned() else { return Err(ready) };
        let room = room_at_most(self.limits(ready.kind)).unwrap_or(0);
        let key = (ready.kind, name);
        if let Obstacle::Until(time) = obstacle {
            self.timers.insert((time, key.clone()));
        }
        let usage = self.key(key);
        // Those adrift are looked at when one of their lane starts, and must be found then.
        if usage.aside.len() >= room + 2 * SPARE && ready.hold != Hold::Adrift {
            return Err(ready);
        }
        usage.aside.insert(rank(&ready), ready);
        Ok(())
    }

    /// Forgets a task that is aside: it was cancelled, or stands elsewhere now. Answers whether it was.
    pub(super) fn remove_aside(&mut self, ready: &Ready) -> bool {
        let Some(key) = ready.limit_key() else { return false };
        let usage = self.keys.get_mut(&(ready.kind, Arc::clone(key)));
        usage.is_some_and(|usage| usage.aside.remove(&rank(ready)).is_some())
    }

    /// An open task has begun, or will not. Answers one that is aside and may have waited for it: whether it can begin is
    /// looked at when its turn comes.
    pub(super) fn note_left(&mut self, ready: &Ready) -> Option<Ready> {
        let key = (ready.kind, Arc::clone(ready.limit_key()?));
        let usage = self.key(key.clone());
        let next = usage.aside.pop_first().map(|(_, ready)| ready);
        usage.open = usage.open.saturating_sub(1);
        if usage.open == 0 {
            usage.worst = None;
        }
        self.want_more(key);
        next
    }

    fn want_more(&mut self, key: LimitKey) {
        let Some(room) = room_at_most(self.limits(key.0)) else { return };
        if self.keys.get(&key).is_some_and(|usage| usage.may_hold && usage.open < room + SPARE / 2) {
            self.to_open.insert(key);
        }
    }

    /// Notes an attempt that begins, whoever began it.
    pub(super) fn note_running(&mut self, ready: &Ready) {
        self.kinds.entry(ready.kind).or_default().running += 1;
        if let Some(key) = ready.limit_key() {
            self.key((ready.kind, Arc::clone(key))).usage.running += 1;
        }
    }

    /// Notes a start that counts for the rates; answers what must be kept of it: the key, and how many of the latest.
    pub(super) fn note_start(&mut self, ready: &Ready, now: Timestamp) -> Vec<(Option<Arc<str>>, usize)> {
        let limits = self.limits(ready.kind);
        let mut kept = Vec::new();
        if let Some(rate) = limits.rate {
            self.kinds.entry(ready.kind).or_default().starts.note(rate, now);
            kept.push((None, rate.starts()));
        }
        if let (Some(rate), Some(key)) = (limits.key_rate, ready.limit_key()) {
            self.key((ready.kind, Arc::clone(key))).usage.starts.note(rate, now);
            kept.push((Some(Arc::clone(key)), rate.starts()));
        }
        kept
    }

    /// Notes the end of an attempt; answers the task that it kept waiting.
    pub(super) fn note_ended(&mut self, ready: &Ready, now: Timestamp) -> Option<Ready> {
        if let Some(usage) = self.kinds.get_mut(&ready.kind) {
            usage.running = usage.running.saturating_sub(1);
        }
        let key = (ready.kind, Arc::clone(ready.limit_key()?));
        let usage = self.keys.get_mut(&key)?;
        usage.usage.running = usage.usage.running.saturating_sub(1);
        let freed = usage.aside.pop_first().map(|(_, ready)| ready);
        // Nobody may be left to open more when its turn comes.
        self.want_more(key);
        self.sweep(now);
        freed
    }

    /// The tasks that the passing of time lets start.
    pub(super) fn due(&mut self, now: Timestamp) -> Vec<Ready> {
        let mut freed = Vec::new();
        while let Some((time, _)) = self.timers.first()
            && *time <= now
            && let Some((_, key)) = self.timers.pop_first()
        {
            if let Some(usage) = self.keys.get_mut(&key) {
                freed.extend(std::mem::take(&mut usage.aside).into_values());
            }
        }
        freed
    }

    /// When the next of them may start.
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        self.timers.first().map(|(time, _)| *time)
    }

    /// Whether there is more to open.
    pub(super) fn has_to_open(&self) -> bool {
        !self.to_open.is_empty() || !self.to_open_wholly.is_empty()
    }

    /// A key of which more tasks should be opened, and how many.
    pub(super) fn next_to_open(&mut self) -> Option<(LimitKey, usize)> {
        loop {
            let key = self.to_open.iter().next()?.clone();
            self.to_open.remove(&key);
            let Some(room) = room_at_most(self.limits(key.0)) else { continue };
            let open = self.keys.get(&key).map_or(0, |usage| usage.open);
            if open < room + SPARE {
                return Some((key, room + SPARE - open));
            }
        }
    }

    /// So many of those asked for were held back in the rows.
    pub(super) fn opened(&mut self, key: &LimitKey, asked: usize, found: usize) {
        if let Some(usage) = self.keys.get_mut(key) {
            usage.may_hold = found == asked;
        }
    }

    /// A kind of which nothing must be held back.
    pub(super) fn next_to_open_wholly(&self) -> Option<KindNumber> {
        self.to_open_wholly.iter().next().copied()
    }

    pub(super) fn opened_wholly(&mut self, kind: KindNumber) {
        self.to_open_wholly.remove(&kind);
    }

    /// Forgets keys of which nothing is left to know.
    fn sweep(&mut self, now: Timestamp) {
        if self.keys.len() < self.swept_at.max(KEYS_SWEPT) {
            return;
        }
        let (may_hold, rules) = (self.may_hold, &self.rules);
        self.keys.retain(|(kind, _), one| {
            let rate = rules.get(kind).and_then(|limits| limits.key_rate);
            let is_over = rate.is_none_or(|rate| one.usage.starts.are_over(rate, now));
            let is_idle = one.usage.running == 0 && is_over && one.open == 0 && one.aside.is_empty();
            !is_idle || one.may_hold != may_hold
        });
        self.swept_at = 2 * self.keys.len();
    }
}

/// How many of one key may start at once at the most; `None` if there is no limit by key.
fn room_at_most(limits: Limits) -> Option<usize> {
    let concurrency = limits.key_concurrency.map(|limit| limit.max(1) as usize);
    match (concurrency, limits.key_rate.map(|rate| rate.starts())) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

fn obstacle(usage: &Usage, concurrency: Option<u32>, rate: Option<Rate>, now: Timestamp) -> Option<Obstacle> {
    if concurrency.is_some_and(|limit| usage.running >= limit.max(1)) {
        return Some(Obstacle::Full);
    }
    let allowed_at = usage.starts.allowed_at(rate?, now);
    (allowed_at > now).then_some(Obstacle::Until(allowed_at))
}

fn rank(ready: &Ready) -> Rank {
    (Reverse(ready.priority), Key(ready.standing.run_at, ready.id))
}
