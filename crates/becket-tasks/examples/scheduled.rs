//! A task each two seconds: run it, wait a while, run it again; what was missed in between is caught up with.
//!
//! ```text
//! cargo run -p becket-tasks --example scheduled -- /tmp/scheduled.db
//! ```
//!
//! A number after the file says how many firings to wait for, 8 if not given.

#![expect(clippy::print_stdout, reason = "an example that shows what it does")]

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use becket_tasks::schedule::{Missed, Schedule};
use becket_tasks::store::sqlite::{SqliteOptions, SqliteStore};
use becket_tasks::{Engine, EngineOptions, Policy, Registry, TaskContext, TaskError, Timestamp};
use tokio::sync::mpsc;

/// What a schedule's payload always holds.
#[derive(serde::Deserialize)]
struct Firing {
    schedule: String,
    tick: Timestamp,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).unwrap_or_else(|| "scheduled.db".to_owned());
    let firings = std::env::args().nth(2).map_or(Ok(8), |firings| firings.parse::<u32>())?;
    let store = Arc::new(SqliteStore::open(SqliteOptions::new(path)).await?);

    let (tell, mut told) = mpsc::channel(100);
    let mut registry = Registry::new();
    registry.task("report", Policy::default(), move |firing: Firing, _: TaskContext| {
        let tell = tell.clone();
        async move { tell.send(firing).await.map_err(|_| TaskError::retry("nobody listens")) }
    })?;
    // Six fields: the first is the second.
    let often = Schedule::new("often", "*/2 * * * * *".parse()?, "report").zone("Europe/Berlin".parse()?);
    registry.schedule(often.missed(Missed::CatchUp { max: 5 }))?;
    let engine = Engine::start(store, registry, EngineOptions::default()).await?;

    if let Some(info) = engine.schedules().get("often").await? {
        let shown = |tick: Option<Timestamp>| tick.map_or_else(|| "never".to_owned(), |tick| tick.to_string());
        println!("last tick: {}; next tick: {}", shown(info.last_at), shown(info.next_at));
    }
    for _ in 0..firings {
        let Some(Firing { schedule, tick }) = told.recv().await else { break };
        println!("{schedule} fired for {tick}");
    }
    engine.shutdown(Duration::from_secs(5)).await;
    // What fired meanwhile is done, and will not fire again.
    while let Ok(Firing { schedule, tick }) = told.try_recv() {
        println!("{schedule} fired for {tick}");
    }
    Ok(())
}
