//! Many small tasks in few calls, and one task where several ask for the same.
//!
//! ```text
//! cargo run -p becket-tasks --example batches
//! ```

#![expect(clippy::print_stdout, reason = "an example that shows what it does")]

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use becket_tasks::store::memory::MemoryStore;
use becket_tasks::{Engine, EngineOptions, EnqueueOptions, Policy, Registry, TaskContext, TaskError, Unique};

/// Writes many pages to a search index at the cost of one; an empty page fails alone.
async fn index(pages: Vec<(String, TaskContext)>) -> Vec<Result<usize, TaskError>> {
    println!("  indexing {} pages in one call", pages.len());
    tokio::time::sleep(Duration::from_millis(50)).await;
    let indexed = |page: &String| if page.is_empty() { Err(TaskError::give_up("empty")) } else { Ok(page.len()) };
    pages.iter().map(|(page, _task)| indexed(page)).collect()
}

async fn report(repository: String, _: TaskContext) -> Result<String, TaskError> {
    println!("  computing the report of {repository}");
    tokio::time::sleep(Duration::from_millis(100)).await;
    Ok(format!("all is well with {repository}"))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut registry = Registry::new();
    registry.batch("index", Policy::default(), 100, index)?;
    registry.task("report", Policy::default(), report)?;
    let options = EngineOptions { concurrency: 1, ..EngineOptions::default() };
    let engine = Engine::start(Arc::new(MemoryStore::default()), registry, options).await?;
    let client = engine.client();

    println!("250 pages are changed:");
    let mut pages = Vec::new();
    for number in 0..250 {
        pages.push(client.enqueue("index", &"x".repeat(number)).await?);
    }
    let empty = client.result::<usize>(pages[0]).await;
    println!("  the empty one: {}", empty.err().map(|error| error.to_string()).unwrap_or_default());
    println!("  the last one: {} bytes", client.result::<usize>(pages[249]).await?);

    println!("three people ask for a report, two of them while the first waits:");
    let unique = Some(Unique { key: "octo/repo".into(), fresh: Duration::from_secs(60) });
    let ask = || {
        let options = EnqueueOptions { unique: unique.clone(), ..EnqueueOptions::default() };
        client.enqueue_with("report", &"octo/repo", options)
    };
    let (one, two) = (ask().await?, ask().await?);
    println!("  {}", client.result::<String>(one).await?);
    let three = ask().await?;
    println!("  {} (as before: {})", client.result::<String>(three).await?, one == two && two == three);

    engine.shutdown(Duration::from_secs(5)).await;
    Ok(())
}
