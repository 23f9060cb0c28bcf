//! The layers as one tree: what the file says, overlaid by single settings, each value with its origin.
//!
//! A layer is a [`Table`] of [`Node`]s. [`parse`] makes one from TOML text, [`overlay`] lays one over another, and
//! [`set`] puts one value at a path, as an environment variable or a flag does. Nothing here knows which keys exist;
//! that is the reader's. Nodes hold secrets in the clear, so they have no `Debug`.

use std::collections::BTreeMap;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::Problem;
use super::origin::Origin;

/// Keys and what they are set to.
pub(super) type Table = BTreeMap<String, Node>;

/// A value and who set it. The origin of a file's value is the place of its key.
#[derive(Clone)]
pub(super) struct Node {
    pub(super) value: Value,
    pub(super) origin: Origin,
}

/// A value as a layer gives it.
#[derive(Clone)]
pub(super) enum Value {
    /// Text of an environment variable or a flag: the reader decides whether it is a number, a list or text.
    Untyped(String),
    String(String),
    Integer(i64),
    Boolean(bool),
    List(Vec<Node>),
    Table(Table),
    /// A date, a time or both, as it is written.
    Datetime(String),
    /// What no key takes (floats, integers of more than 64 bits), with its name.
    Other(&'static str),
}

/// Reads TOML text into a layer; `origin` makes an origin from a byte offset.
///
/// Returns every syntax error with its offset. Their texts speak of the grammar only and quote nothing.
pub(super) fn parse(text: &str, origin: &dyn Fn(usize) -> Origin) -> Result<Table, Vec<(usize, String)>> {
    let (document, errors) = DeTable::parse_recoverable(text);
    if errors.is_empty() {
        return Ok(table(document.get_ref(), origin));
    }
    Err(errors.iter().map(|e| (e.span().map_or(0, |span| span.start), e.message().to_owned())).collect())
}

fn table(parsed: &DeTable<'_>, origin: &dyn Fn(usize) -> Origin) -> Table {
    parsed
        .iter()
        .map(|(key, item)| {
            let node = Node { value: value(item.get_ref(), origin), origin: origin(key.span().start) };
            (key.get_ref().to_string(), node)
        })
        .collect()
}

fn value(parsed: &DeValue<'_>, origin: &dyn Fn(usize) -> Origin) -> Value {
    match parsed {
        DeValue::String(text) => Value::String(text.to_string()),
        DeValue::Boolean(yes) => Value::Boolean(*yes),
        DeValue::Integer(digits) => i64::from_str_radix(digits.as_str(), digits.radix())
            .map_or(Value::Other("an integer that is too large"), Value::Integer),
        DeValue::Array(items) => Value::List(items.iter().map(|item| element(item, origin)).collect()),
        DeValue::Table(entries) => Value::Table(table(entries, origin)),
        DeValue::Float(_) => Value::Other("a number with a fraction"),
        DeValue::Datetime(time) => Value::Datetime(time.to_string()),
    }
}

fn element(item: &Spanned<DeValue<'_>>, origin: &dyn Fn(usize) -> Origin) -> Node {
    Node { value: value(item.get_ref(), origin), origin: origin(item.span().start) }
}

/// Reads an untyped text that is written as a TOML list or inline table; its parts share the origin.
pub(super) fn parse_untyped(text: &str, origin: &Origin) -> Option<Value> {
    let parsed = DeValue::parse(text.trim()).ok()?;
    Some(value(parsed.get_ref(), &|_| origin.clone()))
}

/// Lays `upper` over `base`: tables are merged key by key, anything else is replaced whole.
pub(super) fn overlay(base: &mut Table, upper: Table) {
    for (key, node) in upper {
        match (base.get_mut(&key).map(|lower| &mut lower.value), node) {
            (Some(Value::Table(lower)), Node { value: Value::Table(entries), .. }) => overlay(lower, entries),
            (_, node) => {
                base.insert(key, node);
            }
        }
    }
}

/// Puts one value at a path, making the tables and list places that lead to it.
pub(super) fn set(table: &mut Table, path: &[String], node: Node) -> Result<(), Problem> {
    let [key, rest @ ..] = path else { return Ok(()) };
    let key = spelling(table, key);
    let Some(next) = rest.first() else {
        table.insert(key, node);
        return Ok(());
    };
    let made = || Node { value: container(next), origin: node.origin.clone() };
    let child = table.entry(key).or_insert_with(made);
    set_within(child, rest, node)
}

fn set_within(parent: &mut Node, path: &[String], node: Node) -> Result<(), Problem> {
    match &mut parent.value {
        Value::Table(entries) => set(entries, path, node),
        Value::List(items) => set_element(items, path, node),
        Value::Untyped(_)
        | Value::String(_)
        | Value::Integer(_)
        | Value::Boolean(_)
        | Value::Datetime(_)
        | Value::Other(_) => {
            let what = format!("lies within a plain value, which {} sets", parent.origin);
            Err(Problem::new(what, "remove one of the two"))
        }
    }
}

/// An element is named by its place, from 0, or by the `name` in it; the place after the last adds one.
fn set_element(items: &mut Vec<Node>, path: &[String], node: Node) -> Result<(), Problem> {
    let [segment, rest @ ..] = path else { return Ok(()) };
    let place = segment.parse().ok().or_else(|| items.iter().position(|item| is_named(item, segment)));
    match place {
        Some(place) if place < items.len() && rest.is_empty() => items[place] = node,
        Some(place) if place < items.len() => return set_within(&mut items[place], rest, node),
        Some(place) if place == items.len() && rest.is_empty() => items.push(node),
        Some(place) if place == items.len() => {
            let mut entries = Table::new();
            let origin = node.origin.clone();
            set(&mut entries, rest, node)?;
            items.push(Node { value: Value::Table(entries), origin });
        }
        _ => {
            let what = format!("there is no `{segment}` in a list of {}", items.len());
            return Err(Problem::new(what, "give a place, counted from 0, or the `name` of an entry"));
        }
    }
    Ok(())
}

fn is_named(item: &Node, segment: &str) -> bool {
    let Value::Table(entries) = &item.value else { return false };
    match entries.get("name").map(|name| &name.value) {
        Some(Value::String(name) | Value::Untyped(name)) => same_spelling(name, segment),
        _ => false,
    }
}

/// The key as the lower layers spell it: an environment variable's name cannot hold the "-" of a source's name.
fn spelling(table: &Table, key: &str) -> String {
    if table.contains_key(key) {
        return key.to_owned();
    }
    table.keys().find(|known| same_spelling(known, key)).map_or_else(|| key.to_owned(), Clone::clone)
}

fn same_spelling(known: &str, key: &str) -> bool {
    known == key || known.replace('-', "_") == key
}

/// What a missing step of a path is: a list where the next step is a place, else a table.
fn container(next: &str) -> Value {
    if next.bytes().all(|b| b.is_ascii_digit()) { Value::List(Vec::new()) } else { Value::Table(Table::new()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(text: &str) -> Table {
        parse(text, &|_| Origin::Default).unwrap_or_else(|errors| panic!("{errors:?}"))
    }

    fn flat(value: &Value) -> String {
        match value {
            Value::Untyped(text) | Value::String(text) | Value::Datetime(text) => text.clone(),
            Value::Integer(n) => n.to_string(),
            Value::Boolean(b) => b.to_string(),
            Value::Other(name) => (*name).to_owned(),
            Value::List(items) => format!("[{}]", items.iter().map(|i| flat(&i.value)).collect::<Vec<_>>().join(" ")),
            Value::Table(t) => {
                format!(
                    "{{{}}}",
                    t.iter().map(|(k, n)| format!("{k}={}", flat(&n.value))).collect::<Vec<_>>().join(" ")
                )
            }
        }
    }

    fn set_text(table: &mut Table, path: &str, text: &str) -> Result<(), Problem> {
        let path: Vec<String> = path.split('.').map(str::to_owned).collect();
        set(table, &path, Node { value: Value::Untyped(text.to_owned()), origin: Origin::Flag("--set".to_owned()) })
    }

    #[test]
    fn upper_layer_replaces_values_and_merges_tables() {
        let mut base = layer("[a]\nx = 1\ny = [1, 2]\n[b]\nz = true");
        overlay(&mut base, layer("[a]\ny = [3]\n[c]\nw = 'new'"));
        assert_eq!(flat(&Value::Table(base)), "{a={x=1 y=[3]} b={z=true} c={w=new}}");
    }

    #[test]
    fn a_path_makes_the_tables_and_places_that_lead_to_it() {
        let mut table = Table::new();
        set_text(&mut table, "a.b.c", "1").unwrap();
        set_text(&mut table, "list.0.to.http", "url").unwrap();
        set_text(&mut table, "list.1", "whole").unwrap();
        assert_eq!(flat(&Value::Table(table)), "{a={b={c=1}} list=[{to={http=url}} whole]}");
    }

    #[test]
    fn a_list_entry_is_found_by_place_and_by_name() {
        let mut table = layer("[[routes]]\nname = 'on-call'\n[[routes]]\nname = 'b'");
        set_text(&mut table, "routes.1.x", "by place").unwrap();
        set_text(&mut table, "routes.on_call.x", "by name").unwrap();
        assert_eq!(flat(&Value::Table(table)), "{routes=[{name=on-call x=by name} {name=b x=by place}]}");
    }

    #[test]
    fn a_place_beyond_the_end_is_refused() {
        let mut table = layer("routes = []");
        let problem = set_text(&mut table, "routes.1.on", "x").unwrap_err();
        assert_eq!(problem.what, "there is no `1` in a list of 0");
    }

    #[test]
    fn underscores_find_a_key_with_hyphens() {
        let mut table = layer("[sources.my-billing]\nkind = 'github'");
        set_text(&mut table, "sources.my_billing.path", "/x").unwrap();
        assert_eq!(flat(&Value::Table(table)), "{sources={my-billing={kind=github path=/x}}}");
    }

    #[test]
    fn nothing_can_be_set_within_a_plain_value() {
        let mut table = layer("to = 'log'");
        let problem = set_text(&mut table, "to.http", "url").unwrap_err();
        assert_eq!(problem.what, "lies within a plain value, which default sets");
    }
}
