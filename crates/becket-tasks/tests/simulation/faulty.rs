//! The way to the store: it fails, delays, loses answers after the commit, goes on after its caller has gone, and loses
//! or repeats wake-ups, as the dice fall. Each commit is entered in the ledger at once.

mod verbs;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use becket_tasks::store::Claim;
use becket_tasks::task::{Finish, Finished};
use becket_tasks::{Claimed, Error, Result, Store, TaskId};
use futures_util::future::BoxFuture;
use tokio::time::{Instant, sleep, timeout_at};

use crate::disk::{Disk, done};
use crate::ledger::{At, Check, Ledger, must};
use crate::world::World;

/// A parked claim looks again at least so often.
const RECHECK: Duration = Duration::from_secs(1);

/// One process' way to the store. Clones are the same way.
#[derive(Clone, Debug)]
pub(crate) struct Faulty {
    world: Arc<World>,
    disk: Arc<Disk>,
    /// Once the process is dead, nothing it calls is ever answered.
    is_dead: Arc<AtomicBool>,
}

impl Faulty {
    pub(crate) fn new(world: &Arc<World>, disk: &Arc<Disk>) -> Self {
        Self { world: Arc::clone(world), disk: Arc::clone(disk), is_dead: Arc::default() }
    }

    /// The process is gone, whatever of it still runs here.
    pub(crate) fn kill(&self) {
        self.is_dead.store(true, Ordering::SeqCst);
    }

    /// Kills the process of the store itself.
    pub(crate) fn crash_store(&self) {
        self.world.note("the store crashes");
        let at = self.world.sync();
        self.disk.crash(self.world.clock.clone());
        self.world.enter(|ledger| ledger.crashed(at));
        self.moved();
    }

    /// Parked claims look again for nothing.
    pub(crate) fn wake(&self) {
        self.world.changed.notify_waiters();
        self.world.clock.set(self.world.clock.now());
    }

    /// A verb on its way there and back. `commit` does it, and enters it.
    fn call<T: Send + 'static>(
        &self,
        verb: &'static str,
        commit: impl FnOnce(&Self) -> Result<T> + Send + 'static,
    ) -> BoxFuture<'_, Result<T>> {
        self.travel(verb, move |way| Box::pin(async move { commit(&way) }))
    }

    /// As [`call`](Self::call), for what may take a while.
    fn travel<T: Send + 'static>(
        &self,
        verb: &'static str,
        commit: impl FnOnce(Self) -> BoxFuture<'static, Result<T>> + Send + 'static,
    ) -> BoxFuture<'_, Result<T>> {
        Box::pin(async move {
            self.alive().await;
            let way = self.clone();
            let journey = async move {
                way.there(verb).await?;
                let answer = commit(way.clone()).await;
                way.back(verb, answer).await
            };
            // In flight, it arrives also when whoever sent it is gone.
            let answer = if self.world.trouble(10) {
                tokio::spawn(journey).await.unwrap_or_else(|_| Err(unavailable("the runtime ends")))
            } else {
                journey.await
            };
            self.alive().await;
            answer
        })
    }

    async fn there(&self, verb: &'static str) -> Result<()> {
        if self.world.trouble(10) {
            self.world.pause(1_500).await;
        }
        if self.world.is_out() {
            self.world.pause(500).await;
            return Err(unavailable("out of reach"));
        }
        if self.world.trouble(5) {
            self.world.note(format_args!("{verb} fails"));
            return Err(unavailable("told to"));
        }
        Ok(())
    }

    async fn back<T>(&self, verb: &'static str, answer: Result<T>) -> Result<T> {
        if self.world.trouble(10) {
            self.world.pause(3_000).await;
        }
        if self.world.trouble(5) {
            self.world.note(format_args!("the answer of {verb} is lost"));
            return Err(unavailable("the answer is lost"));
        }
        answer
    }

    async fn alive(&self) {
        if self.is_dead.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
    }

    /// Does a verb at the store now, and enters it.
    fn commit<T>(
        &self,
        verb: impl FnOnce(Arc<dyn Store>) -> BoxFuture<'static, Result<T>>,
        enter: impl FnOnce(&mut Ledger, &T, At) -> Check,
    ) -> Result<T> {
        let at = self.world.sync();
        let answer = done(verb(self.disk.store()));
        match &answer {
            Ok(answer) => self.world.enter(|ledger| enter(ledger, answer, at)),
            Err(error) => self.world.enter(|_| Err(format!("the store failed by itself: {error}"))),
        }
        answer
    }

    /// Tasks have moved: the store's count of them is held against the ledger, and those who wait look again.
    fn moved(&self) {
        let counts = done(self.disk.store().counts());
        self.world.enter(|ledger| match counts {
            Ok(counts) => ledger.counts(&counts),
            Err(error) => Err(format!("the store does not count: {error}")),
        });
        // A wake-up may be lost: then those who wait find out later.
        if !self.world.trouble(5) {
            self.world.changed.notify_waiters();
        }
    }

    fn look<T: Send + 'static>(
        &self,
        verb: impl FnOnce(Arc<dyn Store>) -> BoxFuture<'static, Result<T>> + Send + 'static,
    ) -> BoxFuture<'_, Result<T>> {
        self.call("a look", |way| done(verb(way.disk.store())))
    }

    async fn claim_or_wait(self, claim: Claim) -> Result<Vec<Claimed>> {
        let deadline = Instant::now() + claim.wait;
        if self.disk.can_park && self.world.chance(20) {
            let store = self.disk.store();
            let claimed = store.claim(claim.clone()).await?;
            // Nothing has happened since the commit: the store answers in the same breath.
            return self.note_claim(&claim, claimed);
        }
        loop {
            // Interest comes first: what happens in between wakes us, too.
            let changed = self.world.changed.notified();
            self.world.sync();
            let once = Claim { wait: Duration::ZERO, ..claim.clone() };
            let store = self.disk.store();
            let claimed = self.note_claim(&claim, done(store.claim(once))?)?;
            if !claimed.is_empty() || Instant::now() >= deadline {
                return Ok(claimed);
            }
            let _ = timeout_at(deadline.min(Instant::now() + RECHECK), changed).await;
        }
    }

    fn note_claim(&self, claim: &Claim, claimed: Vec<Claimed>) -> Result<Vec<Claimed>> {
        for one in &claimed {
            self.world.note(format_args!("{} claims {} as attempt {}", claim.worker, one.id, one.attempt));
        }
        if !claimed.is_empty() {
            let at = At { now: self.world.clock.now(), elapsed: self.world.clock.elapsed() };
            self.world.enter(|ledger| ledger.claimed(claim, &claimed, at));
            self.moved();
        }
        Ok(claimed)
    }

    /// Tells the store how attempts ended; what does not hold its task must leave it as it was (G4).
    fn finish_now(&self, finishes: &[Finish]) -> Result<Vec<Finished>> {
        let held =
            |task| finishes.iter().any(|one| one.lease.task == task && self.world.look(|of| of.holds(one.lease)));
        let stale: Vec<TaskId> = finishes.iter().map(|one| one.lease.task).filter(|task| !held(*task)).collect();
        let details = || -> Vec<_> { stale.iter().map(|task| done(self.disk.store().task(*task)).ok()).collect() };
        let before = details();
        let finishes = finishes.to_vec();
        let told = finishes.clone();
        let finished = self.commit(
            |store| Box::pin(async move { store.finish(told).await }),
            |ledger, answers, at| ledger.finished(&finishes, answers, at),
        )?;
        self.moved();
        for (finish, answer) in finishes.iter().zip(&finished) {
            self.world.note(format_args!("{:?} is over: {answer:?}", finish.lease));
        }
        let after = details();
        self.world.enter(|_| {
            must(before == after, || format!("G4: a finish changed what it did not hold: {before:?}, then {after:?}"))
        });
        Ok(finished)
    }
}

fn unavailable(why: &str) -> Error {
    Error::Unavailable(why.to_owned(), None)
}

/// Lets time pass at the store's edge, also while nobody calls it.
pub(crate) async fn tick(world: Arc<World>) {
    loop {
        sleep(RECHECK / 2).await;
        world.sync();
    }
}
