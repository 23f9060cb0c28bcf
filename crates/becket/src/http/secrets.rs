//! Which secrets are used: counted as requests come in, and kept beside the tasks.
//!
//! A request costs two additions in memory. What they amount to is written once a minute and at the end, as marks of the
//! store; a crash loses the last minute of it at the most.
//!
//! A mark must be found again after a restart with the same secrets in another order, and must not give a secret away. So
//! its name holds a random salt and the secret's HMAC under it: to find the mark of a secret is to try the salts of its
//! source, which are few. Who reads the store could try guesses against that, and against the signatures of the deliveries
//! that it holds as well; the API shows neither. `droppable` is what follows from the numbers.

pub(crate) mod droppable;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use becket_tasks::mark::NAME_BYTES_MAX;
use becket_tasks::{Mark, Store, Timestamp};
use becket_webhooks::{Secret, Source};
use tokio_util::sync::CancellationToken;

/// How often what was counted is written.
const PAUSE: Duration = Duration::from_secs(60);
/// How long the last write may take at the end.
const LAST: Duration = Duration::from_secs(5);
/// What the names of these marks begin with.
const PREFIX: &str = "secret";

/// What was seen of the secrets of one application. Outlives its configurations.
pub struct SecretUses {
    store: Arc<dyn Store>,
    known: Mutex<Known>,
    /// One write at a time, or both would write the same.
    writing: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Known {
    names: Vec<Name>,
    uses: HashMap<Arc<str>, Arc<Use>>,
}

/// The name of a mark, and what it is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Name {
    whole: Arc<str>,
    source: Arc<str>,
    salt: Box<str>,
    fingerprint: Box<str>,
}

/// What this process has seen of one secret and not written yet.
#[derive(Debug)]
pub(crate) struct Use {
    since: Timestamp,
    /// When it was last used, in milliseconds; `i64::MIN` for never.
    last: AtomicI64,
    count: AtomicU64,
    is_new: AtomicBool,
}

impl Use {
    /// Notes a request that was signed with it.
    pub(crate) fn note(&self, at_ms: i64) {
        self.last.fetch_max(at_ms, Ordering::Relaxed);
        self.count.fetch_add(1, Ordering::Relaxed);
    }

    /// What is to be added to its mark, if there is anything.
    fn unwritten(&self, name: &Arc<str>) -> Option<Mark> {
        let count = self.count.load(Ordering::Relaxed);
        if count == 0 && !self.is_new.load(Ordering::Relaxed) {
            return None;
        }
        let last = Some(self.last.load(Ordering::Relaxed)).filter(|last| *last > i64::MIN);
        Some(Mark { last: last.map(Timestamp::from_millis), count, ..Mark::new(Arc::clone(name), self.since) })
    }

    fn written(&self, mark: &Mark) {
        self.count.fetch_sub(mark.count, Ordering::Relaxed);
        self.is_new.store(false, Ordering::Relaxed);
    }
}

impl Name {
    fn new(source: &str, secret: &Secret, salt: u128) -> Self {
        let salt = format!("{salt:032x}");
        let fingerprint = fingerprint(secret, &salt);
        let whole = format!("{PREFIX}/{source}/{salt}/{fingerprint}");
        Self { whole: whole.into(), source: source.into(), salt: salt.into(), fingerprint: fingerprint.into() }
    }

    fn read(whole: &Arc<str>) -> Option<Self> {
        let rest = whole.strip_prefix(PREFIX)?.strip_prefix('/')?;
        let mut parts = rest.rsplitn(3, '/');
        let (fingerprint, salt, source) = (parts.next()?, parts.next()?, parts.next()?);
        Some(Self {
            whole: Arc::clone(whole),
            source: source.into(),
            salt: salt.into(),
            fingerprint: fingerprint.into(),
        })
    }

    fn is_of(&self, source: &str, secret: &Secret) -> bool {
        *self.source == *source && *self.fingerprint == *fingerprint(secret, &self.salt)
    }
}

/// Half of the HMAC: enough to tell apart, and a little less to guess with.
fn fingerprint(secret: &Secret, salt: &str) -> String {
    let bytes = secret.fingerprint(salt.as_bytes());
    bytes.iter().take(bytes.len() / 2).fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}

impl SecretUses {
    /// Reads which marks there are. Without them counting goes on all the same, under new names.
    pub async fn open(store: Arc<dyn Store>) -> Self {
        let marks = store.marks().await.unwrap_or_else(|error| {
            tracing::warn!(error = &error as &dyn std::error::Error, "cannot read when secrets were last used");
            Vec::new()
        });
        let names = marks.iter().filter_map(|mark| Name::read(&mark.name)).collect();
        Self { store, known: Mutex::new(Known { names, ..Known::default() }), writing: tokio::sync::Mutex::default() }
    }

    /// Where to note the uses of a source's secrets, by place.
    pub(crate) fn of(&self, source: &Source) -> Arc<[Arc<Use>]> {
        let now = self.store.clock().now();
        let mut known = self.known();
        source.secrets().iter().map(|secret| known.use_of(source.name(), secret, now)).collect()
    }

    /// What is known of a source's secrets, by place: what this process has seen, and what others have.
    pub(crate) async fn seen(&self, sources: &[Source]) -> becket_tasks::Result<Vec<Vec<Mark>>> {
        self.write().await?;
        let marks = self.store.marks().await?;
        let named: Vec<(Name, &Mark)> = marks.iter().filter_map(|mark| Some((Name::read(&mark.name)?, mark))).collect();
        let now = self.store.clock().now();
        let of = |source: &Source, secret: &Secret| {
            // Two processes that began at one time may have named it each.
            let mut sum = Mark::new("".into(), now);
            let own = named.iter().filter(|(name, _)| name.is_of(source.name(), secret));
            own.for_each(|(_, mark)| sum.add(mark));
            sum
        };
        Ok(sources.iter().map(|source| source.secrets().iter().map(|secret| of(source, secret)).collect()).collect())
    }

    /// Writes what was counted since the last time.
    pub(crate) async fn write(&self) -> becket_tasks::Result<()> {
        let _turn = self.writing.lock().await;
        let uses: Vec<_> = self.known().uses.iter().map(|(name, used)| (Arc::clone(name), Arc::clone(used))).collect();
        let unwritten: Vec<(Mark, Arc<Use>)> =
            uses.into_iter().filter_map(|(name, used)| Some((used.unwritten(&name)?, used))).collect();
        if unwritten.is_empty() {
            return Ok(());
        }
        self.store.mark(unwritten.iter().map(|(mark, _)| mark.clone()).collect()).await?;
        unwritten.iter().for_each(|(mark, used)| used.written(mark));
        Ok(())
    }

    /// Writes now and then, until the server stops.
    pub(crate) async fn keep(self: Arc<Self>, stopping: CancellationToken) {
        let keeping = async {
            loop {
                // What could not be written is written the next time.
                if let Err(error) = self.write().await {
                    tracing::debug!(error = &error as &dyn std::error::Error, "cannot keep when secrets were used");
                }
                tokio::time::sleep(PAUSE).await;
            }
        };
        let _ = stopping.run_until_cancelled(keeping).await;
    }

    /// Writes for the last time.
    pub(crate) async fn end(&self) {
        match tokio::time::timeout(LAST, self.write()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "cannot keep when secrets were used");
            }
            Err(_) => tracing::warn!("cannot keep when secrets were used: the store does not answer"),
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn use_of(&mut self, source: &str, secret: &Secret, now: Timestamp) -> Arc<Use> {
        let found = self.names.iter().find(|name| name.is_of(source, secret)).cloned();
        let is_new = found.is_none();
        let name = found.unwrap_or_else(|| {
            let name = Name::new(source, secret, fastrand::u128(..));
            self.names.push(name.clone());
            name
        });
        let fresh = || {
            let (last, count, is_new) = (AtomicI64::new(i64::MIN), AtomicU64::new(0), AtomicBool::new(is_new));
            Arc::new(Use { since: now, last, count, is_new })
        };
        if name.whole.len() > NAME_BYTES_MAX {
            // No store keeps it.
            return fresh();
        }
        Arc::clone(self.uses.entry(name.whole).or_insert_with(fresh))
    }
}

impl std::fmt::Debug for SecretUses {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SecretUses").field("secrets", &self.known().uses.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use becket_tasks::Clock;
    use becket_tasks::store::memory::{Limits, MemoryStore};
    use becket_webhooks::Secrets;

    use super::*;

    const START: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn source(name: &str, secrets: &[&str]) -> Source {
        Source::github(name, Secrets::new(secrets.iter().copied()).unwrap())
    }

    fn store() -> Arc<dyn Store> {
        Arc::new(MemoryStore::new(Clock::manual(START), 1, Limits::default()))
    }

    #[tokio::test]
    async fn uses_are_known_after_a_restart_with_the_secrets_in_another_order() {
        let store = store();
        let uses = SecretUses::open(Arc::clone(&store)).await;
        uses.of(&source("github", &["old"]))[0].note(START.as_millis() + 5);
        uses.end().await;

        let uses = SecretUses::open(store).await;
        let rotated = source("github", &["new", "old"]);
        let _ = uses.of(&rotated);
        uses.of(&rotated)[1].note(START.as_millis() + 9);
        let seen = uses.seen(&[rotated, source("other", &["old"])]).await.unwrap();
        let told = |mark: &Mark| (mark.last.map(|last| last.as_millis() - START.as_millis()), mark.count);
        assert_eq!(seen[0].iter().map(told).collect::<Vec<_>>(), [(None, 0), (Some(9), 2)]);
        assert_eq!(told(&seen[1][0]), (None, 0), "the secret of another source is another");
    }

    #[tokio::test]
    async fn two_processes_that_began_at_one_time_are_added_up() {
        let store = store();
        let (one, other) = (SecretUses::open(Arc::clone(&store)).await, SecretUses::open(Arc::clone(&store)).await);
        let github = source("github", &["s"]);
        one.of(&github)[0].note(1);
        other.of(&github)[0].note(2);
        one.end().await;
        let seen = other.seen(&[github]).await.unwrap();
        assert_eq!((seen[0][0].count, seen[0][0].last), (2, Some(Timestamp::from_millis(2))));
    }

    #[tokio::test]
    async fn nothing_is_written_twice_and_nothing_without_need() {
        let store = store();
        let uses = SecretUses::open(Arc::clone(&store)).await;
        let noted = uses.of(&source("github", &["s"]));
        for _ in 0..3 {
            noted[0].note(7);
            uses.write().await.unwrap();
            uses.write().await.unwrap();
        }
        assert_eq!(store.marks().await.unwrap().iter().map(|mark| mark.count).collect::<Vec<_>>(), [3]);
    }

    #[tokio::test]
    async fn store_that_is_away_loses_no_count() {
        let store = store();
        let uses = SecretUses::open(Arc::clone(&store)).await;
        let noted = uses.of(&source("github", &["s"]));
        store.close().await.unwrap();
        noted[0].note(7);
        assert!(uses.write().await.is_err());
        assert_eq!(noted[0].unwritten(&"x".into()).unwrap().count, 1);
    }

    #[tokio::test]
    async fn no_mark_shows_a_secret() {
        let store = store();
        let uses = SecretUses::open(Arc::clone(&store)).await;
        let _ = uses.of(&source("github", &["tulips"]));
        uses.end().await;
        let marks = store.marks().await.unwrap();
        assert!(marks.len() == 1 && !format!("{marks:?}{uses:?}").contains("tulips"), "{marks:?}");
        let name = Name::read(&marks[0].name).unwrap();
        assert!(name.is_of("github", &"tulips".into()) && !name.is_of("github", &"roses".into()));
    }
}
