//! A pool that follows the load: it grows while handlers wait for others, and stays small while they compute.
//!
//! ```text
//! cargo run --release -p becket-tasks --example scaling
//! ```
//!
//! With a number it does so many times less.

#![expect(clippy::print_stdout, reason = "an example that shows what it does")]

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use becket_tasks::store::memory::MemoryStore;
use becket_tasks::submission::Submission;
use becket_tasks::{Engine, EngineOptions, Policy, Registry, State, Store, TaskContext, TaskError};

/// What most handlers do: ask somebody else, and wait for the answer.
async fn ask((): (), _: TaskContext) -> Result<(), TaskError> {
    tokio::time::sleep(Duration::from_millis(200)).await;
    Ok(())
}

/// Keeps a processor busy for some 10 ms, and lets others have a turn now and then.
async fn compute((): (), _: TaskContext) -> Result<(), TaskError> {
    let mut number = 7_u64;
    for _ in 0..2_000 {
        for _ in 0..10_000 {
            number = std::hint::black_box(number.wrapping_mul(31));
        }
        tokio::task::yield_now().await;
    }
    Ok(())
}

/// Submits so many tasks of `kind`, and shows the pool each second until they are done.
async fn work(engine: &Engine, kind: &str, tasks: usize) -> Result<(), Box<dyn Error>> {
    println!("{tasks} tasks that {kind}");
    let task = engine.client().new_task(kind).ok_or("a kind without a handler")?;
    let submission = Submission {
        source: "example".into(),
        event: kind.into(),
        action: None,
        key: None,
        meta: Default::default(),
        payload: "null".into(),
        tasks: vec![task; tasks],
    };
    engine.client().submit(submission).await?;
    let store = engine.client().store();
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let counts = store.counts().await?;
        let (pool, wanted) = (engine.pool(), engine.slots_wanted(counts.due));
        let completed = counts.of(State::Completed);
        println!(
            "  slots {:>2} of {}, {} due, {completed} done, {wanted} slots wanted",
            pool.now, pool.max, counts.due
        );
        if counts.unfinished() == 0 {
            return Ok(());
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let less = std::env::args().nth(1).map_or(Ok(1), |less| less.parse::<usize>())?.max(1);
    let mut registry = Registry::new();
    registry.task("ask", Policy::default(), ask)?;
    registry.task("compute", Policy::default(), compute)?;
    let options = EngineOptions { concurrency: 2, concurrency_max: Some(64), ..EngineOptions::default() };
    let engine = Engine::start(Arc::new(MemoryStore::default()) as Arc<dyn Store>, registry, options).await?;

    work(&engine, "compute", 500 / less).await?;
    work(&engine, "ask", 2_500 / less).await?;
    work(&engine, "compute", 2_000 / less).await?;
    engine.shutdown(Duration::from_secs(1)).await;
    Ok(())
}
