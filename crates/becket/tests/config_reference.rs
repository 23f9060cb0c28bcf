//! `docs/reference/configuration.md` is made from `default.toml`; this holds the two together.
//!
//! After a change of `default.toml`, write the page anew with
//! `UPDATE_REFERENCE=1 cargo test -p becket --test config_reference`.

use std::fmt::Write as _;
use std::path::Path;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/configuration.md");

const HEAD: &str = "\
# Configuration

<!-- Made from crates/becket/src/config/default.toml by crates/becket/tests/config_reference.rs. Do not edit. -->

`becket config default` prints the commented defaults, `becket config check` every value and where it came from.
Each layer overrides the one before: defaults, `becket.toml`, `GITHUBAPP_*` variables, `BECKET_*` variables, flags.
In variables, `<NAME>` is a source's or target's name (\"-\" written as \"_\"), `<N>` a route's or a schedule's place, from 0,
or its name.
";

const GITHUBAPP: &str = "
## `GITHUBAPP_*` variables

Read for those who bring them along from other GitHub App frameworks.

| variable | sets |
|---|---|
| `GITHUBAPP_ID` | `github_app.id` |
| `GITHUBAPP_PRIVATE_KEY` | `github_app.private_key` |
| `GITHUBAPP_WEBHOOK_SECRET` | `sources.github.secret` |
| `GITHUBAPP_WEBHOOK_PATH` | `sources.github.path` |
| `GITHUBAPP_MAX_WORKERS` | `worker.concurrency` |
| `GITHUBAPP_TASK_TIMEOUT` | `tasks.timeout`, in seconds |
| `GITHUBAPP_TASK_RETRY_ATTEMPTS` | `tasks.retries` |
| `GITHUBAPP_TASK_RETRY_DELAY` | `tasks.retry_delay`, in seconds |
| `GITHUBAPP_BACKGROUND_TASKS` | `handlers.mode`: `background` for true, `inline` for false |
| `GITHUBAPP_TASK_QUEUE_BACKEND` | nothing: `asyncio` and `database` both mean the embedded store; others are refused |
";

/// One key as its comment describes it.
struct Key {
    name: String,
    meaning: String,
    range: String,
    default: String,
    variable: String,
}

impl Key {
    /// From the comment's lines above a key: sentences, then `Range: …. Default: …. Environment: …`.
    fn new(name: &str, comment: &[&str]) -> Self {
        let (facts, meaning) = comment.split_last().unwrap_or_else(|| panic!("`{name}` has no comment"));
        let facts = facts.strip_prefix("Range: ").unwrap_or_else(|| panic!("`{name}` has no range: {facts}"));
        let (range, rest) = facts.split_once(". Default: ").unwrap_or_else(|| panic!("`{name}` has no default"));
        let (default, variable) = rest.split_once(". Environment: ").unwrap_or_else(|| panic!("`{name}`: no variable"));
        assert!(!meaning.is_empty(), "`{name}` has no meaning");
        Self {
            name: name.to_owned(),
            meaning: meaning.join(" "),
            range: range.to_owned(),
            default: default.to_owned(),
            variable: variable.to_owned(),
        }
    }
}

struct Section {
    name: String,
    meaning: String,
    keys: Vec<Key>,
}

/// The name of a section as documented, and the beginning of its variables.
fn general(header: &str) -> String {
    match header.split_once('.') {
        Some(("sources", _)) => "sources.<name>".to_owned(),
        Some(("targets", _)) => "targets.<name>".to_owned(),
        _ if header == "routes" => "routes.<n>".to_owned(),
        _ if header == "routes.to" => "routes.<n>.to".to_owned(),
        _ if header == "schedules" => "schedules.<n>".to_owned(),
        _ if header == "schedules.to" => "schedules.<n>.to".to_owned(),
        _ => header.to_owned(),
    }
}

fn sections() -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::new();
    let (mut current, mut comment) = (0, Vec::new());
    // The first paragraph is about the file, not about a key.
    for line in becket::config::default_toml().lines().skip_while(|line| !line.is_empty()) {
        if let Some(text) = line.strip_prefix("# ") {
            comment.push(text);
            continue;
        }
        let set = line.trim_start_matches('#');
        if let Some(header) = set.strip_prefix('[') {
            let name = general(header.trim_matches(['[', ']']));
            if comment.last().is_some_and(|line| line.starts_with("Range: ")) {
                // A key that is a table, such as a route's target.
                sections[current].keys.push(Key::new(name.rsplit('.').next().unwrap_or_default(), &comment));
                comment.clear();
            }
            current = sections.iter().position(|section| section.name == name).unwrap_or_else(|| {
                sections.push(Section { name, meaning: comment.join(" "), keys: Vec::new() });
                sections.len() - 1
            });
        } else if let Some((key, _)) = set.split_once(" = ")
            && !(comment.is_empty() && is_known(&sections[current], key))
        {
            sections[current].keys.push(Key::new(key, &comment));
        }
        comment.clear();
    }
    sections
}

fn is_known(section: &Section, key: &str) -> bool {
    matches!((section.name.as_str(), key), ("routes.<n>", "on" | "to") | ("schedules.<n>", "to"))
        || section.keys.iter().any(|k| k.name == key)
}

fn page(sections: &[Section]) -> String {
    let mut page = HEAD.to_owned();
    for Section { name, meaning, keys } in sections {
        let shown = name.replace("routes.<n>", "[[routes]]").replace("schedules.<n>", "[[schedules]]");
        let _ = write!(page, "\n## `{shown}`\n\n");
        if !meaning.is_empty() {
            let _ = write!(page, "{meaning}\n\n");
        }
        page.push_str("| key | meaning | range | default | variable |\n|---|---|---|---|---|\n");
        for Key { name, meaning, range, default, variable } in keys {
            // A bar would end the cell.
            let meaning = meaning.replace('|', "\\|");
            let _ = writeln!(page, "| `{name}` | {meaning} | {range} | {default} | `{variable}` |");
        }
    }
    page.push_str(GITHUBAPP);
    page
}

#[test]
fn every_key_names_its_own_variable() {
    let mut keys = 0;
    for Section { name, keys: all, .. } in sections() {
        for key in all {
            let expected = format!("BECKET_{}__{}", name.replace('.', "__"), key.name).to_uppercase();
            assert_eq!(key.variable, expected);
            keys += 1;
        }
    }
    assert!(keys > 40, "{keys} keys found");
}

#[test]
fn the_reference_page_says_what_the_defaults_file_says() {
    let expected = page(&sections());
    if std::env::var_os("UPDATE_REFERENCE").is_some() {
        std::fs::write(PAGE, &expected).unwrap();
    }
    let written = std::fs::read_to_string(Path::new(PAGE)).unwrap();
    assert!(
        written == expected,
        "docs/reference/configuration.md is out of date: run UPDATE_REFERENCE=1 cargo test -p becket --test config_reference"
    );
}
