//! Random lives, told to two stores at once: whatever one answers, the other must answer, too.
//!
//! The memory store is the model. To compare another store with it, add a test of one line that hands `compare` its
//! factory. When two stores differ, the shortest life that shows it is printed.
#![expect(clippy::unwrap_used, reason = "a test fails where a store does")]

#[path = "store_model/life.rs"]
mod life;
#[path = "store_model/side.rs"]
mod side;
#[cfg(feature = "sqlite")]
mod sqlite;

use std::sync::{Arc, Mutex};

use becket_tasks::store::conformance::{Factory, Reopen};
use becket_tasks::store::memory::{Limits, MemoryStore};
use becket_tasks::{Clock, Store};
use futures_util::future::BoxFuture;
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestRunner};

use crate::life::{Step, life};
use crate::side::Side;

/// How many lives each test tells, unless `PROPTEST_CASES` says otherwise.
const LIVES: u32 = 1_000;
/// So often all is looked at; each step's own answer is always compared.
const OVERVIEW: usize = 4;

/// Tells random lives to a store of each factory, and compares all that can be seen from outside. Which lives depends on
/// the seed, which is printed when one differs: set `BECKET_SEED` to tell the same ones again.
fn compare(shard: u64, other: impl Fn() -> Box<dyn Reopen>) {
    let default = Config::default();
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { default.cases } else { LIVES };
    let given = std::env::var("BECKET_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = given.unwrap_or_else(|| fastrand::u64(..)).wrapping_add(shard);
    let rng_seed = RngSeed::Fixed(seed);
    let mut runner = TestRunner::new(Config { cases, rng_seed, failure_persistence: None, ..default });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let told = runner.run(&life(), |steps| runtime.block_on(tell(Box::new(Model::default()), other(), steps)));
    if let Err(failure) = told {
        panic!("with BECKET_SEED={}: {failure}", seed.wrapping_sub(shard));
    }
}

async fn tell(model: Box<dyn Reopen>, other: Box<dyn Reopen>, life: Vec<Step>) -> Result<(), TestCaseError> {
    let (mut model, mut other) = (Side::new(model).await, Side::new(other).await);
    for (number, step) in life.into_iter().enumerate() {
        if matches!(step, Step::Crash) {
            same_heard(&mut model, &mut other).await?;
        }
        let (expected, answer) = (model.take(&step).await, other.take(&step).await);
        same(number, &step, &[expected], &[answer])?;
        if number % OVERVIEW == 0 {
            same(number, &step, &model.overview().await, &other.overview().await)?;
        }
        if matches!(step, Step::Look) {
            same(number, &step, &model.everything().await, &other.everything().await)?;
            model.check().await?;
        }
    }
    let end = Step::Look;
    same(usize::MAX, &end, &model.everything().await, &other.everything().await)?;
    model.check().await?;
    same_heard(&mut model, &mut other).await
}

/// Both have announced the same.
async fn same_heard(model: &mut Side, other: &mut Side) -> Result<(), TestCaseError> {
    let expected = model.heard(None).await;
    let heard = other.heard(Some(expected.len())).await;
    same(usize::MAX, &Step::Look, &expected, &heard)
}

fn same(number: usize, step: &Step, expected: &[String], answer: &[String]) -> Result<(), TestCaseError> {
    let differing: Vec<String> = expected
        .iter()
        .zip(answer)
        .filter(|(expected, answer)| expected != answer)
        .map(|(expected, answer)| format!("  model: {expected}\n  other: {answer}"))
        .collect();
    if differing.is_empty() && expected.len() == answer.len() {
        return Ok(());
    }
    let lengths = (expected.len(), answer.len());
    Err(TestCaseError::fail(format!("after step {number}, {step:?}, {lengths:?} lines:\n{}", differing.join("\n"))))
}

/// Memory stores that can crash; the ids of each node have nothing in common with those of another.
#[derive(Default)]
struct Model {
    node: u64,
    latest: Mutex<Option<Arc<MemoryStore>>>,
}

impl Factory for Model {
    fn open(&self, clock: Clock) -> BoxFuture<'_, Arc<dyn Store>> {
        Box::pin(async move {
            let store = Arc::new(MemoryStore::new(clock, self.node, Limits::default()));
            *self.latest.lock().unwrap() = Some(Arc::clone(&store));
            store as Arc<dyn Store>
        })
    }
}

impl Reopen for Model {
    fn crash(&self, store: Arc<dyn Store>, _: Clock) -> BoxFuture<'_, Arc<dyn Store>> {
        self.latest.lock().unwrap().as_ref().unwrap().crash();
        Box::pin(async move { store })
    }

    fn reopen(&self, _: Clock) -> BoxFuture<'_, Arc<dyn Store>> {
        unreachable!("no life closes its store")
    }
}

#[test]
fn random_lives_keep_the_invariants_and_depend_on_no_id() {
    compare(0, || Box::new(Model { node: 7, ..Model::default() }));
}

/// Ten tests, so that they run side by side: 10,000 lives in all.
#[cfg(feature = "sqlite")]
mod sqlite_store_answers_as_the_memory_store_does {
    use super::{compare, sqlite};

    macro_rules! shards {
        ($($name:ident $shard:literal)*) => {
            $(
                #[test]
                fn $name() {
                    compare($shard, || Box::new(sqlite::SqliteFactory::quick()));
                }
            )*
        };
    }

    shards! {
        lives_1 1
        lives_2 2
        lives_3 3
        lives_4 4
        lives_5 5
        lives_6 6
        lives_7 7
        lives_8 8
        lives_9 9
        lives_10 10
    }
}
