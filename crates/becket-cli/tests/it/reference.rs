//! `docs/reference/cli.md` is made from the help texts; this holds the two together.
//!
//! After a change of `cli.rs`, write the page anew with `UPDATE_REFERENCE=1 cargo test -p becket-cli --test it reference`.

use std::fmt::Write as _;
use std::path::Path;

use crate::world::World;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/cli.md");

const HEAD: &str = "\
# Command line

<!-- Made from the help texts of crates/becket-cli/src/cli.rs by crates/becket-cli/tests/it/reference.rs. Do not edit. -->

With `--json` every command prints JSON to the standard output: what the server's API answered where it was asked, one
document a line where there are several. Errors go to the standard error stream, with `--json` as problem details.
";

#[test]
fn reference_shows_the_help_of_every_command() {
    let mut page = HEAD.to_owned();
    write_help(&World::new(""), "", &mut page);
    if std::env::var_os("UPDATE_REFERENCE").is_some() {
        std::fs::write(PAGE, &page).unwrap();
    }
    let written = std::fs::read_to_string(PAGE).unwrap_or_default();
    assert!(written == page, "{} is not what the help says; see the head of this file", Path::new(PAGE).display());
}

/// Adds the help of a command and of those below it.
fn write_help(world: &World, command: &str, page: &mut String) {
    let help = world.run(&format!("{command} --help")).ok().out;
    let title = format!("becket {command}");
    let text: Vec<&str> = help.trim_end().lines().map(str::trim_end).collect();
    writeln!(page, "\n## `{}`\n\n```text\n{}\n```", title.trim_end(), text.join("\n")).unwrap();
    for name in commands(&help) {
        write_help(world, format!("{command} {name}").trim_start(), page);
    }
}

/// The names in the list of commands of a help text.
fn commands(help: &str) -> Vec<&str> {
    let list = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let names = list.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    names.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help").collect()
}
