//! Tables of the user's own, as JSON.

use serde_json::{Map, Value as Json};

use super::error::Problem;
use super::layers::{Node, Table, Value, parse_untyped};
use super::values::{Parsed, kind_of};

/// A table, or text written as one.
pub(super) fn object(node: Node) -> Parsed<Map<String, Json>> {
    const RULE: &str = "write a table such as { full = true }";
    match node.value {
        Value::Untyped(text) => match parse_untyped(&text, &node.origin) {
            Some(Value::Table(table)) => of_table(table),
            _ => Err(Problem::new("is text", RULE)),
        },
        Value::Table(table) => of_table(table),
        other => Err(Problem::new(format!("is {}", kind_of(&other)), RULE)),
    }
}

fn of_table(table: Table) -> Parsed<Map<String, Json>> {
    table.into_iter().map(|(key, node)| Ok((key, json(node.value)?))).collect()
}

fn json(value: Value) -> Parsed<Json> {
    match value {
        Value::String(text) | Value::Untyped(text) => Ok(text.into()),
        Value::Integer(number) => Ok(number.into()),
        Value::Boolean(yes) => Ok(yes.into()),
        Value::List(items) => {
            items.into_iter().map(|item| json(item.value)).collect::<Parsed<Vec<_>>>().map(Json::Array)
        }
        Value::Table(table) => of_table(table).map(Json::Object),
        Value::Datetime(_) | Value::Other(_) => {
            let name = kind_of(&value);
            let mend = "write text, whole numbers, true, false, lists and tables";
            Err(Problem::new(format!("holds what cannot be passed on: {name}"), mend))
        }
    }
}
