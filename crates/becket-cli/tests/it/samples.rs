//! The table of built-in payloads against the folder that it is made from.

use std::collections::BTreeMap;
use std::path::Path;

use crate::world::World;

#[test]
fn table_of_samples_holds_every_file_of_the_folder() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../samples/github");
    let files: BTreeMap<String, u64> = std::fs::read_dir(folder)
        .unwrap()
        .map(Result::unwrap)
        .map(|entry| {
            let name = entry.file_name().into_string().unwrap();
            (name.strip_suffix(".json").unwrap().to_owned(), entry.metadata().unwrap().len())
        })
        .collect();
    let listed = World::new("").run("send --list --json").ok().json();
    let listed = listed["items"].as_array().unwrap();
    let listed: BTreeMap<String, u64> =
        listed.iter().map(|one| (one["event"].as_str().unwrap().to_owned(), one["bytes"].as_u64().unwrap())).collect();
    assert_eq!(listed, files);
}

#[test]
fn list_of_samples_is_a_table() {
    let printed = World::new("").run("send --list").ok().out;
    assert!(printed.starts_with("EVENT") && printed.contains("\nissues.opened "), "{printed}");
}
