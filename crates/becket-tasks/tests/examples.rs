//! The examples run, and do what they say.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

/// What an example prints. Cargo builds examples along with the tests of a package, beside the folder of the tests.
fn output(example: &str, args: &[&str]) -> String {
    let tests: PathBuf = std::env::current_exe().unwrap();
    let program = tests.ancestors().nth(2).unwrap().join("examples").join(example);
    let run = Command::new(&program).args(args).output();
    let run = run.unwrap_or_else(|error| panic!("{}: {error}; `cargo build --examples` makes it", program.display()));
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    String::from_utf8(run.stdout).unwrap()
}

/// The text between two others, which must both be there.
fn between<'t>(text: &'t str, before: &str, after: &str) -> &'t str {
    let found = text.split_once(before).and_then(|(_, rest)| rest.split_once(after));
    found.unwrap_or_else(|| panic!("nothing stands between `{before}` and `{after}` in\n{text}")).0
}

#[test]
fn batches_take_many_tasks_in_few_calls_and_one_report_serves_three() {
    let printed = output("batches", &[]);
    let calls: Vec<usize> = printed
        .lines()
        .filter_map(|line| line.trim().strip_prefix("indexing ")?.split_once(' ')?.0.parse().ok())
        .collect();
    assert!(calls.iter().sum::<usize>() == 250 && calls.len() < 25, "{calls:?}");
    assert!(calls.iter().all(|pages| (1..=100).contains(pages)), "{calls:?}");
    assert!(printed.contains("the empty one: the task failed: empty"), "{printed}");
    assert!(printed.contains("the last one: 249 bytes"), "{printed}");
    assert_eq!(printed.matches("computing the report").count(), 1, "{printed}");
    assert!(printed.contains("all is well with octo/repo (as before: true)"), "{printed}");
}

#[test]
fn chains_pass_on_what_was_returned_and_what_was_not() {
    let printed = output("chains", &[]);
    let lines: Vec<&str> = printed.lines().collect();
    assert_eq!(lines[0], "sum found 6 words");
    assert!(lines[1].starts_with("sum found nothing: the task was cancelled: "), "{printed}");
    assert_eq!(lines[2..], ["10 words in all"]);
}

/// How far the pool grows depends on the machine; that it works off everything, in its order, does not.
#[test]
fn scaling_works_off_all_tasks_within_its_bounds() {
    let printed = output("scaling", &["100"]);
    let done = [("5 tasks that compute", 5), ("25 tasks that ask", 30), ("20 tasks that compute", 50)];
    let mut rest = printed.as_str();
    for (head, done) in done {
        let (_, after) = rest.split_once(head).unwrap_or_else(|| panic!("`{head}` is not in\n{printed}"));
        rest = after;
        let lines: Vec<&str> = after.lines().skip(1).take_while(|line| line.starts_with("  slots")).collect();
        assert!(lines.last().unwrap().contains(&format!("0 due, {done} done")), "{printed}");
        for line in lines {
            let slots: usize = between(line, "slots ", " of 64").trim().parse().unwrap();
            assert!((2..=64).contains(&slots), "{line}");
        }
    }
}

/// Runs the example on a file; the ticks of its firings.
fn ticks(file: &Path, firings: &str) -> (String, Vec<String>) {
    let printed = output("scheduled", &[file.to_str().unwrap(), firings]);
    let ticks = printed.lines().filter_map(|line| line.strip_prefix("often fired for ")).map(str::to_owned).collect();
    (printed, ticks)
}

#[test]
fn scheduled_fires_each_two_seconds_and_catches_up_with_what_was_missed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("scheduled.db");
    let (printed, mut fired) = ticks(&file, "1");
    assert!(printed.starts_with("last tick: never; next tick: ") && !fired.is_empty(), "{printed}");
    // Two ticks pass while nothing runs: the time of day is what this is about.
    let begun = SystemTime::now();
    while begun.elapsed().unwrap() < Duration::from_millis(4_100) {
        std::thread::sleep(Duration::from_millis(100));
    }
    let (printed, more) = ticks(&file, "4");
    let last = printed.strip_prefix("last tick: ").and_then(|rest| rest.split_once("; ")).unwrap().0;
    assert!(last >= fired[0].as_str(), "{printed}");
    assert!(more.len() >= 4, "{printed}");
    // What is caught up with runs side by side: of the first ones none is left out, though the last may still be out.
    fired.extend(more);
    fired.sort_unstable();
    for pair in fired[..4].windows(2) {
        assert_eq!(second(&pair[1]), (second(&pair[0]) + 2) % 60, "none is left out, none fires twice: {fired:?}");
    }
}

/// The second of a time such as `2026-11-22T07:30:02.000Z`.
fn second(time: &str) -> u32 {
    assert!(time.ends_with(".000Z"), "{time}");
    time[17..19].parse().unwrap()
}

#[test]
fn embedded_counts_through_its_stumbles_and_remembers_what_has_ended() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("embedded.db");
    let printed = output("embedded", &[file.to_str().unwrap()]);
    assert!(printed.starts_with("0 tasks are left from before, 0 have ended\n"), "{printed}");
    for number in 1..=8 {
        assert!(printed.contains(&format!(": counted {number}\n")), "{printed}");
        let attempts = printed.matches(&format!(" counts {number}, attempt ")).count();
        assert_eq!(attempts, if number % 2 == 0 { 2 } else { 1 }, "{printed}");
    }
    assert!(printed.ends_with("stopped; 0 attempts were given back\n"), "{printed}");
    let again = output("embedded", &[file.to_str().unwrap()]);
    assert!(again.starts_with("0 tasks are left from before, 8 have ended\n"), "{again}");
}
