//! The guide has all names, and no others.

use becket_webhooks::Normalised;

const GUIDE: &str = include_str!("../../../../docs/guides/events.md");

#[test]
fn guide_has_a_row_for_each_name_in_the_order_of_the_list() {
    let table = GUIDE.split("## ").find(|section| section.starts_with("Which event is which")).unwrap();
    let rows = table.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    let rows: Vec<&str> = rows.map(|(name, _)| name).collect();
    assert_eq!(rows, Normalised::ALL.map(Normalised::name));
}
