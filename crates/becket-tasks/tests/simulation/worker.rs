//! A simulated worker process: it calls the store's verbs as the contract allows, and no kinder. It stalls, reports late
//! or twice or never, ignores that its lease is lost, names attempts that were never its own, and is killed at any await.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use becket_tasks::order::Rules;
use becket_tasks::store::Claim;
use becket_tasks::submission::Due;
use becket_tasks::task::{End, Finish, Lease};
use becket_tasks::{Claimed, Store, WorkerId};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::faulty::Faulty;
use crate::world::World;

/// What the parts of one process share.
#[derive(Clone, Debug)]
pub(crate) struct Process {
    pub(crate) world: Arc<World>,
    pub(crate) way: Faulty,
    pub(crate) id: WorkerId,
    pub(crate) kinds: Arc<[Arc<str>]>,
    pub(crate) rules: Arc<Rules>,
    pub(crate) lease: Duration,
    pub(crate) held: Arc<Mutex<BTreeSet<(becket_tasks::TaskId, u32)>>>,
}

impl Process {
    /// Works until it is dropped, with all that it has begun.
    pub(crate) async fn work(self) {
        tokio::join!(self.claim(), self.renew(), self.reclaim());
    }

    async fn claim(&self) {
        let mut running = JoinSet::new();
        loop {
            while running.try_join_next().is_some() {}
            if running.len() >= 3 {
                let _ = running.join_next().await;
            }
            let claim = Claim {
                worker: self.id.clone(),
                kinds: Arc::clone(&self.kinds),
                limit: 1 + self.world.below(3),
                lease: self.lease,
                wait: self.world.pick(&[Duration::ZERO, Duration::from_secs(3), Duration::from_secs(20)]),
                rules: Arc::clone(&self.rules),
            };
            match self.way.claim(claim).await {
                Ok(claimed) if claimed.is_empty() => self.world.pause(2_000).await,
                Ok(claimed) => {
                    for task in claimed {
                        self.hold(lease_of(&task));
                        running.spawn(self.clone().run(task));
                    }
                }
                Err(_) => self.world.pause(1_000).await,
            }
        }
    }

    /// Renews what it holds, but for when it stalls.
    async fn renew(&self) {
        loop {
            sleep(self.lease / 3).await;
            if self.world.trouble(10) {
                self.world.note(format_args!("{} stalls", self.id));
                sleep(self.lease * 2).await;
            }
            let leases: Vec<Lease> =
                self.held().iter().map(|(task, attempt)| Lease { task: *task, attempt: *attempt }).collect();
            if leases.is_empty() {
                continue;
            }
            let Ok(answers) = self.way.renew(leases.clone(), self.lease).await else { continue };
            for (lease, _) in leases.into_iter().zip(answers).filter(|(_, is_held)| !is_held) {
                self.drop_hold(lease);
            }
        }
    }

    async fn reclaim(&self) {
        loop {
            self.world.pause(3_000).await;
            let _ = self.way.reclaim_expired().await;
        }
    }

    /// One attempt.
    pub(crate) async fn run(self, task: Claimed) {
        let lease = lease_of(&task);
        self.world.enter(|ledger| ledger.begins(lease));
        let heeds = self.world.chance(70);
        let max = self.world.pick(&[0, 500, 3_000, if self.world.is_calm() { 3_000 } else { 30_000 }]);
        self.world.pause(max).await;
        if self.world.chance(30) {
            let name = self.world.pick(&["a", "b"]).into();
            let _ = self.way.save_step(lease, name, self.world.below(1_000_000).to_string().into()).await;
        }
        if self.world.trouble(8) {
            self.world.note(format_args!("{} goes silent about {lease:?}", self.id));
            self.drop_hold(lease);
            return;
        }
        let is_lost = !self.held().contains(&(lease.task, lease.attempt));
        let end = if is_lost && heeds { End::Release } else { self.end() };
        if self.world.trouble(5) {
            let attempt = if self.world.chance(50) { lease.attempt + 1 } else { lease.attempt - 1 };
            self.report(Finish { lease: Lease { attempt, ..lease }, end: end.clone() }).await;
        }
        self.report(Finish { lease, end: end.clone() }).await;
        if self.world.trouble(5) {
            self.world.pause(5_000).await;
            self.report(Finish { lease, end }).await;
        }
        self.drop_hold(lease);
    }

    /// Tells it until the store has heard.
    async fn report(&self, finish: Finish) {
        while self.way.finish(vec![finish.clone()]).await.is_err() {
            self.world.pause(1_000).await;
        }
    }

    fn end(&self) -> End {
        let due = match self.world.below(3) {
            0 => Due::Now,
            1 => Due::After(self.world.millis(4_000)),
            _ => Due::At(self.world.clock.now().after(self.world.millis(4_000))),
        };
        match self.world.below(10) {
            0..=2 => End::Retry { due, error: "it went wrong".into() },
            3 => End::GiveUp { error: "it is no use".into() },
            4 if !self.world.is_calm() => End::Park { due, reason: "rate limit".into() },
            5 if !self.world.is_calm() => End::Release,
            _ => End::Completed { result: None, result_ttl: Duration::from_secs(60) },
        }
    }

    fn hold(&self, lease: Lease) {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).insert((lease.task, lease.attempt));
    }

    fn drop_hold(&self, lease: Lease) {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).remove(&(lease.task, lease.attempt));
    }

    fn held(&self) -> BTreeSet<(becket_tasks::TaskId, u32)> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn lease_of(task: &Claimed) -> Lease {
    Lease { task: task.id, attempt: task.attempt }
}
