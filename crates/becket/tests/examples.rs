//! The examples and what the guides say of them: they run, and do what they say. The guides' Rust is built by the tests
//! of the documentation.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::path::PathBuf;
use std::process::Command;

use becket::Config;

const GUIDES: [&str; 3] = [
    include_str!("../../../docs/guides/lanes.md"),
    include_str!("../../../docs/guides/fairness.md"),
    include_str!("../../../docs/guides/unique.md"),
];

/// What an example prints. Cargo builds examples along with the tests of a package, beside the folder of the tests.
fn output(example: &str) -> String {
    let tests: PathBuf = std::env::current_exe().unwrap();
    let program = tests.ancestors().nth(2).unwrap().join("examples").join(example);
    let run = Command::new(&program).output();
    let run = run.unwrap_or_else(|error| panic!("{}: {error}; `cargo build --examples` makes it", program.display()));
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    String::from_utf8(run.stdout).unwrap()
}

/// The place of a line in a text, which must be there.
fn place(text: &str, line: &str) -> usize {
    text.lines().position(|one| one.trim() == line).unwrap_or_else(|| panic!("`{line}` is not in\n{text}"))
}

#[test]
fn lanes_keep_order_and_only_the_latest_is_done() {
    let printed = output("lanes");
    let step = |verb: &str, issue: u32, step: &str| {
        place(&printed, &format!(r#"{verb} {{"issue":{issue},"repository":"octo/a","step":"{step}"}}"#))
    };
    assert!(step("ends  ", 1, "opened") < step("begins", 1, "labeled"), "{printed}");
    assert!(step("ends  ", 1, "labeled") < step("begins", 1, "closed"), "{printed}");
    for (job, end) in [
        (r#"{"commit":"b2","pull_request":7}"#, "in the lane `review 7`: cancelled superseded"),
        (r#"{"commit":"c3","pull_request":7}"#, "in the lane `review 7`: completed"),
        (r#"{"branch":"main","commit":"b2"}"#, "in the lane `build main`: cancelled superseded"),
        (r#"{"branch":"main","commit":"c3"}"#, "in the lane `build main`: completed"),
    ] {
        place(&printed, &format!("{job} {end}"));
    }
}

#[test]
fn fairness_gives_each_tenant_its_turns() {
    let printed = output("fairness");
    let served: Vec<&str> = printed.lines().find(|line| line.contains(" busy ")).unwrap().split_whitespace().collect();
    let of = |tenant: &str, first: usize| served[..first].iter().filter(|one| **one == tenant).count();
    assert_eq!(served.len(), 21, "{printed}");
    // Who came last, behind 18 others, has its third turn among the first twelve.
    assert!(of("small", 12) == 3 && of("octo", 12) >= 5, "{served:?}");
    let (_, after) = printed.rsplit_once("busy was served after ").unwrap();
    let seconds: f64 = after.split_once(' ').unwrap().0.parse().unwrap();
    assert!(seconds >= 1.0, "seven calls, three in any half of a second, took {seconds} s");
}

#[test]
fn every_configuration_in_the_guides_is_valid() {
    let mut found = 0;
    for block in GUIDES.iter().flat_map(|guide| guide.split("```toml\n").skip(1)) {
        let text = block.split("```").next().unwrap();
        Config::from_toml(text).unwrap_or_else(|errors| panic!("{text}\n{errors}"));
        found += 1;
    }
    assert!(found >= 5, "{found}");
}
