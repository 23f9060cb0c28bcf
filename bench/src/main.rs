//! The command line of the bench: `becket-bench ingest` and `becket-bench tasks`, and the hidden commands by which it starts
//! itself again: as the servers that Becket is compared with, and as the processes that the task engine is measured in.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program whose output is its report and its progress")]

mod tasks_command;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use becket_bench::ingest::{self, Plan};
use becket_bench::payload::{self, Mix};
use becket_bench::report::{json, table};
use becket_bench::server::{self, Kind};
use becket_bench::signature::Key;
use becket_bench::{budget, report, tasks, verify};
use clap::{Args, Parser, Subcommand};

use self::tasks_command::TasksArgs;

// Becket's own allocator, for the servers that it is compared with.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
#[command(about = "Measures Becket against servers that promise less, in one run, as ratios.")]
struct Cli {
    #[command(subcommand)]
    command: Action,
}

#[derive(Subcommand)]
enum Action {
    /// How fast signed deliveries are taken.
    Ingest(IngestArgs),
    /// What the embedded task engine does in a second, and what a long queue costs it.
    Tasks(TasksArgs),
    /// What it costs to verify and read a delivery of each kind.
    Verify(VerifyArgs),
    #[command(hide = true)]
    TaskLeg { order: String },
    #[command(hide = true)]
    ServeNull(ServeArgs),
    #[command(hide = true)]
    ServeHmac(ServeArgs),
    #[command(hide = true)]
    ServeFloor {
        #[command(flatten)]
        serve: ServeArgs,
        #[arg(long)]
        file: PathBuf,
    },
}

#[derive(Args)]
struct ServeArgs {
    #[arg(long)]
    listen: SocketAddr,
}

#[derive(Args)]
struct VerifyArgs {
    /// Deliveries of each kind in each round; 1 to 10000000.
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    deliveries: u32,
    /// Rounds, of which the best counts; 1 to 100.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Exit with 1 when the budget is missed.
    #[arg(long)]
    check: bool,
}

#[derive(Args)]
struct IngestArgs {
    /// Seconds of load per leg; 1 to 600.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// 20 seconds of load per leg, as the budgets are defined.
    #[arg(long, conflicts_with = "seconds")]
    sustained: bool,
    /// Most requests per leg.
    #[arg(long, default_value_t = 5_000_000)]
    requests: u64,
    /// Turns of each server under each load; 1 to 100.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=100))]
    rounds: u64,
    /// Connections, and so requests in flight; each number is a load of its own.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 32, 128, 512])]
    connections: Vec<usize>,
    /// Which servers take turns.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Kind::Null, Kind::Hmac, Kind::Floor, Kind::Becket])]
    servers: Vec<Kind>,
    /// What to send; each is a load of its own.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Mix::Mixed])]
    payload: Vec<Mix>,
    /// Becket's binary [default: the one beside this program, brought up to date first]
    #[arg(long)]
    becket: Option<PathBuf>,
    /// Give Becket no route: deliveries are kept and no task is run.
    #[arg(long)]
    no_route: bool,
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

fn main() -> Result<ExitCode> {
    let key = || Key::new(ingest::SECRET);
    match Cli::parse().command {
        Action::Ingest(args) => measure(&args),
        Action::Tasks(args) => tasks_command::measure(&args),
        Action::Verify(args) => verified(&args),
        Action::TaskLeg { order } => tasks::leg::carry_out(&order).map(|()| ExitCode::SUCCESS),
        Action::ServeNull(serve) => done(server::null::serve(serve.listen)),
        Action::ServeHmac(serve) => done(server::hmac::serve(serve.listen, key())),
        Action::ServeFloor { serve, file } => done(server::floor::serve(serve.listen, key(), &file)),
    }
}

fn done(server: impl Future<Output = Result<()>>) -> Result<ExitCode> {
    server::runtime()?.block_on(server)?;
    Ok(ExitCode::SUCCESS)
}

fn measure(args: &IngestArgs) -> Result<ExitCode> {
    let plan = plan(args)?;
    let report = ingest::run(&plan, |leg| eprintln!("{}", table::progress(leg)))?;
    let verdicts = budget::judge(&report);
    print(&report, &verdicts, args.json)?;
    if args.check && !budget::passes(&verdicts) {
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

fn verified(args: &VerifyArgs) -> Result<ExitCode> {
    let rows = verify::run(&payload::all_samples_dir(), args.deliveries, args.rounds)?;
    let (table, kept) = verify::render(&rows);
    print!("{table}");
    Ok(if args.check && !kept { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn print(report: &report::Report, verdicts: &[budget::Verdict], as_json: bool) -> Result<()> {
    if as_json {
        println!("{}", serde_json::to_string_pretty(&json::value(report, verdicts))?);
    } else {
        print!("{}", table::render(report, verdicts));
    }
    Ok(())
}

/// Paths are made absolute: servers run in folders of their own.
fn plan(args: &IngestArgs) -> Result<Plan> {
    let bench = std::env::current_exe().context("find this program's own binary")?;
    let becket = match &args.becket {
        Some(path) => std::path::absolute(path)?,
        None if args.servers.contains(&Kind::Becket) => build_becket(&bench)?,
        None => PathBuf::new(),
    };
    let dir = dir(args.dir.as_deref(), &bench)?;
    Ok(Plan {
        servers: args.servers.clone(),
        payloads: args.payload.clone(),
        connections: args.connections.clone(),
        rounds: args.rounds as usize,
        duration: Duration::from_secs(if args.sustained { 20 } else { args.seconds }),
        requests_max: args.requests,
        idle: Duration::from_secs(1),
        route: !args.no_route,
        bench,
        becket,
        samples: payload::samples_dir(),
        dir,
    })
}

/// Becket's binary beside this one, built where it is missing and rebuilt where its sources are newer: a stale binary
/// would be measured without anyone noticing.
fn build_becket(bench: &Path) -> Result<PathBuf> {
    let becket = bench.with_file_name(format!("becket{}", std::env::consts::EXE_SUFFIX));
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(["build", "--package", "becket-cli", "--manifest-path"]);
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml"));
    command.arg("--target-dir").arg(target_dir(bench)?);
    if !cfg!(debug_assertions) {
        command.arg("--release");
    }
    let status = command.status().context("run cargo to build becket (or name a binary with --becket)")?;
    ensure!(status.success(), "becket could not be built (name a binary with --becket to do without)");
    ensure!(becket.exists(), "cargo made no {}; name a binary with --becket", becket.display());
    Ok(becket)
}

/// Where the files go that are measured.
fn dir(chosen: Option<&Path>, bench: &Path) -> Result<PathBuf> {
    match chosen {
        Some(dir) => Ok(std::path::absolute(dir)?),
        None => Ok(target_dir(bench)?.join("bench-tmp")),
    }
}

/// `target`, for the binary `target/release/becket-bench`.
fn target_dir(bench: &Path) -> Result<PathBuf> {
    let dir = bench.ancestors().nth(2).context("find the target folder (or name a folder with --dir)")?;
    Ok(dir.to_owned())
}
