//! Lanes: one task of an issue at a time, in order; a newer review replaces the one that waits; a burst becomes one build.
//!
//! ```text
//! cargo run -p becket --example lanes
//! ```

#![expect(clippy::print_stdout, reason = "an example that shows what it does")]

use std::net::Ipv4Addr;
use std::time::Duration;

use becket::{App, Json, Running, background};
use becket_tasks::{State, TaskId};
use serde_json::{Value, json};

/// Stands for half of a second of work.
async fn work(Json(job): Json<Value>) -> String {
    println!("  begins {job}");
    tokio::time::sleep(Duration::from_millis(500)).await;
    println!("  ends   {job}");
    job.to_string()
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let burst = (Duration::from_millis(300), Duration::from_secs(3));
    let running = App::new()
        // At most one task of an issue runs, in the order in which they were accepted.
        .task("triage", background(work).lane("{repository}#{issue}"))
        // A newer one cancels those of its pull request that wait.
        .task("review", background(work).named("review").lane("{@kind} {pull_request}").latest())
        // Runs once nothing newer has come for 300 ms, at the latest 3 s after the first.
        .task("build", background(work).named("build").lane("{@kind} {branch}").debounce(burst.0, burst.1))
        .store("memory:")
        .listen((Ipv4Addr::LOCALHOST, 0))
        .start()
        .await?;

    println!("Two issues at once, each in order:");
    let triage = |issue: u32, step: &str| json!({"repository": "octo/a", "issue": issue, "step": step});
    let jobs = [triage(1, "opened"), triage(1, "labeled"), triage(2, "opened"), triage(1, "closed")];
    tell(&running, "triage", &jobs).await?;

    println!("Three pushes to one pull request; the second is not reviewed:");
    let review = |commit: &str| json!({"pull_request": 7, "commit": commit});
    tell(&running, "review", &[review("a1"), review("b2"), review("c3")]).await?;

    println!("A burst of pushes; only the last is built:");
    let build = |commit: &str| json!({"branch": "main", "commit": commit});
    tell(&running, "build", &[build("a1"), build("b2"), build("c3")]).await?;

    running.shutdown().await;
    Ok(())
}

/// Enqueues jobs, waits for all, and tells what became of them.
async fn tell(running: &Running, kind: &str, jobs: &[Value]) -> anyhow::Result<()> {
    let client = running.client();
    let mut tasks: Vec<(&Value, TaskId)> = Vec::new();
    for job in jobs {
        tasks.push((job, client.enqueue(kind, job).await?));
        if tasks.len() == 1 {
            // Time for the first to begin.
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
    for (job, task) in tasks {
        let task = client.wait(task).await?.task;
        let reason = task.error.as_deref().filter(|_| task.state() == State::Cancelled).unwrap_or_default();
        println!("{job} in the lane `{}`: {} {reason}", task.lane.as_deref().unwrap_or("none"), task.state());
    }
    Ok(())
}
