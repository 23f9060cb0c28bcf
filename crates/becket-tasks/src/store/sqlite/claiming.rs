//! Claims, seen from the caller: what the writer gave is loaded with what it carries, or given back.
//!
//! From the writer's answer until the caller has its tasks in hand a guard holds their leases. Should the caller go away
//! or loading fail, the guard gives the tasks back at once, so that nobody waits for a lease to run out.

use std::collections::HashMap;
use std::time::Duration;

use tokio::sync::oneshot;

use super::SqliteStore;
use super::command::{Carried, Command, Gate, Taken};
use super::intake::claimed;
use super::read::{Payloads, Reader};
use crate::error::{Error, Result};
use crate::id::SubmissionId;
use crate::store::Claim;
use crate::task::{Claimed, End, Finish, Lease};

impl SqliteStore {
    pub(super) async fn claim_tasks(&self, claim: Claim) -> Result<Vec<Claimed>> {
        if claim.limit == 0 || claim.kinds.is_empty() {
            return Ok(Vec::new());
        }
        let wait = claim.wait;
        let (reply, answer) = oneshot::channel();
        self.send(self.gate.admit_when_possible(Command::Claim(claim, reply)).await?)?;
        let mut claiming = Claiming { store: self, answer };
        let taken = claiming.taken(wait).await?;
        self.load(taken).await
    }

    /// Adds what the tasks carry, from memory or from the rows.
    pub(super) async fn load(&self, taken: Vec<Taken>) -> Result<Vec<Claimed>> {
        let held = Held { store: self, leases: taken.iter().map(lease_of).collect() };
        let claims = self.load_held(taken).await?;
        held.hand_over();
        Ok(claims)
    }

    async fn load_held(&self, taken: Vec<Taken>) -> Result<Vec<Claimed>> {
        let mut order = HashMap::new();
        if taken.iter().any(|taken| taken.carried.is_none()) {
            order.extend(taken.iter().enumerate().map(|(place, taken)| (taken.running.ready.id, place)));
        }
        let mut claims = Vec::with_capacity(taken.len());
        let mut missing = Vec::new();
        for taken in taken {
            match taken.carried.clone() {
                Some(carried) => claims.push(claimed(taken, &carried)),
                None => missing.push(taken),
            }
        }
        if missing.is_empty() {
            return Ok(claims);
        }
        let (read, unreadable) = self.readers.ask(|reader| read_all(reader, missing)).await?;
        if !unreadable.is_empty() {
            self.ask_patiently(|reply| Command::Finish(unreadable, reply)).await?;
        }
        claims.extend(read);
        // Best first, as they were claimed.
        claims.sort_by_key(|claimed| order.get(&claimed.id).copied());
        Ok(claims)
    }

    /// Releases tasks that nobody will run, without waiting for it.
    fn give_back(&self, leases: Vec<Lease>) {
        let finishes = leases.into_iter().map(|lease| Finish { lease, end: End::Release }).collect();
        let (reply, _) = oneshot::channel();
        // If the store is closed meanwhile, the next start finds the tasks running and retries them.
        let _ = self.send(Gate::pass(Command::Finish(finishes, reply)));
    }
}

/// A claim under way. Dropping it gives back what it may have been answered already.
struct Claiming<'a> {
    store: &'a SqliteStore,
    answer: oneshot::Receiver<Result<Vec<Taken>>>,
}

impl Claiming<'_> {
    async fn taken(&mut self, wait: Duration) -> Result<Vec<Taken>> {
        // A claim that does not wait is answered by the writer's next round, however long that takes.
        let answered = if wait.is_zero() {
            (&mut self.answer).await
        } else {
            match tokio::time::timeout(wait, &mut self.answer).await {
                Ok(answered) => answered,
                Err(_) => return self.late_answer().unwrap_or_else(|| Ok(Vec::new())),
            }
        };
        answered.map_err(|_| self.store.unanswered())?
    }

    /// What was answered in the moment in which we stopped waiting. An answer that comes later finds nobody, and the
    /// writer takes its tasks back itself.
    fn late_answer(&mut self) -> Option<Result<Vec<Taken>>> {
        self.answer.close();
        self.answer.try_recv().ok()
    }
}

impl Drop for Claiming<'_> {
    fn drop(&mut self) {
        if let Some(Ok(taken)) = self.late_answer()
            && !taken.is_empty()
        {
            self.store.give_back(taken.iter().map(lease_of).collect());
        }
    }
}

/// Leases of tasks that their claimer does not have yet. Dropping it gives the tasks back.
struct Held<'a> {
    store: &'a SqliteStore,
    leases: Vec<Lease>,
}

impl Held<'_> {
    /// The claimer has them now.
    fn hand_over(mut self) {
        self.leases.clear();
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if !self.leases.is_empty() {
            self.store.give_back(std::mem::take(&mut self.leases));
        }
    }
}

pub(super) const fn lease_of(taken: &Taken) -> Lease {
    let ready = &taken.running.ready;
    Lease { task: ready.id, attempt: ready.standing.attempt }
}

/// Reads what tasks carry. One whose payload is damaged fails with the reason, instead of being claimed for ever; if
/// reading does not work at the moment, no task is to blame.
fn read_all(reader: &mut Reader, taken: Vec<Taken>) -> Result<(Vec<Claimed>, Vec<Finish>)> {
    reader.payloads(|payloads| read_all_in(payloads, taken))
}

fn read_all_in(payloads: &mut Payloads<'_>, taken: Vec<Taken>) -> Result<(Vec<Claimed>, Vec<Finish>)> {
    let mut claims = Vec::with_capacity(taken.len());
    let mut unreadable = Vec::new();
    for taken in taken {
        let ready = taken.running.ready.clone();
        match read_carried(payloads, ready.submission) {
            Ok(carried) => claims.push(claimed(taken, &carried)),
            Err(Error::Corrupt(why)) => {
                tracing::error!(task = %ready.id, error = why, "cannot read what a task carries");
                let end = End::GiveUp { error: format!("its payload cannot be read: {why}").into() };
                unreadable.push(Finish { lease: lease_of(&taken), end });
            }
            Err(error) => return Err(error),
        }
    }
    Ok((claims, unreadable))
}

fn read_carried(payloads: &mut Payloads<'_>, submission: SubmissionId) -> Result<Carried> {
    let (row, meta, payload) =
        payloads.of(submission)?.ok_or_else(|| Error::Corrupt(format!("its submission {submission} is missing")))?;
    Ok(Carried { source: row.source, event: row.event, action: row.action, key: row.key, meta, payload })
}
