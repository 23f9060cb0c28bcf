//! The command `becket-bench tasks`: its flags, and what follows from them.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use becket_bench::tasks::shape::Shape;
use becket_bench::tasks::{self, Plan, budget, json, table};
use clap::Args;

/// Tasks claimed and ended directly at the store, and drained by an engine, per leg: a tenth of a second and a second.
const CLAIMED: u64 = 12_800;
const DRAINED: u64 = 60_000;

#[derive(Args)]
pub(crate) struct TasksArgs {
    /// A short run: 1 round of 2 s, backlogs of 0 and 100,000, 500 samples. What else is given counts more.
    #[arg(long)]
    quick: bool,
    /// Turns of each leg; 1 to 100 [default: 3]
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=100))]
    rounds: Option<u64>,
    /// Seconds of enqueuing per leg; 1 to 600 [default: 3]
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: Option<u64>,
    /// Callers that enqueue one task at a time; 1 to 4096.
    #[arg(long, default_value_t = 512)]
    callers: usize,
    /// Tasks queued behind those that are worked on; each number is a store of its own, and 0 is what the others are
    /// compared with [default: 0,100000,1000000]
    #[arg(long, value_delimiter = ',', value_parser = clap::value_parser!(u64).range(..=10_000_000))]
    backlog: Option<Vec<u64>>,
    /// Tasks given one by one to an idle engine, per round; 1 to 100000 [default: 1000]
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    samples: Option<u64>,
    /// What kind of tasks.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Shape::Plain])]
    shape: Vec<Shape>,
    /// Folder on the disk to measure [default: bench-tmp in the target folder]
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Print JSON in place of tables.
    #[arg(long)]
    json: bool,
    /// Exit with 1 when a budget is missed, or none could be judged.
    #[arg(long)]
    check: bool,
}

pub(crate) fn measure(args: &TasksArgs) -> Result<ExitCode> {
    let report = tasks::run(&plan(args)?, |leg| eprintln!("{}", table::progress(leg)))?;
    let verdicts = budget::judge(&report);
    if args.json {
        println!("{}", serde_json::to_string_pretty(&json::value(&report, &verdicts))?);
    } else {
        print!("{}", table::render(&report, &verdicts));
    }
    if args.check && !budget::passes(&verdicts) {
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

fn plan(args: &TasksArgs) -> Result<Plan> {
    let bench = std::env::current_exe().context("find this program's own binary")?;
    let backlogs: &[u64] = if args.quick { &[0, 100_000] } else { &[0, 100_000, 1_000_000] };
    let (rounds, seconds, samples) = if args.quick { (1, 2, 500) } else { (3, 3, 1_000) };
    Ok(Plan {
        shapes: args.shape.clone(),
        backlogs: args.backlog.clone().unwrap_or_else(|| backlogs.to_vec()),
        callers: args.callers,
        rounds: args.rounds.unwrap_or(rounds) as usize,
        duration: Duration::from_secs(args.seconds.unwrap_or(seconds)),
        samples: args.samples.unwrap_or(samples),
        claimed: CLAIMED,
        drained: DRAINED,
        dir: super::dir(args.dir.as_deref(), &bench)?,
        bench,
    })
}
