//! `ingest`: how fast deliveries are taken, by each server in turn, in one run.
//!
//! One *leg* is one server under one load for a few seconds, freshly started in an empty folder. For each payload and
//! number of connections the servers take turns, round after round, so that a machine that slows down slows all of them
//! down; only ratios between servers of the same run mean something.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::disk::{self, Calm, Probe};
use crate::load::{self, Load, Outcome};
use crate::payload::{Mix, Pool};
use crate::process::{self, Server, Usage};
use crate::report::{Leg, Report};
use crate::server::{self, Kind};
use crate::signature::Key;

/// The secret that all servers and the generator share, an example and no secret.
pub const SECRET: &str = "becket-bench-shared-secret";

const POOL_SIZE: usize = 512;
const SEED: u64 = 0xbec4e7;

/// A server counts as quiet when it used less CPU than this in one [`SETTLE_STEP`]: 8 % of a core.
const QUIET_CPU: Duration = Duration::from_millis(20);
const SETTLE_STEP: Duration = Duration::from_millis(250);
/// Work put off for longer than this is not waited for.
const SETTLE_MAX: Duration = Duration::from_secs(60);

/// What to measure.
#[derive(Debug, Clone)]
pub struct Plan {
    /// In the order of their turns.
    pub servers: Vec<Kind>,
    /// One block of legs each.
    pub payloads: Vec<Mix>,
    /// One block of legs each; 1 to 4096.
    pub connections: Vec<usize>,
    /// Turns of each server in a block.
    pub rounds: usize,
    /// Load per leg.
    pub duration: Duration,
    /// Most requests per leg.
    pub requests_max: u64,
    /// How long after its start a server's idle memory is read.
    pub idle: Duration,
    /// Whether Becket has a route, so that each delivery becomes a task that is claimed and run.
    pub route: bool,
    /// This program's binary, which serves all but Becket.
    pub bench: PathBuf,
    /// Becket's binary.
    pub becket: PathBuf,
    /// Becket's samples of GitHub's payloads.
    pub samples: PathBuf,
    /// A folder on the disk to measure, for a fresh folder per leg.
    pub dir: PathBuf,
}

/// Measures, telling `progress` of each finished leg.
///
/// # Errors
/// When a server does not start or does not answer, when any answer is not 2xx, or where there is no `/proc`.
pub fn run(plan: &Plan, mut progress: impl FnMut(&Leg)) -> Result<Report> {
    for &connections in &plan.connections {
        ensure!((1..=4096).contains(&connections), "{connections} connections: give 1 to 4096");
    }
    std::fs::create_dir_all(&plan.dir).with_context(|| format!("create {}", plan.dir.display()))?;
    let mut report = Report::new(disk::file_system(&plan.dir)?, plan);
    let mut calm = Calm::default();
    for &mix in &plan.payloads {
        let pool = Pool::from_samples(&plan.samples, mix, POOL_SIZE, SEED, &Key::new(SECRET))?;
        let pool = Arc::new(pool);
        for &connections in &plan.connections {
            for _round in 0..plan.rounds {
                for &server in &plan.servers {
                    let disk = calm.wait(|| Probe::measure(&plan.dir))?;
                    let leg = leg(plan, &Turn { server, mix, pool: &pool, connections, disk })
                        .with_context(|| format!("{} at {connections} connections", server.name()))?;
                    progress(&leg);
                    report.legs.push(leg);
                }
            }
        }
    }
    Ok(report)
}

/// One leg's part of the plan, and the disk just before it.
struct Turn<'a> {
    server: Kind,
    mix: Mix,
    pool: &'a Arc<Pool>,
    connections: usize,
    disk: Probe,
}

fn leg(plan: &Plan, turn: &Turn<'_>) -> Result<Leg> {
    let dir = tempfile::Builder::new().prefix("leg-").tempdir_in(&plan.dir).context("create the leg's folder")?;
    let address = process::free_address()?;
    let server = Server::start(command(plan, turn.server, address, dir.path())?, address, dir.path())?;
    std::thread::sleep(plan.idle);

    let idle = server.usage()?;
    let generator_before = Usage::of_self()?;
    let outcome = load(plan, turn, &server)?;
    let generator = Usage::of_self()?.cpu.saturating_sub(generator_before.cpu);
    let (end, settle) = settle(&server)?;

    drop(server);
    disk::remove(dir)?;
    Ok(Leg {
        server: turn.server,
        payload: turn.mix,
        body_bytes: turn.pool.body_bytes_mean(),
        connections: turn.connections,
        requests: outcome.accepted,
        elapsed: outcome.elapsed,
        latencies: outcome.latencies,
        cpu: end.cpu.saturating_sub(idle.cpu),
        generator_cpu: generator,
        rss_idle_bytes: idle.rss_bytes,
        rss_peak_bytes: end.rss_peak_bytes,
        rss_end_bytes: end.rss_bytes,
        written_bytes: end.written_bytes.saturating_sub(idle.written_bytes),
        settle,
        disk: turn.disk,
    })
}

fn load(plan: &Plan, turn: &Turn<'_>, server: &Server) -> Result<Outcome> {
    let load = Load {
        address: server.address(),
        connections: turn.connections,
        duration: plan.duration,
        requests_max: plan.requests_max,
        pool: Arc::clone(turn.pool),
        seed: fastrand::u64(..),
    };
    server::runtime()?
        .block_on(load::run(&load))
        .and_then(|outcome| outcome.require_all_accepted().map(|()| outcome))
        .with_context(|| format!("the server's log ends:\n{}", server.log_end()))
}

/// Waits until the server has done what it put off, so that this work is counted too; tells how long that took.
fn settle(server: &Server) -> Result<(Usage, Duration)> {
    let start = Instant::now();
    let mut before = server.usage()?;
    loop {
        let quiet_since = start.elapsed();
        std::thread::sleep(SETTLE_STEP);
        let now = server.usage()?;
        if now.cpu.saturating_sub(before.cpu) < QUIET_CPU || start.elapsed() > SETTLE_MAX {
            return Ok((now, quiet_since));
        }
        before = now;
    }
}

fn command(plan: &Plan, kind: Kind, address: SocketAddr, dir: &Path) -> Result<Command> {
    if kind == Kind::Becket {
        let config = dir.join("becket.toml");
        std::fs::write(&config, becket_toml(address, dir, plan.route)).context("write becket.toml")?;
        let mut command = Command::new(&plan.becket);
        command.current_dir(dir).arg("serve").arg("--config").arg(config);
        return Ok(command);
    }
    let mut command = Command::new(&plan.bench);
    command.arg(format!("serve-{}", kind.name())).arg("--listen").arg(address.to_string());
    if kind == Kind::Floor {
        command.arg("--file").arg(dir.join("floor.log"));
    }
    Ok(command)
}

fn becket_toml(address: SocketAddr, dir: &Path, route: bool) -> String {
    let store = dir.join("becket.db");
    let mut toml = format!(
        "[server]\nlisten = \"{address}\"\n\n[store]\nurl = \"sqlite:{}\"\n\n[sources.github]\nsecret = \"{SECRET}\"\n",
        store.display()
    );
    if route {
        toml.push_str("\n[[routes]]\non = [\"issues\", \"pull_request\"]\nto = \"log\"\n");
    }
    toml
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn becket_is_configured_on_the_leg_s_own_port_and_folder() {
        let address = SocketAddr::from(([127, 0, 0, 1], 4321));
        let toml = becket_toml(address, Path::new("/data/leg-1"), true);
        assert!(toml.contains("listen = \"127.0.0.1:4321\"\n"), "{toml}");
        assert!(toml.contains("url = \"sqlite:/data/leg-1/becket.db\"\n"), "{toml}");
        assert!(toml.contains("[[routes]]"), "{toml}");
        assert!(!becket_toml(address, Path::new("/data/leg-1"), false).contains("routes"));
    }
}
