//! A whole run, small: real processes, real sockets, a real disk.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use becket_bench::disk;
use becket_bench::ingest::{self, Plan};
use becket_bench::load::{self, Load};
use becket_bench::payload::{Mix, Pool, samples_dir};
use becket_bench::process::{Server, free_address};
use becket_bench::report::{json, table};
use becket_bench::server::{self, Kind};
use becket_bench::signature::Key;

fn plan(folder: &str) -> Plan {
    Plan {
        servers: vec![Kind::Null, Kind::Hmac, Kind::Floor],
        payloads: vec![Mix::Mixed],
        connections: vec![4],
        rounds: 1,
        duration: Duration::from_secs(1),
        requests_max: 1_000_000,
        idle: Duration::ZERO,
        route: true,
        bench: PathBuf::from(env!("CARGO_BIN_EXE_becket-bench")),
        becket: PathBuf::from("/nowhere/becket"),
        samples: samples_dir(),
        dir: Path::new(env!("CARGO_TARGET_TMPDIR")).join(folder),
    }
}

#[test]
fn a_run_measures_each_server_and_leaves_no_files() {
    let plan = plan("whole-run");
    let mut seen = Vec::new();
    let report = ingest::run(&plan, |leg| seen.push(leg.server)).unwrap();

    assert_eq!(seen, plan.servers);
    for leg in &report.legs {
        assert!(leg.requests > 4 && leg.latencies.total() == leg.requests, "{leg:?}");
        assert!(leg.percentile_millis(0.5) > 0.0 && leg.percentile_millis(0.99) >= leg.percentile_millis(0.5));
        assert!(leg.cpu > Duration::ZERO && leg.generator_cpu > Duration::ZERO);
        assert!(leg.rss_peak_bytes >= leg.rss_idle_bytes && leg.rss_idle_bytes > 0);
    }
    // Only the floor keeps anything, and it keeps all. Linux does not count writes to files in memory.
    let floor = &report.legs[2];
    if !disk::is_memory(&report.file_system) {
        assert!(floor.written_bytes >= floor.requests * floor.body_bytes as u64 * 9 / 10, "{floor:?}");
    }
    assert_eq!(report.legs[1].written_bytes, 0);

    assert!(table::render(&report, &[]).contains("\nfloor "));
    assert_eq!(json::value(&report, &[])["rows"].as_array().unwrap().len(), 3);
    assert_eq!(std::fs::read_dir(&plan.dir).unwrap().count(), 0);
}

#[test]
fn a_leg_ends_at_its_number_of_requests() {
    let short = plan("short-run");
    let plan = Plan { servers: vec![Kind::Null], requests_max: 50, duration: Duration::from_secs(60), ..short };
    let report = ingest::run(&plan, |_| {}).unwrap();
    assert_eq!(report.legs[0].requests, 50);
}

#[test]
fn a_server_that_cannot_start_fails_the_run_by_name() {
    let plan = Plan { servers: vec![Kind::Becket], ..plan("no-binary") };
    let error = ingest::run(&plan, |_| {}).unwrap_err();
    assert_eq!(format!("{error}"), "becket at 4 connections");
    assert!(format!("{error:#}").contains("start /nowhere/becket"), "{error:#}");
}

#[test]
fn a_delivery_signed_with_another_secret_fails_the_leg() {
    let (dir, address) = (tempfile::tempdir().unwrap(), free_address().unwrap());
    let mut command = Command::new(env!("CARGO_BIN_EXE_becket-bench"));
    command.args(["serve-hmac", "--listen", &address.to_string()]);
    let server = Server::start(command, address, dir.path()).unwrap();

    let pool = Pool::from_samples(&samples_dir(), Mix::Issues, 4, 1, &Key::new("another")).unwrap();
    let load = Load {
        address: server.address(),
        connections: 2,
        duration: Duration::from_secs(60),
        requests_max: 10,
        pool: Arc::new(pool),
        seed: 1,
    };
    let outcome = server::runtime().unwrap().block_on(load::run(&load)).unwrap();
    assert_eq!((outcome.accepted, outcome.refused), (0, 10));
    let error = outcome.require_all_accepted().unwrap_err().to_string();
    assert!(error.starts_with("10 of 10 answers were not 2xx; the first: 401 Unauthorized"), "{error}");
}
