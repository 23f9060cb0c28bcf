//! A whole run of the task engine, small: real processes, a real disk.

use std::path::{Path, PathBuf};
use std::time::Duration;

use becket_bench::tasks::report::What;
use becket_bench::tasks::shape::Shape;
use becket_bench::tasks::{self, Plan, budget, json, table};

fn plan(folder: &str) -> Plan {
    Plan {
        shapes: vec![Shape::Plain],
        backlogs: vec![0, 2_500],
        callers: 32,
        rounds: 1,
        duration: Duration::from_secs(1),
        samples: 20,
        claimed: 512,
        drained: 2_000,
        bench: PathBuf::from(env!("CARGO_BIN_EXE_becket-bench")),
        dir: Path::new(env!("CARGO_TARGET_TMPDIR")).join(folder),
    }
}

#[test]
fn a_run_measures_every_piece_of_work_and_leaves_no_files() {
    let plan = plan("tasks-whole-run");
    let mut told = 0;
    let report = tasks::run(&plan, |_| told += 1).unwrap();

    assert_eq!(told, report.legs.len());
    let rows = report.rows();
    for what in [What::Enqueued, What::EnqueuedInSlices, What::Both] {
        let row = rows.iter().find(|row| row.what == what).unwrap();
        assert!(row.enqueued_per_sec.unwrap() > 0.0 && row.p99_millis >= row.p50_millis, "{row:?}");
        assert_eq!(row.ended_per_sec.is_some(), what == What::Both);
    }
    let started = rows.iter().find(|row| row.what == What::Started).unwrap();
    assert!(started.p50_millis.unwrap() > 0.0 && started.fdatasyncs.is_some());
    for queued in [0, 2_500] {
        for what in [What::Claimed, What::Drained, What::Reopened, What::Recovered] {
            let row = rows.iter().find(|row| (row.what, row.queued) == (what, queued)).unwrap();
            assert!(row.ended_per_sec.is_some() || row.p50_millis.unwrap() > 0.0, "{row:?}");
            assert!(row.rss_peak_bytes >= row.rss_bytes && row.rss_bytes > 0);
        }
    }
    assert!(rows.iter().any(|row| row.cost_over_empty(&rows).is_some() && row.queued == 2_500));
    // The backlog was whole after whatever was claimed and run, and after every crash.
    assert!(report.legs.iter().filter(|leg| leg.queued > 0).all(|leg| leg.measured.unfinished_after >= leg.queued));

    let verdicts = budget::judge(&report);
    assert!(table::render(&report, &verdicts).contains("\nopen, had crashed"));
    assert_eq!(json::value(&report, &verdicts)["rows"].as_array().unwrap().len(), rows.len());
    assert_eq!(std::fs::read_dir(&plan.dir).unwrap().count(), 0);
}

#[test]
fn a_leg_that_fails_is_an_error_that_says_which() {
    let plan = Plan { bench: PathBuf::from("/nowhere/becket-bench"), ..plan("tasks-no-binary") };
    let error = tasks::run(&plan, |_| {}).unwrap_err();
    assert!(format!("{error:#}").contains("start /nowhere/becket-bench"), "{error:#}");
}
