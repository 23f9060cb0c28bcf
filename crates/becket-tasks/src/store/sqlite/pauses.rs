//! What lets a claim start less than is due: pauses, and limits as the writer applies them.

use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::Connection;

use super::change::{Change, Hold, KindNumber};
use super::schedule::Ready;
use super::writer::{Round, Writer};
use crate::error::Result;
use crate::order::{Limits, Rules, Scope};

/// How many tasks that are held back one round opens at the most.
const OPENED_MAX: usize = 1_000;

/// All that is paused, in order.
pub(super) fn all(connection: &Connection) -> Result<Vec<Scope>> {
    let of = |scope: &str| super::read::paused(connection, scope);
    Ok(of("kind")?.into_iter().map(Scope::Kind).chain(of("source")?.into_iter().map(Scope::Source)).collect())
}

impl Writer {
    pub(super) fn set_paused(&mut self, round: &mut Round, scope: &Scope, is_paused: bool) -> Result<()> {
        match scope {
            Scope::Kind(name) => {
                let kind = self.kind(round, name)?;
                self.schedule.pause_kind(kind, is_paused);
            }
            Scope::Source(name) => {
                let source = self.source(round, name)?;
                self.schedule.pause_source(source, is_paused);
            }
        }
        let (scope, name) = (scope.word().to_owned(), Arc::clone(scope.name()));
        self.apply(round, &Change::Pause { scope, name, is_paused })
    }

    /// Takes in the limits that a claim comes with.
    pub(super) fn learn_rules(&mut self, rules: &Arc<Rules>) {
        if self.rules.as_ref().is_some_and(|known| Arc::ptr_eq(known, rules)) {
            return;
        }
        let is_same = self.rules.as_ref().is_some_and(|known| known.limits == rules.limits);
        self.rules = Some(Arc::clone(rules));
        if is_same {
            return;
        }
        for (kind, name) in self.kinds.all() {
            for freed in self.limiter.learn(kind, rules.limits(&name)) {
                self.schedule.take_back(freed);
            }
        }
    }

    /// The limits of all kinds, as far as a claim has told them.
    pub(super) fn known_limits(&self) -> HashMap<KindNumber, Limits> {
        let Some(rules) = &self.rules else { return HashMap::new() };
        self.kinds.all().into_iter().map(|(kind, name)| (kind, rules.limits(&name))).collect()
    }

    /// Sets a task aside that its limit's key keeps from starting; answers whether it did.
    pub(super) fn put_aside(&mut self, round: &mut Round, ready: &Ready) -> Result<bool> {
        let Some(obstacle) = self.limiter.obstacle(ready, round.now) else { return Ok(false) };
        self.schedule.set_aside(ready);
        if let Err(ready) = self.limiter.set_aside(ready.clone(), obstacle) {
            self.apply(round, &Change::Hold { task: ready.id, hold: Hold::Key })?;
            self.schedule.forget_aside(&ready);
            let next = self.limiter.note_left(&ready);
            next.into_iter().for_each(|next| self.schedule.take_back(next));
            self.limiter.note_held(&ready);
        }
        Ok(true)
    }

    /// Notes a start of what has a limited rate.
    pub(super) fn note_rated_start(&mut self, round: &mut Round, ready: &Ready) -> Result<()> {
        for (limit_key, kept) in self.limiter.note_start(ready, round.now) {
            let (kind, at) = (ready.kind, round.now);
            self.apply(round, &Change::Started { kind, limit_key, at, kept })?;
        }
        Ok(())
    }

    /// Lets tasks start again that a limit has kept waiting long enough.
    pub(super) fn free_due(&mut self, round: &Round) {
        for freed in self.limiter.due(round.now) {
            self.schedule.take_back(freed);
        }
    }

    /// Opens more of the tasks that are held back in the rows by their limit's key.
    pub(super) fn open_more(&mut self, round: &mut Round) -> Result<()> {
        let mut opened = 0;
        while opened < OPENED_MAX
            && let Some(kind) = self.limiter.next_to_open_wholly()
        {
            let held = self.rows.held_of_kind(kind, OPENED_MAX)?;
            if held.len() < OPENED_MAX {
                self.limiter.opened_wholly(kind);
            }
            opened += held.len();
            self.open_all(round, held)?;
        }
        while opened < OPENED_MAX
            && let Some((key, wanted)) = self.limiter.next_to_open()
        {
            let held = self.rows.held_by_key(key.0, &key.1, wanted)?;
            self.limiter.opened(&key, wanted, held.len());
            opened += held.len();
            self.open_all(round, held)?;
        }
        Ok(())
    }

    fn open_all(&mut self, round: &mut Round, held: Vec<Ready>) -> Result<()> {
        for ready in held {
            self.apply(round, &Change::Hold { task: ready.id, hold: Hold::Open })?;
            self.enter_schedule(round, Ready { hold: Hold::Open, ..ready })?;
        }
        Ok(())
    }
}
