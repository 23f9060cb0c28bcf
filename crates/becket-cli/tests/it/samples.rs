//! The table of built-in payloads against the folder that it is made from.

use std::collections::BTreeMap;
use std::path::Path;

use crate::world::World;

#[test]
fn table_of_samples_holds_every_file_of_the_folders() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../samples");
    let mut files = BTreeMap::new();
    for kind in std::fs::read_dir(folder).unwrap().map(Result::unwrap).filter(|entry| entry.path().is_dir()) {
        for entry in std::fs::read_dir(kind.path()).unwrap().map(Result::unwrap) {
            let name = entry.file_name().into_string().unwrap();
            let event = name.strip_suffix(".json").unwrap().to_owned();
            files.insert((kind.file_name().into_string().unwrap(), event), entry.metadata().unwrap().len());
        }
    }
    let listed = World::new("").run("send --list --json").ok().json();
    let text = |item: &serde_json::Value, field: &str| item[field].as_str().unwrap().to_owned();
    let items = listed["items"].as_array().unwrap().iter();
    let listed: BTreeMap<_, u64> =
        items.map(|one| ((text(one, "source_kind"), text(one, "event")), one["bytes"].as_u64().unwrap())).collect();
    assert_eq!(listed, files);
}

#[test]
fn list_of_samples_is_a_table() {
    let printed = World::new("").run("send --list").ok().out;
    assert!(printed.starts_with("SOURCE KIND") && printed.contains(" issues.opened "), "{printed}");
}
