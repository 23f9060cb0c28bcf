//! Tasks that wait for one another: a fan-out, a join that reads what its branches returned, and a last word.
//!
//! ```text
//! cargo run -p becket-tasks --example chains
//! ```

#![expect(clippy::print_stdout, reason = "an example that shows what it does")]

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use becket_tasks::store::memory::MemoryStore;
use becket_tasks::{Engine, EngineOptions, Graph, Policy, Registry, TaskContext, TaskError};

/// Counts the words of one text.
async fn count(text: String, _: TaskContext) -> Result<usize, TaskError> {
    if text.is_empty() {
        return Err(TaskError::give_up("there is nothing to count"));
    }
    Ok(text.split_whitespace().count())
}

/// Adds what its parents returned. It runs only if all of them went well.
async fn sum((): (), task: TaskContext) -> Result<usize, TaskError> {
    let mut sum = 0;
    for parent in task.parents().await? {
        sum += parent.result::<usize>()?;
    }
    Ok(sum)
}

/// Says how its parents ended.
async fn report((): (), task: TaskContext) -> Result<String, TaskError> {
    let parents = task.parents().await?;
    let words = parents.iter().map(|parent| match parent.result::<usize>() {
        Ok(words) => format!("{} found {words} words", parent.kind),
        Err(error) => format!("{} found nothing: {error}", parent.kind),
    });
    Ok(words.collect::<Vec<_>>().join("; "))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut registry = Registry::new();
    registry.task("count", Policy::default(), count)?;
    registry.task("sum", Policy::default(), sum)?;
    registry.task("report", Policy::default(), report)?;
    let engine = Engine::start(Arc::new(MemoryStore::default()), registry, EngineOptions::default()).await?;
    let client = engine.client();

    // A chain: each waits for the one before.
    let chain = client.enqueue("count", "to be or not to be").then("sum", &()).then("report", &()).await?;
    println!("{}", client.result::<String>(chain[2]).await?);

    // A graph: any shape without a circle, accepted in one step, in whatever order it is given.
    let mut graph = Graph::new();
    graph.task("report", "report", &()).after(["sum"]).survive(); // runs also if the sum does not
    graph.task("sum", "sum", &()).after(["first", "second"]);
    graph.task("first", "count", "that is the question");
    graph.task("second", "count", "");
    let tasks = graph.submit(client).await?;
    println!("{}", client.result::<String>(tasks["report"]).await?);

    // More work after tasks that exist already.
    let again = client.enqueue("sum", &()).after([tasks["first"], chain[0]]).await?;
    println!("{} words in all", client.result::<usize>(again).await?);

    engine.shutdown(Duration::from_secs(5)).await;
    Ok(())
}
