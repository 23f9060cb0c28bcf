//! Tasks in one SQLite file: start it, kill it in the middle, start it again; nothing is forgotten.
//!
//! ```text
//! cargo run -p becket-tasks --example embedded -- /tmp/embedded.db
//! ```

#![expect(clippy::print_stdout, reason = "an example that shows what it does")]

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use becket_tasks::store::sqlite::{SqliteOptions, SqliteStore};
use becket_tasks::{
    Backoff, Engine, EngineOptions, Policy, Registry, RetryPolicy, State, Store, TaskContext, TaskError,
};

/// Counts slowly, and stumbles on each first attempt at an even number.
async fn count(number: u32, task: TaskContext) -> Result<String, TaskError> {
    println!("task {} counts {number}, attempt {} of {}", task.id(), task.attempt(), task.max_attempts());
    tokio::time::sleep(Duration::from_millis(300)).await;
    if number.is_multiple_of(2) && task.attempt() == 1 {
        return Err(TaskError::retry("stumbled"));
    }
    Ok(format!("counted {number}"))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).unwrap_or_else(|| "embedded.db".to_owned());
    let store = Arc::new(SqliteStore::open(SqliteOptions::new(path)).await?);
    let left = store.counts().await?;
    println!("{} tasks are left from before, {} have ended", left.unfinished(), left.of(State::Completed));

    let mut registry = Registry::new();
    let retry = RetryPolicy { max_attempts: 5, backoff: Backoff::Fixed(Duration::from_secs(1)) };
    registry.task("count", Policy { retry, ..Policy::default() }, count)?;
    let options = EngineOptions { concurrency: 2, ..EngineOptions::default() };
    let engine = Engine::start(Arc::clone(&store) as Arc<dyn Store>, registry, options).await?;

    let mut tasks = Vec::new();
    for number in 1..=8_u32 {
        tasks.push(engine.client().enqueue("count", &number).await?);
    }
    for task in tasks {
        println!("{task}: {}", engine.client().result::<String>(task).await?);
    }

    let report = engine.shutdown(Duration::from_secs(5)).await;
    println!("stopped; {} attempts were given back", report.released);
    store.close().await?;
    Ok(())
}
