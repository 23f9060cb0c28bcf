//! Fairness: tenants take turns, limits hold what would be too much for others, and a pause holds everything.
//!
//! ```text
//! cargo run -p becket --example fairness
//! ```

#![expect(clippy::print_stdout, reason = "an example that shows what it does")]

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use becket::{App, Config, Json, Running, State, background};
use becket_tasks::{Scope, TaskId};
use serde_json::{Value, json};

/// Who was served, in order.
#[derive(Clone, Default)]
struct Served(Arc<Mutex<Vec<String>>>);

impl Served {
    fn take(&self) -> Vec<String> {
        self.0.lock().map(|mut served| std::mem::take(&mut *served)).unwrap_or_default()
    }
}

async fn serve(Json(job): Json<Value>, State(served): State<Served>) {
    let owner = job["owner"].as_str().unwrap_or_default().to_owned();
    if let Ok(mut served) = served.0.lock() {
        served.push(owner);
    }
    tokio::time::sleep(Duration::from_millis(10)).await;
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    // One task at a time shows the order; `octo` gets two turns where others get one.
    let config = Config::from_toml("[worker]\nconcurrency = 1\nweights = { octo = 2 }")?;
    let served = Served::default();
    let running = App::new()
        .config(config)
        .state(served.clone())
        .task("serve", background(serve).tenant("{owner}"))
        // At most three calls in half a second for each owner, however many are due.
        .task("call", background(serve).named("call").limit_key("{owner}").rate_per_key(3, Duration::from_millis(500)))
        .store("memory:")
        .listen((Ipv4Addr::LOCALHOST, 0))
        .start()
        .await?;

    let kind = Scope::Kind("serve".into());
    running.client().store().set_paused(kind.clone(), true).await?;
    println!("`serve` is paused: what is enqueued waits.");
    let mut tasks = enqueue(&running, "serve", "busy", 12).await?;
    tasks.extend(enqueue(&running, "serve", "octo", 6).await?);
    tasks.extend(enqueue(&running, "serve", "small", 3).await?);
    println!("12 tasks of busy, then 6 of octo, then 3 of small; resumed, they take turns:");
    running.client().store().set_paused(kind, false).await?;
    wait(&running, &tasks).await?;
    println!("  {}", served.take().join(" "));

    println!("7 calls of one owner, 1 of another, and 3 in half a second allowed to each:");
    let began = Instant::now();
    let mut tasks = enqueue(&running, "call", "busy", 7).await?;
    tasks.extend(enqueue(&running, "call", "small", 1).await?);
    wait(&running, &tasks[7..]).await?;
    println!("  small was served after {:.1} s", began.elapsed().as_secs_f64());
    wait(&running, &tasks).await?;
    println!("  busy was served after {:.1} s", began.elapsed().as_secs_f64());

    running.shutdown().await;
    Ok(())
}

async fn enqueue(running: &Running, kind: &str, owner: &str, count: usize) -> anyhow::Result<Vec<TaskId>> {
    let mut tasks = Vec::new();
    for _ in 0..count {
        tasks.push(running.client().enqueue(kind, &json!({"owner": owner})).await?);
    }
    Ok(tasks)
}

async fn wait(running: &Running, tasks: &[TaskId]) -> anyhow::Result<()> {
    for task in tasks {
        running.client().wait(*task).await?;
    }
    Ok(())
}
