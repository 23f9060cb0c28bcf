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

use std::sync::Arc;

use becket_tasks::store::conformance::{Factory, MemoryFactory};
use becket_tasks::store::memory::{Limits, MemoryStore};
use becket_tasks::{Clock, Store};
use futures_util::future::BoxFuture;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

use crate::life::{Step, life};
use crate::side::Side;

/// How many lives are told, unless `PROPTEST_CASES` says otherwise.
const LIVES: u32 = 64;

/// Tells random lives to a store of each factory, and compares all that can be seen from outside.
fn compare(model: impl Fn() -> Box<dyn Factory>, other: impl Fn() -> Box<dyn Factory>) {
    let default = Config::default();
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { default.cases } else { LIVES };
    let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..default });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let told = runner.run(&life(), |steps| runtime.block_on(tell(&*model(), &*other(), steps)));
    if let Err(failure) = told {
        panic!("{failure}");
    }
}

async fn tell(model: &dyn Factory, other: &dyn Factory, life: Vec<Step>) -> Result<(), TestCaseError> {
    let (mut model, mut other) = (Side::new(model).await, Side::new(other).await);
    for (number, step) in life.into_iter().enumerate() {
        let (expected, answer) = (model.take(&step).await, other.take(&step).await);
        same(number, &step, &[expected], &[answer])?;
        same(number, &step, &model.overview().await, &other.overview().await)?;
        if matches!(step, Step::Look) {
            same(number, &step, &model.everything().await, &other.everything().await)?;
            model.check().await?;
        }
    }
    let end = Step::Look;
    same(usize::MAX, &end, &model.everything().await, &other.everything().await)?;
    model.check().await?;
    let expected = model.heard(None).await;
    let heard = other.heard(Some(expected.len())).await;
    same(usize::MAX, &end, &expected, &heard)
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

/// A memory store whose ids have nothing in common with those of the model.
struct OtherNode;

impl Factory for OtherNode {
    fn open(&self, clock: Clock) -> BoxFuture<'_, Arc<dyn Store>> {
        Box::pin(async move { Arc::new(MemoryStore::new(clock, 7, Limits::default())) as Arc<dyn Store> })
    }
}

#[test]
fn random_lives_keep_the_invariants_and_depend_on_no_id() {
    compare(|| Box::new(MemoryFactory), || Box::new(OtherNode));
}

#[cfg(feature = "sqlite")]
#[test]
fn sqlite_store_answers_as_the_memory_store_does() {
    compare(|| Box::new(MemoryFactory), || Box::new(sqlite::SqliteFactory::new()));
}
